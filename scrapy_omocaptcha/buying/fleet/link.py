"""What a worker asks of the Redis of its fleet and tells it: one thing after the other, through Redis' absences.

It decides nothing: what is asked and told is in ``fleet``, what becomes of it in ``fleet.lua``.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections import deque
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from scrapy.utils.asyncio import call_later
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future
from twisted.internet.defer import Deferred

from scrapy_omocaptcha.buying.fleet.script import RedisAway, RedisScript, ScriptFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_omocaptcha.settings.secret import Secret

logger = logging.getLogger(__name__)

Given = dict[str, Any]

TRY_EVERY = 1.0
"""Seconds between two looks whether Redis is back."""
_SAY_EVERY = 60.0
"""Seconds for which it is not said again that Redis is away: one that is full answers now and then."""
_CLOSE_WITHIN = 2.0
"""Seconds for what is still to be told when the crawl ends."""


def keys_of(fleet: str, worker: str, given: Given) -> list[str]:
    """The keys that the script works with, in its order."""
    # A colon in the name of one fleet would make it a part of another.
    own = "omocaptcha:fleet:" + fleet.replace("%", "%25").replace(":", "%3A")
    host, key = given.get("host", ""), f"{given.get('at', '')}:{given.get('key', '')}"
    parts = ("", ":open", ":jobs", ":hosts", f":breaker:{host}", f":keys:{host}", f":left:{key}")
    return [*(own + part for part in parts), "omocaptcha:day", f"{own}:heard:{worker}"]


class _Entry(NamedTuple):
    """What is asked (it has an answer) or told."""

    name: str
    given: Callable[[], Given | None]
    """What it is asked or told with, at the moment at which that goes out; None: it has become idle."""
    answer: Deferred[Any] | None = None
    number: int = 0
    """Of what is told: Redis hears each number once, and none that is lower than one it has heard."""


class FleetLink:
    """:param fleet: its name, under which Redis keeps what it shares.

    :param meanwhile: what is said to happen while Redis is away.
    :raises NotConfigured: redis-py is not installed.
    :raises ValueError: the URL means nothing to it.
    """

    def __init__(self, url: Secret, fleet: str, clock: Callable[[], float], *, meanwhile: str) -> None:
        lua = files(__package__).joinpath("fleet.lua").read_text(encoding="utf-8")
        self._script = RedisScript(url, lua)
        self._fleet = fleet
        self._worker = uuid.uuid4().hex
        self._clock = clock
        self._meanwhile = meanwhile
        self._entries: deque[_Entry] = deque()
        self._told = 0
        self._running = self._closed = False
        self._ended: Deferred[None] | None = None
        self._away_since: float | None = None
        self._try_again_at = 0.0
        self._said_at: float | None = None

    @property
    def away_for(self) -> float:
        """Seconds since Redis was found to be away; 0 while it is there."""
        return 0.0 if self._away_since is None else self._clock() - self._away_since

    async def ask(self, name: str, given: Given) -> Any:
        """The answer of the script, which has been told before of all that has happened. It may be cancelled.

        :raises RedisAway: there is none.
        """
        if self._clock() < self._try_again_at:
            raise RedisAway("it did not a moment ago")
        answer: Deferred[Any] = Deferred()
        self._entries.append(_Entry(name, lambda: given, answer))
        self._begin()
        return await maybe_deferred_to_future(answer)

    def tell(self, name: str, given: Callable[[], Given | None]) -> None:
        """Have Redis hear of something soon, or when it is back; nobody waits for it."""
        self._told += 1
        self._entries.append(_Entry(name, given, number=self._told))
        call_later(0, self._begin)

    async def close(self) -> list[tuple[str, Given]]:
        """Tell what is not told yet, if Redis is there to hear it soon; what is left."""
        self._try_again_at = 0.0
        self._begin()
        if self._running:
            self._ended = Deferred()
            call_later(_CLOSE_WITHIN, self._end)
            await maybe_deferred_to_future(self._ended)
        self._closed = True
        untold = [(entry.name, given) for entry in self._entries if (given := entry.given()) is not None]
        self._entries.clear()
        await self._script.close()
        return untold

    # -- one after the other -------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._entries and not self._running and not self._closed and self._clock() >= self._try_again_at:
            self._running = True
            # A coroutine of its own, which nobody cancels: whoever is cut off must not leave the others hanging.
            deferred_from_coro(self._run())

    async def _run(self) -> None:
        try:
            while self._entries and await self._send(self._entries[0]):
                # Not when it was closed meanwhile.
                if self._entries:
                    self._entries.popleft()
        finally:
            self._running = False
            self._end()

    def _end(self) -> None:
        if self._ended is not None and not self._ended.called:
            self._ended.callback(None)

    async def _send(self, entry: _Entry) -> bool:
        """Whether an entry is dealt with; else it stays, and is sent again when Redis is looked for the next time."""
        given = entry.given()
        if given is None or (entry.answer is not None and entry.answer.called):
            return True
        try:
            answer = await self._call(entry, given)
        except ScriptFailed as error:
            logger.error("OMOcaptcha: the Redis of OMOCAPTCHA_REDIS_URL cannot do %s: %s", entry.name, error)
            _answer(entry, error)
            return True
        except RedisAway as error:
            self._is_away(error)
            return False
        self._is_there()
        _answer(entry, answer)
        return True

    async def _call(self, entry: _Entry, given: Given) -> Any:
        numbered = given if entry.answer is not None else {**given, "number": entry.number}
        # Words of others may hold what is no text to Redis.
        text = json.dumps(numbered, ensure_ascii=False).encode("utf-8", "replace").decode()
        return await self._script(keys_of(self._fleet, self._worker, given), [entry.name, text])

    def _is_there(self) -> None:
        if self._away_since is not None:
            logger.info("OMOcaptcha: Redis is back after %.0f s", self.away_for)
            self._away_since = None

    def _is_away(self, error: RedisAway) -> None:
        now = self._clock()
        self._try_again_at = now + TRY_EVERY
        if self._away_since is None:
            self._away_since = now
        if self._said_at is None or now - self._said_at >= _SAY_EVERY:
            self._said_at = now
            logger.warning(
                "OMOcaptcha: the Redis of OMOCAPTCHA_REDIS_URL does not answer (%s); the crawl goes on, %s",
                error,
                self._meanwhile,
            )
        # Who asks decides whether to ask again.
        asked = [entry for entry in self._entries if entry.answer is not None]
        self._entries = deque(entry for entry in self._entries if entry.answer is None)
        call_later(TRY_EVERY, self._begin)
        for entry in asked:
            _answer(entry, error)


def _answer(entry: _Entry, answer: Any) -> None:
    if entry.answer is None or entry.answer.called:
        return
    if isinstance(answer, Exception):
        entry.answer.errback(answer)
    else:
        entry.answer.callback(answer)
