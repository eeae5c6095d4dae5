"""What a site shows to one request: asks for it again, and says whether an answer is a challenge.

It looks and decides nothing: what follows from what it sees is in ``passage``.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urldefrag

from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.walls.sessions import cookies_of

if TYPE_CHECKING:
    from http.cookiejar import Cookie

    from scrapy import Request
    from scrapy.http import Response

    from scrapy_omocaptcha.buying.buyer import Means
    from scrapy_omocaptcha.challenge import Challenge
    from scrapy_omocaptcha.walls.policy import Refusal


class Page(NamedTuple):
    """A response that carries a challenge, and how its session stood when it came."""

    response: Response
    challenge: Challenge
    answers: int
    """How many answers the session had had."""
    cookies: frozenset[tuple[str, str | None]]
    """Their names and values."""


class Look:
    """The sight of one request."""

    def __init__(self, means: Means, request: Request) -> None:
        self._means = means
        self._request = request
        self._session = means.clearance.session(request)

    async def again(self) -> tuple[Response, Page | None]:
        """Ask for what was asked for; the answer, and the challenge that it is."""
        answer = await self._means.engine.send(request_state.again(self._request))
        self._session.answers += 1
        return answer, self.find(answer)

    def find(self, answer: Response) -> Page | None:
        """The challenge that an answer is."""
        challenge = self._means.policy.find(self._request, answer)
        return None if challenge is None else self.page(answer, challenge)

    def page(self, response: Response, challenge: Challenge) -> Page:
        return Page(response, challenge, self._session.answers, self._values())

    def is_stale(self, page: Page, *, alone: bool) -> bool:
        """Its form may belong to a session that other answers have replaced since.

        :param alone: others of the session are at the site all the while, so that only what they changed counts.
        """
        return page.cookies != self._values() if alone else page.answers != self._session.answers

    def is_what_was_asked(self, answer: Response) -> bool:
        """Below 300, and at the address that was asked for or where that redirects."""
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES or request_state.method(self._request) != "GET":
            return False
        redirects = answer.request.meta.get("redirect_urls", []) if answer.request is not None else []
        wanted = urldefrag(request_state.url(self._request)).url
        return wanted in {urldefrag(url).url for url in [answer.url, *redirects]}

    async def refusal(self, page: Page, *, paid: bool = False) -> Refusal | None:
        """Why it may not be solved.

        :param paid: it need not be bought now, so that nothing is asked of the purse.
        """
        return await self._means.policy.refuse(self._request, page.response, page.challenge, paid=paid)

    def cookies(self) -> list[Cookie]:
        """Those of the session."""
        jar = self._means.neighbours.jar(self._request)
        return [] if jar is None else cookies_of(jar, self._session.host)

    def _values(self) -> frozenset[tuple[str, str | None]]:
        return frozenset((cookie.name, cookie.value) for cookie in self.cookies())
