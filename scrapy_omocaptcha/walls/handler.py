"""What a crawl does at walls: hold what would run into one, see the rest through, hand the page over.

Whether a page is a challenge is said by ``policy``, how one request gets through is in ``passage``, what Scrapy gets
when it does not is in ``middleware``.
"""

from __future__ import annotations

import weakref
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from scrapy.downloadermiddlewares.httpcache import HttpCacheMiddleware
from scrapy.signals import request_left_downloader
from scrapy.utils.asyncio import call_later

from scrapy_omocaptcha.detection import find_other_captcha
from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.errors import NotBought
from scrapy_omocaptcha.urls import host_of
from scrapy_omocaptcha.walls.duplicates import Astray
from scrapy_omocaptcha.walls.held import Held
from scrapy_omocaptcha.walls.passage import NoPassage, Passage
from scrapy_omocaptcha.walls.sessions import put_back

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response

    from scrapy_omocaptcha.buying.buyer import Means
    from scrapy_omocaptcha.challenge import Challenge, Token
    from scrapy_omocaptcha.walls.sessions import Session, Stamp

_TO_THE_COOKIEJAR = 0.1
"""Seconds, of which the middlewares before us need a few thousandths."""


class Walls:
    """The walls of one crawl."""

    def __init__(self, crawler: Crawler, means: Means) -> None:
        self._crawler = crawler
        self._means = means
        self._engine = means.engine
        self._clearance = means.clearance
        self._let_go: weakref.WeakKeyDictionary[Request, Held] = weakref.WeakKeyDictionary()
        self._astray = Astray(crawler)
        crawler.signals.connect(self._site_has_answered, request_left_downloader)

    # -- before a request is sent --------------------------------------------------------------------------------

    async def before(self, request: Request) -> Response | None:
        """Hold a request while a wall of its session is being solved.

        :returns: None when the request is to be sent; the response where a redirect to a wall led it astray.
        :raises CrawlClosing: the crawl closes.
        """
        session = self._clearance.known(request)
        if session is not None and request_state.is_redirected(request):
            # A redirect is an answer too, which nobody else has shown us.
            session.answers += 1
            self._undo_late(request, session, request_state.clearances(request))
        if session is None or not session.closed:
            self._clearance.sent(request)
            return None
        if self._is_cached(request):
            # The site never hears of it; and if what is stored is a redirect, nobody tells us that it is through.
            return None
        held = self._hold(request)
        generation = session.generation
        try:
            while session.closed:
                await self._engine.wait(session.join(challenged=False))
                if session.closed:
                    session.back()
            held.session = session
            if request_state.is_redirected(request):
                # Where it was redirected to may be the wall itself, which has nothing to give any more.
                self._clearance.sent(request)
                answer = await self._engine.send(request_state.again(request))
                held.end()
                if self._means.policy.find(request, answer) is None:
                    return self.deliver(request, answer)
                # Should it be left alone after all, it goes to the callback as it is.
                return answer.replace(request=request_state.original(request))
        except BaseException:
            held.end()
            raise
        held.hold.leave_slot()
        self._let_go[request] = held
        held.end_with(request)
        won = {cookie.name for cookie in session.cookies}
        request.cookies = _without(won, request.cookies)
        self._clearance.sent(request, fresh=session.generation > generation)
        return None

    def _is_cached(self, request: Request) -> bool:
        """HttpCache is going to answer ``request``."""
        cache = self._crawler.get_downloader_middleware(HttpCacheMiddleware)
        if cache is None or request.meta.get("dont_cache") or not cache.policy.should_cache_request(request):
            return False
        stored = cache.storage.retrieve_response(self._crawler.spider, request)
        return stored is not None and bool(cache.policy.is_cached_response_fresh(stored, request))

    def _site_has_answered(self, request: Request) -> None:
        """Whatever becomes of the answer, which takes a moment from here to the cookiejar."""
        self._end_turn(request)
        if self._clearance.known(request) is None:
            self._clearance.left(request)
        else:
            call_later(_TO_THE_COOKIEJAR, self._clearance.left, request)

    def _end_turn(self, request: Request) -> None:
        held = self._let_go.pop(request, None)
        if held is not None:
            held.end()

    def _hold(self, request: Request) -> Held:
        self._means.stats.inc("held")
        held = Held(self._engine.hold(request), self._means.stats, self._means.clock)
        self._means.stats.max("held/max", len(self._engine.holds))
        return held

    # -- after a response ----------------------------------------------------------------------------------------

    async def after(self, request: Request, response: Response) -> Response:
        """The page that was asked for, or ``response`` untouched where it is no challenge.

        :raises NoPassage: it is one, and it stays closed.
        :raises CrawlClosing: the crawl closes.
        """
        self._end_turn(request)
        stamp = self._clearance.answered(request)
        session = self._clearance.known(request)
        if session is not None:
            self._undo_late(request, session, stamp.generation)
        challenge = self._means.policy.find(request, response)
        if request_state.is_redirected(request):
            self._astray.judged(request, is_wall=challenge is not None)
        if challenge is None:
            self._pass_by(response, session, stamp)
            return response
        # Scrapy ties them only after the middlewares; a submission takes its session from there.
        response.request = response.request or request
        self._clearance.session(request)
        held = self._hold(request)
        try:
            return await self._see_through(request, response, challenge, stamp)
        finally:
            held.end()

    def gone(self, request: Request) -> None:
        """``request`` has no response."""
        self._end_turn(request)
        self._clearance.left(request)
        if request_state.is_redirected(request):
            self._astray.judged(request, is_wall=False)

    def _undo_late(self, request: Request, session: Session, clearances: int) -> None:
        """Put back what a late answer, to a request sent before the clearance was won, has overwritten."""
        jar = self._means.neighbours.jar(request)
        if jar is not None and clearances < session.generation:
            put_back(jar, session.cookies)

    def _pass_by(self, response: Response, session: Session | None, stamp: Stamp) -> None:
        if session is not None and response.status < HTTPStatus.BAD_REQUEST:
            session.unchallenged(stamp)
        vendor = find_other_captcha(response)
        if vendor is not None:
            self._means.told.left_alone("other_captcha", response.url, f"its captcha is another product's: {vendor}")

    async def _see_through(self, request: Request, response: Response, challenge: Challenge, stamp: Stamp) -> Response:
        since = self._means.clock()
        self._means.stats.inc("challenges")
        passage = Passage(self._means, request, stamp)
        try:
            answer = await passage.run(response, challenge)
        except NoPassage as error:
            if error.refusal.reason == "dry_run":
                session = self._clearance.session(request)
                self._means.estimate.challenge(session.host, session)
            self._means.told.failed(request, error.page.challenge, *error.refusal, jobs=error.jobs)
            raise
        self._means.told.solved(request, challenge, self._means.clock() - since, passage.jobs, passage.cost)
        return self.deliver(request, answer)

    def deliver(self, request: Request, answer: Response, *, solved: bool = True) -> Response:
        """``answer`` as the response to the request that the spider made.

        :param solved: False: a challenge, which is to reach the callback whatever its status.
        """
        # Our own requests have been repeated and redirected already; this one would run the passage again.
        request_state.add_meta(request, dont_retry=True, dont_redirect=True)
        spiders_own = request_state.original(request)
        if not solved:
            request_state.add_meta(spiders_own, handle_httpstatus_all=True)
        flags = [*answer.flags, "omocaptcha"] if solved else answer.flags
        response = answer.replace(flags=flags, request=spiders_own)
        if solved:
            # Not under the address it was redirected to, which may be that of every challenge of the site.
            self._cache(spiders_own, response)
        return response

    def _cache(self, request: Request, response: Response) -> None:
        """Have HttpCache keep the page, in the place of the challenge that it has seen."""
        cache = self._crawler.get_downloader_middleware(HttpCacheMiddleware)
        if cache is None or request.meta.get("dont_cache"):
            return
        policy = cache.policy
        if policy.should_cache_request(request) and policy.should_cache_response(response, request):
            cache.storage.store_response(self._crawler.spider, request, response)

    async def buy(self, challenge: Challenge) -> Token:
        """A token for a challenge that a spider has found itself.

        :raises NotBought: a limit, or nothing that may be solved.
        :raises CrawlClosing: the crawl closes.
        :raises JobError: a job was bought and gave no token.
        :raises ApiError: the service took no job.
        """
        refusal = self._means.policy.refuse_solving(challenge)
        if refusal is not None:
            raise NotBought(refusal.reason, refusal.message)
        token = await self._means.solver.solve(challenge, host=host_of(challenge.url), bought=lambda _: None)
        self._means.solver.left(token, "by_hand")
        return token


def _without(names: set[str], cookies: Any) -> Any:
    """The cookies of a request, less those that would overwrite a clearance."""
    if isinstance(cookies, dict):
        return {name: value for name, value in cookies.items() if name not in names}
    return [cookie for cookie in cookies if cookie["name"] not in names]
