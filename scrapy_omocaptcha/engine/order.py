"""Order what waits in Scrapy's download slots: first what a token is at hand for, then what else this package sends.

A request with a token may also keep others from being sent between its form and the token. This module uses private
names of Scrapy, each of which has a contract test.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from scrapy import Request
from scrapy.crawler import Crawler

from scrapy_omocaptcha.engine.request_state import RequestStates
from scrapy_omocaptcha.forms.submission import Submission


@dataclass(eq=False)
class _Precedence:
    """The right of a request to go before some others of its slot."""

    slot: Any
    is_other: Callable[[Request], bool]
    kept: list[Any] = field(default_factory=list)
    """What was queued in the slot, and is sent later."""


@dataclass(eq=False)
class SendingOrder:
    """The order in which the requests of a crawl leave their download slots."""

    _crawler: Crawler
    _states: RequestStates

    def __post_init__(self) -> None:
        self._first: dict[Request, _Precedence] = {}
        self._urgent: set[Request] = set()
        """Requests for which a token is at hand."""
        self.ahead: set[Request] = set()
        """What this package sends, ahead of what Scrapy has queued."""
        self.pages: dict[Request, Request] = {}
        """The requests for which others are sent, by these."""

    def slot(self, request: Request) -> Any:
        """Return the download slot of a request."""
        return self._crawler.engine.downloader._get_slot(request)[1]

    @contextmanager
    def urgently(self, request: Request) -> Iterator[None]:
        """Send what is sent for a request before all else, since a token is at hand for it."""
        self._urgent.add(request)
        try:
            yield
        finally:
            self._urgent.discard(request)

    def is_urgent(self, request: Request) -> bool:
        """Tell whether a token is at hand for a request."""
        return request in self._urgent

    def go_first(self, request: Request, is_other: Callable[[Request], bool]) -> None:
        """Send nothing for others of the slot that came out of the scheduler before ``request`` gives way.

        :param is_other: tells whether a request is one of them.
        """
        self._first[request] = _Precedence(self.slot(request), is_other)
        self.sort(self.slot(request))

    def give_way(self, request: Request) -> bool:
        """Let the others go on; tell whether they had to wait until now."""
        first = self._first.pop(request, None)
        if first is not None:
            first.slot.queue.extendleft(reversed(first.kept))
            self.sort(first.slot)
            self._crawler.engine.downloader._process_queue(first.slot)
        return first is not None

    def keeps_others(self, request: Request) -> bool:
        """Tell whether something was queued that waits for a request, and has left its place."""
        return request in self._first and bool(self._first[request].kept)

    def must_wait(self, request: Request) -> bool:
        """Tell whether nothing may be sent for a request before another one has given way."""
        return self._waits_for(request) is not None

    def _waits_for(self, request: Request) -> _Precedence | None:
        page = self._page_of(request)
        if not self._first or page in self._urgent or not self._states.is_scheduled(page):
            return None
        slot = self.slot(request)
        return next((first for first in self._first.values() if first.slot is slot and first.is_other(request)), None)

    def sort(self, slot: Any) -> None:
        """Sort what is queued in a slot, and keep what has to wait.

        Of one rank, what came first goes first: were the last token sent first, the first would grow too old.
        """
        entries = sorted(slot.queue, key=lambda entry: self._rank(entry[0]))
        slot.queue.clear()
        for entry in entries:
            first = self._waits_for(entry[0])
            (slot.queue if first is None else first.kept).append(entry)

    def _rank(self, request: Request) -> int:
        if isinstance(request, Submission) or self._page_of(request) in self._urgent:
            return 0
        return 1 if request in self.ahead else 2

    def is_queued(self, request: Request) -> bool:
        """Tell whether a request, or what is sent for it, still waits in its slot to be sent."""
        # The slot's set of requests being transferred would not do: a request leaves it before its cookies are stored.
        entries = chain.from_iterable(self._queues(request))
        return any(self._page_of(entry[0]) is request for entry in entries)

    def take_out(self, request: Request) -> Any:
        """Take a request out of the queue of its slot, and return its entry, or None if it was not there."""
        for queue in self._queues(request):
            for entry in queue:
                if entry[0] is request:
                    queue.remove(entry)
                    return entry
        return None

    def _queues(self, request: Request) -> list[Any]:
        return [self.slot(request).queue, *(first.kept for first in self._first.values())]

    def _page_of(self, request: Request) -> Request:
        return self.pages.get(request, request)
