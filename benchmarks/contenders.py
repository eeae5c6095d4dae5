"""What people write or install today to crawl behind walls, each the best of its kind.

They are what a competent person writes in ten lines with a client's documentation at hand.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from scrapy import FormRequest, Request
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.settings import BaseSettings
from scrapy.utils.defer import maybe_deferred_to_future
from twisted.internet.threads import deferToThread
from typing_extensions import Self

from benchmarks.clients import KEY, Solve, anticaptchaofficial, capmonstercloudclient
from benchmarks.crawls import ReportingSpider
from benchmarks.tables import OURS


class TwoHosts(ReportingSpider):
    """Requests ``pages`` pages of a free and of a walled host, which has ``walled_pages`` of them behind its wall."""

    walled: str
    other: str
    sitekey: str
    pages: int
    walled_pages: int

    async def start(self) -> AsyncIterator[Request]:
        self.free: list[float] = []
        self.received: set[str] = set()
        # Paused, so that all requests are queued before the first response arrives.
        self.crawler.engine.pause()
        for number in range(1, self.pages + 1):
            yield Request(f"{self.other}/free/{number}", self.free_page, errback=self.lost)
            walled = number % (self.pages // self.walled_pages) == 0
            url = f"{self.walled}/{'page' if walled else 'free'}/{number}"
            yield Request(url, self.walled_page, errback=self.lost, cb_kwargs={"url": url})
        self.crawler.engine.unpause()
        self.started = time.monotonic()

    def free_page(self, response: Response) -> None:
        self.free.append(time.monotonic())

    def walled_page(self, response: Response, url: str) -> Any:
        if response.status == 200 and urlsplit(response.url).path == urlsplit(url).path:
            self.received.add(url)

    def lost(self, failure: Any) -> None:
        """Keep Scrapy from logging the error: lost pages are missing in the report."""

    def closed(self, reason: str) -> None:
        seconds = time.monotonic() - self.started
        self.report({"seconds": seconds, "free": self.free, "pages": len(self.received)})


def find_sitekey(response: Response) -> str | None:
    return response.css("[data-sitekey]::attr(data-sitekey)").get()


def submit(request: Request, response: Response, token: str) -> Request:
    return FormRequest.from_response(
        response,
        formdata={"g-recaptcha-response": token},
        callback=request.callback,
        errback=request.errback,
        cb_kwargs=request.cb_kwargs,
        dont_filter=True,
    )


class BlockingMiddleware:
    """Calls ``anticaptchaofficial`` when it meets a challenge."""

    client = staticmethod(anticaptchaofficial)
    solve: Solve

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        middleware = cls()
        middleware.solve = cls.client(crawler.settings["SERVICE"], crawler.settings["SPEED"])
        return middleware

    def process_response(self, request: Request, response: Response) -> Any:
        sitekey = find_sitekey(response)
        return submit(request, response, self.solve(response.url, sitekey)) if sitekey else response


class ThreadsMiddleware(BlockingMiddleware):
    """Calls ``anticaptchaofficial`` in Twisted's thread pool."""

    async def process_response(self, request: Request, response: Response) -> Any:
        if not (sitekey := find_sitekey(response)):
            return response
        return submit(
            request, response, await maybe_deferred_to_future(deferToThread(self.solve, response.url, sitekey))
        )


class AwaitingMiddleware(BlockingMiddleware):
    """Awaits ``capmonstercloudclient`` when it meets a challenge."""

    client = staticmethod(capmonstercloudclient)

    async def process_response(self, request: Request, response: Response) -> Any:
        sitekey = find_sitekey(response)
        return submit(request, response, await self.solve(response.url, sitekey)) if sitekey else response


class ScrapyxSpider(TwoHosts):
    """Has ``scrapyx-mw`` buy tokens by setting a flag, and submits them, as its documentation says."""

    handle_httpstatus_list = (403,)
    max_tries = 10

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.site_key = self.sitekey
        self.captcha_needed = True

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        super().update_settings(settings)
        speed = settings.getfloat("SPEED")
        service = {
            "CAPTCHA_CAPSOLVER_BASE": settings["SERVICE"],
            "CAPTCHA_TOKEN_TTL_SECONDS": int(110 / speed),
            "CAPTCHA_POLL_MAX_TIME_S": 180 / speed,
        }
        settings.update(service, priority="spider")

    async def start(self) -> AsyncIterator[Request]:
        # The module imports the reactor, which Scrapy has not installed before.
        from scrapyx_mw.middlewares.captcha_polling import AsyncCaptchaMiddleware

        sleep, speed = AsyncCaptchaMiddleware._sleep, self.settings["SPEED"]
        AsyncCaptchaMiddleware._sleep = lambda self, seconds: sleep(self, seconds / speed)
        async for request in super().start():
            yield request

    def walled_page(self, response: Response, url: str, tries: int = 0) -> Iterator[Request]:
        if find_sitekey(response) is None:
            super().walled_page(response, url)
            return
        arguments = {"url": url, "tries": tries + 1}
        token = response.meta.get("recaptcha_solution")
        if token is not None and response.request.method == "GET":
            yield submit(response.request.replace(cb_kwargs=arguments), response, token)
        elif tries < self.max_tries:
            self.captcha_needed = True
            yield Request(url, self.walled_page, errback=self.lost, cb_kwargs=arguments, dont_filter=True)


class Contender(NamedTuple):
    """A way to crawl behind walls; ``package`` must be installed for it."""

    name: str
    package: str
    settings: dict[str, Any]
    spider: type[TwoHosts] = TwoHosts
    notes: tuple[str, ...] = ()


NO_ADD_ON: dict[str, Any] = {"ADDONS": {}}
BASELINE = Contender("no wall, no add-on", "scrapy", NO_ADD_ON)
CONTENDERS = (
    Contender(OURS, "scrapy_omocaptcha", {}),
    Contender(
        "anticaptchaofficial, blocking",
        "anticaptchaofficial",
        {**NO_ADD_ON, "DOWNLOADER_MIDDLEWARES": {BlockingMiddleware: 585}},
        notes=("Each job blocks the whole crawl.",),
    ),
    Contender(
        "anticaptchaofficial, deferToThread",
        "anticaptchaofficial",
        {**NO_ADD_ON, "DOWNLOADER_MIDDLEWARES": {ThreadsMiddleware: 585}},
        notes=("At most ten jobs at once: the size of Twisted's thread pool.",),
    ),
    Contender(
        "capmonstercloudclient, awaited",
        "capmonstercloudclient",
        {**NO_ADD_ON, "DOWNLOADER_MIDDLEWARES": {AwaitingMiddleware: 585}},
    ),
    Contender(
        "scrapyx-mw",
        "scrapyx_mw",
        {
            "ADDONS": {"scrapyx_mw.addon.ScrapyxAddon": 0},
            "SCRAPYX_CAPTCHA_MODE": "polling",
            "SCRAPYX_CAPTCHA_ENABLED": True,
            "CAPTCHA_PROVIDER": "capsolver",
            "CAPTCHA_API_KEY": KEY,
        },
        ScrapyxSpider,
        notes=(
            "It does not look at pages: the spider must recognize the challenge and submit the form, and all its "
            "requests wait.",
        ),
    ),
)
