"""Look where redirects lead, or leave them to Scrapy, so that no request is lost to a wall that redirects.

A wall that redirects every page to an address of its own (302 to ``/captcha``) would otherwise leave only the request
for that address, and Scrapy's dupefilter would drop all such requests but the first. So what a redirect leads to, its
target, is fetched while the request that was redirected is in hand, if the target has proven to be a wall, or is named
like one, or if so many redirects there were dropped that it may be one. If it is none, Scrapy's request for it gets
what was fetched. All other redirects are left to Scrapy, with what was asked for in their meta; see ``withheld``.

``redirected`` is what Scrapy would make of a redirect: its request for the target. A request that is sent again may be
redirected again, which brings it to :meth:`Redirects.handle` before :meth:`Redirects.send_again` returns.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple
from weakref import WeakKeyDictionary, WeakValueDictionary

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.utils.datatypes import LocalCache
from twisted.internet.defer import DeferredLock

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.errors import CrawlClosing
from scrapy_omocaptcha.forms.encoding import SAFE_METHODS
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.tokens.judging import is_good, is_overloaded, wall_marks
from scrapy_omocaptcha.tokens.policy import Policy
from scrapy_omocaptcha.urls import host_of, is_allowed, redirect_target, same_address
from scrapy_omocaptcha.walls import originals
from scrapy_omocaptcha.walls.behind_redirects import WallsBehindRedirects
from scrapy_omocaptcha.walls.decisions import Action, decide
from scrapy_omocaptcha.walls.evidence import Evidence
from scrapy_omocaptcha.walls.looks import Looked, Looks
from scrapy_omocaptcha.walls.posts import Posts
from scrapy_omocaptcha.walls.targets import PAGES, WALLS, Kind, Targets
from scrapy_omocaptcha.walls.withheld import Withheld

_MAX_IN_FILTER = 10_000


class Standing(NamedTuple):
    """How a request stands to the wall of its host."""

    is_through: bool
    """Whether it was sent after a clearance was won, or a token handed in. What another host shows it then, be it a
    wall, is the answer to what was asked for."""
    clearance_holds: Callable[[], bool]
    """Tells whether the clearance with which it was sent has let others through, and is the last one still, which may
    change while the target is looked at."""


UNKNOWN_STANDING = Standing(False, lambda: False)


class Redirect(NamedTuple):
    """A response that redirects its request, or a page whose meta refresh does."""

    request: Request
    response: Response
    url: str
    """The target, as :func:`redirect_target` spells it."""
    standing: Standing


@dataclass
class _Resending:
    """What a request gets whose redirect comes while it is being sent again, and what has become of that."""

    page: Response | None
    """The page at hand, should the redirect lead to it."""
    has_token: bool
    redirected: Request | None = None
    """Scrapy's request for the page, if that was given to the request."""


class Redirects:
    """What becomes of the redirects of one crawl."""

    def __init__(self, crawler: Crawler, engine: Engine, policy: Policy) -> None:
        self._policy = policy
        self._lifetime, self._chain = engine.lifetime, engine.chain
        self._components, self._states = engine.components, engine.states
        self._targets = targets = Targets()
        self.looks = Looks(engine, policy)
        self.posts = Posts(self._states, targets)
        self.withheld = Withheld(crawler, engine, targets, self.posts)
        self._evidence = Evidence(crawler, engine, targets, self.posts, self.withheld)
        self.walls = WallsBehindRedirects(engine, self.looks, targets, self.posts, self.withheld)
        self._resending: WeakKeyDictionary[Request, _Resending] = WeakKeyDictionary()
        """The requests that are being sent again."""
        self.behind: WeakKeyDictionary[Request, Response] = WeakKeyDictionary()
        """The challenge, or the page, that was found behind a redirect which Scrapy does not follow, by its request."""
        self._in_filter: LocalCache[str, bool] = LocalCache(_MAX_IN_FILTER)
        """Addresses that the duplicate filter knows before Scrapy has made a request for them."""
        self._locks: WeakValueDictionary[str, DeferredLock] = WeakValueDictionary()
        """Keep requests waiting while another one is the first to look at an address."""
        self.has_handed_in = False
        """Whether a passage has handed a token in. Before that, a wall that shows a page is not taken for open."""
        crawler.signals.connect(self.looks.record_dropped, signals.request_dropped)

    async def handle(self, request: Request, response: Response, standing: Standing) -> Response | Request:
        """Return the challenge if a redirect or a meta refresh leads to one, else ``response``.

        If it is the redirect of a wall which is open by now, what was asked for before is returned, for the scheduler.

        :raises CrawlClosing: when the crawl closes before the target has answered.
        """
        url = redirect_target(request.url, self._components.location(response))
        if url is None or isinstance(request, Submission):
            # A form that the spider submits itself holds a token, which must not be written down, nor sent again.
            return response
        self._targets.record_redirect(request.url, url)
        again = self.withheld.learn_from_redirect(request, url)
        if again is not None:
            return again
        if not is_allowed(host_of(url), self._policy.domains):
            # Where nothing is bought, redirects are Scrapy's.
            return response
        lock = await self._lock(request, url)
        try:
            return await self._look_or_leave(Redirect(request, response, url, standing))
        finally:
            if lock is not None:
                lock.release()

    async def handle_refresh(self, request: Request, response: Response, standing: Standing) -> Response | Request:
        """Do as :meth:`handle` for a page that may have a meta refresh, unless it is a challenge itself."""
        if self._components.meta_refresh(response) is None or self._policy.find(request, response) is not None:
            return response
        return await self.handle(request, response, standing)

    async def send_again(
        self, request: Request, shown: Response | None = None, *, has_token: bool = False
    ) -> Response | Request:
        """Send the spider's request once more, and look behind whatever redirect is the answer.

        :param shown: a page that need not be fetched once more, should it be what the redirect leads to.
        :param has_token: whether a token for it is at hand, so that its redirect is not left to another request.
        """
        self._states.of(request).asked_again = True
        self.posts.record_sent(request)
        resending = self._resending[request] = _Resending(shown, has_token)
        try:
            answer = await self._chain.send_again(request)
        finally:
            del self._resending[request]
        if resending.redirected is not None and isinstance(answer, Response):
            self._components.turn_into(request, resending.redirected)
            # HttpCache still has the challenge, and a later crawl would pay for that.
            self._components.store(request, answer)
            return answer
        answer = answer if isinstance(answer, Request) else await self.handle_refresh(request, answer, UNKNOWN_STANDING)
        return self.behind.pop(request, answer)

    async def follow_answer(self, request: Request, answer: Response) -> Request | None:
        """Return the request that Scrapy is to follow if the answer to a submission for ``request`` redirects.

        Where the answer has come from behind a redirect, ``request`` is turned into the one for its address.
        """
        url = redirect_target(request.url, answer.headers.get("Location"))
        if url is not None and not self._components.is_redirect_for_spider(request, answer):
            redirected = await self._components.redirect(request, answer)
            if redirected is not None:
                # The answer to a token is what its redirect leads to, even if that is a wall, or if another run has
                # asked for it before.
                state = self._states.peek(request)
                must_pass = self._evidence.is_filter_shared or originals.leads_back(request, url, state.original)
                self._states.write(redirected, replace(state, original=None, wall_url=None), must_pass=must_pass)
                return redirected
        if request.method == "GET" and not same_address(answer.url, request.url):
            await self._components.turn_towards(request, answer.url)
        return None

    async def _lock(self, request: Request, url: str) -> DeferredLock | None:
        """Wait until it is known what an address shows, if another request that was redirected there may look at it.

        :returns: the lock that keeps others waiting until this request has looked, or None if others need not wait.
        """
        if not self._targets.is_suspect(url):
            return None
        lock = self._locks.setdefault(url, DeferredLock())
        try:
            await self._lifetime.wait(lock.acquire())
        except CrawlClosing:
            if request.method in SAFE_METHODS:
                raise
            # The crawl that resumes asks for the target, not for what has been answered and may have been executed.
            return None
        if self._targets.is_suspect(url):
            return lock
        lock.release()
        return None

    async def _look_or_leave(self, redirect: Redirect) -> Response | Request:
        """Look where a redirect leads, if that is to be done, or leave it to Scrapy or to the spider."""
        request, response = redirect.request, redirect.response
        answer = await self._look_if_needed(redirect)
        is_for_scrapy = self._components.will_redirect(request, response)
        if isinstance(answer, Response) and not is_for_scrapy:
            # The other middlewares see the redirect, which the spider gets if nothing is bought.
            self.behind[request] = answer
            return response
        if answer is not None:
            return answer
        if is_for_scrapy:
            self._leave_to_scrapy(redirect)
        return response

    async def _look_if_needed(self, redirect: Redirect) -> Response | Request | None:
        """Do as :meth:`_look` if what is known of the target asks for it; else return None."""
        action = self._action(redirect)
        if action is Action.LOOK or (action is Action.GUESS and await self._begin_guess(redirect)):
            return await self._look(redirect, follow=True)
        if action in (Action.GUESS, Action.ASK) and await self._begin_other_look(redirect, action):
            # Where nothing but dropped redirects tells of a wall, further ones are not followed.
            return await self._look(redirect, follow=self._evidence.is_filter_shared)
        return None

    def _action(self, redirect: Redirect) -> Action:
        request, resending = redirect.request, self._resending.get(redirect.request)
        is_for_it = resending is not None and (resending.has_token or resending.page is not None)
        is_through = redirect.standing.is_through
        known = self._evidence.known(request, redirect.url, is_through=is_through, has_page_or_token=is_for_it)
        return decide(known, is_safe=request.method in SAFE_METHODS)

    async def _begin_guess(self, redirect: Redirect) -> bool:
        """Have the duplicate filter know what a look is to fetch.

        Filters that know other crawls or runs are not asked.

        :returns: whether there is to be a look: none at what Scrapy would not fetch, as a duplicate or what HttpCache
            has, none that is not a GET, and none while too much is kept that others have fetched.
        """
        redirected = None if self.looks.is_full() else await self._redirect(redirect)
        if redirected is None or redirected.method != "GET" or self._components.is_cached(redirected):
            return False
        is_for_scrapy = self._components.will_redirect(redirect.request, redirect.response)
        return not (is_for_scrapy and not self._evidence.is_filter_shared and self._add_to_filter(redirect, redirected))

    async def _begin_other_look(self, redirect: Redirect, action: Action) -> bool:
        """Have the duplicate filter know what a redirect leads to, where others may have asked for that.

        :returns: whether there is to be a look, as Scrapy would drop the redirect for their sake, or has dropped many.
        """
        request, response, url, _ = redirect
        is_for_scrapy = self._components.will_redirect(request, response)
        if action is Action.ASK and is_for_scrapy and self._evidence.may_be_asked_elsewhere(url):
            redirected = await self._redirect(redirect)
            return redirected is not None and self._add_to_filter(redirect, redirected)
        return self._evidence.were_many_dropped(request, response, url)

    async def _redirect(self, redirect: Redirect) -> Request | None:
        """Return what Scrapy would make of a redirect, or None if it follows none, as after too many."""
        try:
            return await self._components.redirect(redirect.request, redirect.response)
        except IgnoreRequest:
            # Scrapy raises it as well, once all middlewares have seen the response, if the spider does not get that.
            return None

    def _add_to_filter(self, redirect: Redirect, redirected: Request) -> bool:
        """Have the duplicate filter know what Scrapy makes of a redirect; tell whether it would have dropped that."""
        if self._states.mark_seen(redirect.request, redirected):
            return True
        self._in_filter[redirect.url] = True
        return False

    async def _look(self, redirect: Redirect, *, follow: bool) -> Response | Request | None:
        """Return what the target of a redirect answers, if that is the answer to its request; else None."""
        request, url = redirect.request, redirect.url
        may_be_wall = self._evidence.may_be_lost(request, url)
        self._targets.record_look(url)
        try:
            answer, challenge = await self._fetch(redirect, follow=follow)
        except CrawlClosing:
            kind = self._targets.of(url).kind
            if kind is Kind.GATE or (kind is Kind.WALL and request.method in SAFE_METHODS):
                raise
            # The crawl that resumes asks for the target.
            return None
        except Exception:
            # Scrapy follows the redirect and meets the same error, which Retry may repeat.
            return None
        if challenge is not None:
            return answer if self._handle_challenge(request, url, challenge) else None
        # An address that redirects on and on shows no challenge either.
        tells_nothing = may_be_wall if answer is None else is_overloaded(answer)
        return None if tells_nothing else await self._handle_page(redirect, answer)

    async def _fetch(self, redirect: Redirect, *, follow: bool) -> Looked:
        """Return what the target of a redirect answers, unless that is at hand."""
        request, response, url, _ = redirect
        resending = self._resending.get(request)
        page = None if resending is None else resending.page
        if page is not None and same_address(page.url, url) and self._targets.may_be_page(url):
            return page, self._policy.find(request, page)
        is_wall = self._targets.of(url).kind in WALLS
        return await self.looks.look(request, response, follow=follow, is_wall=is_wall)

    def _handle_challenge(self, request: Request, url: str, challenge: Challenge) -> bool:
        """Record a challenge behind a redirect, and that ``request`` has met it there if it is the answer to that.

        :returns: whether it is.
        """
        marks = wall_marks(challenge)
        if self._targets.is_walled_page(url) and self._evidence.comes_back(request, url):
            return True
        if self._targets.is_in_place(url, marks):
            if self._targets.of(url).kind not in PAGES:
                self._targets.record_in_place(url, marks, is_open=self._evidence.may_be_lost(request, url))
            return False
        if request.method in SAFE_METHODS:
            self._targets.record_stopped(url)
        self.withheld.settle(url, challenge)
        if not (self.posts.counts_as_withheld(request, url) or self.posts.was_resent_for(request, url)):
            return False
        self._states.of(request).wall_url = url
        return True

    async def _handle_page(self, redirect: Redirect, page: Response | None) -> Response | Request | None:
        """Record that a redirect leads to no challenge, and return what its request gets, if that is not the redirect.

        That may be the answer to the request itself, which is sent again if its redirect has come from an open wall.

        :param page: what is there; None if nobody knows.
        """
        request, response, url, standing = redirect
        target, is_safe = self._targets.of(url), request.method in SAFE_METHODS
        # Who is through gets the redirect as the answer to a POST, which has been executed.
        is_answered = not is_safe and page is not None and is_good(page) and standing.clearance_holds()
        if target.kind in WALLS and not is_answered and self._evidence.may_be_sent_again(request, response, url):
            # A POST, and what a gate redirects, is believed once to be withheld; another wall may only not be open yet.
            state = self._states.of(request)
            if not is_safe:
                state.wall_url = url
            elif target.kind is Kind.GATE:
                state.resent_for.append(url)
            return await self.send_again(request, page)
        is_wall = target.kind is Kind.WALL or (target.kind is Kind.GATE and is_answered)
        # What leads on has no page of its own, and may withhold what is redirected there again.
        is_opened = is_wall and self.has_handed_in and page is not None and same_address(page.url, url)
        is_first = target.kind in (Kind.UNKNOWN, Kind.FOLLOWED)
        if is_opened or (is_first and self._evidence.may_be_lost(request, url)):
            self._targets.record_open(url)
        self.withheld.settle(url, None)
        if is_answered and target.kind is Kind.GATE and self._components.will_redirect(request, response):
            return await self.walls.answer_of(request, response)
        if page is None or not is_opened or not self._evidence.may_be_its_page(request, response, page):
            return None
        return await self._give_page(redirect, page)

    async def _give_page(self, redirect: Redirect, page: Response) -> Response | None:
        """Record that a page is behind a wall, and return it if the request gets it, and others are duplicates now."""
        request, url = redirect.request, redirect.url
        self._targets.record_behind_wall(url)
        resending = self._resending.get(request)
        redirected = await self._components.redirect(request, redirect.response)
        if resending is None or redirected is None or self._targets.of(url).is_requested:
            return None
        self._states.mark_seen(request, redirected)
        resending.redirected = redirected
        return page

    def _leave_to_scrapy(self, redirect: Redirect) -> None:
        """Let Scrapy follow a redirect, with what was asked for in its meta where that may be sent again."""
        request, url, is_through = redirect.request, redirect.url, redirect.standing.is_through
        state = self._states.peek(request)
        # A request that is through its own host's wall gets whatever another host shows, be it a wall.
        is_answer = is_through and host_of(url) != host_of(request.url)
        original = None
        # Asked anew, since a look may have shown what is there.
        if not is_answer and self._action(redirect) is not Action.FOLLOW:
            # Only a redirect straight to a wall can have withheld a POST, so that what was before is not kept.
            is_chain = request.method in SAFE_METHODS and not self.posts.has_post(request)
            original = originals.write(request, state.original if is_chain else None)
        must_pass = self._in_filter.pop(url, False) or self._evidence.must_pass(request, url, is_through=is_through)
        if must_pass:
            self._targets.record_page_given(url)
        if not is_answer and request.method != "HEAD":
            self._targets.record_followed(url, original)
        self._states.write(request, replace(state, original=original, wall_url=None), must_pass=must_pass)
