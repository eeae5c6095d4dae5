"""Keep the ledger of a crawl: each job from just before it is bought, and what became of it.

Jobs and tokens are counted in the stats here, and each change is written to the ledger's file at once. The ledger
decides nothing: ``limits`` decides what may be bought, in the transaction that writes the job.
"""

import json
import logging
import os
import sqlite3
import uuid
import weakref
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from scrapy_omocaptcha.buying import database
from scrapy_omocaptcha.buying.records import Outcome, Record
from scrapy_omocaptcha.engine.stats import Stats

logger = logging.getLogger(__name__)
T = TypeVar("T")

JOBDIR_LEDGER = "omocaptcha.sqlite"
"""Name of the ledger in a JOBDIR, where the settings name none."""
JOBDIR_ID = "omocaptcha.id"
"""Name of the file in a JOBDIR that tells a crawl from those that had a JOBDIR of the same name before."""
_DAY = 24 * 3600


class Sums(NamedTuple):
    """The jobs and the USD that count toward the limits."""

    jobs: int
    """Jobs of the crawl, with its earlier runs."""
    jobs_of_host: int
    spent: float
    """USD spent by the crawl."""
    spent_in_a_day: float | None
    """USD spent by all crawls that share the ledger within 24 hours; None: unknown, since the file cannot be used."""


@dataclass(eq=False)
class Entry:
    """A job in the ledger. Until more is known it counts as bought, and as abandoned."""

    _ledger: "Ledger"
    record: Record
    row: int
    """Id of the job in the file."""
    own_row: int
    """Id of the job in memory."""

    def bought(self, job_id: str | None) -> None:
        """Record that the job was bought; its id is None if the answer to the create call was lost."""
        self._ledger.stats.inc("jobs/created")
        self._ledger.stats.add("cost_usd", self.record.cost_usd)
        self._ledger.update(self, job=job_id)

    def solved(self, seconds: float, questions: int) -> None:
        """Record that the service returned a token."""
        self._ledger.stats.inc("jobs/solved")
        self._ledger.update(self, seconds=round(seconds, 3), questions=questions, reason="unused")

    def failed(self, reason: str, seconds: float | None = None, questions: int = 0) -> None:
        """Record that there will be no token."""
        self._ledger.stats.inc(f"jobs/failed/{reason}")
        seconds = None if seconds is None else round(seconds, 3)
        self._ledger.update(self, outcome="failed", reason=reason, seconds=seconds, questions=questions)

    def handed_in(self, form: str) -> None:
        """Record the address that the token is sent to."""
        self._ledger.update(self, form=form)

    def judged(self, outcome: Outcome, reason: str = "") -> None:
        """Record what became of the token."""
        self._ledger.stats.inc(f"tokens/{outcome}")
        self._ledger.update(self, outcome=outcome, reason=reason)


class Ledger:
    """The jobs of one crawl, in a file that other crawls may share.

    A file that cannot be used is given up for good: the crawl goes on with a ledger in memory.

    :param crawl: the id that Scrapyd gave the crawl; Scrapy Cloud's is in the environment.
    :param busy_timeout: seconds to wait for another program that has locked the file, before it is given up.
    """

    def __init__(
        self,
        *,
        spider: str,
        stats: Stats,
        path: str | None = None,
        jobdir: str | None = None,
        crawl: str | None = None,
        busy_timeout: float = database.BUSY_TIMEOUT,
    ) -> None:
        self.stats = stats
        self._spider = spider
        own = uuid.uuid4().hex if jobdir is None else _id_of(Path(jobdir))
        self._crawl = crawl or os.environ.get("SHUB_JOBKEY") or own
        self._budget = f"{own} {spider}"
        if path is None and jobdir is not None:
            path = os.path.join(jobdir, JOBDIR_LEDGER)
        self._path = None if path is None else Path(path).absolute()
        self._memory = database.open_in_memory()
        """The jobs of this run and of earlier ones, for the report, and in case there is no file or it fails. SQLite
        needs a fraction of the memory of objects."""
        weakref.finalize(self, self._memory.close)
        self._file = self._open(busy_timeout)
        """None if there is no file, or it was given up."""
        query = f"SELECT {database.COLUMNS} FROM jobs WHERE budget = ?"
        for row in self._run(lambda db: db.execute(query, (self._budget,)).fetchall()):
            self._insert(self._memory, Record(*row))
        self._earlier_jobs = self.sums("").jobs

    @property
    def has_file(self) -> bool:
        """Tell whether jobs are recorded in a file, which may have been given up."""
        return self._file is not None

    @property
    def records(self) -> list[Record]:
        """Return what has become of each job that this run has bought."""
        return database.read_records(self._memory)[self._earlier_jobs :]

    def sums(self, host: str) -> Sums:
        """Return what has been bought so far, in all and for ``host``, which may be empty."""
        return self._run(lambda db: self._sums(db, host))

    def enter(
        self, *, host: str, page: str, kind: str, cost: float, check: Callable[[Sums], None]
    ) -> tuple[Entry, Sums]:
        """Enter a job that is about to be bought, in one transaction with ``check``, which raises if it may not be.

        :returns: its entry, and what was bought before.
        """
        record = Record(_now(), self._spider, self._crawl, host, page, kind, reason="under_way", cost_usd=cost)

        def write(db: sqlite3.Connection) -> tuple[int, Sums]:
            with db:
                db.execute("BEGIN IMMEDIATE")
                sums = self._sums(db, host)
                check(sums)
                return self._insert(db, record), sums

        row, before = self._run(write)
        own_row = row if self._file is None else self._insert(self._memory, record)
        return Entry(self, record, row, own_row), before

    def update(self, entry: Entry, **changes: Any) -> None:
        entry.record = replace(entry.record, **changes)
        assignments = ", ".join(f"{name} = ?" for name in changes)
        self._change(f"UPDATE jobs SET {assignments} WHERE id = ?", entry, *changes.values())

    def withdraw(self, entry: Entry) -> None:
        """Take a job back that certainly was not bought."""
        self._change("DELETE FROM jobs WHERE id = ?", entry)

    def ended(self, why: str, not_solved: Mapping[str, int], noticed: Mapping[str, int]) -> None:
        """Record that this run of the crawl has ended, the challenges not solved, by reason, and what was noticed."""
        values = (_now(), self._spider, self._crawl, why, json.dumps(not_solved), json.dumps(noticed))
        self._run(lambda db: db.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)", values))

    def close(self) -> None:
        """Close the file. What becomes of a job later is recorded in memory only."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _open(self, busy_timeout: float) -> sqlite3.Connection | None:
        try:
            return None if self._path is None else database.open_ledger(self._path, busy_timeout)
        except (sqlite3.Error, OSError) as error:
            self._log_failure(error)
            return None

    def _change(self, statement: str, entry: Entry, *values: Any) -> None:
        """Change an entry in memory, and in the file unless it was given up or is given up now."""
        self._memory.execute(statement, (*values, entry.own_row))
        if self._file is not None:
            self._run(lambda db: self._file and db.execute(statement, (*values, entry.row)))

    def _run(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``operation`` returns for the file, or for the memory if the file cannot be used for it."""
        if self._file is not None:
            try:
                return operation(self._file)
            except sqlite3.Error as error:
                self._log_failure(error)
                self.close()
        return operation(self._memory)

    def _log_failure(self, error: Exception) -> None:
        logger.error(
            "OMOcaptcha: the ledger %s cannot be used (%s); what the crawl buys from now on is not recorded there, and "
            "counts only in its own limits",
            self._path,
            database.explain(error),
        )

    def _sums(self, db: sqlite3.Connection, host: str) -> Sums:
        query = "SELECT count(*), total(cost_usd) FROM jobs WHERE "
        jobs, spent = db.execute(query + "budget = ?", (self._budget,)).fetchone()
        jobs_of_host, _ = db.execute(query + "budget = ? AND host = ?", (self._budget, host)).fetchone()
        _, in_a_day = db.execute(query + "time >= ?", (_now(-_DAY),)).fetchone()
        return Sums(jobs, jobs_of_host, spent, None if self._file is None else in_a_day)

    def _insert(self, db: sqlite3.Connection, record: Record) -> int:
        values = (*astuple(record), self._budget)
        marks = ", ".join("?" * len(values))
        row = db.execute(f"INSERT INTO jobs ({database.COLUMNS}, budget) VALUES ({marks})", values).lastrowid
        assert row is not None
        return row


def _now(seconds: float = 0) -> str:
    """Return the time, or that some seconds from now, as records have it."""
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _id_of(jobdir: Path) -> str:
    """Return the id of the crawl that a JOBDIR belongs to, which is made when it first runs."""
    path, known = jobdir / JOBDIR_ID, ""
    try:
        known = path.read_text(encoding="ascii") if path.exists() else ""
        if not known:  # It is empty where a crawl was killed at this very moment.
            known = uuid.uuid4().hex
            path.write_text(known, encoding="ascii")
    except (OSError, ValueError) as error:
        logger.error("OMOcaptcha: %s cannot be used (%s), so limits don't count earlier runs: delete it", path, error)
    return known or uuid.uuid4().hex
