"""Run whole crawls in the process of a test, one after the other.

A Twisted reactor can be started only once. The first crawl starts it in a thread of its own, where it stays for those
that follow; the test waits in its own thread.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scrapy import signals
from scrapy.crawler import AsyncCrawlerRunner
from scrapy.utils.misc import load_object
from scrapy.utils.project import get_project_settings
from scrapy.utils.reactor import is_reactor_installed
from twisted.internet import asyncioreactor
from twisted.python.log import PythonLoggingObserver

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scrapy import Spider
    from scrapy.crawler import Crawler
    from twisted.python.failure import Failure

CLOSING = 5.0
"""Seconds that a crawl gets to close when its time is up, but no more than that was."""


@dataclass(frozen=True)
class Crawl:
    """A crawl that has ended."""

    items: list[Any]
    """What the spider yielded and the item pipelines passed on, in that order."""
    stats: dict[str, Any]
    """Scrapy's stats, such as ``stats["finish_reason"]`` and ``stats["omocaptcha/jobs/created"]``."""
    log: list[logging.LogRecord]
    """All that was logged, from ``LOG_LEVEL`` on. ``record.getMessage()`` is the text of a record."""
    spider: Spider
    """The spider, for those that keep results in themselves."""


def run_crawl(
    spider: type[Spider] | str, settings: Mapping[str, Any], arguments: Mapping[str, Any], *, timeout: float
) -> Crawl:
    """Run a crawl for the fixture ``omocaptcha_crawl``, and raise what it says.

    :param settings: win over those of the project and of the spider.
    """
    crawler = _crawler(spider, settings)
    items: list[Any] = []
    errors: list[BaseException] = []

    def keep_error(failure: Failure) -> None:
        if failure.value is not None:
            errors.append(failure.value)

    crawler.signals.connect(lambda item: items.append(item), signals.item_scraped, weak=False)
    crawler.signals.connect(keep_error, signals.spider_error)
    crawler.signals.connect(keep_error, signals.item_error)
    with _log(crawler.settings["LOG_LEVEL"]) as log:
        _run(crawler, arguments, timeout)
    errors += filter(None, map(_bug, log))
    if errors:
        raise errors[0]
    assert crawler.spider is not None
    return Crawl(items, dict(crawler.stats.get_stats()), log, crawler.spider)


def _crawler(spider: type[Spider] | str, settings: Mapping[str, Any]) -> Crawler:
    merged = get_project_settings()
    # The settings of a project win over these.
    merged.setdict({"TELNETCONSOLE_ENABLED": False, "REMOTE_CONTROL_ENABLED": False}, priority="command")
    merged.setdict(settings, priority="cmdline")
    crawler = AsyncCrawlerRunner(merged).create_crawler(spider)
    # The priority is above all that Scrapy has a name for, and that the spider's class and from_crawler can set.
    crawler.settings.setdict(settings, priority=1000)
    if "ADDONS" not in settings:
        crawler.settings.setdefault_in_component_priority_dict("ADDONS", load_object("scrapy_omocaptcha.Addon"), 500)
    return crawler


@contextmanager
def _log(level: str | int) -> Iterator[list[logging.LogRecord]]:
    """Keep all that is logged in the block from ``level`` on."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler(level)
    handler.emit = records.append  # type: ignore[assignment,method-assign]
    root, twisted = logging.getLogger(), PythonLoggingObserver("twisted")  # type: ignore[no-untyped-call]
    before = root.level
    root.setLevel(handler.level)
    root.addHandler(handler)
    twisted.start()
    try:
        yield records
    finally:
        twisted.stop()
        root.removeHandler(handler)
        root.setLevel(before)


def _bug(record: logging.LogRecord) -> BaseException | None:
    """Return the exception that Scrapy, Twisted or asyncio logs because nobody has caught it.

    The scraper is left out: it also logs the downloads that fail, and there are signals for its other errors.
    """
    internal = record.name.startswith(("scrapy.core.", "scrapy.utils.", "twisted", "asyncio"))
    is_error = record.levelno >= logging.ERROR and record.name != "scrapy.core.scraper"
    error = record.exc_info[1] if internal and is_error and record.exc_info else None
    # The log may tell of a crawl that was stopped while the next one runs.
    return None if isinstance(error, asyncio.CancelledError) else error


def _run(crawler: Crawler, arguments: Mapping[str, Any], timeout: float) -> None:
    closing, late = min(CLOSING, timeout), f"The crawl of {crawler.spidercls.name!r} has not ended within {timeout:g} s"
    ended = asyncio.run_coroutine_threadsafe(_crawl(crawler, arguments, timeout, closing, late), reactor_loop())
    try:
        if wait([ended], timeout + 2 * closing).not_done:
            # The loop itself cannot notice that the time is up.
            raise TimeoutError(f"{late}: a callback has not returned, or has ended the thread with sys.exit()")
        ended.result()
    finally:
        # Ctrl-C, too, ends the crawl.
        ended.cancel()


async def _crawl(crawler: Crawler, arguments: Mapping[str, Any], timeout: float, closing: float, late: str) -> None:
    crawling = asyncio.ensure_future(crawler.crawl_async(**arguments))
    try:
        await asyncio.wait([crawling], timeout=timeout)
        if not crawling.done():
            raise TimeoutError(f"{late}, and was stopped")
        crawling.result()
    finally:
        if not crawling.done():
            # The errors that come now say less than the sentence.
            both = asyncio.gather(crawling, crawler.stop_async(), return_exceptions=True)
            await asyncio.wait([both], timeout=closing)
            both.cancel()


def reactor_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of the Twisted reactor, which is installed and started in a thread if that is not done yet.

    :raises RuntimeError: when it is another reactor, or does not answer.
    """
    if not is_reactor_installed():
        # The loop of the calling thread may be used by others.
        asyncioreactor.install(asyncio.new_event_loop())  # type: ignore[no-untyped-call]
    reactor: Any = sys.modules["twisted.internet.reactor"]
    if type(reactor).__name__ != "AsyncioSelectorReactor":
        raise RuntimeError(
            f"Crawls need the AsyncioSelectorReactor, but {type(reactor).__name__} is installed: import "
            "twisted.internet.reactor only within functions"
        )
    loop: Future[asyncio.AbstractEventLoop] = Future()

    def run() -> None:
        try:
            reactor.run(installSignalHandlers=False)
        except Exception as error:  # The reactor has run before, and cannot be started again.
            loop.set_exception(error)

    reactor.callFromThread(lambda: loop.set_result(asyncio.get_running_loop()))
    if not reactor.running:
        threading.Thread(target=run, name="reactor", daemon=True).start()
    if wait([loop], CLOSING).not_done:
        raise RuntimeError(
            "The Twisted reactor does not answer: an earlier crawl blocks its thread, or has ended it with sys.exit()"
        )
    return loop.result()
