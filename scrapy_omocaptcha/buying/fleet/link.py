"""Call the store of a fleet, one call after the other, and wait for a store that is unavailable.

A call without a reply may have been made. The commands and their arguments are those of ``fleet.lua``.
"""

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future

from scrapy_omocaptcha.buying.fleet.redis_store import Arguments, NoReply, RedisStore
from scrapy_omocaptcha.buying.pace import CapacityLimiter
from scrapy_omocaptcha.engine.lifetime import Lifetime, wait_at_most

logger = logging.getLogger(__name__)

_RETRY_INTERVAL = 1.0
"""Seconds between two attempts to reach a store that is unavailable."""
_WARNING_INTERVAL = 60.0
"""Minimum seconds between two warnings: a store that is full answers now and then."""
_CLOSE_TIMEOUT = 2.0
"""Seconds for the remaining calls when the crawl ends."""


class FleetLink:
    """Calls a store.

    :param patience: seconds for which a call waits for a store that is unavailable.
    """

    def __init__(self, store: RedisStore, lifetime: Lifetime, clock: Callable[[], float], *, patience: float) -> None:
        self._store = store
        self._lifetime = lifetime
        self._clock = clock
        self._patience = patience
        self._turns = CapacityLimiter(1)
        self._told: deque[tuple[str, Arguments]] = deque()
        self._unavailable_since: float | None = None
        self._retry_at = 0.0
        self._warned_at: float | None = None

    async def call(self, command: str, arguments: Arguments) -> dict[str, Any]:
        """Return the reply to a command, which is repeated until there is one, or raise :class:`NoReply`."""
        with self._turns.acquire() as acquired:
            await maybe_deferred_to_future(acquired)
            if self._has_no_patience and self._clock() < self._retry_at:
                raise NoReply("it did not answer a moment ago")
            await self._send_told()
            while True:
                try:
                    if self._unavailable_since is not None:
                        # It may be executed though its reply is lost, so this one changes nothing.
                        await self._attempt("sums", {"host": ""})
                    return await self._run(command, arguments)
                except NoReply:
                    if self._has_no_patience:
                        raise
                await self._lifetime.sleep(_RETRY_INTERVAL)

    def tell(self, command: str, arguments: Arguments) -> None:
        """Run a command soon, or when the store is available again: at most once, and without waiting for it."""
        self._told.append((command, arguments))
        deferred_from_coro(self._send())

    async def _send(self) -> None:
        with self._turns.acquire() as acquired:
            await maybe_deferred_to_future(acquired)
            await self._send_told()

    async def _send_told(self) -> None:
        while self._told and self._unavailable_since is None:
            with suppress(NoReply):
                await self._run(*self._told.popleft())

    async def close(self) -> None:
        """Send what has been told within a short time, and disconnect."""
        with suppress(TimeoutError):
            await wait_at_most(_CLOSE_TIMEOUT, self._send())
        self._told.clear()
        await self._store.close()

    async def _run(self, command: str, arguments: Arguments) -> dict[str, Any]:
        reply = await self._attempt(command, arguments)
        if self._unavailable_since is not None:
            logger.info("OMOcaptcha: Redis is back after %.0f s", self._clock() - self._unavailable_since)
            self._unavailable_since = None
        return reply

    async def _attempt(self, command: str, arguments: Arguments) -> dict[str, Any]:
        try:
            return await self._store.run(command, arguments)
        except NoReply as error:
            self._mark_unavailable(error)
            raise

    @property
    def _has_no_patience(self) -> bool:
        """Tell whether the store has been unavailable for longer than a call waits."""
        return self._unavailable_since is not None and self._clock() - self._unavailable_since >= self._patience

    def _mark_unavailable(self, error: NoReply) -> None:
        now = self._clock()
        self._retry_at = now + _RETRY_INTERVAL
        if self._unavailable_since is None:
            self._unavailable_since = now
        if self._warned_at is None or now - self._warned_at >= _WARNING_INTERVAL:
            self._warned_at = now
            logger.warning(
                "OMOcaptcha: the Redis of OMOCAPTCHA_REDIS_URL cannot be used (%s); the crawl goes on, and nothing is "
                "bought until Redis is back; challenges wait for it for at most %g s (OMOCAPTCHA_JOB_TIMEOUT)",
                error,
                self._patience,
            )
