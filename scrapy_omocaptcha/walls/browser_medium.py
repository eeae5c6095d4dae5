"""Tell what a browser that renders pages means at a wall."""

from __future__ import annotations

from typing import Any

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.browser.playwright import PlaywrightBrowser
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.urls import host_of
from scrapy_omocaptcha.walls.medium import Find, Key, PlainMedium
from scrapy_omocaptcha.walls.reasons import unsubmittable_in_browser

_IN_BROWSER = object()


class BrowserMedium(PlainMedium):
    """Requests whose pages a browser renders."""

    can_send_upfront = False

    def __init__(self, components: Components, browser: PlaywrightBrowser) -> None:
        super().__init__(components)
        self._browser = browser

    def renders(self, request: Request) -> bool:
        """Tell whether the browser renders the page of a request."""
        return self._browser.context(request) is not None

    def passage(self, *parts: Any) -> Any:
        """Return what takes a challenged request through its wall in the browser."""
        # Imported late: most crawls never need it, and start sooner without it.
        from scrapy_omocaptcha.walls.browser_passage import BrowserPassage

        return BrowserPassage(self._browser, *parts)

    def session_key(self, request: Request) -> Key:
        """Return what a clearance belongs to."""
        return host_of(request.url), (_IN_BROWSER, self._browser.context(request)), None

    def jar(self, request: Request) -> None:
        """Return None: a browser keeps its cookies to itself."""

    def unsuitable(self, request: Request, response: Response) -> None:
        """Return None: a challenge in any page can be solved."""

    def unsubmittable(self, request: Request, response: Response, challenge: Challenge) -> str | None:
        """Return why a token could not be handed in, or None."""
        return unsubmittable_in_browser(challenge)

    def begin(self, request: Request, find: Find) -> None:
        """Watch the page that is loaded for a request."""
        self._browser.begin(request, find)

    def answered(self, request: Request) -> None:
        """Stop watching: there is an answer, or an error."""
        self._browser.unwatch(request)

    def give_back(self, request: Request) -> None:
        """Make a request fit to be written to a disk."""
        self._browser.forget_page(request)
