"""Handle the walls of a crawl: hold requests that would run into one, and take challenged requests through.

Whether a page is a challenge is decided by ``policy``, and how one request gets through is in ``passage``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.buying.buyer import Buyer
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.detection import find_other_captcha, has_recaptcha_word
from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.forms.encoding import SAFE_METHODS
from scrapy_omocaptcha.reporting.events import Events
from scrapy_omocaptcha.tokens.judging import Answer, is_good, is_stored
from scrapy_omocaptcha.tokens.policy import Policy
from scrapy_omocaptcha.walls.redirects import UNKNOWN_STANDING, Redirects, Standing
from scrapy_omocaptcha.walls.sessions import Sessions

if TYPE_CHECKING:
    from scrapy_omocaptcha.walls.passage import Passage
    from scrapy_omocaptcha.walls.session import Session


class WallHandler:
    """Decides, before and after each request, whether it waits, passes or goes through a wall."""

    def __init__(
        self,
        engine: Engine,
        buyer: Buyer,
        policy: Policy,
        events: Events,
        sessions: Sessions,
        redirects: Redirects,
    ) -> None:
        self._slots, self._lifetime, self._components = engine.slots, engine.lifetime, engine.components
        self._sessions = sessions
        self._redirects = redirects
        self._policy = policy
        self._events = events
        self._attempts = (engine, buyer, policy, events)

    def try_pass(self, request: Request) -> bool:
        """Record that a request goes to the site, unless the wall of its session is being solved."""
        session = self._sessions.known(request)
        if session is not None and self._must_wait(session, request):
            return False
        self._sessions.sent(request)
        return True

    def _must_wait(self, session: Session, request: Request) -> bool:
        # A request that a component awaits may be one that a token at hand is waiting for.
        return session.holds_new_requests or (session.is_handing_in and self._slots.states.is_scheduled(request))

    async def hold(self, request: Request) -> None:
        """Hold a request while the wall of its session is being solved."""
        session = self._sessions.session(request)
        if self._components.is_cached(request):
            # A stored answer does not come from the site. If the request were held, and the answer a stored redirect,
            # nothing would end the hold.
            self._sessions.sent(request)
            return
        since, cookies = self._sessions.next_stamp(), request.cookies

        def back() -> None:
            # Only the site does not get them.
            request.cookies = cookies
            session.turns.end()

        while self._must_wait(session, request):
            with self._slots.hold(request) as hold:
                while self._must_wait(session, request):
                    await self._lifetime.wait(session.turns.wait(challenged=False))
                    if self._must_wait(session, request):
                        session.turns.end()
                # Until it may be sent, a token may have come.
                await hold.end(back)
        session.clearance.record_sent(since, self._sessions.sent(request))
        if session.clearance.was_won_after(since):
            request.cookies = _without({cookie.name for cookie in session.clearance.cookies}, request.cookies)

    async def before(self, request: Request) -> Answer | None:
        """Return what is in the place of a POST that a wall has redirected, before it is sent once more in vain."""
        session = self._sessions.known(request)
        is_through = session is not None and session.clearance.was_there_at(self._sessions.next_stamp())
        return await self._redirects.walls.before(request, is_through=is_through)

    async def handle_redirect(self, request: Request, response: Response) -> Answer:
        """Return the challenge if a redirect leads to one, else the redirect."""
        self._slots.back(request)
        session = self._sessions.known(request)
        stamp = self._sessions.stamp_of(request)
        if session is not None and stamp:
            # A passage counts itself what it sends again, with the newest cookies that there are.
            session.answers += 1
            self._sessions.keep_cookies(session, request, response, stamp)
        standing = self._standing(session, request, response, stamp or self._sessions.next_stamp())
        answer = await self._redirects.handle(request, response, standing)
        if answer is response and request not in self._redirects.behind and session is not None and stamp:
            session.clearance.record_other_use(stamp)
        return answer

    def try_finish(self, request: Request, response: Response) -> bool:
        """Tell whether :meth:`after` would only return the response; if so, record that its request is answered.

        That is so of most responses, and this takes half the time of :meth:`after`.
        """
        if (
            self._redirects.withheld.may_learn_from(request)
            or not is_good(response)
            or response.status == 202  # AWS WAF has walls with this status.
            or has_recaptcha_word(response)
            or self._components.meta_refresh(response) is not None
        ):
            return False
        self._sessions.answered(request)
        return True

    def answered(self, request: Request, response: Response) -> int:
        """Record that a request is answered, and return when it was sent."""
        self._slots.back(request)
        session, stamp = self._sessions.known(request), self._sessions.answered(request)
        if session is not None and stamp:
            if not is_stored(request, response):
                # An answer that HttpCache has stored outdates no form.
                session.answers += 1
            self._sessions.keep_cookies(session, request, response, stamp)
        return stamp

    async def after(self, request: Request, response: Response, stamp: int) -> Answer:
        """Return the page that was asked for, or ``response`` itself where it is no challenge.

        It raises what :meth:`Passage.run` raises.
        """
        session = self._sessions.known(request)
        standing = self._standing(session, request, response, stamp)
        answer = await self._redirects.handle_refresh(request, response, standing)
        if isinstance(answer, Request):
            return answer
        response = self._redirects.behind.pop(request, answer)
        challenge = self._policy.find(request, response)
        asked_for = self._redirects.withheld.learn_from_answer(request, response, challenge)
        if asked_for is not None and not await self._is_in_vain(asked_for, request, response, challenge):
            # It was not known that the redirect leads to a wall. From now on that is known before it is followed.
            return asked_for
        if challenge is None:
            vendor = find_other_captcha(response)
            if vendor is not None:
                self._events.left_alone("other_captcha", response.url, f"its captcha is another product's: {vendor}")
            elif request.method == "HEAD":
                # The answer to HEAD has no body to be a challenge.
                self._policy.hints.head_answered(response)
            elif is_good(response) and not is_stored(request, response):
                # An answer that HttpCache has stored tells nothing of today.
                self._sessions.visitors.record_page(request, stamp)
                if session is not None:
                    session.record_page(stamp)
            return response
        make = self._policy.mediums.of(request).passage()
        if make is None:
            # Imported late: most crawls never need it, and start sooner without it.
            from scrapy_omocaptcha.walls.form_passage import FormPassage

            make = FormPassage
        passage: Passage = make(*self._attempts, request, self._sessions, self._redirects)
        return await passage.run(response, challenge, stamp, None if response is answer else answer)

    async def _is_in_vain(
        self, asked_for: Request, request: Request, response: Response, challenge: Challenge | None
    ) -> bool:
        """Tell whether a POST would be sent again for a wall at which nothing is bought."""
        if challenge is None or asked_for.method in SAFE_METHODS:
            return False
        refusal = await self._policy.refusal(request, response, challenge)
        return refusal is not None or self._policy.limit_refusal(request.url) is not None

    def _standing(self, session: Session | None, request: Request, response: Response, stamp: int) -> Standing:
        """Return how a request that was sent at ``stamp`` stands to the wall of its session."""
        if session is None or is_stored(request, response):
            return UNKNOWN_STANDING
        return Standing(session.clearance.was_there_at(stamp), lambda: session.clearance_holds_since(stamp))


def _without(names: set[str], cookies: Any) -> Any:
    """Return a request's cookies without those that would overwrite a clearance."""
    if isinstance(cookies, dict):
        return {name: value for name, value in cookies.items() if name not in names}
    return [cookie for cookie in cookies if cookie["name"] not in names]
