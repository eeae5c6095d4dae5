"""What a worker asks of the Redis of its fleet and tells it: in the order in which it happened, through its absences.

It decides nothing: what is asked and told is in ``fleet``, what becomes of it in ``fleet.lua``.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from contextlib import suppress
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from scrapy.utils.asyncio import call_later
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future
from twisted.internet.defer import DeferredLock

from scrapy_omocaptcha.redis_script import RedisAway, RedisScript

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_omocaptcha.secret import Secret

logger = logging.getLogger(__name__)

TRY_EVERY = 1.0
"""Seconds between two looks whether Redis is back."""

_PREFIX = "omocaptcha"


class FleetLink:
    """:param fleet: its name, under which Redis keeps what it shares.

    :param meanwhile: what is said to happen while Redis is away.
    :raises NotConfigured: redis-py is not installed.
    """

    def __init__(self, url: Secret, fleet: str, clock: Callable[[], float], *, meanwhile: str) -> None:
        lua = files("scrapy_omocaptcha").joinpath("fleet.lua").read_text(encoding="utf-8")
        self._script = RedisScript(url, lua)
        self._fleet = fleet
        self._clock = clock
        self._meanwhile = meanwhile
        self._untold: deque[tuple[str, dict[str, Any]]] = deque()
        self._telling = DeferredLock()
        self._away_since: float | None = None
        self._try_again_at = 0.0

    @property
    def away_for(self) -> float:
        """Seconds since Redis was found to be away; 0 while it is there."""
        return 0.0 if self._away_since is None else self._clock() - self._away_since

    async def ask(self, name: str, given: dict[str, Any]) -> Any:
        """The answer of the script, which has been told before of all that has happened.

        :raises RedisAway: it does not answer.
        """
        await self._tell_all()
        return await self._call(name, given)

    def tell(self, name: str, given: dict[str, Any]) -> None:
        """Have Redis hear of something soon, or when it is back; nobody waits for it."""
        self._untold.append((name, given))
        call_later(0, lambda: deferred_from_coro(self._tell_in_background()))

    async def close(self) -> list[tuple[str, dict[str, Any]]]:
        """Tell what is not told yet, if Redis is there to hear it; what is left."""
        self._try_again_at = 0.0
        await self._tell_in_background()
        untold = list(self._untold)
        self._untold.clear()
        await self._script.close()
        return untold

    async def _tell_in_background(self) -> None:
        # It has been said that Redis is away; whoever asks it next tells the rest.
        with suppress(RedisAway):
            await self._tell_all()

    async def _tell_all(self) -> None:
        """:raises RedisAway: the rest stays to be told."""
        await maybe_deferred_to_future(self._telling.acquire())
        try:
            while self._untold:
                await self._call(*self._untold[0])
                self._untold.popleft()
        finally:
            self._telling.release()

    async def _call(self, name: str, given: dict[str, Any]) -> Any:
        now = self._clock()
        if now < self._try_again_at:
            raise RedisAway("it did not a moment ago")
        try:
            answer = await self._script(self._keys(given), [name, json.dumps(given)])
        except RedisAway as error:
            self._try_again_at = self._clock() + TRY_EVERY
            if self._away_since is None:
                self._away_since = now
                logger.warning(
                    "OMOcaptcha: the Redis of OMOCAPTCHA_REDIS_URL does not answer (%s); the crawl goes on, %s",
                    error,
                    self._meanwhile,
                )
            raise
        if self._away_since is not None:
            logger.info("OMOcaptcha: Redis is back after %.0f s", self.away_for)
            self._away_since = None
        return answer

    def _keys(self, given: dict[str, Any]) -> list[str]:
        own, host, of_key = f"{_PREFIX}:{self._fleet}", given.get("host"), f"{given.get('at')}:{given.get('key')}"
        parts = ("", ":open", ":jobs", ":hosts", f":breaker:{host}", f":keys:{host}", f":left:{of_key}")
        return [*(own + part for part in parts), f"{_PREFIX}:day"]
