"""Order what waits in Scrapy's download slots: first what a token is at hand for, then what else this package sends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from scrapy import Request
from scrapy.crawler import Crawler

from scrapy_omocaptcha.forms.submission import Submission


@dataclass(eq=False)
class Sending:
    """A request that this package is sending."""

    page: Request
    """The request that it is sent for, which may be itself."""
    blame: str | None = None
    """The middleware that has kept the request from its response, and how; None if none did."""


@dataclass(eq=False)
class SendingOrder:
    """The order in which the requests of a crawl leave their download slots."""

    _crawler: Crawler

    def __post_init__(self) -> None:
        self.under_way: dict[Request, Sending] = {}
        """Requests that this package is sending, ahead of what Scrapy has queued."""
        self._urgent: set[Request] = set()
        """Requests for which a token is at hand."""

    def slot(self, request: Request) -> Any:
        """Return the download slot of a request, which Scrapy makes where there is none yet."""
        return self._crawler.engine.downloader._get_slot(request)[1]

    @contextmanager
    def urgently(self, request: Request) -> Iterator[None]:
        """Send what is sent for a request before all else, since a token is at hand for it."""
        is_outermost = request not in self._urgent
        self._urgent.add(request)
        try:
            yield
        finally:
            if is_outermost:
                self._urgent.discard(request)

    def is_urgent(self, request: Request) -> bool:
        """Tell whether a token is at hand for a request."""
        return request in self._urgent

    def sort(self, slot: Any) -> None:
        """Sort what is queued in a slot.

        Of one rank, what came first goes first: were the last token sent first, the first would grow too old.
        """
        entries = sorted(slot.queue, key=lambda entry: self._rank(entry[0]))
        slot.queue.clear()
        slot.queue.extend(entries)

    def _rank(self, request: Request) -> int:
        if isinstance(request, Submission) or self._page_of(request) in self._urgent:
            return 0
        return 1 if request in self.under_way else 2

    def is_queued(self, request: Request) -> bool:
        """Tell whether a request, or what is sent for it, still waits in its slot to be sent."""
        # The slot's set of requests being transferred would not do: a request leaves it before its cookies are stored.
        return any(self._page_of(entry[0]) is request for entry in self.slot(request).queue)

    def take_out(self, request: Request) -> None:
        """Take a request out of the queue of its slot, if it is there."""
        queue = self.slot(request).queue
        for entry in [entry for entry in queue if entry[0] is request]:
            queue.remove(entry)

    def _page_of(self, request: Request) -> Request:
        sending = self.under_way.get(request)
        return request if sending is None else sending.page
