"""What is counted, under one prefix."""

from __future__ import annotations

from scrapy.statscollectors import StatsCollector

_PREFIX = "omocaptcha/"


class Stats:
    """Scrapy's stats collector, below ``omocaptcha/``."""

    def __init__(self, collector: StatsCollector) -> None:
        self._collector = collector

    def inc(self, name: str) -> None:
        self._collector.inc_value(_PREFIX + name)

    def add(self, name: str, amount: float) -> None:
        """Sums of floats are never exact; these are read by people."""
        name = _PREFIX + name
        self._collector.set_value(name, round(self._collector.get_value(name, 0.0) + amount, 8))

    def max(self, name: str, value: float) -> None:
        self._collector.max_value(_PREFIX + name, value)

    def get(self, name: str) -> float:
        value: float = self._collector.get_value(_PREFIX + name, 0)
        return value
