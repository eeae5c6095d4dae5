"""Records added up, altogether or by spider, host or day."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.buying.journal import HANDED_ON, OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scrapy_omocaptcha.buying.journal import Record

BY = ("spider", "host", "day")

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Sums:
    """The sums of some records, each reckoned when it is first asked for."""

    records: Sequence[Record]
    name: str = ""
    """What the records have in common."""

    @property
    def jobs(self) -> int:
        return len(self.records)

    @cached_property
    def cost(self) -> float:
        """USD."""
        return math.fsum(record.cost_usd for record in self.records)

    @cached_property
    def outcomes(self) -> dict[str, int]:
        """Jobs by outcome, in the order of ``OUTCOMES`` and without those that never came."""
        counted = Counter(record.outcome for record in self.records)
        return {outcome: counted[outcome] for outcome in OUTCOMES if counted[outcome]}

    @property
    def accepted(self) -> int:
        return self.outcomes.get("accepted", 0)

    @cached_property
    def reasons(self) -> dict[str, Counter[str]]:
        """By outcome, how often each reason was given."""
        reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for record in self.records:
            if record.reason:
                reasons[record.outcome][record.reason] += 1
        return dict(reasons)

    @cached_property
    def solved(self) -> list[Record]:
        """The jobs that gave a token whose solve time is known, the quickest first."""
        known = [record for record in self.records if record.seconds is not None and record.outcome != "failed"]
        return sorted(known, key=_seconds)

    @property
    def slowest(self) -> Record | None:
        return self.solved[-1] if self.solved else None

    @cached_property
    def median(self) -> float | None:
        """Seconds."""
        return statistics.median(map(_seconds, self.solved)) if self.solved else None

    def within(self, share: float) -> float | None:
        """The seconds within which that share of the jobs were solved."""
        return _seconds(self.solved[max(0, math.ceil(share * len(self.solved)) - 1)]) if self.solved else None

    @cached_property
    def first(self) -> datetime | None:
        return min(map(moment, self.records), default=None)

    @cached_property
    def last(self) -> datetime | None:
        return max(map(moment, self.records), default=None)

    def distinct(self, field: str) -> int:
        """How many values of a record's field there are."""
        return len({getattr(record, field) for record in self.records})

    def as_json(self) -> dict[str, Any]:
        """For machines: plain data, USD, seconds, times in UTC."""
        return {
            "jobs": self.jobs,
            **{outcome: self.outcomes.get(outcome, 0) for outcome in OUTCOMES},
            "reasons": self.reasons,
            "cost_usd": round(self.cost, 8),
            "seconds_median": self.median,
            "seconds_slowest": None if self.slowest is None else self.slowest.seconds,
            "first": None if self.first is None else self.first.isoformat(),
            "last": None if self.last is None else self.last.isoformat(),
        }


def one_a_job(records: Sequence[Record]) -> list[Record]:
    """The records, with those of a job that one worker of a fleet has handed on to another made one.

    Whoever bought it has its time and cost in the books; whoever took it over, what became of it.
    """
    handed_on = {record.job for record in records if record.reason == HANDED_ON}
    of_job: defaultdict[str | None, list[Record]] = defaultdict(list)
    for record in records:
        if record.job in handed_on:
            of_job[record.job].append(record)
    whole = [
        replace(
            next((record for record in group if record.reason != HANDED_ON), group[0]),
            time=min(record.time for record in group),
            cost_usd=sum(record.cost_usd for record in group),
        )
        for group in of_job.values()
    ]
    return [*(record for record in records if record.job not in handed_on), *whole]


def grouped(records: Sequence[Record], by: str) -> list[Sums]:
    """The sums by one of :data:`BY`: days in their order, all else by cost, the dearest first."""
    groups: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[str(moment(record).date()) if by == "day" else getattr(record, by)].append(record)
    sums = [Sums(members, name) for name, members in sorted(groups.items())]
    return sums if by == "day" else sorted(sums, key=lambda group: -group.cost)


def moment(record: Record) -> datetime:
    """When the job was bought, in UTC."""
    since = record.at - _EPOCH
    try:
        return _EPOCH + since
    except OverflowError:
        # A few hours before the year 1, or after 9999.
        return _EPOCH + (since + timedelta(days=1 if since.days < 0 else -1))


def _seconds(record: Record) -> float:
    assert record.seconds is not None
    return record.seconds
