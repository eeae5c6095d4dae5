"""Tell what is known of a redirect: of the address that it leads to, and of what would become of its request there.

Nothing is sent, scheduled or recorded here.
"""

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response

from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.engine.components import is_redirect
from scrapy_omocaptcha.forms.encoding import SAFE_METHODS
from scrapy_omocaptcha.settings import uses_scrapy_redis
from scrapy_omocaptcha.tokens.judging import is_page_of, is_stored
from scrapy_omocaptcha.urls import address_of, host_of
from scrapy_omocaptcha.walls import originals
from scrapy_omocaptcha.walls.decisions import Known
from scrapy_omocaptcha.walls.posts import Posts
from scrapy_omocaptcha.walls.targets import PAGES, WALLS, Kind, Targets
from scrapy_omocaptcha.walls.withheld import Withheld

_ENOUGH_DROPPED = 2
"""Dropped redirects to an address after which it is worth a look; at a former wall, each look doubles the number."""


class Evidence:
    """Answers the questions that decide on a redirect, from what the crawl has seen of its request and target."""

    def __init__(self, crawler: Crawler, engine: Engine, targets: Targets, posts: Posts, withheld: Withheld) -> None:
        self._components, self._states = engine.components, engine.states
        self._targets, self._posts, self._withheld = targets, posts, withheld
        is_shared = uses_scrapy_redis(crawler.settings)
        self.is_filter_shared = is_shared or self._components.is_resumed()
        """Whether Scrapy's dupefilter knows addresses that other workers or other runs have asked for."""
        self._not_asked_here = (Kind.UNKNOWN, Kind.FOLLOWED) if is_shared else (Kind.UNKNOWN,)
        """Kinds of targets that this worker may not have asked for: it may not get what it puts into a shared queue."""

    def known(self, request: Request, url: str, *, is_through: bool, has_page_or_token: bool) -> Known:
        """Return what decides on the redirect of a request to ``url``.

        :param is_through: whether the wall of the request's host was open to it.
        :param has_page_or_token: whether its page is at hand, or a token for it.
        """
        is_safe, targets = request.method in SAFE_METHODS, self._targets
        return Known(
            targets.of(url).kind,
            is_suspect=targets.is_suspect(url),
            may_have_withheld=self.may_be_lost(request, url) if is_safe else targets.may_withhold(url, request.url),
            has_been_wall=targets.has_been_wall(url),
            is_open=is_through or not targets.has_met_wall,
            is_of_another=targets.is_walled_page(url) and not has_page_or_token,
        )

    def may_be_asked_elsewhere(self, url: str) -> bool:
        """Tell whether Scrapy's dupefilter may know an address as other workers or other runs have asked for it."""
        return self.is_filter_shared and self._targets.of(url).kind in self._not_asked_here

    def may_be_lost(self, request: Request, url: str) -> bool:
        """Tell whether Scrapy could lose a request by following its redirect, as far as is known."""
        kind, resent_for = self._targets.of(url).kind, self._states.peek(request).resent_for
        if kind in PAGES:
            # The duplicate filter knows the address from the time when it was a wall.
            return kind is Kind.OPEN and url in map(address_of, resent_for)
        return kind in WALLS or self._posts.was_resent_for(request, url)

    def must_pass(self, request: Request, url: str, *, is_through: bool) -> bool:
        """Tell whether the duplicate filter must not drop what Scrapy makes of a redirect, though it may know it."""
        target, original = self._targets.of(url), self._states.peek(request).original
        is_post = request.method not in SAFE_METHODS
        reasons = (
            self.may_be_lost(request, url),
            # A wall redirects back to what was asked for before.
            original is not None and self._targets.of(request.url).kind in WALLS,
            is_through and originals.leads_back(request, url, original),
            # Nothing was asked for in this crawl, or by this worker.
            target.kind is Kind.UNKNOWN and self.is_filter_shared,
            # Each POST gets the answer of its own redirect.
            is_post and self._targets.has_met_wall and self._targets.has_been_wall(url),
        )
        return any(reasons)

    def may_be_sent_again(self, request: Request, response: Response, url: str) -> bool:
        """Tell whether a request may be sent once more that was redirected to a wall which is open by now."""
        state = self._states.peek(request)
        is_safe, was_resent = request.method in SAFE_METHODS, state.resent_for and not is_stored(request, response)
        may_be_sent = is_safe or (self._posts.counts_as_withheld(request, url) and not was_resent)
        return may_be_sent and not state.asked_again

    def were_many_dropped(self, request: Request, response: Response, url: str) -> bool:
        """Tell whether so many redirects to an address were dropped that it is worth a look.

        One reason is that the spider has asked for the address itself, which need not be a wall.
        """
        target, dropped = self._targets.of(url), self._withheld.count_dropped(url)
        if self._targets.has_been_wall(url):
            # The clearance may have ended, but each look uses up some of it.
            return dropped >= _ENOUGH_DROPPED << target.times_looked
        is_followed = target.kind is Kind.FOLLOWED and self._components.will_redirect(request, response)
        is_known = is_followed or target.kind in PAGES
        return not is_known and dropped >= _ENOUGH_DROPPED

    def comes_back(self, request: Request, url: str) -> bool:
        """Tell whether a request is redirected again to where it has met a challenge, and no other has that page."""
        state = self._states.peek(request)
        return state.asked_again and state.wall_url == url and self._targets.of(url).kind is not Kind.PAGE

    def may_be_its_page(self, request: Request, response: Response, page: Response) -> bool:
        """Tell whether ``page`` is what a request asks for, which is redirected to it after a token, too."""
        url = address_of(page.url)
        conditions = (
            self.comes_back(request, url),
            self._targets.may_be_page(url),
            host_of(url) == host_of(request.url),
            is_page_of(request.replace(url=url), page),
            is_redirect(response),
            self._components.will_redirect(request, response),
        )
        return all(conditions)
