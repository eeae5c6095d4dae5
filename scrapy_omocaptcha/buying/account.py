"""Make a crawl's calls to the service, and ask it for price and balance.

The price is asked for before the first job is bought, and with ``OMOCAPTCHA_MIN_BALANCE`` the balance before each job.
What is found out goes to ``limits``, which decides what may be bought.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.buying.pace import CapacityLimiter
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.errors import AccountError, ApiError, ApiUnreachable, CrawlClosing, NotBought
from scrapy_omocaptcha.settings import FALLBACK_PRICE, Settings
from scrapy_omocaptcha.urls import host_of

if TYPE_CHECKING:
    from scrapy_omocaptcha.buying.api.protocol import Api

logger = logging.getLogger(__name__)
T = TypeVar("T")

CALLS_AT_ONCE = 256
"""Calls under way at once, each with a connection: more would not be answered sooner, and files are limited."""


@dataclass(eq=False)
class Account:
    """Makes one crawl's API calls and keeps its price and balance."""

    apis: Callable[[], dict[int, Api]]
    """Returns the clients of the service, one for each version of the API that it may have."""
    limits: Limits
    lifetime: Lifetime
    settings: Settings
    stats: Stats

    def __post_init__(self) -> None:
        self._api: Api | None = None
        self._price_known = self.settings.price is not None
        self._asking = CapacityLimiter(1)
        self._calls = CapacityLimiter(CALLS_AT_ONCE)
        self.closed: str | None = None
        """Reason why nothing is bought any more with this account; None while it can buy."""

    @property
    def api(self) -> Api:
        """Return the client of the version that the service has, which is known once the account is ready."""
        assert self._api is not None
        return self._api

    async def call(self, call: Coroutine[Any, Any, T], *, grace_checks: int = 1) -> T:
        """Make a call to the service, count it, and drop it when the crawl closes.

        :param grace_checks: how long its answer is awaited once the crawl is closing; see :meth:`Lifetime.wait`.
        :raises ApiError: as the call does, or when the crawl closes before the call has begun.
        :raises CrawlClosing: when the crawl closes while the call is on its way.
        """
        with self._calls.acquire() as acquired:
            with suppress(CrawlClosing):
                await self.lifetime.wait(acquired)
            if self.lifetime.closing:
                call.close()
                raise ApiUnreachable("the crawl is closing, and the call has not begun", taken=False)
            self.stats.inc("api/calls")
            try:
                return await self.lifetime.wait(call, grace_checks=grace_checks)
            except ApiError as error:
                self.stats.inc(f"api/errors/{error.reason}")
                raise

    async def _ask(self, call: Coroutine[Any, Any, T]) -> T:
        """Make a call that buys nothing; stop all buying and raise ``NotBought`` if it shows that nothing can be."""
        try:
            return await self.call(call)
        except AccountError as error:
            raise self.close(error) from None

    def check(self) -> None:
        """Raise ``NotBought`` where nothing is bought any more."""
        if self.closed is not None:
            raise NotBought("account", self.closed)

    @asynccontextmanager
    async def ready(self) -> AsyncIterator[None]:
        """Find out version, price and balance where they are not known, and let one job be reserved in the block.

        :raises NotBought: when the account cannot buy.
        :raises ApiError: when the version is not known, or the balance, though ``OMOCAPTCHA_MIN_BALANCE`` needs it.
        """
        self.check()
        if self._api is not None and self._price_known and not self.settings.min_balance:
            yield
            return
        with self._asking.acquire() as acquired:
            await self.lifetime.wait(acquired)
            # The service may have refused the account while this coroutine waited.
            self.check()
            if self._api is None:
                self._api = await self._find_version()
            if not self._price_known:
                await self._ask_price()
                self._price_known = True
            if self.settings.min_balance:
                await self.lifetime.until(self.limits.no_call_is_under_way)
                await self._ask_balance()
            # The next one that asks for the balance must see what this one reserves.
            yield

    async def _find_version(self) -> Api:
        apis = self.apis()
        if len(apis) == 1:
            return next(iter(apis.values()))
        from scrapy_omocaptcha.buying.api.factory import find_version

        return await self._ask(find_version(apis))

    async def _ask_price(self) -> None:
        settings, price, host = self.settings, None, host_of(self.settings.api_url)
        try:
            price = await (self._ask if settings.needs_price else self.call)(self.api.price())
        except ApiError as error:
            if settings.needs_price and isinstance(error, ApiUnreachable):
                raise
            logger.debug("The price of a job is not known: %s", error)
        if price is not None:
            self.limits.price = price
        elif settings.needs_price:
            raise self._stop(f"{host} names no price of a job, and no limit in USD would hold: set OMOCAPTCHA_PRICE")
        elif not settings.is_omocaptcha:
            words = "OMOcaptcha: %s names no price of a job, which is counted as %s USD: set OMOCAPTCHA_PRICE"
            logger.warning(words, host, FALLBACK_PRICE)

    async def _ask_balance(self) -> None:
        charged = await self.limits.charged_so_far()
        balance = await self._ask(self.api.balance())
        self.limits.set_balance(balance, charged)

    def close(self, error: AccountError) -> NotBought:
        """Stop all buying because the service takes no job from this crawl; return the error to raise."""
        return self._stop(f"the service accepts no job from this crawl: {error.with_cure}")

    def _stop(self, why: str) -> NotBought:
        message = f"nothing more is bought, since {why}"
        if self.closed is None:
            self.closed = message
            self.stats.inc("account/closed")
            logger.error("OMOcaptcha: %s", message)
        return NotBought("account", message)
