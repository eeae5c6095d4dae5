"""Implement Scrapy's middleware protocol, and build the parts of a crawl that answer.

It translates and decides nothing. What happens at a wall is in ``walls``.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured
from scrapy.http import Response
from scrapy.utils.job import job_dir

from scrapy_omocaptcha.browser import find_medium
from scrapy_omocaptcha.buying.buyer import Buyer
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.engine.components import is_redirect
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.errors import ChallengeNotSolved, CrawlClosing, NotBought
from scrapy_omocaptcha.forms.submission import Submission, masked
from scrapy_omocaptcha.reporting.events import Events
from scrapy_omocaptcha.reporting.progress import Progress
from scrapy_omocaptcha.scrapy_versions import end_before_first_request
from scrapy_omocaptcha.settings import Settings, is_enabled, uses_scrapy_redis
from scrapy_omocaptcha.settings.checks import find_mistakes
from scrapy_omocaptcha.tokens.hints import Hints
from scrapy_omocaptcha.tokens.hooks import Hooks
from scrapy_omocaptcha.tokens.judging import is_good
from scrapy_omocaptcha.tokens.medium import Mediums
from scrapy_omocaptcha.tokens.policy import Policy, close_at_limit
from scrapy_omocaptcha.tokens.reasons import GivenUp, Purpose, Refusal
from scrapy_omocaptcha.upfront.handler import UpfrontTokens
from scrapy_omocaptcha.urls import host_of
from scrapy_omocaptcha.walls.handler import WallHandler
from scrapy_omocaptcha.walls.redirects import Redirects
from scrapy_omocaptcha.walls.sessions import Sessions

if TYPE_CHECKING:
    from scrapy_omocaptcha.buying.purchase import Purchase

logger = logging.getLogger(__name__)


class OmoCaptchaMiddleware:
    """Takes the requests of a crawl through reCAPTCHA v2 walls. The add-on gives it its priority, 585."""

    is_off = False
    """Whether all is passed on, since this package cannot work with Scrapy, or the project's classes, as they are."""

    def __init__(self, crawler: Crawler, settings: Settings) -> None:
        assert crawler.stats is not None
        stats = Stats(crawler.stats)
        self._events = events = Events(crawler, stats, time.monotonic)
        self._crawler = crawler
        is_queue_shared = uses_scrapy_redis(crawler.settings)
        self._engine = engine = Engine(crawler, self, stats, is_queue_shared=is_queue_shared)
        self._states, self._chain = engine.states, engine.chain
        lifetime, components = engine.lifetime, engine.components
        self._buyer = buyer = Buyer(crawler, settings, stats, lifetime, time.monotonic)
        browser = find_medium(crawler, engine)
        self.mediums = mediums = Mediums(components, browser)
        self._hints = hints = Hints(events.notice)
        hooks = Hooks(crawler)
        self._policy = policy = Policy(crawler, settings, components, hooks, hints, buyer.check, mediums)
        self._sessions = sessions = Sessions(mediums)
        redirects = Redirects(crawler, engine, policy)
        self._walls = WallHandler(engine, buyer, policy, events, sessions, redirects)
        self._upfront = UpfrontTokens(engine, buyer, policy, events)
        self._progress = Progress(crawler, type(self), settings, buyer, events, stats)
        crawler.signals.connect(self._spider_opened, signals.spider_opened)
        crawler.signals.connect(self._spider_closed, signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> OmoCaptchaMiddleware:
        """Build the middleware from the settings of a crawl.

        :raises NotConfigured: when the add-on is switched off, has no API token or no redis-py, or only the cache may
            answer.
        :raises ValueError: when a setting is invalid or unknown, or the middleware is in a wrong place.
        """
        try:
            settings = Settings.from_settings(crawler.settings)
            if all(map(crawler.settings.getbool, ("HTTPCACHE_ENABLED", "HTTPCACHE_IGNORE_MISSING"))):
                raise NotConfigured("HTTPCACHE_IGNORE_MISSING lets only the cache answer, so no wall can be opened")
            if mistakes := list(find_mistakes(settings, crawler.settings, cls)):
                raise ValueError("; ".join(mistakes))
            return cls(crawler, settings)
        except NotConfigured as why:
            if is_enabled(crawler.settings):
                _say_at_the_end(crawler, str(why))
            raise
        except ValueError as error:
            # Scrapy logs a traceback, at whose end nobody would look for it.
            logger.error("OMOcaptcha: %s", error)
            raise

    def _spider_opened(self, spider: Spider) -> None:
        if unfit := self._engine.find_unfit():
            self.is_off = True
            settings = self._crawler.settings
            if job_dir(settings) or uses_scrapy_redis(settings):
                logger.error("OMOcaptcha ends this crawl, since its queue would lose the challenged pages: %s", unfit)
                end_before_first_request(self._crawler, "omocaptcha_scrapy")
                return
            logger.error("OMOcaptcha is off in this crawl, and solves no challenge: %s", unfit)
            _say_at_the_end(self._crawler, unfit)
        else:
            self._progress.open(spider)

    async def _spider_closed(self, reason: str) -> None:
        try:
            if not self.is_off:
                self.mediums.close()
                await self._progress.close(reason)
        finally:
            await self._buyer.close()

    async def process_request(self, request: Request) -> Response | Request | None:
        """Hold the request while its session's wall is being solved, or send it with the token that it wants."""
        if self.is_off:
            return None
        is_plain = not (
            self._hints.may_warn_of(request) or self._states.has(request) or self.mediums.is_rendered(request)
        )
        if is_plain and self._walls.try_pass(request):
            return None
        wish = request.meta.get("omocaptcha")
        if "omocaptcha" in request.meta:
            from scrapy_omocaptcha.upfront.wishes import check_wish

            check_wish(request)
        self._hints.check(request)
        if wish is False or self._is_for_robots_rules(request):
            # The answer is not looked at, but may change the session's cookies.
            self._sessions.sent(request)
            return None
        try:
            if isinstance(wish, dict):
                return await self._upfront.send(request)
            if not self._walls.try_pass(request):
                await self._walls.hold(request)
            if self.mediums.is_rendered(request):
                self.mediums.driven.begin(request, partial(self._policy.find_solvable, request))
        except CrawlClosing as error:
            return self._give_back(request, error)
        except ChallengeNotSolved as error:
            if not self._policy.closes_spider(error.reason):
                raise
            refusal = Refusal(error.reason, str(error))
            return self._give_back(request, await close_at_limit(self._engine, refusal, request))
        return None

    async def process_response(self, request: Request, response: Response) -> Response | Request:
        """Return the page behind a challenge in the place of the challenge."""
        if self.is_off:
            return response
        self._chain.check_whole(request, response)
        self.mediums.answered(request)
        self._states.not_redirected(request)
        try:
            if self._walls.try_finish(request, response):
                return response
            stamp = self._walls.answered(request, response)
            answer = response if self._is_left_alone(request) else await self._walls.after(request, response, stamp)
            if not is_good(answer):
                # Scrapy retries it, if its status is one of those that it retries.
                self._states.keep_for_retry(request)
            if isinstance(answer, Response) and self._states.peek(request).is_through:
                # What is left alone behind the redirect has its reason there, and is no page.
                is_flagged = any(flag.startswith("omocaptcha") for flag in answer.flags)
                answer.flags = [*answer.flags, *([] if is_flagged else ["omocaptcha"])]
            return answer
        except CrawlClosing as error:
            return self._give_back(request, error)
        except GivenUp as error:
            return self._give_back(request, await close_at_limit(self._engine, error.refusal, request))
        except ChallengeNotSolved:
            # Nothing went wrong while downloading, so the outer middlewares have nothing to retry.
            raise
        except Exception as error:
            self._states.keep_for_retry(request)
            return await self._chain.handle_exception(request, error)

    async def process_redirect(self, request: Request, response: Response) -> Response | Request:
        """Have Scrapy follow a redirect, knowing what was asked for; called by :class:`RedirectMiddleware`."""
        if self._is_left_alone(request) or self._chain.is_sending(request):
            # Who sends it sees where it leads.
            return response
        # Otherwise its first response is still held in process_response, which handles errors.
        is_first = bool(self._sessions.stamp_of(request))
        try:
            return await self._walls.handle_redirect(request, response)
        except Exception as error:
            if not is_first:
                raise
            if isinstance(error, CrawlClosing):
                return self._give_back(request, error)
            self.process_exception(request, error)
            return await self._chain.handle_exception(request, error)

    def process_exception(self, request: Request, exception: Exception) -> None:
        """Release what a request holds that has failed."""
        if self.is_off:
            return
        self.mediums.answered(request)
        self._states.keep_for_retry(request)
        self._engine.slots.back(request)
        self._walls.failed(request, exception)
        if isinstance(request, Submission):
            # Errors of Scrapy name the address, which holds the token of a GET. So do the frames of their tracebacks.
            exception.args = tuple(masked(str(argument), request.secret) for argument in exception.args)
            exception.__traceback__ = exception.__context__ = exception.__cause__ = None

    def _is_left_alone(self, request: Request) -> bool:
        """Tell whether the response to a request is not looked at."""
        wish = request.meta.get("omocaptcha")
        return wish is False or isinstance(wish, dict) or self._is_for_robots_rules(request)

    def _is_for_robots_rules(self, request: Request) -> bool:
        """Tell whether a component asks for robots.txt, wherever it was redirected: all other requests wait for it.

        The spider may ask for it as well, such as a ``SitemapSpider``.
        """
        # Almost no request has the key, and this is asked of each request and each response.
        meta = request.meta
        if not meta.get("dont_obey_robotstxt") or "omocaptcha" in meta or self._states.is_scheduled(request):
            return False
        hops = meta.get("redirect_urls") or [request.url]
        return urlsplit(str(hops[0])).path == "/robots.txt"

    def _give_back(self, request: Request, error: CrawlClosing) -> Request:
        """Return the request for the scheduler, if it came from there, or raise the error for who awaits a response."""
        self.mediums.give_back(request)
        if self._states.is_scheduled(request):
            return self._states.give_back(request)
        raise error

    async def buy(self, challenge: Challenge, purpose: Purpose) -> Purchase:
        """Buy a token for a challenge that the spider has found itself, for its purpose."""
        refusal = self._policy.token_refusal(challenge, purpose)
        try:
            if refusal is not None:
                raise NotBought(refusal.reason, refusal.message)
            slots = self._engine.slots
            if not self._engine.lifetime.closing:
                self._events.buying(challenge.url, slots.waiting, self._buyer.usual_seconds)
            with slots.buying():
                return await self._buyer.buy(challenge, host=host_of(challenge.url))
        except NotBought as error:
            if self._policy.closes_spider(error.reason):
                await close_at_limit(self._engine, Refusal(error.reason, str(error)))
            raise


class RedirectMiddleware:
    """Shows redirects to :class:`OmoCaptchaMiddleware` before Scrapy follows them. The add-on gives it its priority."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> RedirectMiddleware:
        return cls(crawler)

    async def process_response(self, request: Request, response: Response) -> Response | Request:
        """Return the challenge if a redirect leads to one, else the redirect."""
        if not is_redirect(response):
            return response
        middleware = self._crawler.get_downloader_middleware(OmoCaptchaMiddleware)
        if middleware is None or middleware.is_off:
            return response
        return await middleware.process_redirect(request, response)


def _say_at_the_end(crawler: Crawler, why: str) -> None:
    """Log when the spider is closed, far below the first lines, that nothing was solved."""
    crawler.signals.connect(
        lambda: logger.warning("OMOcaptcha was off in this crawl: %s", why), signals.spider_closed, weak=False
    )
