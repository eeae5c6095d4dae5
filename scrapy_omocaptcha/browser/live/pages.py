"""Buy tokens for pages that a spider drives itself, and give them to their widgets."""

import logging
from collections.abc import Awaitable, Callable, Mapping

from playwright.async_api import Page

from scrapy_omocaptcha.browser.live.found import find_widget
from scrapy_omocaptcha.browser.live.giving import LivePage
from scrapy_omocaptcha.browser.live.purchase import BY_HAND, PagePurchase
from scrapy_omocaptcha.browser.widget import LiveWidget
from scrapy_omocaptcha.buying.purchase import Purchase
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.errors import HandoverBroke
from scrapy_omocaptcha.tokens.verdict import unknown, unused

logger = logging.getLogger(__name__)


class LivePages:
    """The pages of one crawl that spiders drive themselves, and that were given tokens.

    :param user_agents: what scrapy-playwright has sent for each page, where that is known.
    """

    def __init__(self, user_agents: Mapping[Page, bytes], lifetime: Lifetime) -> None:
        self._user_agents = user_agents
        self._lifetime = lifetime
        self._pages: dict[Page, LivePage] = {}
        self._undecided: set[PagePurchase] = set()
        """Those of which the spider has not said yet what the site makes of them."""
        self._silent = 0
        """How many of which it never has."""

    async def solve(
        self, page: Page, selector: str | None, press: bool, buy: Callable[[Challenge], Awaitable[Purchase]]
    ) -> PagePurchase:
        """Buy a token for a page and give it to its widget; see ``solve_page``.

        :param buy: buys a token under all limits of the crawl.
        """
        if not isinstance(page, Page):
            raise TypeError(f"{page!r} is no page: ask for one with playwright_include_page in the meta of the request")
        widget, challenge = await find_widget(page, selector, self._is_closing)
        purchase = await buy(challenge)
        given = PagePurchase(purchase, self._decided)
        self._undecided.add(given)
        error = await self._give(page, widget, challenge.url, purchase.token.value, press)
        if error is not None:
            given.record(unknown("broke") if error.is_sent else unused("closed"))
            raise error
        return given

    def close(self) -> None:
        """Record what nobody has said anything of."""
        for purchase in list(self._undecided):
            purchase.record(BY_HAND)
        if self._silent:
            logger.warning(
                "OMOcaptcha: the spider has not said of %d tokens whether the site accepted them, so they count as "
                "unknown: call accepted() or rejected() on what solve_page returns",
                self._silent,
            )
        for page in self._pages.values():
            page.unmask()

    def _decided(self, purchase: PagePurchase) -> None:
        self._undecided.discard(purchase)
        self._silent += purchase.verdict is BY_HAND

    async def _give(self, page: Page, widget: LiveWidget, url: str, secret: str, press: bool) -> HandoverBroke | None:
        live = self._pages.get(page)
        if live is None:
            live = self._pages[page] = LivePage(page, self._user_agents.get(page), self._forget)
        return await live.give(widget, url, secret, press=press)

    def _forget(self, page: Page) -> None:
        self._pages.pop(page, None)

    def _is_closing(self) -> bool:
        return self._lifetime.closing
