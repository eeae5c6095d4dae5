"""What a fleet crawls in tests: the offline service, and two shops whose walls ask for different things."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self


class Shops:
    """To one of them a worker's session costs one job, to the other each page does: a page in five is there.

    :param requests: how many addresses there are, of both together.
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
        # In turn, so that whatever happens, both are under way.
        sites = [self.for_all if number % 5 else self.for_each for number in range(self._requests)]
        self.urls = [f"{site.url}/page/{number}" for number, site in enumerate(sites, 1)]
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def ideal(self, workers: int) -> int:
        """The fewest jobs for which so many workers can get everything."""
        return workers + sum(url.startswith(self.for_each.url) for url in self.urls)

    def after(self, visits: int, function: Callable[[], object]) -> None:
        """Call it, in a thread of its own, when the shops have had so many visits."""
        self._countdowns.append(_Countdown(visits, function))

    def see_it_through(self) -> None:
        """Wait for the end of all that was to happen; an AssertionError when it did not come to that."""
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
        assert self._left <= 0, "it did not come to this"
        self._thread.join()
