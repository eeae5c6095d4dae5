"""Let Scrapy follow each redirect, with what was asked for in its state, and learn which targets are gates.

A *gate* is an address of a wall's own, to which requests are redirected while the wall is closed. The *original* is
what was asked for before the first redirect. What may be withheld by the target of a redirect, and sent again then:

- an original with a method of ``SAFE_METHODS``, as often as need be;
- an *order*, which is one with any other method, redirected to a GET: once, where its gate leads back to it;
- an order that the user allows to be repeated, as if its method were safe.

Redirects that keep the method of an order (307, 308) repeat it by themselves: what they lead to is what is asked for.
"""

from dataclasses import replace
from itertools import chain

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.http import Response

from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.engine.components import is_redirect
from scrapy_omocaptcha.forms.encoding import SAFE_METHODS
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.settings import uses_scrapy_redis
from scrapy_omocaptcha.tokens.judging import Answer, is_good, is_overloaded
from scrapy_omocaptcha.tokens.policy import Policy
from scrapy_omocaptcha.tokens.reasons import GivenUp, Refusal
from scrapy_omocaptcha.urls import host_of, is_allowed, redirect_target, same_address
from scrapy_omocaptcha.walls import originals
from scrapy_omocaptcha.walls.targets import GATES, SHOWS_CHALLENGES, Kind, Targets

MAYBE_EXECUTED = Refusal.of("maybe_executed")


class Redirects:
    """What becomes of the redirects of one crawl."""

    def __init__(self, crawler: Crawler, engine: Engine, policy: Policy) -> None:
        self._crawler, self._policy = crawler, policy
        self._components, self._states = engine.components, engine.states
        self.targets = Targets()
        self._is_queue_shared = uses_scrapy_redis(crawler.settings)
        """Whether another worker may follow a redirect, so that nobody here waits for what that finds out."""
        self._is_filter_shared = self._is_queue_shared or self._components.is_resumed()
        """Whether Scrapy's dupefilter knows addresses that other workers or other runs have asked for."""
        crawler.signals.connect(self._record_dropped, signals.request_dropped)
        self._states.collect_unfinished = self._unfinished

    # What a request asks for

    def is_withheld(self, request: Request) -> bool:
        """Tell whether a request was redirected from what was asked for, which its target may withhold."""
        original = self._states.peek(request).original
        if original is None:
            return False
        # A redirect that keeps the method of an order has repeated it.
        return request.method in SAFE_METHODS or self._may_repeat(request, original)

    def is_order(self, request: Request) -> bool:
        """Tell whether an order was redirected to the address of a request, which may have executed it or not."""
        original = self._states.peek(request).original
        return original is not None and self.is_withheld(request) and not self._may_repeat(request, original)

    def _may_repeat(self, request: Request, original: originals.Original) -> bool:
        """Tell whether what was asked for may be sent again though it may have been executed."""
        return not _may_act(original) or request.meta.get("omocaptcha_resend", self._policy.settings.resend) is True

    def way_of(self, request: Request) -> list[str]:
        """Return the addresses that redirects have led a request to."""
        return originals.way_of(request, self._states.peek(request).original)[1:]

    def record_led_to(self, request: Request, url: str) -> int | None:
        """Record where a gate has led a request; return the place of that on its way to the gate, if it is there.

        That is 0 for what was asked for, 1 for the address to which it was redirected first, and so on.
        """
        way = originals.way_of(request, self._states.peek(request).original)
        place = next((place for place, hop in enumerate(way[:-1]) if same_address(url, hop)), None)
        if place is not None:
            self.record_gate(way[place + 1 :], leads_back=True)
        return place

    # Before and after a request

    def keep(self, request: Request, response: Response, stamp: int, *, is_through: bool) -> None:
        """Have what Scrapy makes of a redirect, or of a meta refresh, know what was asked for.

        :param stamp: when the request was sent.
        :param is_through: whether it was sent with the clearance of its session.
        """
        url = redirect_target(request.url, self._components.location(response))
        # A form that the spider submits itself holds a token, which must not be written down, nor sent again.
        if url is None or isinstance(request, Submission):
            return
        if self._components.will_redirect(request, response):
            self.targets.record_redirect(request.url, url)
            self.write(request, request, url, stamp, is_through=is_through)

    def write(self, request: Request, to: Request, url: str, stamp: int, *, is_through: bool) -> None:
        """Write what was asked for into the meta of ``to``, as ``request`` is redirected to ``url``."""
        if not is_allowed(host_of(url), self._policy.domains):
            # Nothing is bought there, and redirects are Scrapy's.
            return
        state = self._states.peek(request)
        hops = originals.way_of(request, state.original)
        if any(same_address(url, hop) for hop in hops) or self._policy.mediums.is_rendered(request):
            # Redirects in circles are Scrapy's business, but for those of a wall that leads back. Browsers follow
            # redirects themselves.
            is_of_wall = self.targets.of(request.url).kind in SHOWS_CHALLENGES
            self._states.write(to, replace(state, original=None, sent_at=0), must_pass=is_of_wall)
            return
        target, original = self.targets.of(url), originals.write(request, state.original)
        stamp = stamp if state.original is None else state.sent_at
        is_first = target.finder in (0, stamp)
        if is_first and not self._is_queue_shared:
            target.finder = stamp
        may_find_out = target.kind is Kind.WALL and is_first and not is_through
        is_order_at_wall = _may_act(original) and target.kind not in (Kind.UNKNOWN, Kind.PAGE)
        # What is sent again is led along addresses that Scrapy has seen, such as those on the way to a gate.
        must_pass = target.kind in GATES or may_find_out or is_order_at_wall or state.is_resent
        self._states.write(to, replace(state, original=original, sent_at=stamp), must_pass=must_pass)

    def write_answer(self, request: Request, redirected: Request) -> None:
        """Write the state of what the answer to a token for ``request`` redirects to."""
        state = self._states.peek(request)
        way = originals.way_of(request, state.original)
        must_pass = self._is_filter_shared or any(same_address(redirected.url, hop) for hop in way)
        # A wall that leads back to the address of a POST may not have passed the POST's own fields on.
        is_back = request.method not in SAFE_METHODS and same_address(redirected.url, request.url)
        original = originals.write(request, None) if is_back else None
        self._states.write(redirected, replace(state, original=original, sent_at=0), must_pass=must_pass)

    def is_at_wall(self, request: Request) -> bool:
        """Tell whether a request was redirected to where a challenge was seen, which may not be in place of a page."""
        return self.is_withheld(request) and self.targets.of(request.url).kind in SHOWS_CHALLENGES

    def check_receipt(self, request: Request, answer: Answer) -> None:
        """Flag a page that may be the answer to an order; raise ``GivenUp`` for a redirect, an error or a gate."""
        if isinstance(answer, Response) and is_overloaded(answer):
            # It may be retried.
            return
        is_page = isinstance(answer, Response) and is_good(answer) and not is_redirect(answer)
        if not is_page or self.targets.of(request.url).kind in GATES:
            raise GivenUp(MAYBE_EXECUTED)
        answer.flags = [*answer.flags, f"omocaptcha:{MAYBE_EXECUTED.reason}"]
        self._policy.hints.maybe_executed(request)

    def _resume(self, request: Request) -> Request:
        """Return what is scheduled for a redirect to a gate: what was asked for, unless that may act twice."""
        state = self._states.peek(request)
        self.settle(self.way_of(request), state.sent_at)
        if state.original is None or not self.is_withheld(request) or self.is_order(request):
            return self._states.give_back(request)
        again = originals.rebuild(request, state.original)
        # With its own priority, it would come after what is queued, all of which would meet the wall first.
        priority = max(request.priority, again.priority + 1)
        state = replace(state, original=None, sent_at=0, is_resent=True)
        self._states.write(again, state, must_pass=True, priority=priority)
        return again

    # What answers show

    def record_challenge(self, request: Request) -> None:
        """Record that a request has met a challenge, to which all of its redirects lead."""
        for url in self.way_of(request) or [request.url]:
            self.targets.record_challenge(url)

    def record_gate(self, way: list[str], *, leads_back: bool = False) -> None:
        """Record that addresses are a gate, or on the way to one, and schedule what was dropped on its way there."""
        for url in way:
            self.targets.record_gate(url, leads_back=leads_back)
            self._end_wait(url)

    def record_answer(self, request: Request, *, is_page: bool) -> None:
        """Record the answer to a request that was redirected.

        :param is_page: whether it tells what is at the address, and is no challenge.
        """
        way = self.way_of(request)
        for url in way:
            record = self.targets.record_page if is_page else self.targets.record_failed
            record(url)
        self.settle(way, self._states.peek(request).sent_at)

    def settle(self, way: list[str], stamp: int) -> None:
        """Record that the request which was sent at ``stamp``, and was led along ``way``, has come to its end."""
        for url in way:
            target = self.targets.of(url)
            if target.finder == stamp:
                target.finder = 0
            if not target.finder:
                self._end_wait(url)

    def _end_wait(self, url: str) -> None:
        """Schedule what was dropped on its way to a gate, forget what leads to a page; else let the next find out."""
        target = self.targets.of(url)
        if target.kind in (Kind.UNKNOWN, Kind.FAILED, Kind.WALL):
            # Where no wall was met so far, they are kept until one is.
            if target.dropped and self.targets.may_be_gate(url):
                request = target.dropped.popleft()
                target.finder = self._states.peek(request).sent_at
                self._crawler.engine.crawl(self._states.give_back(request))
            return
        dropped = list(target.dropped)
        target.dropped.clear()
        for request in dropped:
            if target.kind in GATES:
                self._crawler.engine.crawl(self._resume(request))
            elif target.kind is Kind.IN_PLACE and _may_act(self._states.peek(request).original):
                self._crawler.engine.crawl(self._states.give_back(request))

    def _record_dropped(self, request: Request) -> None:
        """Keep a redirect that Scrapy has dropped as a duplicate while another one finds out what is there.

        Where none does, it is sent on if the target may be a gate, or forgotten as by Scrapy.
        """
        self._states.take(request)
        state, target = self._states.peek(request), self.targets.of(request.url)
        if state.original is None:
            return
        if target.finder not in (0, state.sent_at):
            target.dropped.append(request)
            return
        # Other workers, or other runs, have been there, and nobody here.
        is_new = target.kind is Kind.UNKNOWN and self._is_filter_shared
        if is_new or self.targets.may_be_gate(request.url):
            target.finder = 0 if self._is_queue_shared else state.sent_at
            self._crawler.engine.crawl(self._states.give_back(request))
        else:
            self.settle(self.way_of(request), state.sent_at)

    def _unfinished(self) -> list[Request]:
        """Return the redirects that were dropped, and that were neither sent on nor forgotten so far."""
        return list(chain.from_iterable(self.targets.dropped()))


def _may_act(original: originals.Original | None) -> bool:
    """Tell whether sending a request twice may do twice what it asks for."""
    return original is not None and original["method"] not in SAFE_METHODS
