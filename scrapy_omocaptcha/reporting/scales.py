"""The scales of plots: what a bar stands for, and what is written below it."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_omocaptcha.reporting.totals import Sums

MOST_BARS = 40
"""In one plot."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_PERIODS = {
    "minute": _MINUTE,
    "5 minutes": 5 * _MINUTE,
    "15 minutes": 15 * _MINUTE,
    "hour": _HOUR,
    "3 hours": 3 * _HOUR,
    "6 hours": 6 * _HOUR,
    "day": _DAY,
    "week": 7 * _DAY,
    "4 weeks": 28 * _DAY,
    "52 weeks": 364 * _DAY,
}
MONDAY = datetime(1970, 1, 5, tzinfo=timezone.utc)
"""What periods are counted from, so that weeks begin on Mondays."""


def period_of_a_bar(sums: Sums) -> tuple[str, int]:
    """What a bar is to stand for, and its seconds."""
    assert sums.first is not None
    assert sums.last is not None
    span = (sums.last - sums.first).total_seconds()
    for name, length in _periods():
        if span / length < MOST_BARS - 1:
            return name, length
    raise AssertionError("unreachable")


def _periods() -> Iterator[tuple[str, int]]:
    yield from _PERIODS.items()
    years = 1
    while True:
        years *= 2
        yield f"{years * 52:,} weeks", years * _PERIODS["52 weeks"]


def date(period: int, length: int, periods: int) -> str:
    """When a period begins, in as few words as a plot of so many periods needs.

    :param period: its number, counted from ``MONDAY``.
    :param length: its seconds.
    """
    since = timedelta(seconds=length) * period
    # The first period of all begins before the first year.
    start = MONDAY + max(since, datetime(1, 1, 1, tzinfo=timezone.utc) - MONDAY)
    if periods * length > 20 * 365 * _DAY:
        return f"{start.year}"
    if periods * length > 300 * _DAY:
        return f"{start:%b} {start.year}"
    return f"{start.day} {start:%b}" + (f" {start:%H:%M}" if length < _DAY else "")


def round_up(value: float) -> float:
    """The next round number of at least ``value``."""
    power = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in (1, 2, 2.5, 5) if step * power >= value), 10 * power)
