"""Run coroutines in virtual time: an event loop whose clock jumps to the next timer whenever nothing is ready.

There is no Twisted reactor, no socket and no thread: all that happens follows from the program and the seed.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import secrets
import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

T = TypeVar("T")

START = 1_800_000_000.0
"""Time of day at which each simulation begins: 08:00 on 15 January 2027, UTC."""
TICK = 1e-6
"""Seconds by which the clock moves at each iteration of the loop. Were it to stand, rounding could make a looping call
sleep for next to nothing again and again."""
MAX_ITERATIONS = 300_000
"""Iterations of one loop after which a simulation counts as one that never ends."""
MAX_REAL_SECONDS = 120.0
"""Real seconds after which it does, be it in the midst of a callback."""
MAX_SECONDS = 20 * 86_400.0
"""Virtual seconds after which it does: 20 days."""
_REACTOR = "twisted.internet.reactor"
_FOLLOW = ("scrapy", "tests", "http.cookiejar", "fakeredis", "redis")
"""Modules, with those below them, whose own names of the clock's functions are replaced as well."""


class NeverEnds(Exception):
    """A simulation goes on for ever, or waits for something that cannot come."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """Event loop in virtual time."""

    def __init__(self) -> None:
        super().__init__()
        self._now = self._since = 0.0
        self._iterations = 0
        self._is_late = False
        self._selector = self

    def run_until_complete(self, future: Any) -> Any:
        """Run the loop until a future is done.

        :raises NeverEnds: when that takes too long.
        """
        self._since, self._iterations, self._is_late = self._now, 0, False
        before = signal.signal(signal.SIGALRM, self._is_over)
        # Whatever runs might catch the first error, so there are more.
        signal.setitimer(signal.ITIMER_REAL, MAX_REAL_SECONDS, 1.0)
        try:
            return super().run_until_complete(future)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _is_over(self, *_: object) -> NoReturn:
        self._is_late = True
        bounds = f"at most {MAX_ITERATIONS} of them, and {MAX_REAL_SECONDS:g} real seconds, are allowed"
        raise NeverEnds(f"the simulation is at {self._now:.3f} s, after {self._iterations} iterations; {bounds}")

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock on, as something that blocks the loop does."""
        self._now += seconds

    def successor(self) -> SimulatedLoop:
        """Return a new loop, which goes on at the time of this one, and make it the current one."""
        loop = SimulatedLoop()
        loop._now = self._now
        asyncio.set_event_loop(loop)
        return loop

    def select(self, timeout: float | None) -> list[Any]:
        """Move the clock to the next timer; called by asyncio where a real loop waits for its sockets."""
        self._iterations += 1
        if timeout is None:
            raise NeverEnds(f"nothing is ready, and no timer is set, at {self._now:.3f} s")
        if self._iterations > MAX_ITERATIONS or self._now - self._since > MAX_SECONDS or self._is_late:
            self._is_over()
        self._now += max(timeout, TICK)
        return []

    def _process_events(self, events: list[Any]) -> None:
        return

    def _write_to_self(self) -> None:
        return

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Call a function at once, in the place of a thread whose end nobody could predict."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def seeded(seed: object) -> Iterator[None]:
    """Draw all that is random in the block from ``seed``, the names of sessions and tokens included."""
    state, draw = random.getstate(), random.Random(f"secrets {seed}")
    before = secrets.token_hex, secrets.token_urlsafe
    random.seed(f"random {seed}")
    secrets.token_hex = lambda nbytes=32: f"{draw.getrandbits(8 * nbytes):0{2 * nbytes}x}"
    secrets.token_urlsafe = lambda nbytes=32: f"{draw.getrandbits(6 * nbytes):0{(3 * nbytes) // 2}x}"
    try:
        yield
    finally:
        random.setstate(state)
        secrets.token_hex, secrets.token_urlsafe = before


_REAL = {name: getattr(time, name) for name in ("time", "monotonic", "perf_counter", "sleep", "clock_gettime")}
_running: list[Callable[[], SimulatedLoop]] = []
"""Returns the loop of the simulation that runs now, if any."""


def _seconds() -> float:
    return _running[-1]().time()


def _simulated(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that a module may keep: it does as ``time.NAME`` whenever no simulation runs."""
    return lambda *arguments: function(*arguments) if _running else _REAL[name](*arguments)


class _Datetime(dt.datetime):
    """Stand in for the class where its time of day is asked for."""

    @classmethod
    def now(cls, tz: Any = None) -> dt.datetime:
        return dt.datetime.fromtimestamp(time.time(), tz)


_STAND_INS: dict[object, object] = {
    _REAL["time"]: _simulated("time", lambda: START + _seconds()),
    _REAL["monotonic"]: _simulated("monotonic", lambda: _seconds()),
    _REAL["perf_counter"]: _simulated("perf_counter", lambda: _seconds()),
    _REAL["clock_gettime"]: _simulated("clock_gettime", lambda clock: _seconds()),
    _REAL["sleep"]: _simulated("sleep", lambda seconds: _running[-1]().advance(seconds)),
    dt.datetime: _Datetime,
}
_KINDS = {type(len), type}
_clocks: dict[ModuleType, list[str]] = {}
"""The names of clocks in each module, which are looked for once: that takes a tenth of a short crawl."""


def _has_stand_in(value: Any) -> bool:
    return type(value) in _KINDS and value in _STAND_INS


@contextmanager
def clocks_of(loop: Callable[[], SimulatedLoop]) -> Iterator[None]:
    """Make the clocks of the process show the time of a loop, which a function returns."""
    replaced = []
    # Some modules keep the functions under names of their own.
    for module in [module for name, module in sys.modules.items() if name == "time" or name.startswith(_FOLLOW)]:
        if module not in _clocks:
            _clocks[module] = [name for name, value in vars(module).items() if _has_stand_in(value)]
        for name in _clocks[module]:
            value = getattr(module, name)
            if _has_stand_in(value):
                replaced.append((module, name, value))
                setattr(module, name, _STAND_INS[value])
    _running.append(loop)
    try:
        yield
    finally:
        _running.pop()
        for module, name, value in replaced:
            setattr(module, name, value)


@contextmanager
def without_reactor() -> Iterator[None]:
    """Hide a Twisted reactor that the process has installed, since Scrapy is to run without one."""
    reactor = sys.modules.pop(_REACTOR, None)
    try:
        yield
    finally:
        if reactor is not None:
            sys.modules[_REACTOR] = reactor
