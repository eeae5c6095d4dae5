"""Keep the ledger of a crawl: each job from just before it is bought, and what became of it.

Jobs and tokens are counted in the stats here, and each change is written to the ledger's file at once. The ledger
decides nothing: ``limits`` decides what may be bought, in the transaction that writes the job.
"""

import json
import logging
import os
import sqlite3
import uuid
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from scrapy_omocaptcha.buying import database
from scrapy_omocaptcha.buying.records import JobRequest, Outcome, Record
from scrapy_omocaptcha.engine.stats import Stats

logger = logging.getLogger(__name__)
T = TypeVar("T")

JOBDIR_LEDGER = "omocaptcha.sqlite"
"""Name of the ledger in a JOBDIR, where the settings name none."""
JOBDIR_ID = "omocaptcha.id"
"""Name of the file in a JOBDIR that tells a crawl from those that had a JOBDIR of the same name before."""
_DAY = 24 * 3600

_SUMS = """
SELECT count(*), coalesce(sum(host = :host), 0), total(cost_usd),
    (SELECT total(cost_usd) FROM jobs WHERE time >= :day_ago)
FROM jobs WHERE budget = :budget
"""


class Sums(NamedTuple):
    """The jobs and the USD that count toward the limits; None: unknown, since the file cannot be used."""

    jobs: int | None
    """Jobs of the crawl, with its earlier runs."""
    jobs_of_host: int | None
    spent: float | None
    """USD spent by the crawl."""
    spent_in_a_day: float | None
    """USD spent by all crawls that share the ledger within 24 hours."""


@dataclass(eq=False)
class Entry:
    """A job in the ledger. Until more is known it counts as bought, and as abandoned."""

    _ledger: "Ledger"
    record: Record
    row: int
    """Id of the job in the ledger."""

    def bought(self, job_id: str | None) -> None:
        """Record that the job was bought; its id is None if the answer to the create call was lost."""
        self._ledger.stats.inc("jobs/created")
        self._ledger.stats.add("cost_usd", self.record.cost_usd)
        self._update(job=job_id)

    def solved(self, seconds: float) -> None:
        """Record that the service returned a token."""
        self._ledger.stats.inc("jobs/solved")
        self._update(seconds=round(seconds, 3), reason="unused")

    def failed(self, reason: str, seconds: float | None = None) -> None:
        """Record that there will be no token."""
        self._ledger.stats.inc(f"jobs/failed/{reason}")
        self._update(outcome="failed", reason=reason, seconds=None if seconds is None else round(seconds, 3))

    def handed_in(self, form: str) -> None:
        """Record the address that the token is sent to."""
        self._update(form=form)

    def judged(self, outcome: Outcome, reason: str = "") -> None:
        """Record what became of the token."""
        self._ledger.stats.inc(f"tokens/{outcome}")
        self._update(outcome=outcome, reason=reason)

    def withdraw(self) -> None:
        """Take back a job that certainly was not bought."""
        self._ledger.change("DELETE FROM jobs WHERE id = ?", self.row)

    def _update(self, **changes: Any) -> None:
        self.record = replace(self.record, **changes)
        assignments = ", ".join(f"{name} = ?" for name in changes)
        self._ledger.change(f"UPDATE jobs SET {assignments} WHERE id = ?", *changes.values(), self.row)


class Ledger:
    """The jobs of one crawl, in a file that other crawls may share, or in memory.

    A file that cannot be used is given up for good: the crawl goes on with a ledger in memory.

    :param crawl: the id that Scrapyd gave the crawl; Scrapy Cloud's is in the environment.
    """

    def __init__(
        self,
        *,
        spider: str,
        stats: Stats,
        path: str | None = None,
        jobdir: str | None = None,
        crawl: str | None = None,
    ) -> None:
        self.stats = stats
        self.has_jobdir = jobdir is not None
        self._spider = spider
        own = uuid.uuid4().hex if jobdir is None else _id_of(Path(jobdir))
        self._crawl = crawl or os.environ.get("SHUB_JOBKEY") or own
        self._budget = f"{own} {spider}"
        if path is None and jobdir is not None:
            path = os.path.join(jobdir, JOBDIR_LEDGER)
        self._path = None if path is None else Path(path).absolute()
        self._db = database.open_in_memory()
        self.has_file = False
        """Whether jobs are recorded in a file, and not in memory."""
        self._is_known = True
        """Whether it is known what the crawl has bought: not if it was in a file that cannot be read any more."""
        if self._path is not None:
            try:
                db = database.open_ledger(self._path)
            except (sqlite3.Error, OSError) as error:
                self._log_failure(error)
            else:
                self._db.close()
                self._db, self.has_file = db, True
        (self._earlier,) = self._run(lambda db: db.execute("SELECT coalesce(max(id), 0) FROM jobs").fetchone())

    def __del__(self) -> None:
        self._db.close()

    @property
    def records(self) -> list[Record]:
        """Return what has become of each job that this run has bought."""
        query = f"SELECT {database.COLUMNS} FROM jobs WHERE budget = ? AND id > ? ORDER BY id"
        rows = self._run(lambda db: db.execute(query, (self._budget, self._earlier)).fetchall())
        return [Record(*row) for row in rows]

    def sums(self, host: str) -> Sums:
        """Return what has been bought so far, in all and for ``host``, which may be empty."""
        return self._run(lambda db: self._sums(db, host))

    def enter(self, job: JobRequest, host: str, *, cost: float, check: Callable[[Sums], None]) -> Entry:
        """Enter a job that is about to be bought, in one transaction with ``check``, which raises if it may not be."""
        kind = "invisible" if job.invisible else "checkbox"
        record = Record(_now(), self._spider, self._crawl, host, job.page, kind, reason="under_way", cost_usd=cost)
        values = (*astuple(record), self._budget)
        insert = f"INSERT INTO jobs ({database.COLUMNS}, budget) VALUES ({', '.join('?' * len(values))})"

        def write(db: sqlite3.Connection) -> int | None:
            with db:
                db.execute("BEGIN IMMEDIATE")
                check(self._sums(db, host))
                return db.execute(insert, values).lastrowid

        row = self._run(write)
        assert row is not None
        return Entry(self, record, row)

    def change(self, statement: str, *values: Any) -> None:
        """Run a statement that changes a job."""
        self._run(lambda db: db.execute(statement, values))

    def ended(self, why: str, not_solved: Mapping[str, int], noticed: Mapping[str, int]) -> None:
        """Record that this run of the crawl has ended, the challenges not solved, by reason, and what was noticed."""
        values = (_now(), self._spider, self._crawl, why, json.dumps(not_solved), json.dumps(noticed))
        self.change("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)", *values)

    def close(self) -> None:
        """Close the file. What becomes of a job later is recorded in memory only."""
        if self.has_file:
            self._go_on_in_memory()

    def _run(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``operation`` returns for the file, or for the memory if the file cannot be used for it."""
        try:
            return operation(self._db)
        except sqlite3.Error as error:
            if not self.has_file:
                raise
            self._log_failure(error)
            self._go_on_in_memory()
        return operation(self._db)

    def _go_on_in_memory(self) -> None:
        """Close the file, and keep the jobs of the crawl in memory from now on."""
        try:
            jobs = self._db.execute("SELECT * FROM jobs WHERE budget = ?", (self._budget,)).fetchall()
        except sqlite3.Error:
            jobs, self._is_known = [], False
        self._db.close()
        self._db, self.has_file = database.open_in_memory(), False
        for job in jobs:
            self._db.execute(f"INSERT INTO jobs VALUES ({', '.join('?' * len(job))})", job)

    def _log_failure(self, error: Exception) -> None:
        logger.error(
            "OMOcaptcha: the ledger %s cannot be used (%s); what the crawl buys from now on is not recorded there, and "
            "counts only in its own limits",
            self._path,
            database.explain(error),
        )

    def _sums(self, db: sqlite3.Connection, host: str) -> Sums:
        if not self._is_known:
            return Sums(None, None, None, None)
        sums = Sums(*db.execute(_SUMS, {"host": host, "budget": self._budget, "day_ago": _now(-_DAY)}).fetchone())
        return sums if self.has_file else sums._replace(spent_in_a_day=None)


def _now(seconds: float = 0) -> str:
    """Return the time, or that some seconds from now, as records have it."""
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _id_of(jobdir: Path) -> str:
    """Return the id of the crawl that a JOBDIR belongs to, which is made when it first runs."""
    path = jobdir / JOBDIR_ID
    if not path.exists() or not path.stat().st_size:  # It is empty where a crawl was killed at this very moment.
        path.write_text(uuid.uuid4().hex, encoding="ascii")
    return path.read_text(encoding="ascii")
