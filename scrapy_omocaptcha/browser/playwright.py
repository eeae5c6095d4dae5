"""Integrate scrapy-playwright: watch the pages that it loads, and hand tokens in while it loads them.

Scrapy-playwright goes through ``meta["playwright_page_methods"]`` after a page has been loaded and before its content
is read. What is put there looks at the page first.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from playwright.async_api import Page
from scrapy import Request

from scrapy_omocaptcha.browser.masking import masking
from scrapy_omocaptcha.browser.page_methods import PageHandover, WatchedMethods
from scrapy_omocaptcha.browser.protocol import FindChallenge
from scrapy_omocaptcha.challenge import Challenge, Token

_METHODS = "playwright_page_methods"
_PAGE = "playwright_page"
_INCLUDE_PAGE = "playwright_include_page"


class PlaywrightBrowser:
    """The pages of scrapy-playwright; see :class:`Browser`.

    :param schemes: the schemes of the addresses that it loads.
    """

    def __init__(self, schemes: frozenset[str]) -> None:
        self._schemes = schemes
        self._brought: WeakKeyDictionary[Request, Page] = WeakKeyDictionary()
        """The pages that spiders have put into their requests."""
        self._loop: asyncio.AbstractEventLoop | None = None
        """The event loop of the browser. On Windows, scrapy-playwright runs it in a thread of its own."""

    def context(self, request: Request) -> str | None:
        """Return the name of the browser's context in which a request is rendered, or None if it is not rendered."""
        if not request.meta.get("playwright") or request.url.partition(":")[0] not in self._schemes:
            return None
        return str(request.meta.get("playwright_context", "default"))

    def watch(self, request: Request, find: FindChallenge) -> None:
        """Keep the spider's page methods from being called in a challenge."""
        self.unwatch(request)
        methods, page = request.meta.get(_METHODS), request.meta.get(_PAGE)
        if page is not None and not page.is_closed():
            self._brought.setdefault(request, page)
        # With include_page, the page methods also tell the loop in which the page can be closed.
        if methods or request.meta.get(_INCLUDE_PAGE):
            request.meta[_METHODS] = WatchedMethods(methods, find, self._looked)

    def unwatch(self, request: Request) -> None:
        """Give a request the spider's page methods back."""
        watched = request.meta.get(_METHODS)
        if isinstance(watched, WatchedMethods):
            request.meta[_METHODS] = watched.original
            if watched.original is None:
                del request.meta[_METHODS]

    @contextmanager
    def handing_in(
        self,
        request: Request,
        challenge: Challenge,
        token: Token | None,
        find: FindChallenge,
        is_closing: Callable[[], bool],
    ) -> Iterator[PageHandover]:
        """Hand a token in when ``request`` is loaded, by page methods that are called before the spider's."""
        self.unwatch(request)
        handover = PageHandover(request, challenge, token, find, self._looked, is_closing)
        request.meta[_METHODS] = handover
        try:
            with masking(handover.secret):
                yield handover
        finally:
            self.unwatch(request)

    def _looked(self) -> None:
        self._loop = asyncio.get_running_loop()

    async def close_page(self, request: Request) -> None:
        """Close a page that was left open for the spider, unless the spider has brought it."""
        page = request.meta.get(_PAGE)
        if page is not None and not page.is_closed() and page is not self._brought.get(request):
            assert self._loop is not None
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(page.close(), self._loop))

    def wants_open_page(self, request: Request) -> bool:
        """Tell whether the spider wants an open page with its response, and has none yet."""
        page = request.meta.get(_PAGE)
        return bool(request.meta.get(_INCLUDE_PAGE)) and (page is None or page.is_closed())

    def forget_page(self, request: Request) -> None:
        """Take a closed page out of a request, so that the request can be written to a disk."""
        page = request.meta.get(_PAGE)
        if page is not None and page.is_closed():
            del request.meta[_PAGE]
