"""Send commands to the Redis of a fleet in order, and keep them while Redis is unavailable.

A call has a reply that somebody waits for; a notification has none, and is repeated until Redis has it. The commands
and their arguments are those of ``fleet.lua``.
"""

import json
import logging
import math
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from typing import Any

from scrapy.utils.asyncio import call_later
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future
from twisted.internet.defer import Deferred

from scrapy_omocaptcha.buying.fleet.script import RedisScript, RedisUnavailable, ScriptFailed
from scrapy_omocaptcha.buying.limiter import CapacityLimiter
from scrapy_omocaptcha.engine.lifetime import wait_at_most
from scrapy_omocaptcha.settings.secret import Secret

logger = logging.getLogger(__name__)

Arguments = dict[str, Any]

RETRY_INTERVAL = 1.0
"""Seconds between two attempts to reach a Redis that is unavailable."""
_WARNING_INTERVAL = 60.0
"""Minimum seconds between two warnings: a Redis that is full answers now and then."""
_CLOSE_TIMEOUT = 2.0
"""Seconds for sending the remaining notifications when the crawl ends."""


def keys_of(fleet: str, worker: str, arguments: Arguments) -> list[str]:
    """Return the keys that the script works with, in its order."""
    # With a colon in its name, one fleet could use the keys of another.
    fleet_key = "omocaptcha:fleet:" + fleet.replace("%", "%25").replace(":", "%3A")
    of_host = f":breaker:{arguments.get('host')}"
    of_sitekey = f"{of_host}:{arguments.get('sitekey')}"
    suffixes = ("", ":jobs", ":expiry", ":hosts", of_sitekey, of_host, f":received:{worker}")
    return [*(fleet_key + suffix for suffix in suffixes), "omocaptcha:day"]


class FleetLink:
    """Sends commands to Redis one after the other, each notification before all later calls.

    :param fleet: name of the fleet, which the keys in Redis begin with.
    :param meanwhile: the end of the warning that Redis is unavailable: what the crawl does meanwhile.
    :raises NotConfigured: when redis-py is not installed.
    :raises ValueError: when redis-py does not understand the URL.
    """

    def __init__(self, url: Secret, fleet: str, clock: Callable[[], float], *, meanwhile: str) -> None:
        lua = files(__package__).joinpath("fleet.lua").read_text(encoding="utf-8")
        self._script = RedisScript(url, lua)
        self._fleet = fleet
        self._worker = uuid.uuid4().hex
        self._clock = clock
        self._meanwhile = meanwhile
        self._notifications: deque[tuple[str, Arguments]] = deque()
        self._last_number = 0
        self._turns = CapacityLimiter(1)
        self._unavailable_since: float | None = None
        self._retry_at = 0.0
        self._warned_at: float | None = None

    @property
    def unavailable_for(self) -> float:
        """Return the seconds since Redis was found to be unavailable, or 0 while it is available."""
        return 0.0 if self._unavailable_since is None else self._clock() - self._unavailable_since

    async def call(self, command: str, arguments: Arguments) -> Any:
        """Return the reply to a command, which Redis runs after all earlier notifications. May be cancelled.

        :raises RedisUnavailable: when there is no reply.
        """
        reply: Deferred[Any] = Deferred()
        # A coroutine of its own: what a cancelled caller has sent must not be overtaken.
        deferred_from_coro(self._call(command, arguments, reply)).chainDeferred(reply)
        return await maybe_deferred_to_future(reply)

    def notify(self, command: str, arguments: Arguments) -> None:
        """Send a command soon, or when Redis is available again, without waiting for a reply."""
        self._last_number += 1
        # Redis skips a number that is not above the last one: a notification whose reply was lost is sent again.
        self._notifications.append((command, {**arguments, "number": self._last_number}))
        call_later(0, self._start)

    async def close(self) -> list[tuple[str, Arguments]]:
        """Send what is queued within a short time, disconnect, and return the notifications that were not sent."""
        self._retry_at = 0.0
        with suppress(TimeoutError):
            await wait_at_most(_CLOSE_TIMEOUT, self._notify())
        self._retry_at = math.inf
        unsent = list(self._notifications)
        self._notifications.clear()
        await self._script.close()
        return unsent

    def _start(self) -> None:
        if self._notifications and self._clock() >= self._retry_at:
            deferred_from_coro(self._notify())

    async def _notify(self) -> None:
        with self._turns.acquire() as acquired, suppress(RedisUnavailable):
            await maybe_deferred_to_future(acquired)
            await self._send_notifications()

    async def _call(self, command: str, arguments: Arguments, reply: Deferred[Any]) -> Any:
        with self._turns.acquire() as acquired:
            await maybe_deferred_to_future(acquired)
            if reply.called:
                return None  # The caller was cancelled.
            await self._send_notifications()
            return await self._send(command, arguments)

    async def _send_notifications(self) -> None:
        while self._notifications:
            with suppress(ScriptFailed):
                await self._send(*self._notifications[0])
            # close() may have emptied the queue meanwhile.
            if self._notifications:
                self._notifications.popleft()

    async def _send(self, command: str, arguments: Arguments) -> Any:
        """Return the reply of Redis.

        :raises RedisUnavailable: when there is none, or there was none a moment ago.
        """
        if self._clock() < self._retry_at:
            raise RedisUnavailable("it did not answer a moment ago")
        # An error message of the service may hold lone surrogates, which cannot be encoded.
        text = json.dumps(arguments, ensure_ascii=False).encode("utf-8", "replace").decode()
        try:
            reply = await self._script(keys_of(self._fleet, self._worker, arguments), [command, text])
        except ScriptFailed as error:
            logger.error("OMOcaptcha: the Redis of OMOCAPTCHA_REDIS_URL cannot run %s: %s", command, error)
            self._mark_available()
            raise
        except RedisUnavailable as error:
            self._mark_unavailable(error)
            raise
        self._mark_available()
        return reply

    def _mark_available(self) -> None:
        if self._unavailable_since is not None:
            logger.info("OMOcaptcha: Redis is back after %.0f s", self.unavailable_for)
            self._unavailable_since = None

    def _mark_unavailable(self, error: RedisUnavailable) -> None:
        now = self._clock()
        self._retry_at = now + RETRY_INTERVAL
        if self._unavailable_since is None:
            self._unavailable_since = now
        if self._warned_at is None or now - self._warned_at >= _WARNING_INTERVAL:
            self._warned_at = now
            logger.warning(
                "OMOcaptcha: the Redis of OMOCAPTCHA_REDIS_URL does not answer (%s); the crawl goes on, %s",
                error,
                self._meanwhile,
            )
        call_later(RETRY_INTERVAL, self._start)
