"""The books of a crawl: each job from just before it is bought, and what became of it.

All that is counted of jobs and tokens is counted here, and written into the journals as it happens. The books decide
nothing: what may be bought is said by ``limits``.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from scrapy_omocaptcha.buying.journal import Journal, Outcome, Place, Record, read_journal, time_of
from scrapy_omocaptcha.engine.stats import Stats

logger = logging.getLogger(__name__)

JOBDIR_JOURNAL = "omocaptcha.jsonl"
"""In a JOBDIR: what the limits go on counting from after a resume."""
_JOB_IDS = ("SCRAPY_JOB", "SHUB_JOBKEY")
"""Environment variables of Scrapyd and Scrapy Cloud."""
_DAY = timedelta(hours=24)
_CORRECTED_EVERY = timedelta(seconds=10)


class Entry:
    """One job in the books. Until more is known it counts as bought, and as abandoned."""

    def __init__(self, ledger: Ledger, record: Record) -> None:
        self._ledger = ledger
        self.record = record
        self.places: dict[Journal, Place] = {}

    def withdraw(self) -> None:
        """It certainly was not bought."""
        self._ledger.withdraw(self)

    def bought(self, job_id: str | None) -> None:
        """It is bought; without an id where the answer to the call was lost."""
        self._ledger.stats.inc("jobs/created")
        self._ledger.stats.add("cost_usd", self.record.cost_usd)
        self._update(job=job_id)

    def solved(self, seconds: float, questions: int) -> None:
        """There is a token."""
        self._ledger.stats.inc("jobs/solved")
        self._update(seconds=round(seconds, 3), questions=questions, reason="unused")

    def failed(self, reason: str, seconds: float | None = None, questions: int = 0) -> None:
        """There will be no token."""
        self._ledger.stats.inc(f"jobs/failed/{reason}")
        seconds = None if seconds is None else round(seconds, 3)
        self._update(outcome="failed", reason=reason, seconds=seconds, questions=questions)

    def judged(self, outcome: Outcome, reason: str = "") -> None:
        """What became of its token: accepted, rejected, or expired."""
        self._ledger.stats.inc(f"tokens/{outcome}")
        self._update(outcome=outcome, reason=reason)

    def left(self, reason: str) -> None:
        """What becomes of its token will not be known."""
        self._update(reason=reason)

    def _update(self, **changes: Any) -> None:
        self.record = replace(self.record, **changes)
        self._ledger.update(self)


class Ledger:
    """The books of one crawl.

    :param journal: path of the journal that the user wants, if any.
    :param per_day: what all crawls of the journal spend in a day is asked for.
    :param jobdir: the crawl's JOBDIR, if any.
    """

    def __init__(
        self,
        *,
        spider: str,
        stats: Stats,
        journal: str | None = None,
        per_day: bool = False,
        jobdir: str | None = None,
    ) -> None:
        self.stats = stats
        self.entries: list[Entry] = []
        self.earlier: list[Record] = []
        """What earlier runs with the same JOBDIR have bought."""
        self._spider = spider
        self._journals: list[Journal] = []
        shared = self._open(Path(journal)) if journal is not None else None
        self._day = _Day(shared) if per_day and shared is not None else None
        if jobdir is not None:
            path = Path(jobdir, JOBDIR_JOURNAL)
            with suppress(OSError):
                # Also where it can no longer be written: what has been spent is spent.
                self.earlier, _ = read_journal(path)
            if shared is None or not _same_file(path, shared.path):
                self._open(path)
        given = next(filter(None, map(os.environ.get, _JOB_IDS)), None)
        self.crawl = given or (self.earlier[-1].crawl if self.earlier else uuid.uuid4().hex)

    def enter(self, *, host: str, page: str, kind: str, cost: float) -> Entry:
        """A job that is about to be bought."""
        time = time_of(datetime.now(timezone.utc))
        entry = Entry(self, Record(time, self._spider, self.crawl, host, page, kind, reason="under_way", cost_usd=cost))
        self.entries.append(entry)

        def append(journal: Journal) -> None:
            entry.places[journal] = journal.append(entry.record)

        self._write(append)
        return entry

    def update(self, entry: Entry) -> None:
        def bring_up_to_date(journal: Journal) -> None:
            entry.places[journal] = journal.update(entry.places[journal], entry.record)

        self._write(bring_up_to_date)

    def withdraw(self, entry: Entry) -> None:
        self.entries.remove(entry)
        self._write(lambda journal: journal.withdraw(entry.places[journal]))
        if self._day is not None:
            self._day.forget()

    # -- what other crawls have spent ------------------------------------------------------------------------------

    def spent_in_a_day(self, enough: float) -> float:
        """USD that all crawls of the journal have spent within 24 hours; exact only where it is ``enough``.

        :raises OSError: the journal cannot be written or read.
        """
        if self._day is None or self._day.journal not in self._journals:
            raise OSError("the journal cannot be written")
        return self._day.spent(enough)

    def is_shared(self, entry: Entry) -> bool:
        """Other crawls see ``entry`` in what a day has cost, if that is asked for."""
        return self._day is None or self._day.journal in entry.places

    def locked(self) -> AbstractContextManager[Any]:
        """No other crawl of the journal buys meanwhile, if what all of them spend in a day is asked for."""
        stack = ExitStack()
        if self._day is not None:
            day = self._day.journal
            self._write(lambda journal: stack.enter_context(journal.locked()) if journal is day else None)
        return stack

    # -- the journals ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        self._write(Journal.close)

    def _open(self, path: Path) -> Journal | None:
        try:
            journal = Journal(path)
        except OSError as error:
            _complain(path, error)
            return None
        self._journals.append(journal)
        return journal

    def _write(self, how: Callable[[Journal], object]) -> None:
        """Write all journals; one that fails is not written again."""
        self._journals = [journal for journal in self._journals if _done(how, journal)]


def _done(how: Callable[[Journal], object], journal: Journal) -> bool:
    try:
        how(journal)
    except OSError as error:
        _complain(journal.path, error)
        journal.close()
        return False
    return True


def _complain(path: Path, error: OSError) -> None:
    logger.error(
        "The journal %s cannot be written (%s): the crawl goes on, what it buys from here on is not in there",
        path,
        error.strerror or error,
    )


def _same_file(path: Path, other: Path) -> bool:
    return path.exists() and path.samefile(other)


class _Day:
    """What the crawls of a journal have spent within the last 24 hours, without reading all of it each time."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.forget()

    def forget(self) -> None:
        """Records have been withdrawn: read all of the day anew."""
        self._position = 0
        self._corrected: datetime | None = None
        self._spent: deque[tuple[datetime, float]] = deque()
        self._sum = 0.0

    def spent(self, enough: float) -> float:
        now = datetime.now(timezone.utc)
        total = self._total(now)
        if total >= enough and (self._corrected is None or now - self._corrected > _CORRECTED_EVERY):
            # Others may have withdrawn what was read before.
            self.forget()
            self._corrected = now
            total = self._total(now)
        return total

    def _total(self, now: datetime) -> float:
        since = now - _DAY
        records, self._position = self.journal.read_since(since, self._position)
        for record in records:
            self._spent.append((record.at, record.cost_usd))
            self._sum += record.cost_usd
        while self._spent and self._spent[0][0] < since:
            self._sum -= self._spent.popleft()[1]
        return self._sum
