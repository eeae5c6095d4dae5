"""Have the project's downloader and scheduler tell this package what they do, by mixins for classes derived from them.

The names that the mixins add have a prefix, so that they hide none of the project's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response

if TYPE_CHECKING:
    from scrapy.core.downloader import Downloader as _Downloader
    from scrapy.core.scheduler import Scheduler as _Scheduler

    from scrapy_omocaptcha.engine.components import Components
    from scrapy_omocaptcha.engine.request_state import RequestStates
else:
    _Downloader = _Scheduler = object


class DownloaderMixin(_Downloader):
    """Watches what a downloader fetches and sends, and makes room while requests are held."""

    _omocaptcha_states: RequestStates
    _omocaptcha_components: Components
    omocaptcha_make_room: Callable[[], int] | None = None
    """Returns how far to raise CONCURRENT_REQUESTS while requests are held; None until the first one is."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        base = super().fetch

        # Scrapy reads from the signature whether the project's method wants the spider.
        @wraps(base)
        def fetch(self: DownloaderMixin, request: Request, *arguments: Any, **keywords: Any) -> Any:
            self._omocaptcha_states.begin(request)
            return base(self, request, *arguments, **keywords)

        cls.fetch = fetch  # type: ignore[assignment]

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        with suppress(AttributeError):  # A downloader without handlers is unfit, as private_names finds out.
            self.handlers = _Handlers(self.handlers, self._omocaptcha_components)  # type: ignore[assignment]

    def needs_backout(self) -> bool:
        if self.omocaptcha_make_room is None:
            return super().needs_backout()
        # The call also finds which requests are over, so it is made where there is no limit, too.
        more = self.omocaptcha_make_room()
        total = self.total_concurrency
        # 0 means no limit.
        self.total_concurrency = total and max(1, total + more)
        try:
            return super().needs_backout()
        finally:
            self.total_concurrency = total


class _Handlers:
    """The download handlers of a crawl, which send what the middlewares and the slot have let through."""

    def __init__(self, handlers: Any, components: Components) -> None:
        self._omocaptcha_handlers = handlers
        self._omocaptcha_download = handlers.download_request_async
        self._omocaptcha_components = components

    def __getattr__(self, name: str) -> Any:
        return getattr(self._omocaptcha_handlers, name)

    def download_request_async(self, request: Request) -> Awaitable[Response]:
        # A signal would take a hundred times as long, for each request.
        return self._omocaptcha_components.download(request, self._omocaptcha_download)


class SchedulerMixin(_Scheduler):
    """Tells the states of a crawl's requests what a scheduler takes in and gives out, which is not what is parked."""

    _omocaptcha_states: RequestStates

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._omocaptcha_states.scheduler = self

    def enqueue_request(self, request: Request) -> bool:
        return self._omocaptcha_states.enqueue(request, super().enqueue_request)

    def next_request(self) -> Request | None:
        states = self._omocaptcha_states
        take = super().next_request
        states.taken_out = request = take() if states.parking is None else states.parking.next(take)
        return request

    def has_pending_requests(self) -> bool:
        return bool(self._omocaptcha_states.parking) or super().has_pending_requests()

    def close(self, reason: str) -> Any:
        for request in self._omocaptcha_states.collect_for_queue(is_finished=reason == "finished"):
            self.enqueue_request(request)
        # Scrapy calls it only where there is one.
        close = getattr(super(), "close", None)
        return None if close is None else close(reason)


def downloader_of(crawler: Crawler) -> DownloaderMixin:
    """Return the downloader of a crawl in which the add-on is not off."""
    return cast(DownloaderMixin, crawler.engine.downloader)
