"""Run whole crawls inside the test process: a real engine, a real reactor in a thread of its own, real sockets."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import scrapy
from scrapy.crawler import Crawler
from scrapy.settings import Settings
from scrapy.utils.defer import deferred_from_coro
from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread
from twisted.python.failure import Failure

from scrapy_omocaptcha.errors import ChallengeNotSolved
from scrapy_omocaptcha.testing.crawling import reactor_loop

if TYPE_CHECKING:
    from collections.abc import Iterator

REACTOR = "twisted.internet.asyncioreactor.AsyncioSelectorReactor"
TIMEOUT = 60
SETTINGS = {
    "ADDONS": {"scrapy_omocaptcha.Addon": 500},
    "TELNETCONSOLE_ENABLED": False,
    "OMOCAPTCHA_PRICE": 0.00055,
    "RETRY_TIMES": 2,
}


def crawler_of(spider: Any, settings: dict[str, Any]) -> Crawler:
    """Make the crawler of a spider, with the add-on enabled, without a runner, which would copy all settings."""
    own = Settings({**SETTINGS, **settings})
    # The crawler copies what others might use, too, which takes a tenth of a short crawl.
    own.copy = lambda: own
    crawler = Crawler(spider, own)
    del own.copy
    return crawler


class Reactor:
    """Reactor that all crawls of a test process share."""

    def __init__(self) -> None:
        reactor_loop()
        from twisted.internet import reactor

        self.reactor = reactor

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function in the reactor's thread, wait, and return or raise its outcome."""
        return blockingCallFromThread(self.reactor, function, *args, **kwargs)


class RecordingSpider(scrapy.Spider):
    """Spider that requests ``urls`` and records pages and failures; it knows nothing of captchas."""

    name = "recording"
    urls: tuple[str, ...] = ()
    method = "GET"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pages: list[Any] = []
        self.failures: list[Any] = []

    async def start(self):
        for request in self.requests():
            yield request

    def requests(self):
        for url in self.urls:
            yield scrapy.Request(url, self.page, self.method, errback=self.failed, cb_kwargs={"asked": url})

    def page(self, response, asked=None):
        self.pages.append(response)

    def failed(self, failure):
        self.failures.append(failure.value)


class FollowingSpider(RecordingSpider):
    """Follows every link of every page that it is given."""

    def page(self, response, asked=None):
        super().page(response)
        yield from response.follow_all(css="a", callback=self.page, errback=self.failed)


def reason_of(outcome: Any) -> str:
    """Return why a challenge was not solved, from the error where jobs were bought for it, else from the flags."""
    if isinstance(outcome, ChallengeNotSolved):
        return outcome.reason
    (reason,) = [flag[11:] for flag in getattr(outcome, "response", outcome).flags if flag.startswith("omocaptcha:")]
    return reason


@dataclass
class Crawl:
    """A finished crawl: its spider, stats and log."""

    spider: Any
    stats: dict[str, Any]
    log: list[logging.LogRecord] = field(default_factory=list)

    @property
    def pages(self):
        return self.spider.pages

    @property
    def failures(self):
        return self.spider.failures

    @property
    def reasons(self) -> list[str]:
        """Return why walls stayed closed whose requests came to their errback, with or without a job."""
        return [reason_of(error) for error in self.failures]

    def count(self, name: str) -> Any:
        return self.stats.get(f"omocaptcha/{name}", 0)

    def said(self, level: int = logging.WARNING) -> list[str]:
        return [record.getMessage() for record in self.log if record.levelno >= level]

    @property
    def bugs(self) -> list[str]:
        """Return log messages about unhandled errors, of which there must be none."""
        return [
            record.getMessage() + str(record.exc_info or "")
            for record in self.log
            if record.exc_info or record.levelno >= logging.CRITICAL
        ]


class _Keep(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def attached(handler: logging.Handler) -> Iterator[None]:
    """Give a handler all that is logged in the block, from its level on."""
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(handler.level)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@contextmanager
def keep_log() -> Iterator[list[logging.LogRecord]]:
    """Keep all that is logged in the block."""
    keep = _Keep()
    with attached(keep):
        yield keep.records


class Crawls:
    """Runs spiders with the add-on enabled.

    :param timeout: seconds within which a crawl must end.
    """

    def __init__(self, reactor: Reactor, timeout: float = TIMEOUT) -> None:
        self._reactor = reactor
        self._timeout = timeout
        self._stopped: list[Deferred[Any]] = []

    def __call__(self, spider: Any, settings: dict[str, Any] | None = None, **kwargs: Any) -> Crawl:
        """Run ``spider`` until the crawl ends, and raise TimeoutError if it takes too long."""
        with keep_log() as log:
            crawler = self._reactor.call(self._crawl, spider, settings or {}, kwargs)
        return Crawl(crawler.spider, crawler.stats.get_stats(), log)

    def _crawl(self, spider: Any, settings: dict[str, Any], kwargs: dict[str, Any]) -> Any:
        crawler = crawler_of(spider, {"TWISTED_REACTOR": REACTOR, **settings})
        running, ended = crawler.crawl(**kwargs), Deferred()

        def stop() -> None:
            # Not cancelled: it would go on, with all that it waits for.
            self._stopped += [running, deferred_from_coro(crawler.stop_async())]
            ended.errback(TimeoutError(f"the crawl has not ended within {self._timeout} s"))

        def finish(result: Any) -> None:
            if late.active():
                late.cancel()
                ended.callback(result if isinstance(result, Failure) else crawler)

        late = self._reactor.reactor.callLater(self._timeout, stop)
        running.addBoth(finish)
        return ended

    def close(self) -> None:
        """Wait for the crawls that took too long to stop, which they do once the servers that they wait for have gone.

        Else their calls and connections would be in the way of later tests.
        """
        for left in self._stopped:
            self._reactor.call(left.addTimeout, TIMEOUT, self._reactor.reactor)
