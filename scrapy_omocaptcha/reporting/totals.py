"""Add up records, in total or by spider, host, day or crawl."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from typing import Any

from scrapy_omocaptcha.buying.records import OUTCOMES, Record, Run, utc


@dataclass(frozen=True)
class Totals:
    """Totals of some records, each computed on first access."""

    records: Sequence[Record]
    name: str = ""
    """Value of the field that the records are grouped by."""
    runs: Sequence[Run] = ()
    """Runs of the records' crawls, the earliest first."""

    @property
    def ended(self) -> str | None:
        """Return why the crawl of this name ended; None if it was killed, or still runs."""
        ended = (run.ended for run in self.runs[-1:] if run.crawl == self.name and utc(run.time) >= self.last)
        return next(ended, None)

    @cached_property
    def not_solved(self) -> Counter[str]:
        """Return the number of challenges that were left alone or not solved, by reason."""
        return sum((Counter(run.not_solved) for run in self.runs), Counter[str]())

    @cached_property
    def noticed(self) -> Counter[str]:
        """Return what else there is to look at, with its host."""
        return sum((Counter(run.noticed) for run in self.runs), Counter[str]())

    @property
    def jobs(self) -> int:
        return len(self.records)

    @cached_property
    def cost(self) -> float:
        """Return the cost in USD."""
        return math.fsum(record.cost_usd for record in self.records)

    @cached_property
    def outcomes(self) -> dict[str, int]:
        """Return the jobs by outcome, in the order of ``OUTCOMES`` and without zeros."""
        counted = Counter(record.outcome for record in self.records)
        return {outcome: counted[outcome] for outcome in OUTCOMES if counted[outcome]}

    @property
    def accepted(self) -> int:
        return self.outcomes.get("accepted", 0)

    @cached_property
    def reasons(self) -> dict[str, Counter[str]]:
        """Return the number of jobs by outcome and reason."""
        reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for record in self.records:
            if record.reason:
                reasons[record.outcome][record.reason] += 1
        return dict(reasons)

    @cached_property
    def _solved(self) -> list[Record]:
        """Return the jobs that gave a token and whose solve time is known, the fastest first."""
        known = [record for record in self.records if record.seconds is not None and record.outcome != "failed"]
        return sorted(known, key=attrgetter("seconds"))

    @property
    def slowest(self) -> Record | None:
        return self._solved[-1] if self._solved else None

    def quantile(self, fraction: float) -> float | None:
        """Return the solve time in seconds that ``fraction`` of the jobs did not exceed."""
        return self._solved[max(0, math.ceil(fraction * len(self._solved)) - 1)].seconds if self._solved else None

    @cached_property
    def first(self) -> datetime:
        """Return the time of the first job, or end if there is none; there must be one of them, as for ``last``."""
        return utc(min(it.time for it in self.records or self.runs))

    @cached_property
    def last(self) -> datetime:
        return utc(max(it.time for it in self.records or self.runs))

    def as_json(self) -> dict[str, Any]:
        """Return plain data for ``json.dumps``: amounts in USD, durations in seconds, times in UTC."""
        first, last = (self.first.isoformat(), self.last.isoformat()) if self.records else (None, None)
        return {
            "jobs": self.jobs,
            **{outcome: self.outcomes.get(outcome, 0) for outcome in OUTCOMES},
            "reasons": self.reasons,
            "ended": self.ended,
            "not_solved": self.not_solved if self.runs else None,
            "noticed": self.noticed if self.runs else None,
            "cost_usd": round(self.cost, 8),
            "seconds_median": self.quantile(0.5),
            "seconds_slowest": self.quantile(1.0),
            "first": first,
            "last": last,
        }


def grouped(totals: Totals, by: str) -> list[Totals]:
    """Return the totals by ``"day"`` or ``"crawl"``, the latest first, or by another field, the dearest first."""
    groups: defaultdict[str, list[Record]] = defaultdict(list)
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    for run in totals.runs if by == "crawl" else ():
        runs[run.crawl].append(run)
    for record in totals.records:
        groups[str(record.at.date()) if by == "day" else getattr(record, by)].append(record)
    members = [Totals(groups[name], name, runs[name]) for name in sorted({*groups, *runs})]
    if by in ("day", "crawl"):
        return sorted(members, key=attrgetter("first"), reverse=True)
    return sorted(members, key=attrgetter("cost"), reverse=True)
