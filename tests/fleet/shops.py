"""Run what a fleet crawls in tests: the offline service, and shops behind different walls."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self


class Shops:
    """Two shops. One asks for a job a session, the other, which has every fifth page, for a job a page.

    :param requests: number of pages of all together.
    """

    def __init__(self, requests: int, *, solve_seconds: float = 0.5) -> None:
        self.service = OmoCaptchaService(solve_seconds=solve_seconds)
        options: dict[str, Any] = {"catalogue_pages": requests, "on_event": self._count}
        self.for_all = WalledSite(self.service, "session", hosts=("127.0.0.2",), **options)
        self.for_each = WalledSite(self.service, "per_page", hosts=("127.0.0.3",), **options)
        self._requests = requests
        self._countdowns: list[_Countdown] = []
        self._running = ExitStack()

    def __enter__(self) -> Self:
        for server in (self.service, self.for_all, self.for_each):
            self._running.enter_context(server)
        # Mix the pages, so that whatever happens to a worker happens to all shops.
        shops = (self.for_each, *[self.for_all] * 4)
        sites = [shops[number % 5] for number in range(self._requests)]
        self.urls = [f"{site.url}/page/{number}" for number, site in enumerate(sites, 1)]
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def ideal(self, workers: int) -> int:
        """Return the fewest jobs for which so many workers can get all pages."""
        return workers + sum(url.startswith(self.for_each.url) for url in self.urls)

    def after(self, visits: int, function: Callable[[], object]) -> None:
        """Call ``function`` in a thread when the shops have had so many visits."""
        self._countdowns.append(_Countdown(visits, function))

    def wait_for_all(self) -> None:
        """Wait for all functions given to ``after``; raise AssertionError if one was not called."""
        for countdown in self._countdowns:
            countdown.join()

    def _count(self, line: str) -> None:
        for countdown in self._countdowns:
            countdown.count()


class _Countdown:
    def __init__(self, number: int, function: Callable[[], object]) -> None:
        self._left = number
        self._thread = threading.Thread(target=function)
        self._lock = threading.Lock()

    def count(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._thread.start()

    def join(self) -> None:
        assert self._left <= 0, "there were too few visits"
        self._thread.join()
