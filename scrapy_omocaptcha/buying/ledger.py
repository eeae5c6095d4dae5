"""Keep the ledger of a crawl: each job from just before it is bought, and what became of it.

Jobs and tokens are counted in the stats here, and each change is written to the journals at once. The ledger decides
nothing: ``limits`` decides what may be bought.
"""

import logging
import math
import os
import time
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from scrapy_omocaptcha.buying.journal import Journal, Location, Outcome, Record, read_journal, time_of
from scrapy_omocaptcha.engine.stats import Stats

logger = logging.getLogger(__name__)

JOBDIR_JOURNAL = "omocaptcha.jsonl"
"""Name of the journal in a JOBDIR, from which the limits of a resumed crawl go on counting."""
_DAY = timedelta(hours=24)
_REREAD_INTERVAL = 10.0
"""Minimum seconds between two readings of a whole day."""


class Entry:
    """One job in the ledger. Until more is known it counts as bought, and as abandoned."""

    def __init__(self, ledger: "Ledger", record: Record) -> None:
        self._ledger = ledger
        self.record = record
        self.locations: dict[Journal, Location] = {}

    def bought(self, job_id: str | None) -> None:
        """Record that the job was bought; its id is None if the answer to the create call was lost."""
        self._ledger.stats.inc("jobs/created")
        self._ledger.stats.add("cost_usd", self.record.cost_usd)
        self._update(job=job_id)

    def solved(self, seconds: float, questions: int) -> None:
        """Record that the service returned a token."""
        self._ledger.stats.inc("jobs/solved")
        self._update(seconds=round(seconds, 3), questions=questions, reason="unused")

    def failed(self, reason: str, seconds: float | None = None, questions: int = 0) -> None:
        """Record that there will be no token."""
        self._ledger.stats.inc(f"jobs/failed/{reason}")
        seconds = None if seconds is None else round(seconds, 3)
        self._update(outcome="failed", reason=reason, seconds=seconds, questions=questions)

    def judged(self, outcome: Outcome, reason: str = "") -> None:
        """Record what became of the token."""
        self._ledger.stats.inc(f"tokens/{outcome}")
        self._update(outcome=outcome, reason=reason)

    def _update(self, **changes: Any) -> None:
        self.record = replace(self.record, **changes)
        self._ledger.save(self)


class Ledger:
    """The jobs of one crawl.

    :param journal: path of the journal in the settings, if any.
    :param per_day: whether to add up what all crawls of that journal spend in a day.
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
        """Jobs that earlier runs with the same JOBDIR have bought."""
        self._spider = spider
        self._journals: list[Journal] = []
        shared = self._open(Path(journal)) if journal is not None else None
        self._day = _Day(shared) if per_day and shared is not None else None
        if jobdir is not None:
            path = Path(jobdir, JOBDIR_JOURNAL)
            with suppress(OSError):
                # What has been spent counts even if the file can no longer be written.
                self.earlier, _ = read_journal(path)
            if shared is None or not (path.exists() and path.samefile(shared.path)):
                self._open(path)
        # Scrapyd sets the former variable, Scrapy Cloud the latter.
        job_id = os.environ.get("SCRAPY_JOB") or os.environ.get("SHUB_JOBKEY")
        self._crawl = job_id or (self.earlier[-1].crawl if self.earlier else uuid.uuid4().hex)

    @property
    def records(self) -> list[Record]:
        """What has become of each job that was bought."""
        return [entry.record for entry in self.entries]

    def enter(self, *, host: str, page: str, kind: str, cost: float) -> Entry:
        """Enter a job that is about to be bought."""
        now = time_of(datetime.now(timezone.utc))
        entry = Entry(self, Record(now, self._spider, self._crawl, host, page, kind, reason="under_way", cost_usd=cost))
        self.entries.append(entry)
        self.save(entry)
        return entry

    def save(self, entry: Entry) -> None:
        """Write an entry that is new or has changed to the journals."""

        def write(journal: Journal) -> None:
            location = entry.locations.get(journal)
            entry.locations[journal] = (
                journal.append(entry.record) if location is None else journal.update(location, entry.record)
            )

        self._write(write)

    def withdraw(self, entry: Entry) -> None:
        """Remove a job that certainly was not bought."""
        self.entries.remove(entry)
        self._write(lambda journal: journal.withdraw(entry.locations[journal]))
        if self._day is not None:
            self._day.forget()

    def spent_in_a_day(self, enough: float) -> float:
        """Return the USD that all crawls of the journal have spent within 24 hours.

        The sum may be outdated while it is below ``enough``, where it decides nothing.

        :raises OSError: when the journal cannot be written or read.
        """
        if self._day is None or self._day.journal not in self._journals:
            raise OSError("the journal cannot be written")
        return self._day.spent(enough)

    def is_shared(self, entry: Entry) -> bool:
        """Return whether other crawls count ``entry`` in what is spent in a day, or need not."""
        return self._day is None or self._day.journal in entry.locations

    def locked(self) -> AbstractContextManager[Any]:
        """Keep other crawls of the journal from buying, if there is a limit for what all of them spend in a day."""
        stack = ExitStack()
        if self._day is not None:
            day = self._day.journal
            self._write(lambda journal: stack.enter_context(journal.lock) if journal is day else None)
        return stack

    def close(self) -> None:
        self._write(Journal.close)

    def _open(self, path: Path) -> Journal | None:
        try:
            journal = Journal(path)
        except OSError as error:
            _log_failure(path, error)
            return None
        self._journals.append(journal)
        return journal

    def _write(self, write: Callable[[Journal], object]) -> None:
        """Call ``write`` with each journal, and never use a journal again for which it fails."""
        self._journals = [journal for journal in self._journals if _succeeds(write, journal)]


def _succeeds(write: Callable[[Journal], object], journal: Journal) -> bool:
    try:
        write(journal)
    except OSError as error:
        _log_failure(journal.path, error)
        journal.close()
        return False
    return True


def _log_failure(path: Path, error: OSError) -> None:
    logger.error(
        "The journal %s cannot be written (%s): the crawl goes on, what it buys from here on is not in there",
        path,
        error.strerror or error,
    )


class _Day:
    """What the crawls of a journal have spent within the last 24 hours. It reads only what is new in the journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._reread_at = -math.inf
        self.forget()

    def forget(self) -> None:
        """Read the whole day again the next time, because records have been withdrawn."""
        self._position = 0
        self._spent: deque[tuple[datetime, float]] = deque()
        self._sum = 0.0

    def spent(self, enough: float) -> float:
        total = self._total()
        if total >= enough and time.monotonic() - self._reread_at > _REREAD_INTERVAL:
            # Other crawls may have withdrawn records that were read before.
            self.forget()
            self._reread_at = time.monotonic()
            total = self._total()
        return total

    def _total(self) -> float:
        since = datetime.now(timezone.utc) - _DAY
        records, self._position = self.journal.read_since(since, self._position)
        for record in records:
            self._spent.append((record.at, record.cost_usd))
            self._sum += record.cost_usd
        while self._spent and self._spent[0][0] < since:
            self._sum -= self._spent.popleft()[1]
        return self._sum
