"""Tell how a request gets its page, and what that means at a wall.

Scrapy's own downloader gets all pages, unless the middleware is given another medium for some.
"""

from __future__ import annotations

from collections.abc import Callable

from scrapy import Request
from scrapy.http import Response
from scrapy.http.cookies import CookieJar

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.components import Components, proxy_of
from scrapy_omocaptcha.urls import host_of
from scrapy_omocaptcha.walls.reasons import Purpose

Key = tuple[str, object, object]
Find = Callable[[Response], Challenge | None]


class PlainMedium:
    """Requests that Scrapy's own downloader sends. A subclass is another way to get pages."""

    passage = "scrapy_omocaptcha.walls.form_passage.FormPassage"
    """Path of what takes a challenged request through its wall, which is imported with the first challenge."""
    purpose: Purpose = "form"
    """What a token for a wall is wanted for."""
    token_request = "scrapy_omocaptcha.walls.token_request.TokenRequest"
    """Path of what sends a request with the token that it wants before it is sent."""

    def __init__(self, components: Components) -> None:
        self._components = components

    def concerns(self, request: Request) -> bool:
        """Tell whether this is how a request gets its page."""
        return True

    def session_key(self, request: Request) -> Key:
        """Return what a clearance belongs to. Cookies ignore ports, so a session does too."""
        return host_of(request.url), request.meta.get("cookiejar"), proxy_of(request)

    def jar(self, request: Request) -> CookieJar | None:
        """Return the cookiejar of a request, if this package may read and write it."""
        return self._components.jar(request)

    def begin(self, request: Request, find: Find) -> None:
        """Prepare a request that goes to the site."""

    def answered(self, request: Request) -> None:
        """Undo what ``begin`` has prepared: there is an answer, or an error."""

    def give_back(self, request: Request) -> None:
        """Make a request fit to be written to a disk."""

    def close(self) -> None:
        """Record what nobody has said anything of: the crawl ends."""


class Mediums:
    """The mediums of one crawl: the plain one, and another one where some requests get their pages by it."""

    def __init__(self, plain: PlainMedium, other: PlainMedium | None = None) -> None:
        self._plain = plain
        self.other = other

    def concerns(self, request: Request) -> bool:
        """Tell whether something may have to be prepared for a request."""
        return self.other is not None

    def of(self, request: Request) -> PlainMedium:
        other = self.other
        return self._plain if other is None or not other.concerns(request) else other

    def answered(self, request: Request) -> None:
        # Not of the medium of the request: a middleware may have changed that meanwhile.
        if self.other is not None:
            self.other.answered(request)

    def give_back(self, request: Request) -> None:
        if self.other is not None:
            self.other.give_back(request)

    def close(self) -> None:
        if self.other is not None:
            self.other.close()
