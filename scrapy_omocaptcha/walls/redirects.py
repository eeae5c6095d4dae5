"""Look behind redirects that may lead to a wall, while the request that was redirected is still in hand.

A wall that redirects every page to an address of its own (302 to ``/captcha``) would otherwise leave only the request
for that address, and Scrapy's dupefilter would drop all such requests but the first.

It is longer than other files, because all of it works on what is known of the targets.
"""

from collections import defaultdict
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin
from weakref import WeakKeyDictionary, WeakSet

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.datatypes import LocalCache
from scrapy.utils.job import job_dir

from scrapy_omocaptcha.detection import is_wall_address
from scrapy_omocaptcha.engine.chain import InnerChain
from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.engine.request_state import RequestStates
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.settings import uses_scrapy_redis
from scrapy_omocaptcha.urls import public_address
from scrapy_omocaptcha.walls.judging import doubt_about, is_address_of, is_good, is_overloaded
from scrapy_omocaptcha.walls.policy import Policy

_MAX_KNOWN = 10_000
"""Targets of redirects that are remembered."""
_MAX_LOOKS = 3
"""How often an address that looks like a wall's is looked at before any wall was met."""
_MAX_PENDING = 1000
"""Redirects to one target that are kept until the target is known. More can't be under way at once."""


class Redirects:
    """The redirects of one crawl. Their targets are known by scheme, host and path."""

    def __init__(
        self, crawler: Crawler, chain: InnerChain, components: Components, policy: Policy, states: RequestStates
    ) -> None:
        self._crawler = crawler
        self._components = components
        self._chain = chain
        self._policy = policy
        self._states = states
        self._sent_again: WeakSet[Request] = WeakSet()
        """Requests that were redirected to a wall that was open by then."""
        self._is_wall: LocalCache[str, bool] = LocalCache(_MAX_KNOWN)
        """What targets have proven to be; with their query where only that tells a page from a wall."""
        self._has_met_wall = False
        self._has_handed_in = False
        """Whether a token has been handed in. Before that, no wall is known to be open."""
        self._led_to: WeakKeyDictionary[Request, str] = WeakKeyDictionary()
        """Where challenges have been found behind redirects, by request."""
        self._looks: LocalCache[str, int] = LocalCache(_MAX_KNOWN)
        """How often each target has been looked at."""
        self._gates: LocalCache[str, bool] = LocalCache(_MAX_KNOWN)
        """Targets that have nothing but a challenge to show: with a clearance, nothing is redirected there."""
        self._followed_for: LocalCache[str, str] = LocalCache(_MAX_KNOWN)
        """What was asked for when Scrapy followed a redirect to a page that had been a wall, by target."""
        self._undecided: LocalCache[str, bool] = LocalCache(_MAX_KNOWN)
        """Targets of which nobody knows whether they are walls, since they failed or showed no challenge."""
        self._leaders: LocalCache[str, str] = LocalCache(_MAX_KNOWN)
        """Addresses of the requests that Scrapy redirects to targets of which nothing is known yet, by target."""
        self._pending: defaultdict[str, list[Request]] = defaultdict(list)
        """Redirected requests that were dropped as duplicates of such a leader's, by target."""
        self._has_foreign_duplicates = components.is_resumed() or uses_scrapy_redis(crawler.settings)
        """Whether Scrapy's dupefilter also knows the requests of other crawls or of other runs."""
        self._may_be_resumed = self._has_foreign_duplicates or bool(job_dir(crawler.settings))
        """Whether Scrapy keeps its requests when it is stopped."""
        if self._may_be_resumed:
            states.keep_at_close(lambda: [request for waiting in self._pending.values() for request in waiting])
        crawler.signals.connect(self._dropped, signals.request_dropped)

    async def look_behind(self, request: Request, response: Response) -> Response | Request:
        """Return the challenge if a redirect leads to one, else the redirect.

        :raises Exception: what Scrapy raises when a target that is known to be a wall is fetched.
        """
        location = response.headers.get("Location")
        if location is None or isinstance(request, Submission):
            # What a spider submits itself holds a token, which must not be written down, nor sent again.
            return response
        try:
            url = urljoin(request.url, location.decode("latin-1"))
            target = public_address(url)
        except ValueError:
            # Redirect finds out itself that it leads nowhere.
            return response
        will_redirect = self._components.will_redirect(request, response)
        if self._is_suspected(request, url) or (target in self._leaders and not will_redirect):
            answer = await self._fetch(request, response, url)
            if answer is not None:
                return answer
        if will_redirect:
            # Were it dropped, nothing could be sent again for it.
            is_unsure = target in self._undecided or (
                self._has_foreign_duplicates and self._is_wall.get(target) is None
            )
            # What is no challenge at a gate is no page either, of which others would be duplicates.
            must_pass = self._is_gate(target) or (is_unsure and not _is_repeatable(request))
            asked = request.meta.get("redirect_urls", [request.url])[0]
            may_repeat = self._followed_for.get(url, asked) == asked
            if self._components.is_offsite(Request(url), page=request):
                # What no duplicate filter is to drop, OffsiteMiddleware does not drop either.
                must_pass = may_repeat = False
            passes = self._states.redirected(request, url, must_pass=must_pass, may_repeat=may_repeat)
            if passes and self._is_wall.get(url) is False:
                # Redirects of other requests to this page are duplicates, as without a wall.
                self._followed_for[url] = asked
            if target not in self._is_wall:
                self._leaders.setdefault(target, request.url)
        return response

    def _is_suspected(self, request: Request, url: str) -> bool:
        is_wall = self._wall_or_page(url)
        if is_wall is None:
            return is_wall_address(url) or self._states.is_suspicious(request, url)
        # What says that it is a wall shows a page while its challenge is broken, too.
        may_be_broken = self._has_met_wall or self._looks.get(public_address(url), 0) < _MAX_LOOKS
        return is_wall or (may_be_broken and is_wall_address(url))

    def _wall_or_page(self, url: str) -> bool | None:
        """Tell whether an address has proven to be a wall (True) or a page (False); None if neither."""
        return self._is_wall.get(url, self._is_wall.get(public_address(url)))

    async def send_again(self, request: Request) -> Response | Request:
        """Send the spider's request once more, and look behind whatever redirect is the answer."""
        answer = await self._chain.send_again(request)
        return answer if isinstance(answer, Request) else await self.look_behind_refresh(request, answer)

    async def look_behind_refresh(self, request: Request, response: Response) -> Response | Request:
        """Return the challenge if the meta refresh of a page leads to one, else the page."""
        url = self._components.meta_refresh(response)
        if url is None:
            return response
        as_redirect = Response(request.url, status=302, headers={"Location": url})
        answer = await self.look_behind(request, as_redirect)
        return response if answer is as_redirect else answer

    async def of_answer(self, request: Request, answer: Response) -> Request | None:
        """Return the request that Scrapy is to follow if the answer to a submission for ``request`` redirects."""
        if not self._components.is_redirect_for_spider(request, answer):
            redirected = await self._components.redirect(request, answer)
            if redirected is not None:
                return redirected
        if request.method == "GET" and not is_address_of(answer, request):
            # It came from behind a redirect.
            await self._components.redirect_in_place(request, answer.url)
        return None

    def refreshes(self, response: Response) -> bool:
        """Tell whether Scrapy would follow a meta refresh of a page."""
        return self._components.meta_refresh(response) is not None

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
                answer = await self._chain.follow(step, page=request)
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
                return await self._judge(request, answer, url)
            redirected = answer
        return None

    async def _judge(self, request: Request, answer: Response, url: str) -> Response | Request | None:
        target = public_address(url)
        is_wall = self._policy.find(request, answer) is not None
        if is_overloaded(answer) and not is_wall:
            # With the target's answer as its own, Retry repeats the request that was redirected.
            return answer if self._is_needed(request, target) else None
        self._judged(target, is_wall=is_wall)
        self._looks[target] = self._looks.get(target, 0) + 1
        if is_wall:
            self._led_to[request] = target
            return answer
        if not self._is_wall[target]:
            return None
        if request in self._sent_again or not _is_repeatable(request):
            if self._is_gate(target):
                return None
            if url != target or request in self._sent_again:
                self._is_wall[url] = False
            else:
                # Nobody knows whether it is a page by now, or a wall that just fails to show its challenge.
                del self._is_wall[target]
                self._undecided[target] = True
            return None
        # The wall has been opened meanwhile, and has nothing to show any more.
        self._sent_again.add(request)
        return await self.send_again(request)

    def handed_in(self) -> None:
        """Record that a token was handed in, so that walls may be open."""
        self._has_handed_in = True

    def doubt_about(self, request: Request, answer: Response | Request) -> str | None:
        """Return why the answer that came for a token does not show that the wall is open; None if it does.

        If it does, what ``request`` was redirected to before has no page to show.
        """
        reason = doubt_about(request, answer)
        target = self._led_to.pop(request, None)
        if reason is None and target is not None:
            if isinstance(answer, Request) and public_address(answer.url) == target:
                return "redirect" if self._wall_or_page(answer.url) else None
            if is_good(answer):
                self._gates[target] = True
        return reason

    def _is_gate(self, target: str) -> bool:
        """Tell whether a target can be no page, since walls keep to it, or since no wall can have been opened yet."""
        return target in self._gates or (not self._has_handed_in and self._is_wall.get(target, False))

    def _is_needed(self, request: Request, target: str) -> bool:
        """Tell whether Scrapy could lose a request by following its redirect."""
        return self._is_wall.get(target, False) or self._states.of(request).looked_behind

    def asked_for(self, request: Request, response: Response, *, is_wall: bool) -> Request | None:
        """Return what was asked for before ``request`` was redirected to a wall, for the scheduler.

        :param is_wall: whether the address of ``request`` has just proven to be a wall.
        """
        if self._gates and not is_wall and is_good(response) and "redirect_urls" not in request.meta:
            # The spider has asked for it, and it has a page to show.
            self._gates.pop(public_address(request.url), None)
        # The address of a wall may be another one each time. It is opened for the redirected request the second time.
        original = None if self._states.was_led_to_wall(request) else self._states.before_redirects(request)
        if original is None and not self._leaders:
            return None
        target = public_address(request.url)
        if original is not None or target in self._leaders:
            if is_wall or response.status < HTTPStatus.BAD_REQUEST:
                for hop in self._states.hops(request):
                    self._judged(public_address(hop), is_wall=is_wall)
            else:
                self.failed(request)
        # A wall that has been opened meanwhile has nothing to show any more.
        is_repeated = original is not None and _is_repeatable(original) and self._is_wall.get(target)
        return original if is_wall or is_repeated else None

    def failed(self, request: Request) -> None:
        """Have redirects to the address of ``request`` looked behind, if Scrapy was to find out what is there.

        Where no wall has been met, they are dropped as duplicates, as without the add-on. Retry may find out yet.
        """
        for hop in map(public_address, self._states.hops(request)):
            if self._has_met_wall and self._leaders.pop(hop, None) is not None:
                self._undecided[hop] = True
                self._send_pending(hop, looked_behind=True)

    def _judged(self, target: str, *, is_wall: bool) -> None:
        self._leaders.pop(target, None)
        self._undecided.pop(target, None)
        if is_wall or not self._is_wall.get(target):
            self._is_wall[target] = is_wall
        if is_wall:
            self._has_met_wall = True
            self._send_pending(target, looked_behind=False)
        else:
            self._pending.pop(target, None)

    def _send_pending(self, target: str, *, looked_behind: bool) -> None:
        for request in self._pending.pop(target, []):
            original = self._states.before_redirects(request, looked_behind=looked_behind)
            if original is not None and (_is_repeatable(original) or not looked_behind):
                self._crawler.engine.crawl(original)
            elif original is not None:
                # Only the redirect to a wall proves that it has not been processed.
                self._pending[target].append(request)

    def _dropped(self, request: Request) -> None:
        """Send what was asked for once more if its redirect was dropped as a duplicate before its target is known."""
        target = public_address(request.url)
        is_wall = self._wall_or_page(request.url)
        original = self._states.before_redirects(request, looked_behind=not is_wall)
        if original is None or is_wall is False:
            return
        is_doubtful = target in self._undecided or self._may_be_resumed or is_wall_address(target)
        # A redirect to what has proven to be a wall meanwhile is the answer to nothing.
        if is_wall or (is_doubtful and _is_repeatable(original)):
            self._crawler.engine.crawl(original)
        elif self._leaders.get(target) == request.meta["redirect_urls"][-1]:
            # The spider has asked for the target itself. Scrapy drops all redirects to it, as without a wall.
            del self._leaders[target]
        elif target in self._leaders and len(self._pending[target]) < _MAX_PENDING:
            self._pending[target].append(request)


def _is_repeatable(request: Request) -> bool:
    """Tell whether a request may be sent again though it has been answered: a POST could order twice."""
    return request.method in ("GET", "HEAD")
