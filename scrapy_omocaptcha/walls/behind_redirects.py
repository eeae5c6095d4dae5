"""Ask, and judge, for requests that have met a wall behind a redirect rather than in the place of their page."""

from dataclasses import replace
from http import HTTPStatus

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.engine.components import is_redirect
from scrapy_omocaptcha.errors import CrawlClosing
from scrapy_omocaptcha.forms.encoding import SAFE_METHODS
from scrapy_omocaptcha.tokens.judging import Answer, doubt_about, is_good
from scrapy_omocaptcha.urls import redirect_target
from scrapy_omocaptcha.walls.looks import Looks
from scrapy_omocaptcha.walls.posts import Posts
from scrapy_omocaptcha.walls.targets import PAGES, Kind, Targets
from scrapy_omocaptcha.walls.withheld import Withheld


class WallsBehindRedirects:
    """The walls that requests of one crawl have met behind redirects."""

    def __init__(self, engine: Engine, looks: Looks, targets: Targets, posts: Posts, withheld: Withheld) -> None:
        self._components, self._states = engine.components, engine.states
        self._looks, self._targets, self._posts, self._withheld = looks, targets, posts, withheld

    async def before(self, request: Request, *, is_through: bool) -> Answer | None:
        """Do as :meth:`at_wall` for a POST that comes out of the scheduler; record it as sent again if it is to be."""
        wall_url = self._posts.wall_of(request)
        if wall_url is None:
            return None
        # The clearance may have ended. A gate may be met again for that, but another wall is believed once.
        is_gate = self._targets.of(wall_url).kind is Kind.GATE
        answer = await self.at_wall(request, wall_url, is_open=is_through and is_gate)
        if answer is None and not self._components.is_cached(request):
            self._posts.record_sent(request)
        return answer

    async def at_wall(self, request: Request, wall_url: str, *, is_open: bool) -> Answer | None:
        """Ask for the address that a POST was redirected to; return None if the POST is to be sent again.

        :param is_open: whether the wall was opened since the POST was redirected, so that nobody asks.
        :returns: the challenge, or what Scrapy makes of the redirect where that is the answer to the POST.
        :raises CrawlClosing: when the crawl closes before there is an answer.
        """
        redirect = Response(request.url, status=HTTPStatus.SEE_OTHER, headers={"Location": wall_url})
        target = self._targets.of(wall_url)
        if target.kind in PAGES and not target.was_gate:
            return await self.answer_of(request, redirect)
        if is_open or target.is_always_closed:
            return None
        try:
            answer, challenge = await self._looks.look(request, redirect, follow=True, is_wall=True)
        except CrawlClosing:
            raise
        except Exception:
            # The POST is redirected there again if the wall is closed.
            return None
        if challenge is None:
            return None
        self._withheld.settle(wall_url, challenge)
        return answer

    async def answer_of(self, request: Request, redirect: Response) -> Request | None:
        """Return what Scrapy makes of a redirect that is the answer to a POST, or None if it follows no more."""
        redirected = await self._components.redirect(request, redirect)
        if redirected is not None:
            self._states.write(redirected, replace(self._states.peek(request), wall_url=None), must_pass=True)
        return redirected

    def take_back_withheld(self, request: Request, answer: Response | None = None) -> Request | None:
        """Return the POST that was redirected to where ``request`` meets a challenge, if that has withheld it.

        :param answer: that to a token for the challenge, which is there all the same. It may show that the address is a
            gate, which shows its challenge to whoever asks for it.
        """
        if not self._posts.has_post(request):
            return None
        # Where others show the same challenge, the address may be a page with the challenge in its place.
        is_elsewhere = answer is not None and self._is_elsewhere(answer, request.url)
        if is_elsewhere and not self._targets.may_have_others_like(request.url):
            self._targets.record_always_closed(request.url)
        return self._withheld.take_back(request, is_wall=True)

    def is_page_of_another(self, request: Request) -> bool:
        """Tell whether a challenge that a request was redirected to is solved by a request of its own by now."""
        wall_url = self._states.peek(request).wall_url
        return wall_url is not None and request.method in SAFE_METHODS and self._targets.is_walled_page(wall_url)

    def may_be_page_of_another(self, request: Request) -> bool:
        """Tell whether it is not known yet if a request was led to a page behind a wall, or to the address of one."""
        wall_url = self._states.peek(request).wall_url
        return wall_url is not None and self._targets.may_have_others_like(wall_url)

    def doubt_of_page(self, request: Request, answer: Answer) -> str | None:
        """Return why what came for a request, after a token, does not show that the wall is open; None if it does."""
        if isinstance(answer, Request):
            url = answer.url if self._states.peek(request).wall_url else None
        else:
            # A spider that handles redirects gets those to a wall, too, where a look at it fails.
            url = redirect_target(request.url, answer.headers.get("Location")) if is_redirect(answer) else None
        is_closed = url is not None and self._targets.may_withhold(url, request.url)
        return doubt_about(request, answer) or ("redirect" if is_closed else None)

    def record_opened(self, request: Request, answer: Answer) -> None:
        """Record that ``answer`` shows the wall to be open to which a request was redirected before."""
        wall_url = self._states.peek(request).wall_url
        if wall_url is not None and self._is_elsewhere(answer, wall_url):
            self._withheld.prove_gate(wall_url)

    def _is_elsewhere(self, answer: Answer, url: str) -> bool:
        """Tell whether an answer is good, and of another route than ``url``."""
        return is_good(answer) and self._targets.route_of(answer.url) != self._targets.route_of(url)
