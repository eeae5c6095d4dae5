"""The end of a crawl by a limit, where ``OMOCAPTCHA_CLOSE_ON_LIMIT`` wants that. What a limit is, ``limits`` says."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from scrapy_omocaptcha.errors import CrawlClosing

if TYPE_CHECKING:
    from scrapy_omocaptcha.buying.buyer import Means

_ENDS = {
    **dict.fromkeys(("max_cost", "max_cost_per_day", "max_jobs"), "omocaptcha_limit"),
    **dict.fromkeys(("account", "min_balance"), "omocaptcha_account"),
}
"""Why the spider is closed, and under which name."""


class Ending:
    """Closes the spider of one crawl."""

    def __init__(self, means: Means) -> None:
        self._engine = means.engine
        self._wanted = means.settings.close_on_limit

    def ends(self, reason: str) -> bool:
        """Whether a challenge that is left alone for ``reason`` ends the crawl."""
        return self._wanted and reason in _ENDS

    async def end(self, reason: str) -> CrawlClosing:
        """Close the spider, once what has been paid for is used; what is to be told of it."""
        with suppress(CrawlClosing):
            await self._engine.until(lambda: not self._engine.holds)
        self._engine.close(_ENDS[reason])
        return CrawlClosing(f"{reason} is reached, and OMOCAPTCHA_CLOSE_ON_LIMIT closes the spider")
