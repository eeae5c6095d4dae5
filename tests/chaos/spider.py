"""Define the spider of a chaos run, which sends the planned requests and records what came back for each."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import scrapy
from scrapy.exceptions import CloseSpider
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha import Challenge, OmoCaptchaMiddleware, find_challenge, solve
from scrapy_omocaptcha.errors import OmoCaptchaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.plan import Wanted

_THING = re.compile(r"<h1>Thing (\d+)</h1>")


class ChaosSpider(scrapy.Spider):
    """Spider that requests pages as ordinary spiders do; each request has a number.

    :param targets: address and site key of each site.
    :param note: function that is called with the number of each request and ``"page"`` or the name of an error.
    :param filters: whether Scrapy filters duplicates.
    :param passes_meta: whether the meta of a response is passed on to the next requests.
    :param close_after: number of pages after which the spider closes itself.
    :param waits_for_holds: whether it closes itself only while no request is held.
    """

    name = "chaos"

    def __init__(
        self,
        wanted: tuple[Wanted, ...],
        targets: list[tuple[str, str]],
        note: Callable[[int, str], None],
        filters: bool = False,
        passes_meta: bool = False,
        close_after: int | None = None,
        waits_for_holds: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._wanted = wanted
        self._targets = targets
        self._note = note
        self._filters = filters
        self._passes_meta = passes_meta
        self._close_after = close_after
        self._waits_for_holds = waits_for_holds
        self.sent: Counter[int] = Counter()
        self.wrong: list[str] = []
        """Sentences about responses that a callback should not have got."""

    async def start(self):
        for wanted in self._wanted:
            meta = {} if wanted.cookiejar is None else {"cookiejar": wanted.cookiejar}
            yield self._request(wanted.number, wanted.kind, wanted.site, meta, wanted.children)

    def _request(self, number: int, kind: str, site: int, meta: dict[str, Any], children: int = 0) -> scrapy.Request:
        self.sent[number] += 1
        address, sitekey = self._targets[site]
        if kind in ("header", "signup"):
            put = "header:X-Captcha-Token" if kind == "header" else "form:g-recaptcha-response"
            meta["omocaptcha"] = {"sitekey": sitekey, "page": f"{address}/signup/{number}", "put": put}
        if kind == "alone":
            meta["omocaptcha"] = False
        path = {
            "page": f"/page/{number + 1}",
            "item": f"/item/{number + 1}",
            "search": f"/search?n={number}",
            "free": f"/free/{number + 1}",
            "contact": f"/contact?n={number}",
            "nested": f"/free/{number + 1}",
            "bought": f"/free/{number + 1}",
            "header": f"/api/header?n={number}",
            "signup": f"/signup?n={number}",
            "alone": f"/page/{number + 1}",
        }[kind]
        form = {"search": "q=rope&q=glass", "signup": "name=a&email=b&g-recaptcha-response="}.get(kind)
        return scrapy.Request(
            address + path,
            method="POST" if form else "GET",
            body=form,
            headers={"Content-Type": "application/x-www-form-urlencoded"} if form else None,
            meta=meta,
            callback=self.page,
            errback=self.failed,
            # Scrapy would filter the target of a redirect, and the request would be lost.
            dont_filter=not self._filters,
            cb_kwargs={"number": number, "kind": kind, "site": site, "children": children},
        )

    async def page(self, response, number, kind, site, children):
        self._judge(response, number, kind)
        self._note(number, "page")
        meta = response.meta if self._passes_meta else {"cookiejar": response.meta.get("cookiejar")}
        meta = {key: value for key, value in meta.items() if value is not None and key != "omocaptcha"}
        if kind == "nested":
            await self._nested(f"{self._targets[site][0]}/item/{number + 1}")
        if kind == "bought":
            await self._bought(site, number)
        for child in range(number + 1, number + 1 + children):
            yield self._request(child, ("item", "free")[child % 2], site, meta)
        yield {"number": number}
        if self._close_after is not None:
            self._close_after -= 1
            if self._close_after <= 0 and not (self._waits_for_holds and self._holds):
                raise CloseSpider("had enough")

    @property
    def _holds(self) -> bool:
        middleware = self.crawler.get_downloader_middleware(OmoCaptchaMiddleware)
        return middleware is not None and bool(middleware._slots.holds)

    def failed(self, failure):
        self._note(failure.request.cb_kwargs["number"], type(failure.value).__name__)

    async def _nested(self, url: str) -> None:
        """Request a page as media pipelines do: past the scheduler, waiting for the response."""
        try:
            await self.crawler.engine.download_async(scrapy.Request(url, callback=NO_CALLBACK))
        except Exception as error:
            self.logger.debug("nested: %s", type(error).__name__)

    async def _bought(self, site: int, number: int) -> None:
        """Buy a token as spiders do that find their challenges themselves."""
        if self.crawler.get_downloader_middleware(OmoCaptchaMiddleware) is None:
            return
        address, sitekey = self._targets[site]
        try:
            await solve(Challenge(f"{address}/bought/{number}", sitekey), crawler=self.crawler)
        except OmoCaptchaError as error:
            self.logger.debug("bought: %s", error.reason)

    def _judge(self, response: Any, number: int, kind: str) -> None:
        """Check that the callback of a request got the page of that request."""
        if response.request.cb_kwargs["number"] != number:
            self.wrong.append(f"request {number} has the response of {response.request.cb_kwargs}")
        if "omocaptcha" not in response.flags:
            return
        things = _THING.findall(response.body.decode("utf-8", "replace"))
        if kind == "item" and things and things != [str(number + 1)]:
            self.wrong.append(f"request {number} has the page of thing {things}")
        challenge = find_challenge(response)
        if challenge is not None and challenge.blocking:
            self.wrong.append(f"request {number} has a challenge for a solved page")
