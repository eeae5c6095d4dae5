"""Open and read the file of a ledger: a SQLite database with the tables of ``schema.sql``."""

import errno
import json
import os
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import fields
from importlib.resources import files
from pathlib import Path

from scrapy_omocaptcha.buying.records import Record, Run

BUSY_TIMEOUT = 2.0
"""Seconds to wait for other programs, which lock the file for less than a millisecond per job."""
COLUMNS = ", ".join(field.name for field in fields(Record))

_APPLICATION_ID = 1330466659
_VERSION = 1
_LOCKED_RETRY = 0.01
_SCHEMA = files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
_FOREIGN = "it is no ledger"
_NO_DATABASE = "file is not a database"
_NEWER = "a newer version of scrapy-omocaptcha has made it"
_CURES = {
    os.strerror(errno.ENOENT): "check the path and its folder; that of a crawl's ledger is its OMOCAPTCHA_LEDGER",
    "database is locked": "end the program that has locked it",
    "database or disk is full": "make room on the disk",
    "attempt to write a readonly database": "make the file and its folder writable",
    _NO_DATABASE: "name a file that does not exist yet",
    _FOREIGN: "name a file that does not exist yet",
    _NEWER: "update scrapy-omocaptcha, or name another file",
}


def explain(error: Exception, *, reading: bool = False) -> str:
    """Return what is wrong with a ledger, and what to do.

    :param reading: whether it is wanted for what is in it, not to write to it.
    """
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if reading and (why == _NO_DATABASE or why.startswith(_FOREIGN)):
        return "this is not a ledger: name the file in OMOCAPTCHA_LEDGER"
    return f"{why}: {_CURES.get(why, 'repair it, or name another file')}"


def open_ledger(path: Path, timeout: float = BUSY_TIMEOUT) -> sqlite3.Connection:
    """Open a ledger for writing; make it, readable for its owner only, if there is none. See :func:`explain`."""
    with suppress(FileExistsError):
        # Never close a file that exists: this would release the locks that another crawl in this process has on it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    db = _connect(path, timeout)
    try:
        is_complete = _is_ledger(db)
        _use_wal(db, timeout)
        db.execute("PRAGMA synchronous = NORMAL")
        if not is_complete:
            with db:
                db.execute("BEGIN IMMEDIATE")
                if not _is_ledger(db):  # Another process may have completed it meanwhile.
                    _make_tables(db)
    except BaseException:
        db.close()
        raise
    return db


def open_in_memory() -> sqlite3.Connection:
    db = _open(":memory:", 0.0)
    _make_tables(db)
    return db


def _make_tables(db: sqlite3.Connection) -> None:
    # executescript() would commit the transaction first, and another process could then make the same tables.
    for statement in _SCHEMA.split("\n\n"):
        db.execute(statement)


def read_ledger(path: Path) -> list[Record]:
    """Return the jobs of a ledger, to which crawls may be writing. For errors, see :func:`explain`."""
    with closing(_connect(path, BUSY_TIMEOUT)) as db:
        return read_records(db) if _is_ledger(db) else []


def read_runs(path: Path) -> list[Run]:
    """Return the runs of crawls that have ended, the earliest first. For errors, see :func:`explain`."""
    with closing(_connect(path, BUSY_TIMEOUT)) as db:
        rows = db.execute("SELECT * FROM runs ORDER BY time") if _is_ledger(db) else ()
        return [Run(*row[:4], *map(json.loads, row[4:])) for row in rows]


def read_records(db: sqlite3.Connection) -> list[Record]:
    """Return the jobs of a ledger that is open, in the order in which they were bought."""
    return [Record(*row) for row in db.execute(f"SELECT {COLUMNS} FROM jobs ORDER BY id")]


def _connect(path: Path, timeout: float) -> sqlite3.Connection:
    path.stat()  # The errors of stat() say more than SQLite's.
    if not path.is_file():
        raise OSError(f"{_FOREIGN}, nor a file at all")
    return _open(f"{path.absolute().as_uri()}?mode=rw", timeout)


def _open(name: str, timeout: float) -> sqlite3.Connection:
    # Scrapy's shell makes a crawler in another thread than the one in which it runs.
    return sqlite3.connect(name, timeout=timeout, uri=True, isolation_level=None, check_same_thread=False)


def _is_ledger(db: sqlite3.Connection) -> bool:
    """Return whether a database is a ledger: False if it is empty; raise an error if it is something else."""
    # The tables first: a ledger that another process makes meanwhile then looks empty, not foreign.
    (tables,), (application_id,), (version,) = (
        db.execute(query).fetchone()
        for query in ("SELECT count(*) FROM sqlite_master", "PRAGMA application_id", "PRAGMA user_version")
    )
    if application_id != _APPLICATION_ID and (application_id or tables):
        raise sqlite3.DatabaseError(_FOREIGN)
    if version > _VERSION:
        raise sqlite3.DatabaseError(_NEWER)
    return bool(tables)


def _use_wal(db: sqlite3.Connection, timeout: float) -> None:
    """Let crawls write while others read."""
    until = time.monotonic() + timeout
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            # SQLite does not wait here for another process that has just made the file and does the same.
            if time.monotonic() > until:
                raise
        # The crawl is blocked, as by all of SQLite, but only when the file is new, and for BUSY_TIMEOUT at most.
        time.sleep(_LOCKED_RETRY)
