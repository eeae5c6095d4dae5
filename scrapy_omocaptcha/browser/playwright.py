"""Integrate scrapy-playwright: watch the pages that it loads, and hand tokens in while it loads them.

Scrapy-playwright goes through ``meta["playwright_page_methods"]`` after a page has been loaded and before its content
is read. The methods that are put there look at the page first.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar
from weakref import WeakKeyDictionary, WeakSet

from playwright.async_api import Page
from scrapy import Request

from scrapy_omocaptcha.browser.handover import PageHandover, WatchedMethods
from scrapy_omocaptcha.browser.live.pages import LivePages
from scrapy_omocaptcha.browser.page import close
from scrapy_omocaptcha.browser.passage import BrowserPassage
from scrapy_omocaptcha.browser.traffic import masking
from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.tokens.medium import Find, Key, PlainMedium
from scrapy_omocaptcha.urls import host_of

T = TypeVar("T")

_METHODS = "playwright_page_methods"
_PAGE = "playwright_page"


class PlaywrightMedium(PlainMedium):
    """Requests whose pages scrapy-playwright renders.

    :param schemes: those of the addresses that it loads.
    :param limits_contexts: whether PLAYWRIGHT_MAX_CONTEXTS is set.
    """

    purpose = "browser"

    def __init__(self, engine: Engine, schemes: frozenset[str], *, limits_contexts: bool) -> None:
        super().__init__(engine.components)
        self._schemes = schemes
        self.limits_contexts = limits_contexts
        self._brought: WeakKeyDictionary[Request, Page | None] = WeakKeyDictionary()
        """The page that the spider has brought, by the request."""
        self._acted: WeakSet[Request] = WeakSet()
        """Requests of which page methods have clicked or sent something, after which the page went on."""
        self._user_agents: WeakKeyDictionary[Page, bytes] = WeakKeyDictionary()
        """The header that was sent for each page that was left open for the spider."""
        self.live_pages = LivePages(self._user_agents, engine.lifetime)
        """The pages that the spider drives itself."""

    def renders(self, request: Request) -> bool:
        return bool(request.meta.get("playwright")) and request.url.partition(":")[0] in self._schemes

    def session_key(self, request: Request) -> Key:
        return host_of(request.url), (self, str(request.meta.get("playwright_context", "default"))), None

    def jar(self, request: Request) -> None:
        """Return None: a browser keeps its cookies to itself."""

    def passage(self) -> type[BrowserPassage]:
        return BrowserPassage

    def begin(self, request: Request, find: Find) -> None:
        """Note which page a request brings before it is sent for the first time, and watch it."""
        self._brought[request] = request.meta.get(_PAGE)
        self.watch(request, find)

    def answered(self, request: Request) -> None:
        """Give a request the spider's page methods back, and note what was sent for a page that is left open."""
        page, user_agent = request.meta.get(_PAGE), request.headers.get("User-Agent")
        if page is not None and user_agent is not None:
            self._user_agents[page] = user_agent
        watched = request.meta.get(_METHODS)
        if isinstance(watched, WatchedMethods):
            if watched.has_acted:
                self._acted.add(request)
            request.meta[_METHODS] = watched.original
            if watched.original is None:
                del request.meta[_METHODS]

    def close(self) -> None:
        self.live_pages.close()

    def give_back(self, request: Request) -> None:
        """Take a closed page out of a request, so that the request can be written to a disk."""
        page = request.meta.get(_PAGE)
        if page is not None and page.is_closed():
            del request.meta[_PAGE]

    def has_acted(self, request: Request) -> bool:
        """Tell whether page methods have done something for a request, so that they must not be called again."""
        return request in self._acted

    def watch(self, request: Request, find: Find) -> None:
        """Keep the spider's page methods from being called in a challenge."""
        self.answered(request)
        methods = request.meta.get(_METHODS)
        if isinstance(methods, Iterator):
            # An iterator could be gone through only once, and the page may be loaded more often.
            methods = list(methods)
        if methods:
            request.meta[_METHODS] = WatchedMethods(methods, find)

    async def load(self, handover: PageHandover, send: Callable[[], Awaitable[T]]) -> T | Exception:
        """Load a page, and return what it shows once the token was handed in, or the error.

        :param send: sends the request of the handover.
        """
        request = handover.request
        self.answered(request)
        handover.original = request.meta.get(_METHODS)
        request.meta[_METHODS] = handover
        try:
            with masking(handover.secret):
                return await send()
        except Exception as error:
            return error
        finally:
            self.answered(request)

    async def close_page(self, request: Request) -> None:
        """Close a page that was left open for the spider, unless the spider has brought it."""
        page = request.meta.get(_PAGE)
        if page is None or page.is_closed() or page is self._brought.get(request):
            return
        await close(page)
