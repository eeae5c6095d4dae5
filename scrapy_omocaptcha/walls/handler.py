"""Handle the walls of a crawl: hold requests that would run into one, and take challenged requests through.

Whether a page is a challenge is decided by ``policy``, how one request gets through is in ``passage``, and what Scrapy
gets when it does not get through is decided by the middleware.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.signals import request_left_downloader
from scrapy.utils.asyncio import call_later

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.detection import find_other_captcha
from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.slots import Hold, Slots
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.reporting.dry_run import DryRun
from scrapy_omocaptcha.reporting.events import Events
from scrapy_omocaptcha.walls.attempts import Attempts
from scrapy_omocaptcha.walls.delivery import deliver
from scrapy_omocaptcha.walls.duplicates import Duplicates
from scrapy_omocaptcha.walls.passage import NoPassage, Passage
from scrapy_omocaptcha.walls.policy import Policy
from scrapy_omocaptcha.walls.sessions import Session, Sessions, Stamp, restore_cookies

_COOKIEJAR_DELAY = 0.1
"""Seconds until an answer has certainly reached the cookiejar. The middlewares between need a few milliseconds."""


class WallHandler:
    """Handles the walls of one crawl."""

    def __init__(
        self,
        crawler: Crawler,
        *,
        new_attempts: Callable[[Request, str], Attempts],
        policy: Policy,
        lifetime: Lifetime,
        slots: Slots,
        components: Components,
        events: Events,
        dry_run: DryRun,
        stats: Stats,
        clock: Callable[[], float],
    ) -> None:
        self._new_attempts = new_attempts
        self._policy = policy
        self._lifetime = lifetime
        self._slots = slots
        self._components = components
        self._events = events
        self._dry_run = dry_run
        self._stats = stats
        self._clock = clock
        self._sessions = Sessions()
        self._released: weakref.WeakKeyDictionary[Request, _Held] = weakref.WeakKeyDictionary()
        """Requests that were held before they were sent, and are at the downloader now."""
        self._duplicates = Duplicates(crawler)
        self._new_passage = partial(
            Passage,
            sessions=self._sessions,
            policy=policy,
            slots=slots,
            lifetime=lifetime,
            components=components,
            events=events,
            clock=clock,
        )
        crawler.signals.connect(self._site_has_answered, request_left_downloader)

    # -- before a request is sent --------------------------------------------------------------------------------

    async def before(self, request: Request) -> Response | None:
        """Hold a request while the wall of its session is being solved.

        :returns: None when the request is to be sent; a response when it was redirected to a wall that is open by now.
        :raises CrawlClosing: when the crawl closes.
        """
        session = self._sessions.known(request)
        if session is not None and request_state.is_redirected(request):
            # The redirect was an answer of the site, too, and has not been counted yet.
            session.answers += 1
            self._restore_clearance(request, session, request_state.clearances(request))
        if session is None or not session.is_walled:
            self._sessions.sent(request)
            return None
        if self._components.is_cached(request):
            # It does not reach the site. Were it held and answered with a stored redirect, nobody would tell us.
            return None
        held = self._hold(request)
        generation = session.generation
        try:
            while session.is_walled:
                await self._lifetime.wait(session.wait_turn(challenged=False))
                if session.is_walled:
                    session.end_turn()
            held.session = session
            if request_state.is_redirected(request):
                # The address that it was redirected to may be the wall itself, which is gone by now.
                self._sessions.sent(request)
                answer = await self._slots.send(request_state.again(request))
                held.end()
                if self._policy.find(request, answer) is None:
                    return deliver(request, answer, self._components)
                # Where it is not solved after all, the callback gets it as it is.
                return answer.replace(request=request_state.original(request))
        except BaseException:
            held.end()
            raise
        held.hold.leave_slot()
        self._released[request] = held
        held.end_with(request)
        won = {cookie.name for cookie in session.cookies}
        request.cookies = _without(won, request.cookies)
        self._sessions.sent(request, fresh=session.generation > generation)
        return None

    def _hold(self, request: Request) -> _Held:
        self._stats.inc("held")
        held = _Held(self._slots.hold(request), self._stats, self._clock)
        self._stats.max("held/max", len(self._slots.holds))
        return held

    def _site_has_answered(self, request: Request) -> None:
        self._end_turn(request)
        if self._sessions.known(request) is None:
            self._sessions.arrived(request)
        else:
            call_later(_COOKIEJAR_DELAY, self._sessions.arrived, request)

    def _end_turn(self, request: Request) -> None:
        held = self._released.pop(request, None)
        if held is not None:
            held.end()

    # -- after a response ----------------------------------------------------------------------------------------

    async def after(self, request: Request, response: Response) -> Response:
        """Return the page that was asked for, or ``response`` itself where it is no challenge.

        :raises NoPassage: when it is a challenge, and the wall stays closed.
        :raises CrawlClosing: when the crawl closes.
        """
        self._end_turn(request)
        stamp = self._sessions.answered(request)
        session = self._sessions.known(request)
        if session is not None:
            self._restore_clearance(request, session, stamp.generation)
        challenge = self._policy.find(request, response)
        if request_state.is_redirected(request):
            self._duplicates.judged(request, is_wall=challenge is not None)
        if challenge is None:
            self._pass_by(response, session, stamp)
            return response
        # Scrapy sets it only after the middlewares, but a submission takes its session from there.
        response.request = response.request or request
        self._sessions.session(request)
        held = self._hold(request)
        try:
            return await self._take_through(request, response, challenge, stamp)
        finally:
            held.end()

    def failed(self, request: Request) -> None:
        """Record that ``request`` has no response."""
        self._end_turn(request)
        self._sessions.arrived(request)
        if request_state.is_redirected(request):
            self._duplicates.judged(request, is_wall=False)

    def _restore_clearance(self, request: Request, session: Session, clearances: int) -> None:
        """Restore the cookies that the answer to a request sent before the last clearance may have overwritten."""
        jar = self._components.jar(request)
        if jar is not None and clearances < session.generation:
            restore_cookies(jar, session.cookies)

    def _pass_by(self, response: Response, session: Session | None, stamp: Stamp) -> None:
        if session is not None and response.status < HTTPStatus.BAD_REQUEST:
            session.unchallenged(stamp)
        vendor = find_other_captcha(response)
        if vendor is not None:
            self._events.left_alone("other_captcha", response.url, f"its captcha is another product's: {vendor}")

    async def _take_through(self, request: Request, response: Response, challenge: Challenge, stamp: Stamp) -> Response:
        since = self._clock()
        self._stats.inc("challenges")
        session = self._sessions.session(request)
        attempts = self._new_attempts(request, session.host)
        try:
            answer = await self._new_passage(request, stamp, attempts).run(response, challenge)
        except NoPassage as error:
            if error.refusal.reason == "dry_run":
                self._dry_run.record(session.host, session)
            self._events.failed(request, error.page.challenge, *error.refusal, jobs=error.jobs)
            raise
        self._events.solved(request, challenge, self._clock() - since, attempts.jobs, attempts.cost)
        return deliver(request, answer, self._components)


class _Held:
    """A request that is or was held. What it uses up is given back once, by :meth:`end`."""

    def __init__(self, hold: Hold, stats: Stats, clock: Callable[[], float]) -> None:
        self.hold = hold
        self.session: Session | None = None
        """The session that released the request, whose turn it has to end."""
        self._stats = stats
        self._clock = clock
        self._since = clock()
        self._ended = False
        self._finalizer: weakref.finalize[[], Request] | None = None

    def end_with(self, request: Request) -> None:
        """End with the request object at the latest, in case it is dropped where no signal tells."""
        self._finalizer = weakref.finalize(request, self.end)
        self._finalizer.atexit = False

    def end(self) -> None:
        """Release the hold and end the turn: the request has its response, or never will."""
        if self._ended:
            return
        self._ended = True
        if self._finalizer is not None:
            # It refers to this object, its session and so perhaps to the request itself, which would never be freed.
            self._finalizer.detach()
        self.hold.release()
        self._stats.add("seconds/held", round(self._clock() - self._since, 3))
        if self.session is not None:
            self.session.end_turn()


def _without(names: set[str], cookies: Any) -> Any:
    """Return a request's cookies without those that would overwrite a clearance."""
    if isinstance(cookies, dict):
        return {name: value for name, value in cookies.items() if name not in names}
    return [cookie for cookie in cookies if cookie["name"] not in names]
