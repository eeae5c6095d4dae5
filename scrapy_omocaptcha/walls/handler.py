"""Handle the walls of a crawl: hold requests that would run into one, and take challenged requests through.

Whether a page is a challenge is decided by ``policy``, and how one request gets through is in ``passage``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.buying.buyer import Buyer
from scrapy_omocaptcha.detection import find_other_captcha, has_recaptcha_word
from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.reporting.events import Events
from scrapy_omocaptcha.tokens.judging import Answer, is_good, is_stored
from scrapy_omocaptcha.tokens.policy import Policy
from scrapy_omocaptcha.urls import redirect_target
from scrapy_omocaptcha.walls.redirects import Redirects
from scrapy_omocaptcha.walls.sessions import LONG_AGO, Sessions
from scrapy_omocaptcha.walls.targets import SHOWS_CHALLENGES

if TYPE_CHECKING:
    from scrapy_omocaptcha.walls.passage import Passage
    from scrapy_omocaptcha.walls.session import Session

_MISSING = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
"""Statuses that say what is at an address, be it that there is nothing."""


@dataclass(eq=False)
class WallHandler:
    """Decides, before and after each request, whether it waits, passes or goes through a wall."""

    engine: Engine
    buyer: Buyer
    policy: Policy
    events: Events
    sessions: Sessions
    redirects: Redirects
    _parked: WeakKeyDictionary[Request, int] = field(default_factory=WeakKeyDictionary, init=False)
    """Stamps of when requests were parked that have not come here yet."""

    def try_pass(self, request: Request) -> bool:
        """Record that a request goes to the site, unless the wall of its session is being solved."""
        session = self.sessions.known(request)
        if session is not None and (request in self._parked or self._must_wait(session, request)):
            return False
        self.sessions.sent(request)
        return True

    def _must_wait(self, session: Session, request: Request) -> bool:
        # A request that a component awaits may be one that a token at hand is waiting for.
        return session.holds_new_requests or (session.is_handing_in and self.engine.states.is_scheduled(request))

    def closed_session(self, request: Request) -> Session | None:
        """Return the session of a request that must not begin, since it would only have to wait for its wall."""
        session = self.sessions.known(request)
        is_wanting = request.meta.get("omocaptcha") is not None
        if session is None or not session.is_closed or is_wanting:
            return None
        self._parked[request] = self.sessions.next_stamp()
        return session

    async def hold(self, request: Request) -> None:
        """Hold a request while the wall of its session is being solved."""
        session = self.sessions.session(request)
        since = self._parked.pop(request, 0) or self.sessions.next_stamp()
        while self._must_wait(session, request):
            with self.engine.slots.hold(request) as hold:
                while self._must_wait(session, request):
                    await self.engine.lifetime.wait(session.turns.wait(challenged=False))
                    if self._must_wait(session, request):
                        session.turns.end()
                # Until it may be sent, a token may have come.
                await hold.end(session.turns.end)
        session.clearance.record_sent(since, self.sessions.sent(request))

    async def handle_redirect(self, request: Request, response: Response) -> Answer:
        """Let Scrapy follow a redirect, with what was asked for, unless a wall redirects that is open by now."""
        stamp = self.sessions.stamp_of(request)
        self._record_answer(request, response, stamp)
        url = redirect_target(request.url, response.headers.get("Location"))
        leads_on = url is not None and self.redirects.targets.of(url).kind not in SHOWS_CHALLENGES
        if url is not None and leads_on and self.redirects.is_at_wall(request):
            self.redirects.record_led_to(request, url)
            return await self._leave_wall(request, response, stamp)
        self._keep(request, response, stamp)
        return response

    def _keep(self, request: Request, response: Response, stamp: int) -> None:
        session = self.sessions.known(request)
        is_through = session is not None and session.clearance.was_there_at(stamp)
        # A redirect that HttpCache has stored is older than any clearance.
        stamp = LONG_AGO if is_stored(request, response) else stamp or self.sessions.next_stamp()
        self.redirects.keep(request, response, stamp, is_through=is_through)

    async def _leave_wall(self, request: Request, response: Response, stamp: int) -> Answer:
        """Return what is to come of a request that was redirected to a wall, which answers it with no challenge."""
        if is_good(response) or self.redirects.is_order(request):
            # It is no longer at the site, where others wait until nothing else is.
            self.sessions.answered(request)
            return await self._passage(request).run(response, None, stamp)
        self._settle(request, response)
        return response

    def failed(self, request: Request, error: Exception) -> None:
        """Let another request find out what is at an address where this one has failed."""
        if self.engine.states.has(request):
            self._settle(request, type(error))

    def _settle(self, request: Request, answer: Response | type[Exception]) -> None:
        """Record the answer to a request that was redirected, unless a retry goes on for it."""
        if not self.engine.components.will_retry(request, answer):
            is_page = isinstance(answer, Response) and (is_good(answer) or answer.status in _MISSING)
            self.redirects.record_answer(request, is_page=is_page)

    def try_finish(self, request: Request, response: Response) -> bool:
        """Tell whether :meth:`after` would only return the response; if so, record that its request is answered.

        That is so of most responses, and this takes half the time of :meth:`after`.
        """
        if (
            self.sessions.is_any()
            or self.engine.states.has(request)
            or not is_good(response)
            or response.status == 202  # AWS WAF has walls with this status.
            or has_recaptcha_word(response)
            or self.engine.components.meta_refresh(response) is not None
        ):
            return False
        self.sessions.answered(request)
        return True

    def answered(self, request: Request, response: Response) -> int:
        """Record that a request is answered, and return when it was sent."""
        stamp = self.sessions.answered(request)
        self._record_answer(request, response, stamp)
        return stamp

    def _record_answer(self, request: Request, response: Response, stamp: int) -> None:
        self.engine.slots.back(request)
        session = self.sessions.known(request)
        if session is not None and stamp:
            # An answer that HttpCache has stored outdates no form.
            session.answers += not is_stored(request, response)
            self.sessions.keep_cookies(session, request, response, stamp)

    async def after(self, request: Request, response: Response, stamp: int) -> Answer:
        """Return the page that was asked for, or ``response`` itself where it is no challenge.

        It raises what :meth:`Passage.run` raises.
        """
        challenge = self.policy.find_and_tell(request, response)
        if challenge is not None:
            self.redirects.record_challenge(request)
            return await self._passage(request).run(response, challenge, stamp)
        if self.redirects.is_at_wall(request):
            return await self._leave_wall(request, response, stamp)
        if self.engine.components.meta_refresh(response) is not None:
            self._keep(request, response, stamp)
        elif self.engine.states.has(request):
            self._settle(request, response)
        vendor = find_other_captcha(response)
        if vendor is not None:
            self.events.left_alone(
                "other_captcha", response.url, f"its captcha is another product's: {vendor}", request
            )
        elif request.method != "HEAD" and is_good(response) and not is_stored(request, response):
            # The answer to HEAD has no body to be a challenge, and a stored one tells nothing of today.
            session = self.sessions.known(request)
            if session is not None:
                session.record_page(request, stamp)
                self.policy.hints.clearance_bound(request.url, session.visitors.difference)
        return response

    def _passage(self, request: Request) -> Passage:
        self.engine.park_new_requests(self.closed_session)
        make = self.policy.mediums.of(request).passage()
        if make is None:
            # Imported late: most crawls never need it, and start sooner without it.
            from scrapy_omocaptcha.walls.form_passage import FormPassage

            make = FormPassage
        passage: Passage = make(
            self.engine, self.buyer, self.policy, self.events, request, self.sessions, self.redirects
        )
        return passage
