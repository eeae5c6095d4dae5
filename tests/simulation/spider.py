"""Define the spider of a simulated crawl, which sends the planned requests and records what came back for each."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import scrapy
from scrapy.http import HtmlResponse
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha import Challenge, find_challenge, form_request, solve
from scrapy_omocaptcha.errors import OmoCaptchaError
from tests.simulation.network import NAME

if TYPE_CHECKING:
    from tests.simulation.plan import Plan
    from tests.simulation.world import Note, World

CHALLENGE = "<h1>Please confirm you are not a robot</h1>"
"""What a wall's challenge has, and no other page."""
REASON = "omocaptcha:"
"""How the flag begins that says why a challenge was not solved."""
VISITOR = "visitor"
"""The spider's own cookie: the cookiejar of a request."""
_TITLE = re.compile(r"<h1>(.*?)</h1>")
_TITLES = {
    "item": "Thing {}",
    "free": "Free {}",
    "nested": "Free {}",
    "bought": "Free {}",
    "page": "Catalogue",
    "contact": "How to reach us",
    "order": "Order {}",
    "once": "Once {}",
}
_OWN = tuple(title.partition("{}")[0] for title in _TITLES.values())
_PATHS = {
    "page": "/page/{}",
    "item": "/item/{}",
    "search": "/search?n={}",
    "free": "/free/{}",
    "contact": "/contact?n={}",
    "nested": "/free/{}",
    "bought": "/free/{}",
    "header": "/api/header?n={}",
    "signup": "/find?n={}",
    "form": "/find?n={}",
    "alone": "/page/{}",
    "found": "/find",
    "order": "/order",
    "once": "/go/{}",
}
_BODIES = {"search": "q=rope&q=glass", "signup": "name=a&email=b&g-recaptcha-response=", "order": "id={}"}
_PUTS = {"header": "header:X-Captcha-Token", "signup": "form:g-recaptcha-response"}


@dataclass
class Record:
    """What the spiders of one crawl, with all its runs, sent and saw."""

    sent: Counter[str] = field(default_factory=Counter)
    came: Counter[str] = field(default_factory=Counter)
    ends: dict[str, str] = field(default_factory=dict)
    """How each request ended last: with a ``"page"``, one that says ``"maybe executed"``, a ``"challenge"``,
    or the name of an error, and its reason where a challenge was not solved."""
    wrong: list[str] = field(default_factory=list)
    """Sentences about responses that a callback should not have got."""
    thanked: list[str] = field(default_factory=list)
    """Requests whose callback got what the site says after a token, in the place of a page."""


class SimulatedSpider(scrapy.Spider):
    """Spider that requests what was planned; it knows of captchas only where a spider has to.

    :param note: function that writes a line into the story of the crawl.
    """

    name = "simulated"

    def __init__(self, planned: Plan, world: World, record: Record, note: Note, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._plan = planned
        self._targets = [(site.url, site.sitekey) for site in world.sites]
        self._record = record
        self._write = note

    async def start(self):
        for wanted in self._plan.wanted:
            meta: dict[str, Any] = {} if wanted.cookiejar is None else {"cookiejar": wanted.cookiejar}
            if wanted.proxy is not None:
                meta["proxy"] = f"http://proxy{wanted.proxy}.example:3128"
            facts = {"site": wanted.site, "children": wanted.children, "again": wanted.again}
            yield self._request(str(wanted.number), wanted.kind, meta, **facts)

    def _request(self, name: str, kind: str, meta: dict[str, Any], **facts: Any) -> scrapy.Request:
        number = int(name.partition(" ")[0])
        address, sitekey = self._targets[facts["site"]]
        if kind in _PUTS:
            page = f"{address}/signup/{number}"
            meta = {**meta, "omocaptcha": {"sitekey": sitekey, "page": page, "put": _PUTS[kind]}}
        if kind == "alone":
            meta = {**meta, "omocaptcha": False}
        self._record.sent[name] += 1
        body = _BODIES.get(kind, "").format(number + 1)
        return scrapy.Request(
            address + _PATHS[kind].format(number + 1),
            method="POST" if body else "GET",
            body=body,
            headers={NAME: name, **({"Content-Type": "application/x-www-form-urlencoded"} if body else {})},
            cookies=[{"name": VISITOR, "value": str(meta.get("cookiejar")), "path": "/"}] * self._plan.has_cookie,
            meta=meta,
            callback=self.page,
            errback=self.failed,
            dont_filter=not self._plan.filters or " " in name,
            cb_kwargs={"name": name, "kind": kind, **facts},
        )

    async def page(self, response, name, kind, site, children, again):
        self._judge(response, name, kind)
        is_challenge = CHALLENGE in response.text
        is_told = f"{REASON}maybe_executed" in response.flags and not is_challenge
        page = "maybe executed" if is_told else "challenge" if is_challenge else "page"
        self._ended(name, page)
        if not is_told:
            self._refused(response, name)
        meta = dict(response.meta) if self._plan.passes_meta else _session(response.meta)
        meta.pop("omocaptcha", None)
        number = int(name.partition(" ")[0])
        facts = {"site": site, "again": again}
        if kind == "nested":
            await self._nested(f"{self._targets[site][0]}/item/{number + 1}", meta)
        if kind == "bought":
            await self._bought(site, number)
        if kind == "form" and b'<form id="search"' in response.body and isinstance(response, HtmlResponse):
            yield self._search(response, f"{name} found", **facts)
        for child in range(number + 1, number + 1 + children):
            yield self._request(str(child), ("item", "free")[child % 2], meta, children=0, **facts)
        yield {"name": name, "page": "".join(_TITLE.findall(response.text)), "status": response.status}

    def _search(self, response: Any, name: str, **facts: Any) -> scrapy.Request:
        self._record.sent[name] += 1
        return form_request(
            response,
            {"q": f"rope {name}"},
            rejected=".error",
            headers={NAME: name},
            callback=self.page,
            errback=self.failed,
            cb_kwargs={"name": name, "kind": "found", "children": 0, **facts},
        )

    def failed(self, failure):
        facts = dict(failure.request.cb_kwargs)
        name, kind = facts.pop("name"), facts.pop("kind")
        error, kind_of_error = failure.value, type(failure.value).__name__
        told, response = getattr(error, "reason", None), getattr(error, "response", None)
        flagged = None if response is None else self._refused(response, name)
        if kind_of_error == "ChallengeNotSolved" and flagged not in (None, told):
            self._record.wrong.append(f"request {name} was refused for {told}, and its response says {flagged}")
        reason = told or flagged
        self._ended(name, f"{kind_of_error} {reason}" if isinstance(reason, str) else kind_of_error)
        if facts.pop("again") and kind != "found":
            yield self._request(f"{name} again", kind, _session(failure.request.meta), again=False, **facts)

    def _refused(self, response: Any, name: str) -> str | None:
        """Return why a challenge was not solved; None if the response is no such challenge."""
        reason = next((flag.removeprefix(REASON) for flag in response.flags if flag.startswith(REASON)), None)
        challenge = find_challenge(response) if isinstance(response, HtmlResponse) else None
        if reason is None and challenge is not None and challenge.blocking and response.meta.get("omocaptcha") is None:
            self._record.wrong.append(f"request {name} has a challenge, and no reason why it was not solved")
        return reason

    def _ended(self, name: str, how: str) -> None:
        self._record.came[name] += 1
        self._record.ends[name] = how
        self._write(f"spider: request {name}: {how}")

    async def _nested(self, url: str, meta: dict[str, Any]) -> None:
        """Request a page as media pipelines do: past the scheduler, waiting for the response."""
        request = scrapy.Request(url, callback=NO_CALLBACK, meta=_session(meta))
        try:
            await self.crawler.engine.download_async(request)
        except Exception as error:
            self._write(f"spider: nested {url}: {type(error).__name__}")

    async def _bought(self, site: int, number: int) -> None:
        """Buy a token as spiders do that find their challenges themselves."""
        address, sitekey = self._targets[site]
        try:
            await solve(Challenge(f"{address}/bought/{number}", sitekey), crawler=self.crawler)
        except OmoCaptchaError as error:
            self._write(f"spider: bought {number}: {error.reason}")

    def _judge(self, response: Any, name: str, kind: str) -> None:
        """Check that the callback of a request got the page of that request."""
        body = response.body.decode("utf-8", "replace")
        number = int(name.partition(" ")[0]) + 1
        titles = _TITLE.findall(body)
        other = [title for title in titles if title.startswith(_OWN)]
        if kind in _TITLES and other and other != [_TITLES[kind].format(number)]:
            self._record.wrong.append(f"request {name} has the page {other}")
        if "<h1>Thank you</h1>" in body:
            self._record.thanked.append(name)
        is_shown = kind == "found" and response.status == 200 and "<h1>" in body and "It is broken" not in body
        if is_shown and f"rope {name}" not in body:
            self._record.wrong.append(f"request {name} has results of another search, or none")
        if "omocaptcha" in response.flags:
            challenge = find_challenge(response)
            if challenge is not None and challenge.blocking:
                self._record.wrong.append(f"request {name} has a challenge for a solved page")


def _session(meta: dict[str, Any]) -> dict[str, Any]:
    """Return what of a request's meta belongs to its session."""
    return {key: meta[key] for key in ("cookiejar", "proxy") if key in meta}
