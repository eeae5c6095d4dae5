"""Look where redirects lead, so that no request is lost to a wall that redirects.

A wall that redirects every page to an address of its own (302 to ``/captcha``) would otherwise leave only the request
for that address, and Scrapy's dupefilter would drop all such requests but the first. So what a redirect leads to is
fetched while the request that was redirected is in hand, if that may be a wall, or if Scrapy would drop the redirect
before it is known. All others are left to Scrapy. Where one of them leads to a wall, the original is scheduled again.
"""

from dataclasses import InitVar, dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.detection import is_wall_address
from scrapy_omocaptcha.engine.chain import InnerChain
from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.request_state import RequestState, RequestStates
from scrapy_omocaptcha.errors import CrawlClosing
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.settings import uses_scrapy_redis
from scrapy_omocaptcha.urls import host_of, public_address, redirect_target, same_address
from scrapy_omocaptcha.walls import originals
from scrapy_omocaptcha.walls.judging import doubt_about, is_good, is_overloaded
from scrapy_omocaptcha.walls.policy import Policy

_MAX_KNOWN = 10_000
"""Targets that are remembered."""
_MAX_LOOKS = 3
"""How often a target is looked at in vain before any redirect has led to a wall."""
_MAX_SENT_AGAIN = 10
"""How often a request is scheduled again, should each redirect lead to another wall."""
_REPEATABLE = ("GET", "HEAD")
"""Methods of requests that may be sent again though they have been answered: a POST could order twice."""


class _Kind(Enum):
    """What the target of a redirect has proven to be."""

    UNKNOWN = "no redirect has led there"
    LEFT = "a redirect there was left to Scrapy, whose answer is not there yet"
    PAGE = "it has shown no challenge"
    WALL = "it has shown a challenge"
    GATE = "a wall without a page of its own: once it was open, its request was redirected there no more"


@dataclass
class _Target:
    """What is known of the target of redirects: scheme, host and path of an address."""

    kind: _Kind = _Kind.UNKNOWN
    looks: int = 0
    """How often it was looked at in vain."""
    is_looked_at: bool = False

    @property
    def is_wall(self) -> bool:
        return self.kind in (_Kind.WALL, _Kind.GATE)


@dataclass(eq=False)
class Redirects:
    """The redirects of one crawl."""

    crawler: InitVar[Crawler]
    _lifetime: Lifetime
    _chain: InnerChain
    _components: Components
    _policy: Policy
    _states: RequestStates

    def __post_init__(self, crawler: Crawler) -> None:
        self._targets: LocalCache[str, _Target] = LocalCache(_MAX_KNOWN)
        self._has_met_wall = False
        self._has_handed_in = False
        """Whether a token has been handed in. Before that, no wall can be open."""
        self._has_foreign_duplicates = self._components.is_resumed() or uses_scrapy_redis(crawler.settings)
        """Whether Scrapy's dupefilter also knows the requests of other crawls or of other runs."""

    async def look_behind(
        self, request: Request, response: Response, *, is_through: bool = False
    ) -> Response | Request:
        """Return the challenge if a redirect leads to one, else the redirect.

        :param is_through: whether the wall of the request's host was open to it. What another host shows it, be it a
            wall, is the answer to what was asked for, then.
        :raises CrawlClosing: when the crawl closes before the target has answered.
        """
        url = redirect_target(request.url, response.headers.get("Location"))
        if url is None or isinstance(request, Submission):
            # What a spider submits itself holds a token, which must not be written down, nor sent again.
            return response
        asked_for = self._asked_for(request, is_wall=False)
        if asked_for is not None:
            return asked_for
        state, target = self._states.of(request), self._target(url)
        is_followed = self._components.will_redirect(request, response)
        # What no duplicate filter is to drop, OffsiteMiddleware does not drop either.
        is_filtered = is_followed and not self._components.is_offsite(Request(url), page=request)
        # What comes from a wall, or has been at one, is a duplicate of what was asked for, or was followed, before.
        must_pass = state.sent_again > 0 or (state.original is not None and self._target(request.url).is_wall)
        must_look = self._is_suspicious(state, url)
        if not (must_look or must_pass) and target.kind in (_Kind.UNKNOWN, _Kind.LEFT):
            # A spider that follows redirects itself does not find out what is there.
            is_doubtful = target.kind is _Kind.LEFT or (is_filtered and self._has_foreign_duplicates)
            if is_filtered:
                must_pass = not self._states.is_duplicate(request, _followed(request, response, url))
                target.kind = _Kind.LEFT
            must_look = is_doubtful and not must_pass and self._may_look(target)
        if must_look:
            answer = await self._look(request, response, url)
            if answer is not None:
                return answer
            must_pass = must_pass or target.kind is not _Kind.PAGE
        if is_followed:
            is_own = is_through and host_of(url) != host_of(request.url)
            original = None if is_own else originals.write(request, state.original)
            self._states.write(request, must_pass=is_filtered and must_pass, original=original)
        return response

    async def send_again(self, request: Request) -> Response | Request:
        """Send the spider's request once more, and look behind whatever redirect is the answer."""
        self._states.of(request).asked_again = True
        answer = await self._chain.send_again(request)
        return answer if isinstance(answer, Request) else await self.look_behind_refresh(request, answer)

    async def look_behind_refresh(self, request: Request, response: Response) -> Response | Request:
        """Return the challenge if the meta refresh of a page leads to one, else the page."""
        url = self._components.meta_refresh(response)
        if url is None:
            return response
        as_redirect = Response(request.url, status=302, headers={"Location": url}, flags=response.flags)
        answer = await self.look_behind(request, as_redirect)
        return response if answer is as_redirect else answer

    def concern(self, request: Request) -> bool:
        """Tell whether the answer to a request may tell where a redirect has led."""
        return self._states.knows(request)

    def answered(self, request: Request, response: Response, *, is_wall: bool) -> Request | None:
        """Return what was asked for before ``request`` was redirected to a wall, for the scheduler.

        :param is_wall: whether the response is a challenge.
        """
        state = self._states.peek(request)
        if state.original is None:
            return None
        for hop in originals.hops(request, state.original):
            if is_wall or is_good(response):
                self._shows(hop, is_wall=is_wall)
        return self._asked_for(request, is_wall=is_wall)

    async def of_answer(self, request: Request, answer: Response) -> Request | None:
        """Return the request that Scrapy is to follow if the answer to a submission for ``request`` redirects."""
        url = redirect_target(request.url, answer.headers.get("Location"))
        if url is not None and not self._components.is_redirect_for_spider(request, answer):
            # What it leads to is the answer, even if that is a wall. Where another run was there before, that has
            # nothing to do with what was paid for.
            must_pass = self._has_foreign_duplicates and not self._components.is_offsite(Request(url), page=request)
            self._states.write(request, must_pass=must_pass, original=None)
            try:
                redirected = await self._components.redirect(request, answer)
            finally:
                self._states.unwrite(request)
            if redirected is not None:
                return redirected
        if request.method == "GET" and not same_address(answer.url, request.url):
            # It came from behind a redirect.
            await self._components.redirect_in_place(request, answer.url)
        return None

    def handed_in(self) -> None:
        """Record that a token was handed in, so that walls may be open."""
        self._has_handed_in = True

    def doubt_about(self, request: Request, answer: Response | Request) -> str | None:
        """Return why the answer that came for a token does not show that the wall is open; None if it does.

        If it does, what ``request`` was redirected to before has no page to show.
        """
        reason, state = doubt_about(request, answer), self._states.peek(request)
        if reason is None and state.led_to is not None:
            target = self._target(state.led_to)
            if isinstance(answer, Request) and public_address(answer.url) == public_address(state.led_to):
                return "redirect" if target.is_wall else None
            if is_good(answer):
                target.kind = _Kind.GATE
        return reason

    def _asked_for(self, request: Request, *, is_wall: bool) -> Request | None:
        """Return what was asked for before a redirect, for the scheduler, if it is to be sent again.

        :param is_wall: whether the answer to ``request`` is a challenge.
        :raises CrawlClosing: when it is, and the crawl is closing.
        """
        state = self._states.peek(request)
        if state.original is None or state.sent_again >= _MAX_SENT_AGAIN:
            return None
        # A wall that has been opened meanwhile has nothing to show any more.
        is_open = self._target(request.url).is_wall and not state.sent_again
        if not is_wall and not (is_open and state.original["method"] in _REPEATABLE):
            return None
        if self._lifetime.closing:
            raise CrawlClosing("the crawl is closing")
        original = originals.rebuild(request, state.original)
        counts = {"useless_jobs": state.useless_jobs, "sent_again": state.sent_again + 1}
        self._states.write(original, must_pass=True, **counts)
        return original

    def _target(self, url: str) -> _Target:
        return self._targets.setdefault(public_address(url), _Target())

    def _is_suspicious(self, state: RequestState, url: str) -> bool:
        """Tell whether a redirect may lead to a wall, for all that is known of its request and its target."""
        target = self._target(url)
        has_led_to_wall = state.sent_again > 0 and target.kind is not _Kind.PAGE
        return target.is_wall or has_led_to_wall or (is_wall_address(url) and self._may_look(target))

    def _may_look(self, target: _Target) -> bool:
        return self._has_met_wall or target.looks < _MAX_LOOKS

    async def _look(self, request: Request, response: Response, url: str) -> Response | Request | None:
        """Return what the target of a redirect answers if that concerns ``request``; None if Scrapy is to follow it."""
        target, state = self._target(url), self._states.of(request)
        try:
            if not self._is_suspicious(state, url):
                # One look at what is most likely a page is enough.
                await self._lifetime.until(lambda: not target.is_looked_at)
                if target.kind is _Kind.PAGE:
                    return None
            target.is_looked_at = True
            answer = await self._fetch(request, response)
        except CrawlClosing:
            if target.is_wall or request.method in _REPEATABLE:
                raise
            answer = None
        except Exception:
            # Scrapy follows the redirect and meets the same error, which Retry may repeat.
            answer = None
        finally:
            target.is_looked_at = False
        if answer is not None and self._policy.find(request, answer) is not None:
            self._shows(url, is_wall=True)
            state.led_to = url
            return answer
        target.looks += 1
        if answer is None or is_overloaded(answer):
            return None
        if not target.is_wall:
            self._shows(url, is_wall=False)
        elif not state.asked_again and request.method in _REPEATABLE:
            # The wall has been opened meanwhile, and has nothing to show any more.
            return await self.send_again(request)
        elif target.kind is _Kind.WALL and self._has_handed_in and state.asked_again:
            target.kind = _Kind.PAGE
        else:
            # It fails to show its challenge. What it shows is the answer to the request.
            state.sent_again = max(1, state.sent_again)
        return None

    async def _fetch(self, request: Request, response: Response) -> Response | None:
        """Return the response that a redirect leads to in the end; None where Scrapy's components forbid it."""
        redirected = await self._components.redirect(request, response)
        while redirected is not None:
            # Whatever is asked for, looking must not do it.
            changes: dict[str, Any] = {"method": "GET", "body": b"", "callback": NO_CALLBACK, "errback": None}
            step = redirected.replace(meta={**redirected.meta, "dont_cache": True}, **changes)
            answer = await self._lifetime.wait(self._chain.follow(step, page=request))
            if answer is None:
                return None
            if not isinstance(answer, Request):
                # Behind a redirect that HttpCache has stored, nothing shows that the site would redirect now.
                answer.flags += [flag for flag in response.flags if flag == "cached"]
                return answer
            redirected = answer
        return None

    def _shows(self, url: str, *, is_wall: bool) -> None:
        """Record that an address has shown a challenge or a page. Once a wall, it is one until it is open for sure."""
        target = self._target(url)
        if not target.is_wall:
            target.kind = _Kind.WALL if is_wall else _Kind.PAGE
        self._has_met_wall |= is_wall


def _followed(request: Request, response: Response, url: str) -> Request:
    """Return the request that Scrapy makes of a redirect, as far as it tells duplicates."""
    if request.method in _REPEATABLE or response.status >= HTTPStatus.TEMPORARY_REDIRECT:
        return request.replace(url=url)
    return request.replace(url=url, method="GET", body=b"")
