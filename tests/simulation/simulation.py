"""Put clock and network together, and run crawls in them as in a process of their own."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from redis.asyncio import Redis
from scrapy.settings import default_settings
from scrapy.utils.misc import load_object

from scrapy_omocaptcha.buying.api import factory
from scrapy_omocaptcha.testing.server import LoopbackServer
from tests.helpers.crawling import Crawl, crawler_of, keep_log
from tests.simulation.clock import SimulatedLoop, clocks_of, seeded, without_reactor
from tests.simulation.fleet import redis_clients
from tests.simulation.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from scrapy.crawler import Crawler

T = TypeVar("T")

for _component in (*default_settings.EXTENSIONS_BASE, *default_settings.DOWNLOADER_MIDDLEWARES_BASE):
    # What is imported in the midst of a simulation would keep the real clock.
    load_object(_component)


_killed: list[asyncio.Task[Any]] = []
"""The tasks of crawls that were killed. They must never go on, not even to clean up, so they are kept."""


class Killed(KeyboardInterrupt):
    """A crawl ends in the midst of whatever it does; asyncio lets only such an error out of a callback."""


class Simulation:
    """The loop and the network of crawls that are simulated, one after the other or at the same time."""

    def __init__(self, loop: SimulatedLoop, network: Network) -> None:
        self.loop = loop
        self.network = network
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, function: Callable[[], None]) -> None:
        """Call a function after some seconds, even if the crawl that runs now is killed before."""
        self._timers.append((self.loop.time() + seconds, function))
        self.loop.call_later(seconds, function)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end.

        :raises Killed: when a callback raises it. Whatever runs next has a loop of its own.
        """
        try:
            return self.loop.run_until_complete(main)
        except Killed:
            killed, self.loop = self.loop, self.loop.successor()
            for task in asyncio.all_tasks(killed):
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                _killed.append(task)
            killed.close()
            self.network.restart()
            for at, function in self._timers:
                if at > self.loop.time():
                    self.loop.call_at(at, function)
            raise

    def crawler(self, spider: Any, settings: dict[str, Any]) -> Crawler:
        """Make the crawler of a spider, with the add-on enabled."""
        return crawler_of(spider, {**self.network.settings, **settings})

    def __call__(self, spider: Any, settings: dict[str, Any] | None = None, **kwargs: Any) -> Crawl:
        """Run ``spider`` until the crawl ends."""
        return self.at_once(1, spider, settings, **kwargs)[0]

    def at_once(self, number: int, spider: Any, settings: dict[str, Any] | None = None, **kwargs: Any) -> list[Crawl]:
        """Run ``number`` crawls of ``spider`` at the same time until all have ended. They have one log."""
        crawlers = [self.crawler(spider, settings or {}) for _ in range(number)]

        async def crawl() -> None:
            await asyncio.gather(*[crawler.crawl_async(**kwargs) for crawler in crawlers])

        with keep_log() as log:
            self.run(crawl())
        assert not self.network.transports, "its connections to the service are left open"
        return [Crawl(crawler.spider, crawler.stats.get_stats(), log) for crawler in crawlers]


@contextmanager
def simulated(seed: object = 0, latency: Callable[[str], float] = lambda host: 0.0) -> Iterator[Simulation]:
    """Simulate all crawls of the block, and all servers that are started in it; everything follows from the seed.

    :param latency: returns for how many seconds a request to a host, or its answer, is on its way.
    """
    loop = SimulatedLoop()
    network = Network(latency)
    replaced = [(LoopbackServer, "start", network.start), (LoopbackServer, "stop", network.stop)]
    replaced.append((factory, "_build_transport", network.build_transport))
    replaced.append((Redis, "from_url", redis_clients()))
    before = [(owner, name, vars(owner)[name]) for owner, name, _ in replaced]
    simulation = Simulation(loop, network)
    with clocks_of(lambda: simulation.loop), without_reactor(), seeded(seed):
        for owner, name, function in replaced:
            setattr(owner, name, _method(function) if owner is LoopbackServer else function)
        asyncio.set_event_loop(loop)
        try:
            yield simulation
        finally:
            try:
                _end(simulation.loop)
            finally:
                asyncio.set_event_loop(None)
                for owner, name, function in before:
                    setattr(owner, name, function)


def _end(loop: SimulatedLoop) -> None:
    """Cancel what is still running in a loop, as ``asyncio.run`` does, and close it."""
    while tasks := asyncio.all_tasks(loop):
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait(tasks))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _method(function: Callable[[LoopbackServer], None]) -> Callable[[LoopbackServer], None]:
    return lambda server: function(server)
