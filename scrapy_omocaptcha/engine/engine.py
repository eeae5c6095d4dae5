"""Put together what this package uses of Scrapy in one crawl."""

from dataclasses import dataclass

from scrapy_omocaptcha.engine.chain import InnerChain
from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.request_state import RequestStates
from scrapy_omocaptcha.engine.slots import Slots


@dataclass(frozen=True)
class Engine:
    """The parts of Scrapy in one crawl, as this package uses them."""

    states: RequestStates
    lifetime: Lifetime
    slots: Slots
    components: Components
    chain: InnerChain
