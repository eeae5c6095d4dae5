"""Look behind redirects that may lead to a wall, while the request that was redirected is still in hand.

A wall that redirects every page to an address of its own (302 to ``/captcha``) would otherwise leave only the request
for that address, and Scrapy's dupefilter would drop all such requests but the first. Redirects that Scrapy has followed
before anything was known of their targets are in ``followed``.
"""

from dataclasses import InitVar, dataclass
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha.engine.chain import InnerChain
from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.request_state import RequestStates
from scrapy_omocaptcha.errors import CrawlClosing
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.settings import uses_scrapy_redis
from scrapy_omocaptcha.urls import host_of, public_address, redirect_target, same_address
from scrapy_omocaptcha.walls.followed import FollowedRedirects, is_repeatable
from scrapy_omocaptcha.walls.judging import doubt_about, is_good, is_overloaded
from scrapy_omocaptcha.walls.policy import Policy
from scrapy_omocaptcha.walls.targets import Targets


@dataclass(eq=False)
class Redirects:
    """The redirects of one crawl."""

    crawler: InitVar[Crawler]
    _lifetime: Lifetime
    _chain: InnerChain
    _components: Components
    _policy: Policy
    _states: RequestStates
    _targets: Targets
    _followed: FollowedRedirects

    def __post_init__(self, crawler: Crawler) -> None:
        self._sent_again: WeakSet[Request] = WeakSet()
        """Requests that have met a wall before."""
        self._led_to: WeakKeyDictionary[Request, str] = WeakKeyDictionary()
        """Where challenges have been found behind redirects, by request."""
        self._has_foreign_duplicates = self._components.is_resumed() or uses_scrapy_redis(crawler.settings)
        """Whether Scrapy's dupefilter also knows the requests of other crawls or of other runs."""

    async def look_behind(
        self, request: Request, response: Response, *, is_through: bool = False
    ) -> Response | Request:
        """Return the challenge if a redirect leads to one, else the redirect.

        :param is_through: whether the wall of the request's host was open to it. What another host shows it, be it a
            wall, is the answer to what was asked for, then.
        :raises CrawlClosing: when the crawl closes before the target has answered.
        :raises Exception: what Scrapy raises when a target that is known to be a wall is fetched.
        """
        url = redirect_target(request.url, response.headers.get("Location"))
        if url is None or isinstance(request, Submission):
            # What a spider submits itself holds a token, which must not be written down, nor sent again.
            return response
        target = public_address(url)
        will_redirect = self._components.will_redirect(request, response)
        is_led_to = self._targets.leader(target) is not None
        is_suspicious = self._targets.is_wall(url) is None and self._states.is_suspicious(request, url)
        if self._targets.may_be_wall(url) or is_suspicious or (is_led_to and not will_redirect):
            answer = await self._fetch(request, response, url)
            if answer is not None:
                return answer
        if will_redirect:
            # Were it dropped, nothing could be sent again for it.
            is_unsure = self._targets.is_undecided(target) or (
                self._has_foreign_duplicates and self._targets.is_wall(target) is None
            )
            must_pass = self._targets.is_gate(target) or (is_unsure and not is_repeatable(request))
            asked = request.meta.get("redirect_urls", [request.url])[0]
            may_repeat = self._targets.may_be_followed(url, asked)
            if self._components.is_offsite(Request(url), page=request):
                # What no duplicate filter is to drop, OffsiteMiddleware does not drop either.
                must_pass = may_repeat = False
            is_own = is_through and host_of(url) != host_of(request.url)
            if self._states.redirected(request, url, must_pass=must_pass, may_repeat=may_repeat, is_own=is_own):
                self._targets.followed(url, asked)
            if not is_own:
                self._targets.lead(target, request.url)
        return response

    async def send_again(self, request: Request) -> Response | Request:
        """Send the spider's request once more, and look behind whatever redirect is the answer."""
        self._sent_again.add(request)
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

    async def of_answer(self, request: Request, answer: Response) -> Request | None:
        """Return the request that Scrapy is to follow if the answer to a submission for ``request`` redirects."""
        url = redirect_target(request.url, answer.headers.get("Location"))
        if url is not None and not self._components.is_redirect_for_spider(request, answer):
            # Where another run was there before, that has nothing to do with what was paid for.
            must_pass = self._has_foreign_duplicates and not self._components.is_offsite(Request(url), page=request)
            self._states.redirected(request, url, must_pass=must_pass, is_own=True)
            try:
                redirected = await self._components.redirect(request, answer)
            finally:
                self._states.not_redirected(request)
            if redirected is not None:
                return redirected
        if request.method == "GET" and not same_address(answer.url, request.url):
            # It came from behind a redirect.
            await self._components.redirect_in_place(request, answer.url)
        return None

    async def _fetch(self, request: Request, response: Response, url: str) -> Response | Request | None:
        """Return what the target of a redirect answers if that concerns ``request``; None if Scrapy is to follow it."""
        try:
            redirected = await self._components.redirect(request, response)
        except IgnoreRequest:
            return None
        while redirected is not None:
            # Whatever is asked for, looking must not do it.
            changes: dict[str, Any] = {"method": "GET", "body": b"", "callback": NO_CALLBACK, "errback": None}
            step = redirected.replace(meta={**redirected.meta, "dont_cache": True}, **changes)
            try:
                answer = await self._lifetime.wait(self._chain.follow(step, page=request))
            except CrawlClosing:
                raise
            except IgnoreRequest:
                # There are too many redirects, which Scrapy finds out itself.
                return None
            except Exception as error:
                if self._is_needed(request, public_address(url)):
                    return await self._chain.handle_exception(request, error)
                # Scrapy follows the redirect and meets the same error.
                return None
            if answer is None:
                return None
            if not isinstance(answer, Request):
                # Behind a redirect that HttpCache has stored, nothing shows that the site would redirect now.
                answer.flags += [flag for flag in response.flags if flag == "cached"]
                return await self._judge(request, answer, url)
            redirected = answer
        return None

    async def _judge(self, request: Request, answer: Response, url: str) -> Response | Request | None:
        target = public_address(url)
        is_wall = self._policy.find(request, answer) is not None
        if is_overloaded(answer) and not is_wall:
            # With the target's answer as its own, Retry repeats the request that was redirected.
            return answer if self._is_needed(request, target) else None
        self._followed.judged(target, is_wall=is_wall)
        if is_wall:
            self._led_to[request] = target
            return answer
        if not self._targets.is_wall(target):
            return None
        if request in self._sent_again or not is_repeatable(request):
            if not self._targets.is_gate(target):
                # It is a page by now, or, where nothing else tells, a wall that just fails to show its challenge.
                is_page = url != target or request in self._sent_again
                self._targets.shows_page(url) if is_page else self._targets.doubted(target)
            return None
        # The wall has been opened meanwhile, and has nothing to show any more.
        return await self.send_again(request)

    def handed_in(self) -> None:
        """Record that a token was handed in, so that walls may be open."""
        self._targets.has_handed_in = True

    def doubt_about(self, request: Request, answer: Response | Request) -> str | None:
        """Return why the answer that came for a token does not show that the wall is open; None if it does.

        If it does, what ``request`` was redirected to before has no page to show.
        """
        reason = doubt_about(request, answer)
        target = self._led_to.pop(request, None)
        if reason is None and target is not None:
            if isinstance(answer, Request) and public_address(answer.url) == target:
                return "redirect" if self._targets.is_wall(answer.url) else None
            if is_good(answer):
                self._targets.left(target)
        return reason

    def _is_needed(self, request: Request, target: str) -> bool:
        """Tell whether Scrapy could lose a request by following its redirect."""
        return bool(self._targets.is_wall(target)) or self._states.peek(request).looked_behind
