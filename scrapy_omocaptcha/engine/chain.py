"""Send requests through the part of Scrapy's downloader middlewares between this package's middleware and the site."""

import logging
import warnings
from collections.abc import Callable
from functools import cached_property, wraps
from types import SimpleNamespace
from typing import Any

from scrapy import Request
from scrapy.core.downloader.middleware import DownloaderMiddlewareManager
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.httpcache import HttpCacheMiddleware
from scrapy.exceptions import IgnoreRequest, ScrapyDeprecationWarning
from scrapy.http import Response
from scrapy.utils.asyncio import call_later
from scrapy.utils.defer import ensure_awaitable
from scrapy.utils.python import global_object_name

from scrapy_omocaptcha.engine.components import Components, is_redirect, proxy_of
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.order import Sending, SendingOrder
from scrapy_omocaptcha.engine.private_names import AUTH_PROXY
from scrapy_omocaptcha.errors import MiddlewareFailed
from scrapy_omocaptcha.forms.submission import VALIDATORS, Submission
from scrapy_omocaptcha.scrapy_versions import ResponseDataLossError

logger = logging.getLogger(__name__)

_MAX_REPLACEMENTS = 3
"""Number of times that middlewares may replace a submission, as those do that give each request a proxy."""
_OF_PROXY = ("proxy", AUTH_PROXY, "download_slot", "Proxy-Authorization")
"""Keys of meta and headers that middlewares write which choose proxies; some keep a download slot for each."""


class InnerChain:
    """The downloader middlewares of a crawl that are closer to the site than ``middleware``, and the downloader.

    What is sent here passes neither the scheduler nor the outer middlewares (retries, user agents, the project's own)
    nor the engine, whose signals and counts are about the spider's pages.
    """

    def __init__(
        self, crawler: Crawler, middleware: object, lifetime: Lifetime, order: SendingOrder, components: Components
    ) -> None:
        self._crawler = crawler
        self._lifetime = lifetime
        self._middleware = middleware
        self._order = order
        self.components = components

    def is_sending(self, request: Request) -> bool:
        """Tell whether this package is sending a request, be it the spider's or its own."""
        return request in self._order.under_way

    async def send_again(self, request: Request, *, page: Request) -> Response | Request:
        """Send a spider's request once more, and return a response, or the request that a redirect leads to.

        :param page: the request that waits for the answer, which may be this one.
        """
        # The cookies of the first time are in the cookiejar by now. Sent again they would overwrite a clearance.
        cookies, request.cookies = request.cookies, {}
        request.meta.pop("download_latency", None)
        if self._crawler.get_downloader_middleware(HttpCacheMiddleware) is not None:
            # HttpCache has written them, and would not know what a 304 is about.
            for name in VALIDATORS:
                request.headers.pop(name, None)
        try:
            return await self._send(request, Sending(page))
        finally:
            request.cookies = cookies
            self.components.downloaded_for(page, request)

    async def send(self, request: Request) -> Response | Request:
        """Send a request of this package's own, or raise ``MiddlewareFailed`` for a middleware that the log names."""
        return await self._send_own(request, Sending(request))

    async def send_straight(self, request: Request) -> Response:
        """Do as :meth:`send` for a request that nothing may redirect."""
        sending = Sending(request)
        result = await self._send_own(request, sending)
        if isinstance(result, Request):
            raise MiddlewareFailed(sending.blame)
        return result

    async def _send_own(self, request: Request, sending: Sending) -> Response | Request:
        try:
            result = await self._send(request, sending)
            for _ in range(_MAX_REPLACEMENTS):
                if isinstance(result, Submission) and result.url == request.url:
                    result = await self._send(result, sending)
            if isinstance(result, Response) and is_redirect(result) and not request.meta.get("dont_redirect"):
                # The spider may have asked for its own redirects, but not for those of this package's requests.
                result = await self.components.redirect(request, result) or result
            self.check_whole(request, result)
        except Exception as error:
            blame = sending.blame
            if blame is None or isinstance(error, IgnoreRequest):
                raise
        else:
            if isinstance(result, Response):
                # The response answers no request of the spider.
                result.request = None
            return result
        logger.warning("A request that OMOcaptcha sends for a page failed in the project: %s", blame)
        # The except block is left first, because the error and its frames may hold a token.
        raise MiddlewareFailed(blame)

    async def _send(self, request: Request, sending: Sending) -> Response | Request:
        sending.blame = None
        self._order.under_way[request] = sending
        try:
            return await self._manager.download_async(self._enqueue_first, request)
        finally:
            del self._order.under_way[request]

    async def _enqueue_first(self, request: Request) -> Response:
        """Send a request ahead of what Scrapy has queued in its download slot."""
        # The slot is sorted once the request is in its queue, or has been sent.
        call_later(0, lambda: self._order.sort(self._order.slot(request)))
        try:
            return await self._crawler.engine.downloader._enqueue_request(request)
        finally:
            # A caller that has stopped waiting, as the crawl closes, does not want the request to be sent later.
            self._order.take_out(request)

    def check_whole(self, request: Request, result: Response | Request) -> None:
        """Raise what Scrapy raises for a response that is cut short, where a submission keeps it from raising that."""
        is_cut_short = isinstance(request, Submission) and isinstance(result, Response) and "dataloss" in result.flags
        if is_cut_short and self._crawler.settings.getbool("DOWNLOAD_FAIL_ON_DATALOSS"):
            raise ResponseDataLossError("the response was cut short")

    async def follow(self, request: Request, *, page: Request) -> Response | Request | None:
        """Send a request that a redirect of ``page`` leads to; return None where Scrapy's components forbid it.

        :raises CrawlClosing: when the crawl closes before there is an answer.
        :raises MiddlewareFailed: if a middleware of the project failed on it.
        """
        if await self.components.ask_rules(request, page=page):
            return None
        return await self._lifetime.wait(self._send_own(request, Sending(page)))

    async def handle_exception(self, request: Request, error: Exception) -> Response | Request:
        """Let the outer middlewares handle an error of a request that was sent again; raise it where none does."""
        middlewares = self._crawler.engine.downloader.middleware.middlewares
        for middleware in reversed(middlewares[: middlewares.index(self._middleware)]):
            if hasattr(middleware, "process_exception"):
                result: Response | Request | None = await self.components.call(
                    middleware.process_exception, request=request, exception=error
                )
                if result is not None:
                    return result
        raise error

    @cached_property
    def _manager(self) -> DownloaderMiddlewareManager:
        outer = self._crawler.engine.downloader.middleware
        closer = outer.middlewares[outer.middlewares.index(self._middleware) + 1 :]
        with warnings.catch_warnings():
            # Scrapy's own manager has warned of the same methods before.
            warnings.simplefilter("ignore", ScrapyDeprecationWarning)
            return type(outer)(*map(self._adapter, closer), crawler=self._crawler)

    def _adapter(self, middleware: object) -> object:
        """Return what has the methods of a middleware that Scrapy calls, wrapped."""
        names = ["process_request", "process_response", "process_exception"]
        if middleware is self._crawler.get_downloader_middleware(HttpCacheMiddleware):
            # HttpCache would answer with the challenge that it has stored for the same request.
            names.remove("process_request")
        methods = {name: getattr(middleware, name) for name in names if hasattr(middleware, name)}
        return SimpleNamespace(**{name: self._named(method) for name, method in methods.items()})

    def _named(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a middleware's method: it changes no proxy, and its name is known if it raises, or returns a request."""
        name = global_object_name(method)

        @wraps(method)
        async def call(**arguments: Any) -> Any:
            request = arguments["request"]
            sending = self._order.under_way[request]
            proxy, before = proxy_of(request), [(values, values.copy()) for values in (request.meta, request.headers)]
            try:
                result = await ensure_awaitable(method(**arguments))
            except Exception as error:
                sending.blame = f"{name} raised {type(error).__name__}"
                raise
            if isinstance(result, Response):
                sending.blame = None
            elif result is not None or "response" in arguments:
                kind = "another request" if isinstance(result, Request) else type(result).__name__
                sending.blame = f"{name} returned {kind}"
            # A token may be good for one address only. What is chosen after an error is for the next try.
            if result is None and "exception" not in arguments and proxy not in (None, proxy_of(request)):
                for values, old in before:
                    for key in _OF_PROXY:
                        values.pop(key, None)
                    values.update({key: old[key] for key in _OF_PROXY if key in old})
            return result

        return call
