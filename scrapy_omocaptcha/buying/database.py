"""Open and read the file of a ledger: a SQLite database with the tables of ``schema.sql``."""

import errno
import json
import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from scrapy_omocaptcha.buying.records import Record, Run

BUSY_TIMEOUT = 2.0
"""Seconds to wait for other programs, which lock the file for less than a millisecond per job."""
COLUMNS = ", ".join(field.name for field in fields(Record))

_APPLICATION_ID = 1330466659
_VERSION = 1
_SCHEMA = files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
_FOREIGN = "it is no ledger"
_WRONG_FILE = "name a ledger, or a file that does not exist yet"
_NEWER = "a newer version of scrapy-omocaptcha has made it"
_CURES = {
    os.strerror(errno.ENOENT): "check the path and its folder; that of a crawl's ledger is its OMOCAPTCHA_LEDGER",
    "database is locked": "end the program that has locked it",
    "database or disk is full": "make room on the disk",
    "attempt to write a readonly database": "make the file and its folder writable",
    "file is not a database": _WRONG_FILE,
    _FOREIGN: _WRONG_FILE,
    _NEWER: "update scrapy-omocaptcha, or name another file",
}


def explain(error: Exception) -> str:
    """Return what is wrong with a ledger, and what to do."""
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{why}: {_CURES.get(why, 'repair it, or name another file')}"


def open_ledger(path: Path) -> sqlite3.Connection:
    """Open a ledger for writing; make it, readable for its owner only, if there is none. See :func:`explain`."""
    if not path.exists():
        _make(path)
    return _connect(path)


def open_in_memory() -> sqlite3.Connection:
    db = _open(":memory:")
    db.executescript(_SCHEMA)
    return db


def _make(path: Path) -> None:
    """Make a ledger, unless another process does: it is there as a whole, or not at all."""
    with TemporaryDirectory(dir=path.parent) as folder:
        new = Path(folder, path.name).absolute()
        os.close(os.open(new, os.O_CREAT | os.O_EXCL, 0o600))
        with closing(_open(new.as_uri())) as db:
            # Crawls can write while others read.
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_SCHEMA)
        with suppress(FileExistsError):
            os.link(new, path)


def read_ledger(path: Path) -> list[Record]:
    """Return the jobs of a ledger, to which crawls may be writing. For errors, see :func:`explain`."""
    with closing(_connect(path)) as db:
        return [Record(*row) for row in db.execute(f"SELECT {COLUMNS} FROM jobs ORDER BY id")]


def read_runs(path: Path) -> list[Run]:
    """Return the runs of crawls that have ended, the earliest first. For errors, see :func:`explain`."""
    with closing(_connect(path)) as db:
        rows = db.execute("SELECT * FROM runs ORDER BY time")
        return [Run(*row[:4], *map(json.loads, row[4:])) for row in rows]


def _connect(path: Path) -> sqlite3.Connection:
    path.stat()  # The errors of stat() say more than SQLite's.
    if not path.is_file():
        raise OSError(_FOREIGN)
    db = _open(f"{path.absolute().as_uri()}?mode=rw")
    try:
        (application_id,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if application_id != _APPLICATION_ID:
            raise sqlite3.DatabaseError(_FOREIGN)
        if version > _VERSION:
            raise sqlite3.DatabaseError(_NEWER)
        db.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        db.close()
        raise
    return db


def _open(name: str) -> sqlite3.Connection:
    # Scrapy's shell makes a crawler in another thread than the one in which it runs.
    return sqlite3.connect(name, timeout=BUSY_TIMEOUT, uri=True, isolation_level=None, check_same_thread=False)
