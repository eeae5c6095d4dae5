"""Choose the scales of plots: the period of a bar, the dates below the bars, round numbers."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

from scrapy_omocaptcha.reporting.totals import Totals

MAX_BARS = 40

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
    "520 weeks": 3640 * _DAY,
    "5,200 weeks": 36400 * _DAY,
    "52,000 weeks": 364000 * _DAY,  # In 40 bars this covers all years that a datetime can have.
}
MONDAY = datetime(1970, 1, 5, tzinfo=timezone.utc)
"""Start of period 0, chosen so that weeks begin on Mondays."""


def bar_period(totals: Totals) -> tuple[str, int]:
    """Return the name of the period that one bar covers, and its length in seconds."""
    span = (totals.last - totals.first).total_seconds()
    return next((name, length) for name, length in _PERIODS.items() if span / length < MAX_BARS - 1)


def period_label(period: int, length: int, periods: int) -> str:
    """Return the start of a period, as precisely as a plot of ``periods`` periods needs.

    :param period: number of the period, counted from ``MONDAY``.
    :param length: length of a period in seconds.
    """
    since = timedelta(seconds=length) * period
    # The first period of the calendar begins before the year 1.
    start = MONDAY + max(since, datetime(1, 1, 1, tzinfo=timezone.utc) - MONDAY)
    if periods * length > 20 * 365 * _DAY:
        return f"{start.year}"
    if periods * length > 300 * _DAY:
        return f"{start:%b} {start.year}"
    return f"{start.day} {start:%b}" + (f" {start:%H:%M}" if length < _DAY else "")


def round_up(value: float) -> float:
    """Return the smallest round number that is not below ``value``."""
    power = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in (1, 2, 2.5, 5) if step * power >= value), 10 * power)
