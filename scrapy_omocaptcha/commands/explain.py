"""What a crawl would do with a page and why, for a person to read or for a machine.

The judgement is that of a crawl, made by the same ``policy`` under the same settings; here it is only told. Nothing
here calls the service or needs its credential.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from scrapy.utils.misc import load_object

from scrapy_omocaptcha.addon import PLACE, Addon
from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.detection import find_challenge, find_other_captcha
from scrapy_omocaptcha.engine.components import Neighbours
from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware
from scrapy_omocaptcha.reporting.format import harmless
from scrapy_omocaptcha.settings import FALLBACK_PRICE, Settings, is_switched_on
from scrapy_omocaptcha.walls.policy import Policy

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from scrapy.settings import BaseSettings
    from typing_extensions import Self

UNKNOWN_URL = "https://page.invalid/"
"""What a file is judged as where nobody says; the name is reserved for no site at all."""

_LONGEST = 200
"""Characters of a page's own words on one line."""


@dataclass(frozen=True)
class Cost:
    """What the solving of a challenge would cost; US dollars."""

    usd_per_job: float
    jobs_at_most: int
    """Jobs that one request may buy."""
    price_is_set: bool
    """By ``OMOCAPTCHA_PRICE``; else it is the last one known, and a crawl asks the service's list."""


@dataclass(frozen=True)
class Finding:
    """What there is to say of one page."""

    subject: str
    """The address or the file, as it was given."""
    url: str | None = None
    """The page's address, after redirects; None when there is no page."""
    status: int | None = None
    spider: str | None = None
    """The project's spider whose settings and methods were asked; None: those of the project alone."""
    challenge: Challenge | None = None
    """The widget, whether its page is a challenge or not; None where there is none."""
    verdict: str | None = None
    """``"solve"``; ``"pass"``: the page goes on untouched; or the reason why a challenge is left alone."""
    message: str = ""
    """The verdict's sentence."""
    other_captcha: str | None = None
    cost: Cost | None = None
    """None where nothing would be bought."""
    is_on: bool | None = None
    """The add-on is on in this project, so that a crawl would indeed do so."""
    error: str | None = None
    """Why there is no page."""


def is_on(settings: BaseSettings) -> bool:
    """Whether the add-on is on: it, or the middleware itself, is in the settings and not switched off."""
    places = {load_object(path): place for path, place in settings.getdict("DOWNLOADER_MIDDLEWARES").items()}
    addons = {load_object(path) for path, order in settings.getdict("ADDONS").items() if order is not None}
    place = places.get(OmoCaptchaMiddleware, PLACE if Addon in addons else None)
    return place is not None and is_switched_on(settings)


class Onlooker:
    """Stands where the middleware would in a crawl that only looks: it judges, and does nothing about it."""

    def __init__(self, crawler: Crawler) -> None:
        self._settings = settings = Settings.for_looking(crawler.settings)
        limits = Limits(settings, settings.price or FALLBACK_PRICE, time.monotonic, spent_in_a_day=lambda _: 0.0)
        self._policy = Policy(crawler, settings, Neighbours(crawler), limits)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    async def process_response(self, request: Request, response: Response) -> Response:
        if self._policy.find(request, response) is not None:
            # A challenge is met before MetaRefresh follows its page.
            request.meta["dont_redirect"] = True
        return response

    async def explain(self, request: Request, response: Response) -> Finding:
        """The verdict on ``response`` in answer to ``request``; it may ask a robots.txt, if the crawl does."""
        finding = Finding(response.url, response.url, response.status, challenge=find_challenge(response))
        challenge = self._policy.find(request, response)
        if challenge is None:
            other = find_other_captcha(response)
            if other is None:
                return replace(finding, verdict="pass", message=_why_pass(finding.challenge, response))
            message = f"its captcha is another product's: {other}"
            return replace(finding, verdict="other_captcha", message=message, other_captcha=other)
        refusal = await self._policy.refuse(request, response, challenge)
        if refusal is not None:
            return replace(finding, verdict=refusal.reason, message=refusal.message)
        price = self._settings.price
        cost = Cost(FALLBACK_PRICE if price is None else price, self._settings.max_attempts, price is not None)
        message = "" if challenge.blocking else "a trigger says that it is a challenge"
        return replace(finding, verdict="solve", message=message, cost=cost)


def _why_pass(widget: Challenge | None, response: Response) -> str:
    if widget is not None:
        return "a trigger says that it is no challenge" if widget.blocking else "its widget does not stand in the way"
    if b"recaptcha" in response.body:
        return "it speaks of reCAPTCHA, but has no live v2 widget: another version, or code that is not used"
    return "it has no reCAPTCHA v2 widget"


def as_json(finding: Finding) -> str:
    """One line: the fields of :class:`Finding`, a challenge with all of :class:`Challenge`."""
    return json.dumps(asdict(finding), default=sorted)


def as_text(finding: Finding) -> str:
    """Some lines without an end, in which nothing of the page can lead a terminal astray."""
    lines = [finding.subject]
    if finding.error is not None:
        lines.append(_line("failed", finding.error))
    else:
        lines += _told(finding)
    return "\n".join(harmless(line) for line in lines)


def _told(finding: Finding) -> list[str]:
    # What it comes to first, then why.
    decision = {"solve": "solve it", "pass": "goes on to the spider"}.get(finding.verdict or "")
    decision = decision or f"left alone ({finding.verdict})"
    lines = [
        _line("verdict", f"{decision}: {finding.message}" if finding.message else decision),
        _line("cost", _cost(finding.cost)),
    ]
    if not finding.is_on:
        lines.append(_line("but", "the add-on is off here (ADDONS, OMOCAPTCHA_ENABLED): a crawl lets every page pass"))
    lines.append(_line("page", _page(finding)))
    challenge = finding.challenge
    if challenge is not None:
        lines.append(_line("blocking", f"{'yes' if challenge.blocking else 'no'}: {'; '.join(challenge.evidence)}"))
        lines.append(_line("widget", _widget(challenge)))
        lines.append(_line("form", _form(challenge.form)))
        lines += [_line("further", f"{_widget(other)}; form: {_form(other.form)}") for other in challenge.others]
    return lines


def _page(finding: Finding) -> str:
    words = f"status {finding.status}"
    if finding.url == UNKNOWN_URL:
        words += f", judged as {UNKNOWN_URL}, which is made up: --url says where it is from"
    elif finding.url != finding.subject:
        words += f", at {_short(finding.url or '')}"
    return words if finding.spider is None else f"{words}; judged as the spider {finding.spider!r} would"


def _line(label: str, text: str) -> str:
    return f"  {label:<9} {text}"


def _widget(challenge: Challenge) -> str:
    product = "reCAPTCHA Enterprise" if challenge.enterprise else "reCAPTCHA v2"
    words = [
        f"{product}, {'invisible' if challenge.invisible else 'checkbox'}",
        f"key {_short(challenge.sitekey)}" if challenge.sitekey else "no key on the page",
    ]
    if challenge.data_s is not None:
        words.append("data-s")
    if challenge.callback is not None:
        words.append(f"callback {_short(challenge.callback)}")
    if challenge.scripted:
        words.append("a script takes the token")
    return ", ".join(words)


def _form(form: Form | None) -> str:
    if form is None:
        return "none around the widget"
    names = ", ".join(_short(name) for name, _ in form.fields)
    body = f"; {form.enctype}" if form.method == "POST" else ""
    return f"{form.method} {_short(form.url)}; fields: {names or 'none'}{body}"


def _cost(cost: Cost | None) -> str:
    if cost is None:
        return "nothing"
    at_most = f", at most {cost.jobs_at_most} for a request" if cost.jobs_at_most > 1 else ""
    source = "" if cost.price_is_set else " (the last price known; a crawl asks the service's list)"
    return f"{cost.usd_per_job:.5f} USD a job{at_most}{source}"


def _short(words: str) -> str:
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
