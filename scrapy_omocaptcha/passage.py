"""One request's way through a wall: solve, submit, judge the answer, ask again.

It decides in which order things happen and what the outcome is. What a page is, is said by ``detection``; whether a
job may be bought, by ``limits``; who of several requests solves, by ``clearance``.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urldefrag, urljoin

from scrapy.http import Response

from scrapy_omocaptcha import asked
from scrapy_omocaptcha.clearance import Role, cookies_of
from scrapy_omocaptcha.errors import ApiError, JobError, NotBought
from scrapy_omocaptcha.policy import Refusal
from scrapy_omocaptcha.signals import challenge_detected
from scrapy_omocaptcha.verdict import same_site

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.cookiejar import Cookie

    from scrapy import Request

    from scrapy_omocaptcha.challenge import Challenge, Token
    from scrapy_omocaptcha.clearance import Clearance, Stamp
    from scrapy_omocaptcha.engine import CrawlEngine
    from scrapy_omocaptcha.limits import Limits
    from scrapy_omocaptcha.policy import Policy
    from scrapy_omocaptcha.settings import Settings
    from scrapy_omocaptcha.solver import Solver
    from scrapy_omocaptcha.stats import Stats

logger = logging.getLogger(__name__)

_QUIET_TIME = 15.0
"""Seconds to wait at most for other answers of the session, before the challenge is fetched afresh."""
_LOOK_EVERY = 0.1
_REPEATING = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)
"""Redirects that repeat the body of a request."""
_MAX_REPEATS = 5


class Page(NamedTuple):
    """A response that carries a challenge, and how its session stood when it came."""

    response: Response
    challenge: Challenge
    answers: int
    """How many answers the session had had."""
    cookies: frozenset[tuple[str, str | None]]


class NoPassage(Exception):
    """The wall stays closed; carries the page to show for it, and the number of jobs bought in vain."""

    def __init__(self, refusal: Refusal, page: Page, jobs: int) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.page = page
        self.jobs = jobs


@dataclass(frozen=True)
class Means:
    """What every passage of a crawl works with."""

    settings: Settings
    engine: CrawlEngine
    solver: Solver
    limits: Limits
    clearance: Clearance
    stats: Stats
    policy: Policy
    announce: Callable[..., None]
    """Send one of our signals."""
    clock: Callable[[], float]


class Passage:
    """The way of one challenged request; :meth:`run` ends with the page that was asked for, or raises.

    :param stamp: when the request was sent that met the challenge.
    """

    def __init__(self, means: Means, request: Request, stamp: Stamp) -> None:
        self._means = means
        self._engine = means.engine
        self._request = request
        self._stamp = stamp
        self._session = means.clearance.session(request)
        self.jobs = 0
        """Jobs bought so far."""
        self.cost = 0.0
        """What they cost, in USD."""

    async def run(self, response: Response, challenge: Challenge, *, let_go: bool) -> Response:
        """Go through the wall that ``response`` has shown.

        :param let_go: this request was held before it was sent, and has been let go.
        :raises NoPassage: the wall stays closed to this request.
        :raises CrawlClosing: the crawl closes.
        :raises Exception: what Scrapy raises when what was asked is asked again.
        """
        session = self._session
        page = self._page(response, challenge)
        try:
            if "cached" in page.response.flags:
                # Not worth a job: whatever was stored, the site may be open now.
                answer, found = await self._ask_again()
                if found is None:
                    return answer
                page = found
            refusal = await self._refusal(page)
            verdict = "solve" if refusal is None else refusal.reason
            self._means.announce(challenge_detected, self._request, page.challenge, verdict=verdict)
            if refusal is not None:
                raise NoPassage(refusal, page, self.jobs)
            while True:
                role = session.role(self._stamp)
                if role is Role.ASK_AGAIN:
                    answer, found = await self._ask_again()
                    if found is None:
                        session.unchallenged(self._stamp)
                        return answer
                    page = await self._allowed(found)
                    continue
                if role is Role.LEAD:
                    session.lead(self._stamp)
                # From here on it waits for a token, and others can be let go in its place.
                if let_go:
                    let_go = False
                    session.back()
                if role is not Role.FOLLOW:
                    return await (self._lead(page) if role is Role.LEAD else self._solve(page, alone=True))
                await self._engine.wait(session.join(challenged=True))
                let_go = True
        finally:
            if let_go:
                session.back()

    async def _lead(self, page: Page) -> Response:
        session = self._session
        try:
            answer = await self._solve(page, alone=False)
            session.won(self._cookies())
            return answer
        finally:
            session.stop_leading(lambda: self._engine.width(self._request))

    # -- attempts ------------------------------------------------------------------------------------------------

    async def _solve(self, page: Page, *, alone: bool) -> Response:
        """Buy a token and hand it in, as often as that may be tried."""
        session, settings = self._session, self._means.settings
        while True:
            tried = asked.jobs(self._request)
            if tried >= settings.max_attempts:
                message = f"{tried} jobs were of no use (OMOCAPTCHA_MAX_ATTEMPTS)"
                raise NoPassage(Refusal("attempts", message), page, self.jobs)
            token = await self._buy(page)
            if token is None:
                continue
            # The form at hand may belong to a session that other answers have replaced since.
            stale = page.cookies != _values(self._cookies()) if alone else page.answers != session.answers
            if stale:
                answer, found = await self._fetch_afresh()
                if found is None:
                    self._means.stats.inc("tokens/expired")
                    return answer
                page = await self._allowed(found)
            too_old = self._means.clock() - token.made_at > settings.token_max_age
            if too_old or page.challenge.sitekey != token.sitekey:
                self._means.stats.inc("tokens/expired")
                continue
            outcome = await self._hand_in(page, token)
            if isinstance(outcome, Response):
                return outcome
            page = await self._allowed(outcome)

    async def _buy(self, page: Page) -> Token | None:
        """A token, or None when the job that was bought gave none."""
        try:
            return await self._means.solver.solve(page.challenge, host=self._session.host, bought=self._count_job)
        except JobError as error:
            logger.info("%s", error)
            return None
        except NotBought as error:
            raise NoPassage(Refusal(error.reason, str(error)), page, self.jobs) from error
        except ApiError as error:
            refusal = Refusal("service", f"the service took no job: {error}")
            raise NoPassage(refusal, page, self.jobs) from error

    def _count_job(self, cost: float) -> None:
        self.jobs += 1
        self.cost += cost
        asked.count_job(self._request)

    async def _fetch_afresh(self) -> tuple[Response, Page | None]:
        """The challenge as the session has it now, fetched while nothing else of the session is under way."""
        until = self._means.clock() + _QUIET_TIME
        while (
            self._session.closed
            and self._means.clearance.others_under_way(self._request)
            and self._means.clock() < until
        ):
            await self._engine.sleep(_LOOK_EVERY)
        return await self._ask_again()

    # -- handing in ----------------------------------------------------------------------------------------------

    async def _hand_in(self, page: Page, token: Token) -> Response | Page:
        """Submit, and judge the answer: what was asked for, or the challenge that is there instead."""
        answer = await self._send(page, token)
        if answer is not None:
            found = self._find(answer)
            if found is not None:
                return self._rejected(found)
            if self._is_what_was_asked(answer):
                return self._accepted(answer, token)
        again, found = await self._ask_again()
        if found is None:
            return self._accepted(again, token)
        if answer is not None and answer.status < HTTPStatus.BAD_REQUEST:
            # The wall opens for the submission alone: its own answer is all there is.
            return self._accepted(answer, token)
        return self._rejected(found)

    async def _send(self, page: Page, token: Token) -> Response | None:
        """The answer to the submission; None when none came, which leaves the token as spent."""
        submission = self._means.policy.submit(page.response, page.challenge, token)
        try:
            answer = await self._send_own(submission)
            for _ in range(_MAX_REPEATS):
                location = answer.headers.get("Location")
                if answer.status not in _REPEATING or location is None:
                    break
                target = urljoin(answer.url, location.decode("latin-1"))
                if not same_site(page.challenge.url, target):
                    break
                answer = await self._send_own(submission.replace(url=target))
        except Exception as error:
            # Of whatever kind: the token may have been used all the same, which asking again will show.
            logger.info("The submission to %s broke off: %s", self._session.host, type(error).__name__)
            return None
        return answer

    def _accepted(self, answer: Response, token: Token) -> Response:
        self._means.stats.inc("tokens/accepted")
        self._means.limits.succeeded(self._session.host, token.sitekey)
        return answer

    def _rejected(self, page: Page) -> Page:
        self._means.stats.inc("tokens/rejected")
        self._means.limits.failed(self._session.host, page.challenge.sitekey or "")
        return page

    def _is_what_was_asked(self, answer: Response) -> bool:
        """Below 400, and at the address that was asked for or where that redirects."""
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES or asked.method(self._request) != "GET":
            return False
        redirects = answer.request.meta.get("redirect_urls", []) if answer.request is not None else []
        # The first is the submission itself, which may share the address of the page.
        return urldefrag(asked.url(self._request)).url in {urldefrag(url).url for url in [answer.url, *redirects[1:]]}

    # -- asking --------------------------------------------------------------------------------------------------

    async def _ask_again(self) -> tuple[Response, Page | None]:
        """Ask for what was asked for; the answer, and the challenge that it is."""
        self._stamp = self._means.clearance.stamp(self._request)
        answer = await self._send_own(asked.again(self._request))
        return answer, self._find(answer)

    async def _send_own(self, request: Request) -> Response:
        answer = await self._engine.send(request)
        self._session.answers += 1
        return answer

    def _find(self, answer: Response) -> Page | None:
        challenge = self._means.policy.find(self._request, answer)
        return None if challenge is None else self._page(answer, challenge)

    def _page(self, response: Response, challenge: Challenge) -> Page:
        return Page(response, challenge, self._session.answers, _values(self._cookies()))

    async def _refusal(self, page: Page) -> Refusal | None:
        return await self._means.policy.refuse(self._request, page.response, page.challenge)

    async def _allowed(self, page: Page) -> Page:
        """A page met on the way, unless it may not be solved."""
        refusal = await self._refusal(page)
        if refusal is not None:
            raise NoPassage(refusal, page, self.jobs)
        return page

    def _cookies(self) -> list[Cookie]:
        jar = self._engine.jar(self._request)
        return [] if jar is None else cookies_of(jar, self._session.host)


def _values(cookies: list[Cookie]) -> frozenset[tuple[str, str | None]]:
    return frozenset((cookie.name, cookie.value) for cookie in cookies)
