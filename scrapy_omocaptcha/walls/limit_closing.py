"""Close the spider when nothing more may be bought, if ``OMOCAPTCHA_CLOSE_ON_LIMIT`` wants that."""

from contextlib import suppress

from scrapy import Request

from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.slots import Slots
from scrapy_omocaptcha.errors import CrawlClosing

_CLOSING_REASONS = {
    **dict.fromkeys(("max_cost", "max_cost_per_day", "max_jobs"), "omocaptcha_limit"),
    **dict.fromkeys(("account", "min_balance"), "omocaptcha_account"),
}
"""The reason with which the spider is closed, by the reason why nothing was bought."""


class LimitClosing:
    """Closes the spider of one crawl at a limit.

    :param is_wanted: whether the setting is on.
    """

    def __init__(self, lifetime: Lifetime, slots: Slots, *, is_wanted: bool) -> None:
        self._lifetime = lifetime
        self._slots = slots
        self._is_wanted = is_wanted

    def applies(self, reason: str) -> bool:
        """Tell whether the spider is to be closed since nothing was bought for this reason."""
        return self._is_wanted and reason in _CLOSING_REASONS

    async def close(self, reason: str, request: Request | None = None) -> CrawlClosing:
        """Close the spider once all tokens that have been paid for are used, and return the error that says so.

        :param request: the request that waits for that, if it is one of the spider's.
        """
        with suppress(CrawlClosing):
            if request is None:
                await self._lifetime.until(lambda: not self._slots.holds)
            else:
                await self._slots.until_none_is_held(request)
        self._lifetime.close(_CLOSING_REASONS[reason])
        return CrawlClosing(f"{reason} is reached, and OMOCAPTCHA_CLOSE_ON_LIMIT closes the spider")
