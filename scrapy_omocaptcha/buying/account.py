"""The account at the service: what a job costs, what is left, and whether it can buy at all.

It is asked before the first job is bought, and when the service refuses one in words that nobody knows. What it finds
out goes to ``limits``, which decides.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from scrapy_omocaptcha.buying.limiter import Turns
from scrapy_omocaptcha.errors import AccountError, ApiError, ApiUnreachable, CrawlClosing, NotBought
from scrapy_omocaptcha.settings import FALLBACK_PRICE

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from scrapy_omocaptcha.buying.api.protocol import Api
    from scrapy_omocaptcha.buying.limits import Limits
    from scrapy_omocaptcha.engine.slots import CrawlEngine
    from scrapy_omocaptcha.engine.stats import Stats
    from scrapy_omocaptcha.errors import ApiRefused
    from scrapy_omocaptcha.settings import Settings

logger = logging.getLogger(__name__)
T = TypeVar("T")

CALLS_AT_ONCE = 256
"""Each has a connection of its own. More would not be answered sooner, and a process may open 1,024 files as a rule."""


class Account:
    """One crawl's view of the account, and its calls to the service."""

    def __init__(self, api: Api, limits: Limits, *, engine: CrawlEngine, settings: Settings, stats: Stats) -> None:
        self._api = api
        self._limits = limits
        self._engine = engine
        self._stats = stats
        self._min_balance = settings.min_balance
        self._price_asked = settings.price is not None
        self._asking = Turns(1)
        self._turns = Turns(CALLS_AT_ONCE)
        self.balance: float | None = None
        """USD when the crawl began; None: nobody has asked."""
        self._refused: str | None = None

    async def call(self, call: Coroutine[Any, Any, T], *, buys: bool = False) -> T:
        """Have a call answered when its turn comes, counted, and dropped when the crawl closes.

        :param buys: it goes ahead of those that do not; when the crawl closes, its answer is awaited for a moment, so
            that what was bought is known.
        :raises ApiError: as the call does.
        :raises ApiUnreachable: the crawl closes before the call has begun.
        :raises CrawlClosing: the crawl closes, and the call was on its way.
        """
        with self._turns.turn(ahead=buys) as come:
            with suppress(CrawlClosing):
                await self._engine.wait(come)
            if self._engine.closing:
                call.close()
                raise ApiUnreachable("the crawl is closing, and the call has not begun", taken=False)
            self._stats.inc("api/calls")
            try:
                return await self._engine.wait(call, looks=2 if buys else 1)
            except ApiError as error:
                self._stats.inc(f"api/errors/{error.reason}")
                raise

    async def ready(self) -> None:
        """Know price and balance before the first job is bought, however many are wanted at once.

        :raises NotBought: the account cannot buy.
        :raises ApiError: the balance is not known, and ``OMOCAPTCHA_MIN_BALANCE`` wants it to be.
        :raises CrawlClosing: the crawl closes.
        """
        if self._is_known():
            return
        with self._asking.turn() as come:
            await self._engine.wait(come)
            if self._refused is not None:
                # Said to somebody else, while this one waited.
                raise NotBought("account", self._refused)
            if not self._price_asked:
                await self._ask_price()
                self._price_asked = True
            if not self._is_known():
                await self._ask_balance()

    def _is_known(self) -> bool:
        return self._price_asked and (self.balance is not None or not self._min_balance)

    async def _ask_price(self) -> None:
        try:
            price = await self.call(self._api.price())
        except ApiError as error:
            logger.debug("The price of a job could not be asked (%s); reckoning with %s USD", error, FALLBACK_PRICE)
            return
        if not price:
            # Not in the list; or for nothing, which would switch OMOCAPTCHA_MAX_COST off on the service's word alone.
            return
        if price > FALLBACK_PRICE:
            logger.warning(
                "A job costs %s USD by the service's list, more than the %s USD that was to be expected: "
                "set OMOCAPTCHA_MAX_COST accordingly",
                price,
                FALLBACK_PRICE,
            )
        self._limits.price = price

    async def _ask_balance(self) -> None:
        try:
            charged = await self._limits.charged()
            balance = await self.call(self._api.balance())
        except AccountError as error:
            raise self.close(error) from None
        self._limits.holds(balance, charged)
        self.balance = balance
        if balance - self._limits.price < self._min_balance:
            logger.warning(
                "The balance is %.5f USD, of which OMOCAPTCHA_MIN_BALANCE (%g) is to be left: nothing is bought; "
                "top the account up, or lower it",
                balance,
                self._min_balance,
            )

    async def settle(self, refusal: ApiRefused) -> None:
        """Whether words that we do not know are about the account, the balance tells; an error code needs no telling.

        :raises NotBought: they are.
        """
        self._limits.refused()
        if not refusal.unclear:
            return
        try:
            balance = await self.call(self._api.balance())
        except AccountError as error:
            raise self.close(error) from None
        except ApiError:
            return
        if balance < self._limits.price:
            raise self.close(
                AccountError(f"the balance is {balance:.5f} USD, a job costs {self._limits.price:.5f} ({refusal})")
            ) from None

    def close(self, error: AccountError) -> NotBought:
        """The service refuses the account: nothing is bought any more."""
        cure = "check OMOCAPTCHA_API_TOKEN and the balance of the account"
        message = f"the service refuses this account ({error}); nothing is bought any more: {cure}"
        self._refused = self._refused or message
        if self._limits.close_account(message):
            logger.error("OMOcaptcha: %s", message)
        return NotBought("account", message)

    async def last_balance(self) -> float | None:
        """USD now that the crawl has ended, if it was asked for when it began and can be had."""
        if self.balance is None:
            return None
        try:
            return await self._api.balance()
        except ApiError as error:
            logger.debug("The balance at the end could not be asked: %s", error)
            return None
