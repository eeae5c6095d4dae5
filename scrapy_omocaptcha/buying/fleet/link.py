"""Send commands to the store of a fleet in order, and repeat each until the store has replied.

A call has a reply that somebody waits for, though not for ever; a notification has none. The commands and their
arguments are those of ``fleet.lua``.
"""

import logging
import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from scrapy.utils.asyncio import call_later
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future
from twisted.internet.defer import Deferred

from scrapy_omocaptcha.buying.fleet.redis_store import Arguments, CommandFailed, NoReply, RedisStore
from scrapy_omocaptcha.buying.pace import CapacityLimiter
from scrapy_omocaptcha.engine.lifetime import wait_at_most

logger = logging.getLogger(__name__)

_RETRY_INTERVAL = 1.0
"""Seconds between two attempts to reach a store that is unavailable."""
_WARNING_INTERVAL = 60.0
"""Minimum seconds between two warnings: a store that is full answers now and then."""
_CLOSE_TIMEOUT = 2.0
"""Seconds for sending the remaining notifications when the crawl ends."""


class FleetLink:
    """Sends commands to a store, one after the other.

    :param patience: seconds for which a call waits for a store that is unavailable.
    """

    def __init__(self, store: RedisStore, clock: Callable[[], float], *, patience: float) -> None:
        self._store = store
        self._clock = clock
        self._patience = patience
        self._queue: deque[tuple[str, Arguments, Deferred[Any] | None]] = deque()
        self._last_number = 0
        self._turns = CapacityLimiter(1)
        self._unavailable_since: float | None = None
        self._retry_at = 0.0
        self._warned_at: float | None = None

    @property
    def unavailable_for(self) -> float:
        """Return the seconds since the store was found to be unavailable, or 0 while it is available."""
        return 0.0 if self._unavailable_since is None else self._clock() - self._unavailable_since

    async def call(self, name: str, arguments: Arguments) -> Any:
        """Return the reply to a command, or raise :class:`NoReply`. May be cancelled."""
        if self._clock() < self._retry_at and self.unavailable_for >= self._patience:
            raise NoReply("it did not answer a moment ago")
        reply: Deferred[Any] = Deferred()
        self._queue.append((name, arguments, reply))
        self._start()
        return await maybe_deferred_to_future(reply)

    def notify(self, name: str, arguments: Arguments) -> None:
        """Send a command soon, or when the store is available again, without waiting for a reply."""
        self._last_number += 1
        # The store skips a number that is not above the last one: a notification whose reply was lost is sent again.
        self._queue.append((name, {**arguments, "number": self._last_number}, None))
        call_later(0, self._start)

    async def close(self) -> None:
        """Send what is queued within a short time, and disconnect."""
        self._retry_at = 0.0
        with suppress(TimeoutError):
            await wait_at_most(_CLOSE_TIMEOUT, self._send())
        self._retry_at = math.inf
        self._queue.clear()
        await self._store.close()

    def _start(self) -> None:
        if self._queue and self._clock() >= self._retry_at:
            deferred_from_coro(self._send())

    async def _send(self) -> None:
        """Send all that is queued, unless the store turns out to be unavailable."""
        with self._turns.acquire() as acquired:
            await maybe_deferred_to_future(acquired)
            while self._queue and self._clock() >= self._retry_at:
                name, arguments, reply = self._queue[0]
                if reply is not None and reply.called:
                    # The caller was cancelled.
                    self._queue.popleft()
                    continue
                try:
                    result = await self._store.run(name, arguments)
                except CommandFailed as error:
                    logger.error("OMOcaptcha: the Redis of OMOCAPTCHA_REDIS_URL cannot run %s: %s", name, error)
                    result = error
                except NoReply as error:
                    self._mark_unavailable(error)
                    return
                if self._unavailable_since is not None:
                    logger.info("OMOcaptcha: Redis is back after %.0f s", self.unavailable_for)
                    self._unavailable_since = None
                # close() may have emptied the queue meanwhile.
                if self._queue:
                    self._queue.popleft()
                if reply is not None and not reply.called:
                    (reply.errback if isinstance(result, CommandFailed) else reply.callback)(result)

    def _mark_unavailable(self, error: NoReply) -> None:
        now = self._clock()
        self._retry_at = now + _RETRY_INTERVAL
        if self._unavailable_since is None:
            self._unavailable_since = now
        if self._warned_at is None or now - self._warned_at >= _WARNING_INTERVAL:
            self._warned_at = now
            logger.warning(
                "OMOcaptcha: the Redis of OMOCAPTCHA_REDIS_URL does not answer (%s); the crawl goes on, and nothing is "
                "bought until Redis is back; challenges wait for it for at most %g s (OMOCAPTCHA_JOB_TIMEOUT)",
                error,
                self._patience,
            )
        if self.unavailable_for >= self._patience:
            queued, self._queue = self._queue, deque(each for each in self._queue if each[-1] is None)
            for *_, reply in queued:
                if reply is not None and not reply.called:
                    reply.errback(error)
        call_later(_RETRY_INTERVAL, self._start)
