"""Stand in for the lifetime of a crawl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy.utils.asyncio import call_later
from scrapy.utils.defer import maybe_deferred_to_future
from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from collections.abc import Awaitable


class OpenLifetime:
    """The lifetime of a crawl that does not close."""

    closing = False

    async def wait(self, awaitable: Awaitable[Any], *, grace_checks: int = 1) -> Any:
        """Wait for an awaitable."""
        return await awaitable

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        slept: Deferred[None] = Deferred()
        call_later(seconds, slept.callback, None)
        await maybe_deferred_to_future(slept)
