"""Use Scrapy's internals: all of its private names that this package needs are here, put together for one crawl."""

from collections.abc import Callable

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.utils.python import global_object_name

from scrapy_omocaptcha.engine.chain import InnerChain
from scrapy_omocaptcha.engine.extension import DerivedClasses
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.mixins import DownloaderMixin
from scrapy_omocaptcha.engine.parking import Parking, Wall
from scrapy_omocaptcha.engine.private_names import find_missing
from scrapy_omocaptcha.engine.slots import Slots
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.scrapy_versions import CURE

_MOST_UNCOUNTED = 255
"""How many requests that have met a wall don't count toward CONCURRENT_REQUESTS."""
_MOST_WAITING = 50_000
"""How many requests wait at walls before nothing more is taken out of Scrapy's queue: about a kilobyte each."""
_MOST_WAITING_OF_SHARED_QUEUE = 32
"""The same where other workers take requests out of that queue: a worker that is killed loses what waits."""
_ADDON = "scrapy_omocaptcha.addon.Addon"
_LEFT_OUT = "EXTENSIONS lacks what scrapy_omocaptcha.Addon puts there"


class Engine:
    """The parts of Scrapy in one crawl, as the downloader middleware of this package uses them.

    :param is_queue_shared: whether other workers take requests out of the same queue.
    :raises ValueError: when the add-on is not named, which makes some of them.
    """

    def __init__(self, crawler: Crawler, middleware: object, stats: Stats, *, is_queue_shared: bool) -> None:
        classes = crawler.get_extension(DerivedClasses)
        self._is_left_out = classes is None
        if classes is None:
            if _ADDON not in map(global_object_name, map(type, crawler.addons.addons)):
                raise ValueError(f"{_LEFT_OUT}: name that in ADDONS")
            # The settings are frozen by now, so it derives nothing.
            classes = DerivedClasses(crawler)
        self._crawler, self._classes = crawler, classes
        self._most_waiting = _MOST_WAITING_OF_SHARED_QUEUE if is_queue_shared else _MOST_WAITING
        self.states, self.components = classes.states, classes.components
        self.lifetime = Lifetime(crawler)
        # Who asks for one request at a time gets nothing beside it.
        is_alone = crawler.settings.getint("CONCURRENT_REQUESTS") == 1
        most_uncounted = 0 if is_alone else min(_MOST_UNCOUNTED, self._most_waiting)
        self.slots = Slots(crawler, self.lifetime, self.states, stats, most_uncounted)
        self.chain = InnerChain(crawler, middleware, self.lifetime, self.slots.order, self.components)

    def park_new_requests(self, closed_wall: Callable[[Request], Wall | None]) -> None:
        """Keep new requests from beginning as long as ``closed_wall`` names a wall that they would have to wait for."""
        if self.states.parking is None:
            self.states.parking = Parking(self.slots, closed_wall, self._most_waiting)

    def find_unfit(self) -> str:
        """Say, with its cure, what of an opened crawl this package cannot work with; nothing if all is well."""
        if self._is_left_out:
            return f"{_LEFT_OUT}: let what sets EXTENSIONS later on add to it, or give that a lower number in ADDONS"
        if missing := find_missing(self._crawler):
            names = ", ".join(missing)
            return f"Scrapy, or DOWNLOADER if it is set, lacks {names}, or takes other arguments there: {CURE}"
        ours = {
            "DOWNLOADER": isinstance(self._crawler.engine.downloader, DownloaderMixin),
            "SCHEDULER": self.states.scheduler is not None,
        }
        return "; ".join(self._classes.why_unfit(name) for name, is_ours in ours.items() if not is_ours)
