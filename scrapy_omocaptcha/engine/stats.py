"""Count what happens, below ``omocaptcha/`` in Scrapy's stats."""

from collections import defaultdict

from scrapy.statscollectors import StatsCollector

_PREFIX = "omocaptcha/"


class Stats:
    """The stats of one crawl. They are never read from Scrapy's collector, since not every collector keeps floats."""

    def __init__(self, collector: StatsCollector) -> None:
        self._collector = collector
        self._values: defaultdict[str, float] = defaultdict(int)

    def inc(self, name: str) -> None:
        self._values[name] += 1
        self._collector.inc_value(_PREFIX + name)

    def add(self, name: str, amount: float) -> None:
        """Add to a sum of floats, rounded for people to read."""
        self._values[name] = round(self._values[name] + amount, 8)
        self._collector.set_value(_PREFIX + name, self._values[name])

    def max(self, name: str, value: float) -> None:
        self._collector.max_value(_PREFIX + name, value)

    def get(self, name: str) -> float:
        return self._values[name]
