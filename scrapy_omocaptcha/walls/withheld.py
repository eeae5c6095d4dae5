"""Take back what was asked for before redirects to a wall: those that Scrapy has followed, or dropped as duplicates.

Redirects that Scrapy follows have what was asked for in their meta. Where the answers show that an address is a wall,
that is scheduled again, unless it is a POST that may have been executed; see ``posts``.
"""

from collections import deque
from dataclasses import replace
from http import HTTPStatus
from itertools import chain

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.engine.request_state import RequestState
from scrapy_omocaptcha.errors import CrawlClosing
from scrapy_omocaptcha.tokens.judging import is_good, wall_marks
from scrapy_omocaptcha.urls import same_address
from scrapy_omocaptcha.walls import originals
from scrapy_omocaptcha.walls.posts import Posts
from scrapy_omocaptcha.walls.targets import PAGES, WALLS, Kind, Targets

_MAX_UNDECIDED = 100
"""Targets of which it is not known yet whether they are walls, and for which dropped redirects are kept."""
_MAX_DROPPED = 1000
"""Dropped redirects that are kept for each."""
_MAX_RESENT = 10
"""Redirects after which a request is no longer sent again for the sake of where they lead."""


class Withheld:
    """What the walls of one crawl have withheld by redirects that Scrapy follows or drops."""

    def __init__(self, crawler: Crawler, engine: Engine, targets: Targets, posts: Posts) -> None:
        self._crawler = crawler
        self._lifetime, self._states = engine.lifetime, engine.states
        self._targets, self._posts = targets, posts
        self._dropped: LocalCache[str, deque[Request]] = LocalCache(_MAX_UNDECIDED)
        """Redirects that were dropped as duplicates, by target, until it is known what is there."""
        crawler.signals.connect(self._record_dropped, signals.request_dropped)
        self._states.collect_unfinished = self._unfinished

    def count_dropped(self, url: str) -> int:
        """Return how many redirects to an address were dropped since it was last known what is there."""
        return len(self._dropped.get(self._targets.route_of(url), ()))

    def may_learn_from(self, request: Request) -> bool:
        """Tell whether the answer to a request may tell where redirects lead: to any request, once a wall was met."""
        is_known = self._targets.has_met_wall or self._states.has(request)
        return is_known or bool(self._dropped and self.count_dropped(request.url))

    def learn_from_answer(self, request: Request, response: Response, challenge: Challenge | None) -> Request | None:
        """Record what an answer shows of addresses, and return what was asked for before redirects to a wall.

        :param challenge: what ``response`` is; None if it is none.
        :returns: a request for the scheduler; None if redirects have led to no wall, or may not be sent again.
        """
        if challenge is None:
            if is_good(response):
                self.record_way_through(request, response.url)
            if _shows_page(request, response):
                self._record_answer(request, None)
            return self.take_back(request, is_wall=False)
        marks = wall_marks(challenge)
        # A challenge that has come from behind a redirect is not in the place of this page.
        is_of_page = same_address(request.url, response.url) and self._targets.is_in_place(request.url, marks)
        if not is_of_page:
            self._record_answer(request, challenge)
            return self.take_back(request, is_wall=True)
        # The challenge is solved at the page, as if the spider had requested that itself.
        for url in self._targets_of(request):
            self._targets.record_in_place(url, marks)
            self._dropped.pop(self._targets.route_of(url), None)
        return None

    def _targets_of(self, request: Request) -> list[str]:
        """Return the addresses that redirects have led a request to, or its own where none have."""
        way = originals.way_of(request, self._states.peek(request).original)
        return way[1:] or way

    def learn_from_redirect(self, request: Request, url: str) -> Request | None:
        """Do as :meth:`learn_from_answer` for a request that is redirected to ``url``."""
        self.record_way_through(request, url)
        has_led_on = self._posts.has_led_on(request, url)
        if has_led_on:
            # It may be the answer to the POST, too, so that this is not the proof of a gate.
            self._targets.record_stopped(request.url)
            self._end_wait(request.url, is_wall=True)
        return self.take_back(request, is_wall=has_led_on)

    def _record_answer(self, request: Request, challenge: Challenge | None) -> None:
        """Record what the addresses have shown that redirects have led a request to, or its own where none have."""
        if self._states.peek(request).original is None:
            if challenge is None and not self.count_dropped(request.url):
                return
            self._targets.record_requested(request.url, is_wall=challenge is not None)
        for url in self._targets_of(request):
            self.settle(url, challenge)

    def _record_dropped(self, request: Request) -> None:
        """Schedule the original of a redirect that Scrapy has dropped, if it led to a wall, once that is known."""
        self._states.take(request)
        original = self._states.peek(request).original
        if original is None:
            return
        target = self._targets.of(request.url)
        self._targets.record_dropped(request.url, original)
        self._keep_dropped(request)
        # An address that was a wall may be one again for this session, which a look will show.
        if target.kind in WALLS or (target.kind in PAGES and not self._targets.has_been_wall(request.url)):
            self._end_wait(request.url, is_wall=target.kind in WALLS)

    def _keep_dropped(self, request: Request) -> None:
        self._dropped.setdefault(self._targets.route_of(request.url), deque(maxlen=_MAX_DROPPED)).append(request)

    def _unfinished(self) -> list[Request]:
        """Return the redirects that have been dropped while another one finds out what is there."""
        waiting = (dropped for url, dropped in self._dropped.items() if self._targets.of(url).kind is Kind.FOLLOWED)
        return list(chain.from_iterable(waiting))

    def prove_gate(self, url: str) -> None:
        """Record that an address is a gate, and schedule what it has withheld."""
        self._targets.record_gate(url)
        self._end_wait(url, is_wall=True)

    def record_way_through(self, request: Request, url: str) -> None:
        """Record that a request has got through, if it was sent again for a wall, and is led to ``url`` now."""
        wall_url = self._states.peek(request).wall_url
        if wall_url is None or same_address(url, wall_url) or self._targets.of(url).kind in WALLS:
            return
        if self._posts.was_resent_for(request, wall_url):
            self.prove_gate(wall_url)

    def settle(self, url: str, challenge: Challenge | None) -> None:
        """Record what an address has shown, and schedule what was dropped on its way there.

        :param challenge: what it has shown, be it behind another redirect; None if that is none.
        """
        if challenge is not None and not same_address(challenge.url, url):
            self.settle(challenge.url, challenge)
        # Only what is in the place of the address itself can be known again by its marks.
        marks = wall_marks(challenge) if challenge is not None and same_address(challenge.url, url) else None
        self._targets.record_shown(url, is_wall=challenge is not None, marks=marks)
        self._end_wait(url, is_wall=challenge is not None)

    def _end_wait(self, url: str, *, is_wall: bool) -> None:
        """Schedule what was dropped on its way to a wall, and forget what was dropped on its way to this very page."""
        for request in self._dropped.pop(self._targets.route_of(url), ()):
            if is_wall:
                # A POST may count as executed. What it was redirected to is its answer, then.
                again = self._rebuild_original(request, is_wall=True)
                self._crawler.engine.crawl(again or self._states.give_back(request))
            elif not same_address(request.url, url):
                # With another query, it may be another page.
                self._keep_dropped(request)

    def take_back(self, request: Request, *, is_wall: bool) -> Request | None:
        """Return what was asked for before a redirect, with its state for the scheduler, if it is to be sent again.

        :param is_wall: whether the answer to ``request`` is a challenge.
        :raises CrawlClosing: when it is to be, and the crawl is closing.
        """
        again = self._rebuild_original(request, is_wall=is_wall)
        if again is not None and self._lifetime.closing:
            raise CrawlClosing()
        return again

    def _rebuild_original(self, request: Request, *, is_wall: bool) -> Request | None:
        """Make the request before redirects to a wall, and write its state; None if it is not to be sent again."""
        state, is_post = self._states.peek(request), self._posts.has_post(request)
        if state.original is None or not self._is_to_be_sent_again(request, state, is_wall=is_wall):
            return None
        addresses = self._targets_of(request)
        if not is_post:
            for url in addresses:
                self._targets.record_stopped(url)
        # A mere claim to have withheld a POST is recorded once that is sent; see ``Posts.record_sent``.
        is_claim = is_post and self._targets.of(request.url).kind is not Kind.GATE
        again = originals.rebuild(request, state.original)
        resent_for = state.resent_for if is_claim else [*state.resent_for, *addresses]
        state = replace(state, original=None, resent_for=resent_for, wall_url=request.url)
        # With its own priority, it would come after what is queued, all of which would meet the wall first.
        self._states.write(again, state, must_pass=True, priority=max(request.priority, again.priority + 1))
        return again

    def _is_to_be_sent_again(self, request: Request, state: RequestState, *, is_wall: bool) -> bool:
        """Tell whether what was asked for before a redirect is to be sent again.

        The answer need not be a challenge: the wall may have been opened meanwhile, which is believed once.
        """
        was_wall = self._targets.of(request.url).kind in WALLS and not state.resent_for
        if not (is_wall or was_wall) or len(state.resent_for) > _MAX_RESENT:
            return False
        return not self._posts.has_post(request) or self._posts.counts_as_withheld(request, request.url)


def _shows_page(request: Request, response: Response) -> bool:
    """Tell whether an answer that is no challenge shows what is at its address, be it that there is nothing.

    No wall or failure is answered with the latter. The answer to HEAD has no body, in which a challenge would be.
    """
    is_missing = response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
    return request.method != "HEAD" and (is_missing or is_good(response))
