"""Tell how a request gets its page, and what that means at a wall: what a session is, how a token is handed in.

Scrapy's own downloader gets all pages, unless another medium gets some.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scrapy import Request
from scrapy.http import Response
from scrapy.http.cookies import CookieJar

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.components import Components, proxy_of
from scrapy_omocaptcha.tokens.reasons import Purpose
from scrapy_omocaptcha.urls import host_of

Key = tuple[str, object, object]
Find = Callable[[Response], Challenge | None]
META_KEYS = ("omocaptcha", "omocaptcha_resend")
"""Keys of meta by which a spider tells how a request is treated; ``hints`` tells of others that look like them."""


class PlainMedium:
    """Requests that Scrapy's own downloader sends. The browser's medium is a subclass."""

    purpose: Purpose = "form"
    """What is checked before a token is bought for a wall: a key of ``CHECKS`` in ``reasons``."""

    def __init__(self, components: Components) -> None:
        self._components = components

    def session_key(self, request: Request) -> Key:
        """Return what a clearance belongs to. Cookies ignore ports, so a session does too."""
        return host_of(request.url), request.meta.get("cookiejar"), proxy_of(request)

    def jar(self, request: Request) -> CookieJar | None:
        """Return the cookiejar of a request, if this package may read and write it."""
        return self._components.jar(request)

    def passage(self) -> Callable[..., Any] | None:
        """Return what makes a ``Passage`` of its arguments; None where the page's form takes the token."""
        return None


class Mediums:
    """The mediums of one crawl: the browser for the requests whose pages it renders, and the plain one for all others.

    :param browser: the browser that renders pages in this crawl, if any does.
    """

    def __init__(self, components: Components, browser: PlainMedium | None) -> None:
        self._plain = PlainMedium(components)
        self.driven: Any = browser
        """The medium that has ``live_pages``, which a spider drives itself; None where there is none."""

    def is_rendered(self, request: Request) -> bool:
        """Tell whether a browser renders the page of a request."""
        return self.driven is not None and self.driven.renders(request)

    def of(self, request: Request) -> PlainMedium:
        return self.driven if self.is_rendered(request) else self._plain

    def close(self) -> None:
        """End what is open when the spider is closed."""
        if self.driven is not None:
            self.driven.close()

    def answered(self, request: Request) -> None:
        """Undo what ``begin`` has prepared, whatever the medium of the request is: a middleware may have changed it."""
        if self.driven is not None:
            self.driven.answered(request)

    def give_back(self, request: Request) -> None:
        """Make a request fit to be written to a disk."""
        if self.driven is not None:
            self.driven.give_back(request)
