"""Describe what the walls need of an integration that lets a browser render pages for Scrapy."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.forms.submission import Submission

FindChallenge = Callable[[Response], Challenge | None]
"""Returns the challenge that a page is, or None."""


class Handover(Protocol):
    """What became of a token that was to be handed in while a page was loaded."""

    trouble: str
    """What was in the way: ``other_key``, ``not_rendered``, ``foreign_form`` (the page wanted to send it to another
    site), ``unanswered`` (it was sent, and no page came), or the name of an error; empty if nothing was."""
    is_handed_in: bool
    """Whether the site may have seen the token."""
    is_sent: bool
    """Whether a request to the site was seen that carried the token."""
    has_moved: bool
    """Whether the page showed anything new after that."""
    is_asked_for: bool
    """Whether that is a page from the address of a GET, rather than from another one, or put in place by a script."""

    def complete(self, answer: Response) -> Response:
        """Return a page with the status and the headers of its last navigation, and no token in its address."""
        ...


class Browser(Protocol):
    """An integration. All methods but :meth:`context` are called only with requests that it renders."""

    def context(self, request: Request) -> str | None:
        """Return the name of the browser's context in which a request is rendered, or None if it is not rendered."""
        ...

    def begin(self, request: Request, find: FindChallenge) -> None:
        """Note how the spider has made a request that is about to be sent for the first time, and watch it."""
        ...

    def watch(self, request: Request, find: FindChallenge) -> None:
        """Keep what the spider wants done in its page from being done in a challenge."""
        ...

    def unwatch(self, request: Request) -> None:
        """Give a request back what the spider wants done in its page."""
        ...

    def handing_in(
        self,
        request: Request,
        challenge: Challenge,
        token: Token | None,
        find: FindChallenge,
        is_closing: Callable[[], bool],
    ) -> AbstractContextManager[Handover]:
        """Hand a token in when ``request`` is loaded, and then do in its page what the spider wants.

        :param token: None to wait only until the widget is there to take one.
        :param is_closing: tells whether the crawl is closing, when nothing is waited for any longer.
        """
        ...

    def has_rendered(self, response: Response) -> bool:
        """Tell whether a response is a page that this browser has rendered."""
        ...

    def sending(self, submission: Submission) -> AbstractContextManager[None]:
        """Send what the spider submits itself: without what it wants done in its page, and with no token in the log."""
        ...

    async def close_page(self, request: Request) -> None:
        """Close a page that was left open for the spider, unless the spider has brought it."""
        ...

    def wants_open_page(self, request: Request) -> bool:
        """Tell whether the spider wants an open page with its response, and has none yet."""
        ...

    def forget_page(self, request: Request) -> None:
        """Take a closed page out of a request, so that the request can be written to a disk."""
        ...
