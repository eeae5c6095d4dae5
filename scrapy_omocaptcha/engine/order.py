"""Order what waits in Scrapy's download slots: first what a token is at hand for, then what else this package sends.

A request with a token may also keep others from being sent between its form and the token.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from scrapy import Request
from scrapy.crawler import Crawler

from scrapy_omocaptcha.engine.request_state import RequestStates
from scrapy_omocaptcha.forms.submission import Submission


@dataclass(eq=False)
class Sending:
    """A request that this package is sending."""

    page: Request
    """The request that it is sent for, which may be itself."""
    blame: str | None = None
    """The middleware that has kept the request from its response, and how; None if none did."""


@dataclass(eq=False)
class Precedence:
    """The right of a request to go before some others of its slot."""

    slot: Any
    is_other: Callable[[Request], bool]
    kept: list[Any] = field(default_factory=list)
    """Entries of the slot's queue that are sent later."""


@dataclass(eq=False)
class SendingOrder:
    """The order in which the requests of a crawl leave their download slots."""

    _crawler: Crawler
    _states: RequestStates

    def __post_init__(self) -> None:
        self.under_way: dict[Request, Sending] = {}
        """Requests that this package is sending, ahead of what Scrapy has queued."""
        self._urgent: dict[Request, Precedence | None] = {}
        """Requests for which a token is at hand, each with its right to go before others while it has that."""

    def slot(self, request: Request) -> Any:
        """Return the download slot of a request, which Scrapy makes where there is none yet."""
        return self._crawler.engine.downloader._get_slot(request)[1]

    @contextmanager
    def urgently(self, request: Request) -> Iterator[None]:
        """Send what is sent for a request before all else, since a token is at hand for it."""
        is_outermost = request not in self._urgent
        self._urgent.setdefault(request, None)
        try:
            yield
        finally:
            if is_outermost:
                del self._urgent[request]

    def is_urgent(self, request: Request) -> bool:
        """Tell whether a token is at hand for a request."""
        return request in self._urgent

    def go_first(self, request: Request, is_other: Callable[[Request], bool]) -> None:
        """Let no others of its slot go that came out of the scheduler, until ``request``, an urgent one, gives way."""
        self._urgent[request] = Precedence(self.slot(request), is_other)
        self.sort(self.slot(request))

    def give_way(self, request: Request) -> bool:
        """Let the others go on; tell whether they had to wait until now."""
        first = self._urgent.get(request)
        if first is not None:
            self._urgent[request] = None
            first.slot.queue.extendleft(reversed(first.kept))
            self.sort(first.slot)
            self._crawler.engine.downloader._process_queue(first.slot)
        return first is not None

    def keeps_others(self, request: Request) -> bool:
        """Tell whether something was queued that waits for a request, and has left its place."""
        first = self._urgent.get(request)
        return first is not None and bool(first.kept)

    def waits_for(self, request: Request) -> Precedence | None:
        """Return what has to give way before anything may be sent for a request; None if nothing has."""
        page = self._page_of(request)
        if not self._urgent or page in self._urgent or not self._states.is_scheduled(page):
            return None
        slot, going_first = self.slot(request), filter(None, self._urgent.values())
        return next((first for first in going_first if first.slot is slot and first.is_other(request)), None)

    def sort(self, slot: Any) -> None:
        """Sort what is queued in a slot, and keep what has to wait.

        Of one rank, what came first goes first: were the last token sent first, the first would grow too old.
        """
        entries = sorted(slot.queue, key=lambda entry: self._rank(entry[0]))
        slot.queue.clear()
        for entry in entries:
            first = self.waits_for(entry[0])
            (slot.queue if first is None else first.kept).append(entry)

    def _rank(self, request: Request) -> int:
        if isinstance(request, Submission) or self._page_of(request) in self._urgent:
            return 0
        return 1 if request in self.under_way else 2

    def is_queued(self, request: Request) -> bool:
        """Tell whether a request, or what is sent for it, still waits in its slot to be sent."""
        # The slot's set of requests being transferred would not do: a request leaves it before its cookies are stored.
        return any(self._page_of(entry[0]) is request for queue in self._queues(request) for entry in queue)

    def take_out(self, request: Request) -> None:
        """Take a request out of the queue of its slot, if it is there."""
        for queue in self._queues(request):
            for entry in [entry for entry in queue if entry[0] is request]:
                queue.remove(entry)

    def _queues(self, request: Request) -> list[Any]:
        return [self.slot(request).queue, *(first.kept for first in filter(None, self._urgent.values()))]

    def _page_of(self, request: Request) -> Request:
        sending = self.under_way.get(request)
        return request if sending is None else sending.page
