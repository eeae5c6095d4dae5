"""What is counted, under one prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scrapy.statscollectors import StatsCollector

_PREFIX = "omocaptcha/"


class Stats:
    """Scrapy's stats collector, below ``omocaptcha/``."""

    def __init__(self, collector: StatsCollector) -> None:
        self._collector = collector

    def inc(self, name: str, count: float = 1) -> None:
        self._collector.inc_value(_PREFIX + name, count)

    def max(self, name: str, value: float) -> None:
        self._collector.max_value(_PREFIX + name, value)

    def add_usd(self, cost: float) -> None:
        """Sums of floats are never exact; a bill is read by people."""
        name = _PREFIX + "cost_usd"
        self._collector.set_value(name, round(self._collector.get_value(name, 0.0) + cost, 8))
