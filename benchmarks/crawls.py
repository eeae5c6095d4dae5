"""Run servers in one process and a crawl in another, and read its figures.

Servers thus do not use the CPU that is measured. Every process starts with a fresh interpreter, so that no crawl
inherits the modules, caches, memory or reactor of another one.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess
from typing_extensions import Self

SPAWN = multiprocessing.get_context("spawn")
TIMEOUT = 300.0
LINGERS = 10.0
"""Seconds after its last report for which a crawl may go on; timers of some clients run for minutes."""
SETTINGS = {
    "ADDONS": {"scrapy_omocaptcha.Addon": 500},
    "TELNETCONSOLE_ENABLED": False,
    "LOG_LEVEL": "ERROR",
    "OMOCAPTCHA_PRICE": 0.00055,
    "CONCURRENT_REQUESTS": 16,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 16,
}
Served = tuple[dict[str, Any], dict[str, Any], Callable[[], Any]]
"""What servers give: arguments of a spider, settings of its crawl, and a function that returns what they have seen."""


class ReportingSpider(scrapy.Spider):
    """A spider that sends figures to the process that started it, with ``self.report(value)``."""

    name = "measured"

    def __init__(self, link: Connection, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.report = link.send


class ServerProcess:
    """Servers in a process of their own, started by ``serve(*args)``."""

    def __init__(self, serve: Callable[..., AbstractContextManager[Served]], *args: Any) -> None:
        self._process, self._link = _process(_serve, serve, args)

    def __enter__(self) -> Self:
        self._process.start()
        self.arguments: dict[str, Any]
        self.settings: dict[str, Any]
        self.arguments, self.settings = _receive(self._link)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def seen(self) -> Any:
        """Return what the servers have seen so far."""
        self._link.send(None)
        return _receive(self._link)


def _serve(link: Connection, serve: Callable[..., AbstractContextManager[Served]], args: tuple[Any, ...]) -> None:
    with serve(*args) as (arguments, settings, seen):
        link.send((arguments, settings))
        while True:
            link.recv()
            link.send(seen())


class CrawlProcess:
    """A crawl in a process of its own; ``arguments`` go to its spider."""

    def __init__(
        self,
        spider: type[ReportingSpider],
        server: ServerProcess,
        settings: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        merged = {**SETTINGS, **server.settings, **(settings or {})}
        self._process, self._link = _process(_crawl, spider, merged, {**server.arguments, **arguments})
        self._process.start()

    def report(self) -> Any:
        """Wait for the next report of the spider and return it."""
        return _receive(self._link)

    def wait(self) -> None:
        """Wait until the crawl has ended by itself."""
        self._process.join(TIMEOUT)
        if self._process.exitcode != 0:
            self.kill()
            raise RuntimeError(f"the crawl ended with {self._process.exitcode}")

    def end(self) -> None:
        """Wait a moment until the crawl has ended by itself, and end what threads of a peer keep running."""
        self._process.join(LINGERS)
        self.kill()

    def is_done(self) -> bool:
        """Tell whether a report of the spider has come, or none will, since the crawl has ended."""
        return self._link.poll() or not self._process.is_alive()

    def use_core(self, number: int) -> None:
        """Run on one core only, where the system can arrange that."""
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self._process.pid, {number})

    def pause(self) -> None:
        """Stop the process until :meth:`resume` is called."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let the process go on."""
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def crawl(spider: type[ReportingSpider], server: ServerProcess, settings: Any = None, **arguments: Any) -> Any:
    """Run a crawl to its end and return its first report."""
    process = CrawlProcess(spider, server, settings, **arguments)
    report = process.report()
    process.end()
    return report


def share_core(crawls: list[CrawlProcess], turn: float) -> list[Any]:
    """Run crawls to their end on one core, which each has for ``turn`` seconds at a time; return their first reports.

    What slows the machine down for a while slows all of them down.
    """
    for process in crawls:
        process.use_core(0)
        process.pause()
    running = list(crawls)
    try:
        while running:
            for process in list(running):
                process.resume()
                # This is the turn of the crawl, which is measured meanwhile, rather than a wait for something.
                time.sleep(turn)
                if process.is_done():
                    running.remove(process)
                else:
                    process.pause()
        reports = [process.report() for process in crawls]
    except BaseException:
        # A paused process does not end with its parent, which would wait for it.
        for process in crawls:
            process.kill()
        raise
    for process in crawls:
        process.wait()
    return reports


def _crawl(link: Connection, spider: Any, settings: dict[str, Any], arguments: dict[str, Any]) -> None:
    process = CrawlerProcess(settings)
    process.crawl(spider, link=link, **arguments)
    process.start()


def _process(target: Callable[..., None], *args: Any) -> tuple[Any, Connection]:
    ours, theirs = SPAWN.Pipe()
    return SPAWN.Process(target=target, args=(theirs, *args), daemon=True), ours


def _receive(link: Connection) -> Any:
    if not link.poll(TIMEOUT):
        raise TimeoutError("the process sends nothing")
    return link.recv()
