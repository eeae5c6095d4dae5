"""The downloader middleware: the only file that speaks Scrapy's middleware protocol.

It translates and decides nothing: what happens at a wall is in ``walls``.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy import signals

from scrapy_omocaptcha.buying.buyer import Means
from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.errors import ChallengeNotSolved, CrawlClosing, NotBought
from scrapy_omocaptcha.reporting.progress import Progress
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.walls.ending import Ending
from scrapy_omocaptcha.walls.handler import Walls
from scrapy_omocaptcha.walls.passage import NoPassage
from scrapy_omocaptcha.walls.upfront import Beforehand

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from typing_extensions import Self

    from scrapy_omocaptcha.challenge import Challenge, Token


class OmoCaptchaMiddleware:
    """Takes the requests of a crawl through reCAPTCHA v2 walls. Its place is 585, which the add-on gives it."""

    def __init__(self, crawler: Crawler, settings: Settings) -> None:
        self._settings = settings
        self._means = Means.of(crawler, settings)
        self.walls = Walls(crawler, self._means)
        self._beforehand = Beforehand(crawler, self._means, self.walls)
        self._ending = Ending(self._means)
        self._progress = Progress(crawler, self._means, type(self))
        crawler.signals.connect(self._request_scheduled, signals.request_scheduled)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """:raises NotConfigured: switched off, or no API token. :raises ValueError: a setting that means nothing."""
        return cls(crawler, Settings.from_settings(crawler.settings))

    def _request_scheduled(self, request: Request) -> None:
        request_state.remember(request, scheduled=True)

    async def process_request(self, request: Request) -> Response | Request | None:
        if request_state.is_own(request):
            return None
        request_state.remember(request)
        wish = request.meta.get("omocaptcha")
        if not (wish is None or isinstance(wish, (bool, dict))):
            raise ValueError(f"meta['omocaptcha'] of {request} is {wish!r}; it must be True, False or a dictionary")
        if wish is False or _is_robots_txt(request):
            return None
        try:
            if isinstance(wish, dict):
                return await self._beforehand.send(request, wish)
            return await self.walls.before(request)
        except CrawlClosing as error:
            return _give_back(request, error)
        except ChallengeNotSolved as error:
            if not self._ending.ends(error.reason):
                raise
            return _give_back(request, await self._ending.end(error.reason))

    async def process_response(self, request: Request, response: Response) -> Response | Request:
        wish = request.meta.get("omocaptcha")
        if request_state.is_own(request) or wish is False or isinstance(wish, dict) or _is_robots_txt(request):
            return response
        try:
            return await self.walls.after(request, response)
        except CrawlClosing as error:
            return _give_back(request, error)
        except NoPassage as error:
            if self._ending.ends(error.refusal.reason):
                return _give_back(request, await self._ending.end(error.refusal.reason))
            return self._left_alone(request, response, error)

    def process_exception(self, request: Request, exception: Exception) -> None:
        if not request_state.is_own(request):
            self.walls.gone(request)

    async def buy(self, challenge: Challenge) -> Token:
        try:
            return await self.walls.buy(challenge)
        except NotBought as error:
            if self._ending.ends(error.reason):
                await self._ending.end(error.reason)
            raise

    def _left_alone(self, request: Request, response: Response, error: NoPassage) -> Response:
        """The fate of a challenge that stays closed: on to the callback, or into the errback."""
        page, refusal = error.page, error.refusal
        if refusal.reason == "dry_run" or (page.response.status == HTTPStatus.OK and not error.jobs):
            return response if page.response is response else self.walls.deliver(request, page.response, solved=False)
        if self._settings.on_failure == "response":
            return self.walls.deliver(request, page.response, solved=False)
        shown = page.response
        if shown is not response:
            # The request that it answers is one of our own, and holds a token that is spent.
            shown = shown.replace(request=request_state.original(request))
        request_state.forget(request)
        raise ChallengeNotSolved(
            refusal.reason,
            f"{page.challenge.url} stays behind its reCAPTCHA ({refusal.reason}): {refusal.message}",
            challenge=page.challenge,
            response=shown,
        ) from None


def _is_robots_txt(request: Request) -> bool:
    """robots.txt is neither held nor solved, wherever a redirect leads it: everything else waits for it."""
    return urlsplit(request_state.url(request)).path == "/robots.txt"


def _give_back(request: Request, error: CrawlClosing) -> Request:
    """Back to the scheduler, so that a resumed crawl has it; whoever waits for the response itself gets ``error``."""
    if request_state.is_scheduled(request):
        return request_state.give_back(request)
    raise error


async def solve(challenge: Challenge, *, crawler: Crawler) -> Token:
    """Buy a token for a challenge, under all limits of the crawl; to be awaited in a spider's callback.

    The callback's response counts in Scrapy's scraper meanwhile, so that many callbacks waiting hold the crawl up.
    Where a limit is to close the spider, it is raised only when what others have paid for is used.

    :raises NotBought: a limit, or nothing that may be solved; ``.reason`` says which.
    :raises JobError: a job was bought and gave no token.
    :raises ApiError: the service took no job.
    :raises CrawlClosing: the crawl closes.
    :raises RuntimeError: the add-on is not active in this crawl.
    """
    middleware = crawler.get_downloader_middleware(OmoCaptchaMiddleware)
    if middleware is None:
        raise RuntimeError("OMOcaptcha is not active in this crawl: see its line at the start of the log")
    return await middleware.buy(challenge)
