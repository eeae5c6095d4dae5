"""Watch what a page sends once it has been given a token, and mask the token in what the browser's libraries log."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from traceback import format_exception
from typing import Any

from playwright.async_api import Error, Frame, Page, Request, Response, Route

from scrapy_omocaptcha.browser.page import until
from scrapy_omocaptcha.forms.submission import holds_token, masked
from scrapy_omocaptcha.urls import same_site

_CALLBACK_SECONDS = (3.0, 10.0)
"""Longest wait until a callback sends anything: without, and with requests of the page under way."""
_LOGGERS = ("scrapy-playwright", "asyncio", "scrapy.core.scraper")
"""Loggers that name the addresses of forms that are sent by GET, also in errors."""


class TokenTraffic:
    """The requests of a page that has a token. They reach its site with the headers of the browser, and no other site.

    Scrapy-playwright replaces the headers of all navigations of a page, so that a form loses its Content-Type.

    :param url: address of the page, or of its frame, with the widget.
    :param user_agent: what scrapy-playwright has sent for the page; None to leave the browser's own.
    """

    def __init__(self, page: Page, url: str, secret: str, user_agent: bytes | None) -> None:
        self._page = page
        self._url = url
        self.secret = secret
        self._user_agent = user_agent
        self.is_sent = False
        """Whether a request to the site carried the token."""
        self.is_stopped = False
        """Whether a request with the token to another site was stopped."""
        self.is_leaked = False
        """Whether a redirect has repeated the token to another site, which cannot be stopped."""
        self.under_way: set[Request] = set()
        """Requests that carry the token and are not answered yet."""
        self._requests: set[Request] = set()
        self._has_acted = False
        # The requests of windows and of workers are those of the context.
        self._listeners: list[tuple[Any, Any, Any]] = [
            (page, "request", self._begun),
            (page, "response", self.record_response),
            (page.context, "request", self._redirected),
            (page.context, "requestfinished", self._answered),
            (page.context, "requestfailed", self._answered),
        ]

    async def watch(self) -> None:
        """Begin to watch the page."""
        for emitter, event, listener in self._listeners:
            emitter.on(event, listener)
        # This route is registered after scrapy-playwright's, so it is asked first.
        await self._page.route("**", self._route)
        # A window that the page opens asks only the routes of its context.
        await self._page.context.route("**", self._route)

    async def leave(self) -> None:
        """End watching, but go on keeping the token of the page, though not of windows it opens, from other sites."""
        with suppress(Error):
            for emitter, event, listener in self._listeners:
                emitter.remove_listener(event, listener)
            await self._page.context.unroute("**", self._route)

    def record_response(self, response: Response) -> None:
        """Take note of a response to the page."""

    def record_sent(self, request: Request) -> None:
        """Take note of a request that carries the token to its site."""
        self.is_sent = self._has_acted = True
        self.under_way.add(request)

    async def pass_on(self, route: Route, request: Request) -> None:
        """Send a request that does not carry the token."""
        await route.fallback()

    async def send(self, route: Route, request: Request) -> None:
        """Send a request with the browser's own headers."""
        headers = await request.all_headers()
        if self._user_agent is not None:
            headers["user-agent"] = self._user_agent.decode("latin-1")
        await route.continue_(headers=headers)

    async def callback_acts(self, is_over: Callable[[], bool]) -> bool:
        """Give the widget's callback its time, and tell whether the page has sent anything to its site meanwhile."""
        idle_at = time.monotonic() + _CALLBACK_SECONDS[0]

        async def is_known() -> bool:
            return self._has_acted or self.is_stopped or (time.monotonic() > idle_at and not self._requests)

        await until(is_known, _CALLBACK_SECONDS[1], is_over)
        return self._has_acted or self.is_stopped

    def _begun(self, request: Request) -> None:
        self._requests.add(request)
        is_of_script = request.resource_type in ("fetch", "xhr", "ping")
        if is_of_script or navigated_frame(request) == self._page.main_frame:
            self._has_acted |= same_site(self._url, request.url)

    def _answered(self, request: Request) -> None:
        self.under_way.discard(request)
        self._requests.discard(request)

    def _redirected(self, request: Request) -> None:
        # A browser asks no route before it follows a redirect, which may repeat the body.
        is_elsewhere = request.redirected_from is not None and not same_site(self._url, request.url)
        self.is_leaked |= is_elsewhere and self._carries(request, with_referer=True)

    def _carries(self, request: Request, *, with_referer: bool = False) -> bool:
        """Tell whether a request carries the token, be it in the address that it comes from."""
        told = [value for name, value in request.headers.items() if with_referer or name != "referer"]
        is_told = any(holds_token(text, self.secret) for text in (request.url, *told))
        return is_told or self.secret.encode() in (request.post_data_buffer or b"")

    async def _route(self, route: Route, request: Request) -> None:
        if not same_site(self._url, request.url) and self._carries(request, with_referer=True):
            self.is_stopped = True
            await route.abort()
        elif self._carries(request):
            self.record_sent(request)
            await self.send(route, request)
        else:
            await self.pass_on(route, request)


def navigated_frame(request: Request) -> Frame | None:
    """Return the frame that shows the answer to a request, or None if none does."""
    # The first request of a window that is about to open has no frame yet.
    with suppress(Error):
        return request.frame if request.is_navigation_request() else None
    return None


@contextmanager
def masking(secret: str) -> Iterator[None]:
    """Mask a token in all that is logged of a browser while the block runs; an empty one is none."""
    mask = partial(_mask, secret)
    loggers = [logging.getLogger(name) for name in _LOGGERS] if secret else []
    for logger in loggers:
        logger.addFilter(mask)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(mask)


def _mask(secret: str, record: logging.LogRecord) -> bool:
    """Mask a token in the message of a record, in its extra fields, and in its error; return True to have it logged."""

    def without(value: Any) -> Any:
        text = str(value)
        hidden = masked(text, secret)
        return value if hidden == text else hidden

    message = record.getMessage()
    if without(message) != message:
        record.msg, record.args = without(message), ()
    for name, value in record.__dict__.items():
        # Scrapy-playwright adds errors and addresses as extra fields.
        if name not in ("msg", "args", "exc_info"):
            setattr(record, name, without(value))
    if record.exc_info and masked(text := "".join(format_exception(record.exc_info[1])), secret) != text:
        record.exc_info = None
    return True
