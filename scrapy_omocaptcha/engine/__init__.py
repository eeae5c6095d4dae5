"""Use Scrapy's internals: all of its private names that this package needs are here, put together for one crawl."""

from scrapy.crawler import Crawler

from scrapy_omocaptcha.engine.chain import InnerChain
from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.request_state import RequestStates
from scrapy_omocaptcha.engine.slots import Slots
from scrapy_omocaptcha.engine.stats import Stats


class Engine:
    """The parts of Scrapy in one crawl, as the downloader middleware of this package uses them."""

    def __init__(self, crawler: Crawler, middleware: object, stats: Stats, max_waiting: int) -> None:
        self.states = RequestStates(crawler)
        self.lifetime = Lifetime(crawler)
        self.components = Components(crawler)
        self.slots = Slots(crawler, self.lifetime, self.states, stats, max_waiting)
        self.chain = InnerChain(crawler, middleware, self.lifetime, self.slots.order, self.components)
