"""Integrate scrapy-playwright: watch the pages that it loads, and hand tokens in while it loads them.

Scrapy-playwright goes through ``meta["playwright_page_methods"]`` after a page has been loaded and before its content
is read. What is put there looks at the page first.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from playwright.async_api import BrowserContext, Error, Page
from scrapy import Request

from scrapy_omocaptcha.browser.masking import masking
from scrapy_omocaptcha.browser.watching import FindChallenge, WatchedMethods
from scrapy_omocaptcha.upfront.wishes import OWN_SESSION
from scrapy_omocaptcha.urls import public_address

logger = logging.getLogger(__name__)

_CLOSE_TIMEOUT = 10.0
"""Longest wait until a page is closed, in seconds."""
_METHODS = "playwright_page_methods"
_PAGE = "playwright_page"
_INCLUDE_PAGE = "playwright_include_page"
_WRITTEN = (_PAGE, "playwright_security_details", "playwright_suggested_filename")
"""What scrapy-playwright writes into the meta for the callback."""
_REDIRECT_META = ("redirect_times", "redirect_urls", "redirect_reasons")


class _Original(NamedTuple):
    """What a request had in its meta before it was sent for the first time."""

    page: Page | None
    """The page that the spider has brought."""
    redirects: dict[str, Any]
    """What is known of redirects that Scrapy has followed."""


class PlaywrightBrowser:
    """The pages of scrapy-playwright. All methods but :meth:`context` are called only with requests that it renders."""

    def __init__(self, schemes: frozenset[str], *, limits_contexts: bool = False) -> None:
        self._schemes = schemes
        self.limits_contexts = limits_contexts
        """Whether PLAYWRIGHT_MAX_CONTEXTS is set."""
        self._originals: WeakKeyDictionary[Request, _Original] = WeakKeyDictionary()
        self._user_agents: WeakKeyDictionary[Page, bytes] = WeakKeyDictionary()

    def context(self, request: Request) -> str | None:
        """Return the name of the browser's context in which a request is rendered, or None if it is not rendered."""
        if not request.meta.get("playwright") or request.url.partition(":")[0] not in self._schemes:
            return None
        return str(request.meta.get("playwright_context", "default"))

    def begin(self, request: Request, find: FindChallenge) -> None:
        """Note what a request has in its meta before it is sent for the first time, and watch it."""
        redirects = {name: request.meta[name] for name in _REDIRECT_META if name in request.meta}
        self._originals[request] = _Original(request.meta.get(_PAGE), redirects)
        self.watch(request, find)

    def watch(self, request: Request, find: FindChallenge) -> None:
        """Keep the spider's page methods from being called in a challenge."""
        self.unwatch(request)
        self._forget_redirects(request)
        methods = request.meta.get(_METHODS)
        if isinstance(methods, Iterator):
            # It could be gone through only once, and the page may be loaded more often.
            methods = list(methods)
        if methods:
            request.meta[_METHODS] = WatchedMethods(methods, find)

    def user_agent(self, page: Page) -> bytes | None:
        """Return the user agent that was sent for a page that was left open for the spider, if one is known."""
        return self._user_agents.get(page)

    def unwatch(self, request: Request) -> None:
        """Give a request the spider's page methods back, and note what was sent for a page that is left open."""
        page, user_agent = request.meta.get(_PAGE), request.headers.get("User-Agent")
        if page is not None and user_agent is not None:
            self._user_agents[page] = user_agent
        watched = request.meta.get(_METHODS)
        if isinstance(watched, WatchedMethods):
            request.meta[_METHODS] = watched.original
            if watched.original is None:
                del request.meta[_METHODS]

    @contextmanager
    def handing_in(self, request: Request, handover: WatchedMethods) -> Iterator[None]:
        """Hand a token in when ``request`` is loaded in the block, before the spider's page methods are called."""
        self.unwatch(request)
        self._forget_redirects(request)
        handover.original = request.meta.get(_METHODS)
        request.meta[_METHODS] = handover
        try:
            with masking(handover.secret):
                yield
        finally:
            self.unwatch(request)
            if handover.has_moved:
                # Its first page was the challenge.
                self._forget_redirects(request)

    def _original(self, request: Request) -> _Original:
        # A middleware nearer to the site may have had it rendered.
        return self._originals.get(request, _Original(None, {}))

    def _forget_redirects(self, request: Request) -> None:
        """Take out of a request what scrapy-playwright has written of redirects on the way to a challenge."""
        for name in _REDIRECT_META:
            request.meta.pop(name, None)
        request.meta.update(self._original(request).redirects)

    async def close_page(self, request: Request) -> None:
        """Close a page that was left open for the spider, unless the spider has brought it."""
        page = request.meta.get(_PAGE)
        if page is not None and not page.is_closed() and page is not self._original(request).page:
            try:
                await asyncio.wait_for(page.close(), _CLOSE_TIMEOUT)
            except asyncio.TimeoutError:
                # Seen with Chromium where a page was on its way to another address.
                logger.warning(
                    "The browser does not close the page %s, which keeps its place in its context "
                    "(PLAYWRIGHT_MAX_PAGES_PER_CONTEXT)",
                    public_address(page.url),
                )

    def share_page(self, loaded: Request, request: Request) -> None:
        """Give ``request`` what scrapy-playwright has written into a request that was sent in its place."""
        request.meta.update({name: loaded.meta[name] for name in _WRITTEN if name in loaded.meta})

    async def end_session(self, request: Request, context: BrowserContext | None) -> None:
        """Close a context that is for one request only, as soon as no page of it is open."""
        if context is None or not str(request.meta.get("playwright_context")).startswith(OWN_SESSION):
            return

        async def close(*_: Any) -> None:
            with suppress(Error):
                await context.close()

        page = request.meta.get(_PAGE)
        if page is None or page.is_closed():
            await close()
        else:
            page.once("close", close)

    def wants_open_page(self, request: Request) -> bool:
        """Tell whether the spider wants an open page with its response, and has none yet."""
        page = request.meta.get(_PAGE)
        return bool(request.meta.get(_INCLUDE_PAGE)) and (page is None or page.is_closed())

    def forget_page(self, request: Request) -> None:
        """Take a closed page out of a request, so that the request can be written to a disk."""
        page = request.meta.get(_PAGE)
        if page is not None and page.is_closed():
            del request.meta[_PAGE]
