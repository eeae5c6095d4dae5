"""Keep the page methods of a spider from being called in a challenge."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from playwright.async_api import Error, Page
from scrapy.utils.defer import ensure_awaitable
from scrapy_playwright.page import PageMethod

from scrapy_omocaptcha.browser.page import read
from scrapy_omocaptcha.tokens.medium import Find


class WatchedMethods:
    """A spider's page methods, which are not called in a challenge.

    A request that is pickled while it is being sent has the spider's own methods.

    :param original: the page methods as the spider has put them into the meta of its request, if it has.
    """

    def __init__(self, original: Any, find: Find) -> None:
        self.original = original
        self._find = find
        self._is_challenge = False

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self.original), (self.original,) if self.original else ()

    def __iter__(self) -> Iterator[Any]:
        self._is_challenge = False
        yield PageMethod(self._look)
        yield from self._guarded()

    def _guarded(self) -> Iterator[Any]:
        methods = self.original or ()
        for method in methods.values() if isinstance(methods, dict) else methods:
            if self._is_challenge:
                return
            # Scrapy-playwright warns of anything that it cannot call.
            can_call = isinstance(method, PageMethod) and (callable(method.method) or hasattr(Page, method.method))
            yield PageMethod(partial(self._call, method)) if can_call else method

    async def _look(self, page: Page) -> None:
        try:
            self._is_challenge = self._find(await read(page)) is not None
        except Error:
            # The page goes elsewhere at this moment. What comes of it is judged anyway.
            self._is_challenge = False

    async def _call(self, method: PageMethod, page: Page) -> None:
        function = partial(method.method, page) if callable(method.method) else getattr(page, method.method)
        try:
            method.result = await ensure_awaitable(function(*method.args, **method.kwargs))
        except Exception:
            # It may have waited for something that a challenge does not have.
            await self._look(page)
            if not self._is_challenge:
                raise
