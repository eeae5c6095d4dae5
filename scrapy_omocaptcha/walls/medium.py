"""Tell how a request gets its page, by Scrapy's own downloader or in a browser, and what that means at a wall."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from scrapy import Request
from scrapy.http import Response
from scrapy.http.cookies import CookieJar

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.components import Components, proxy_of
from scrapy_omocaptcha.urls import host_of
from scrapy_omocaptcha.walls.reasons import Purpose

if TYPE_CHECKING:
    from scrapy_omocaptcha.browser.playwright import PlaywrightBrowser

Key = tuple[str, object, object]
Find = Callable[[Response], Challenge | None]
_IN_BROWSER = object()


class PlainMedium:
    """Requests that Scrapy's own downloader sends."""

    passage = "scrapy_omocaptcha.walls.form_passage.FormPassage"
    """Path of what takes a challenged request through its wall, which is imported with the first challenge."""
    purpose: Purpose = "form"
    """What a token for a wall is wanted for."""
    browser: PlaywrightBrowser | None = None
    """The browser that renders the pages."""

    def __init__(self, components: Components) -> None:
        self._components = components

    def session_key(self, request: Request) -> Key:
        """Return what a clearance belongs to. Cookies ignore ports, so a session does too."""
        return host_of(request.url), request.meta.get("cookiejar"), proxy_of(request)

    def jar(self, request: Request) -> CookieJar | None:
        """Return the cookiejar of a request, if this package may read and write it."""
        return self._components.jar(request)

    def begin(self, request: Request, find: Find) -> None:
        """Prepare a request that goes to the site."""


class BrowserMedium(PlainMedium):
    """Requests whose pages a browser renders."""

    passage = "scrapy_omocaptcha.walls.browser_passage.BrowserPassage"
    purpose = "browser"
    browser: PlaywrightBrowser

    def __init__(self, components: Components, browser: PlaywrightBrowser) -> None:
        super().__init__(components)
        self.browser = browser

    def session_key(self, request: Request) -> Key:
        return host_of(request.url), (_IN_BROWSER, self.browser.context(request)), None

    def jar(self, request: Request) -> None:
        """Return None: a browser keeps its cookies to itself."""

    def begin(self, request: Request, find: Find) -> None:
        """Watch the page that is loaded for a request."""
        self.browser.begin(request, find)


class Mediums:
    """The mediums of one crawl, which may have a browser that renders the pages of some requests."""

    def __init__(self, components: Components, browser: PlaywrightBrowser | None = None) -> None:
        self._plain = PlainMedium(components)
        self._rendered = None if browser is None else BrowserMedium(components, browser)

    def concerns(self, request: Request) -> bool:
        """Tell whether something may have to be prepared for a request."""
        return self._rendered is not None

    def of(self, request: Request) -> PlainMedium:
        rendered = self._rendered
        return self._plain if rendered is None or rendered.browser.context(request) is None else rendered

    def answered(self, request: Request) -> None:
        """Undo what ``begin`` has prepared: there is an answer, or an error."""
        # Not as the medium of the request: a middleware may have changed that meanwhile.
        if self._rendered is not None:
            self._rendered.browser.unwatch(request)

    def give_back(self, request: Request) -> None:
        """Make a request fit to be written to a disk."""
        if self._rendered is not None:
            self._rendered.browser.forget_page(request)
