"""Send commands to the Redis of a fleet in order, and keep them while Redis is unavailable.

A call has a reply that somebody waits for; a notification has none, and is repeated until Redis has it. The commands
and their arguments are those of ``fleet.lua``.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections import deque
from collections.abc import Callable
from importlib.resources import files
from typing import Any, NamedTuple

from scrapy.utils.asyncio import call_later
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future
from twisted.internet.defer import Deferred

from scrapy_omocaptcha.buying.fleet.script import RedisScript, RedisUnavailable, ScriptFailed
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
    host = arguments.get("host", "")
    suffixes = ("", ":jobs", ":expiry", ":hosts", f":breaker:{host}", f":failed_keys:{host}", f":received:{worker}")
    return [*(fleet_key + suffix for suffix in suffixes), "omocaptcha:day"]


class _Message(NamedTuple):
    command: str
    arguments: Arguments
    reply: Deferred[Any] | None = None
    """Fires with the reply to a call; None for a notification."""


class FleetLink:
    """A queue of commands for Redis, which are sent one after the other.

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
        self._queue: deque[_Message] = deque()
        self._notifications = 0
        self._sending = self._closed = False
        self._finished: Deferred[None] | None = None
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
        if self._clock() < self._retry_at:
            raise RedisUnavailable("it did not answer a moment ago")
        reply: Deferred[Any] = Deferred()
        self._queue.append(_Message(command, arguments, reply))
        self._start()
        return await maybe_deferred_to_future(reply)

    def notify(self, command: str, arguments: Arguments) -> None:
        """Send a command soon, or when Redis is available again, without waiting for a reply."""
        self._notifications += 1
        # Redis skips a number that is not above the last one: a notification whose reply was lost is sent again.
        self._queue.append(_Message(command, {**arguments, "number": self._notifications}))
        call_later(0, self._start)

    async def close(self) -> list[tuple[str, Arguments]]:
        """Send what is queued within a short time, disconnect, and return the notifications that were not sent."""
        self._retry_at = 0.0
        self._start()
        if self._sending:
            self._finished = Deferred()
            call_later(_CLOSE_TIMEOUT, self._finish)
            await maybe_deferred_to_future(self._finished)
        self._closed = True
        unsent = [(message.command, message.arguments) for message in self._queue]
        self._queue.clear()
        await self._script.close()
        return unsent

    def _start(self) -> None:
        if self._queue and not self._sending and not self._closed and self._clock() >= self._retry_at:
            self._sending = True
            # A coroutine of its own: cancelling one caller must not leave the others without a reply.
            deferred_from_coro(self._send_queued())

    async def _send_queued(self) -> None:
        try:
            while self._queue and await self._send(self._queue[0]):
                # close() may have emptied the queue meanwhile.
                if self._queue:
                    self._queue.popleft()
        finally:
            self._sending = False
            self._finish()

    def _finish(self) -> None:
        if self._finished is not None and not self._finished.called:
            self._finished.callback(None)

    async def _send(self, message: _Message) -> bool:
        """Send a message; return False if Redis is unavailable, in which case a notification is sent again."""
        if message.reply is not None and message.reply.called:
            # The caller was cancelled.
            return True
        # An error message of the service may hold lone surrogates, which cannot be encoded.
        text = json.dumps(message.arguments, ensure_ascii=False).encode("utf-8", "replace").decode()
        keys = keys_of(self._fleet, self._worker, message.arguments)
        try:
            reply = await self._script(keys, [message.command, text])
        except ScriptFailed as error:
            logger.error("OMOcaptcha: the Redis of OMOCAPTCHA_REDIS_URL cannot run %s: %s", message.command, error)
            reply = error
        except RedisUnavailable as error:
            self._mark_unavailable(error)
            return False
        if self._unavailable_since is not None:
            logger.info("OMOcaptcha: Redis is back after %.0f s", self.unavailable_for)
            self._unavailable_since = None
        _reply(message, reply)
        return True

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
        # Callers decide themselves whether to call again.
        calls = [message for message in self._queue if message.reply is not None]
        self._queue = deque(message for message in self._queue if message.reply is None)
        for message in calls:
            _reply(message, error)


def _reply(message: _Message, value: Any) -> None:
    if message.reply is None or message.reply.called:
        return
    if isinstance(value, Exception):
        message.reply.errback(value)
    else:
        message.reply.callback(value)
