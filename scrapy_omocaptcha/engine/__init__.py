"""Use Scrapy's internals: all of its private names that this package needs are here, put together for one crawl."""

from scrapy.crawler import Crawler

from scrapy_omocaptcha.engine.chain import InnerChain
from scrapy_omocaptcha.engine.extension import Extension
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.mixins import DownloaderMixin
from scrapy_omocaptcha.engine.private_names import find_missing
from scrapy_omocaptcha.engine.slots import Slots
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.scrapy_versions import CURE


class Engine:
    """The parts of Scrapy in one crawl, as the downloader middleware of this package uses them.

    :raises ValueError: when the add-on is not there, which makes some of them.
    """

    def __init__(self, crawler: Crawler, middleware: object, stats: Stats, max_waiting: int) -> None:
        extension = crawler.get_extension(Extension)
        if extension is None:
            raise ValueError("EXTENSIONS lacks what scrapy_omocaptcha.Addon puts there: name that in ADDONS")
        self._crawler = crawler
        self.states, self.components = extension.states, extension.components
        self.lifetime = Lifetime(crawler)
        self.slots = Slots(crawler, self.lifetime, self.states, stats, max_waiting)
        self.chain = InnerChain(crawler, middleware, self.lifetime, self.slots.order, self.components)

    def find_unfit(self) -> str:
        """Say, with its cure, what of an opened crawl this package cannot work with; nothing if all is well."""
        if missing := find_missing(self._crawler):
            names = ", ".join(missing)
            return f"Scrapy, or DOWNLOADER if it is set, lacks {names}, or takes other arguments there: {CURE}"
        ours = isinstance(self._crawler.engine.downloader, DownloaderMixin), self.states.scheduler is not None
        return "; ".join(
            f"no class can be derived from {name} = {self._crawler.settings[name]}: set it to one derived from Scrapy's"
            for name, is_ours in zip(("DOWNLOADER", "SCHEDULER"), ours, strict=True)
            if not is_ours
        )
