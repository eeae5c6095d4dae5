"""Explain what a crawl would do with a page and why, as text or JSON.

The decision is made by the same ``Policy`` as in a crawl, with the same settings. Nothing here calls the service or
needs an API token.
"""

import json
from dataclasses import asdict, dataclass, replace

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.http import Response

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.detection import find_challenge, find_other_captcha
from scrapy_omocaptcha.detection.filling import fields_to_fill
from scrapy_omocaptcha.detection.marks import WALL_STATUSES
from scrapy_omocaptcha.detection.vendors import find_product
from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware
from scrapy_omocaptcha.reporting.format import printable, purpose, shorten
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.upfront.form_request import form_request

UNKNOWN_URL = "https://page.invalid/"
"""URL of files whose URL is not given; ``.invalid`` is reserved, so no site has it."""

_SOLVE_PAGE = 'await solve_page(response.meta["playwright_page"], crawler=self.crawler)'
_TO_WRITE_FOR_FORM = (
    'to write in the spider: a value for each "…"; is_rejected(self, response), which returns True for a page that '
    "rejects the token; and parse_result(self, response), which gets any other page"
)
_TO_WRITE_FOR_PAGE = 'to write in the spider: meta={"playwright": True, "playwright_include_page": True} of the request'
_LONGEST = 200
"""Characters of a page's text that are shown on one line."""


@dataclass(frozen=True)
class Cost:
    """Estimated cost of solving a challenge, in USD."""

    usd_per_job: float
    jobs_at_most: int
    """Most jobs that one request may buy."""
    price_is_set: bool
    """False if ``OMOCAPTCHA_PRICE`` is "auto": a crawl would fetch the price, and this is the last known one."""


@dataclass(frozen=True)
class Finding:
    """Result of inspecting one page."""

    subject: str
    """URL or file name, as given on the command line."""
    url: str | None = None
    """URL of the page after redirects; None if there is no page."""
    status: int | None = None
    spider: str | None = None
    """Spider whose settings and methods were applied; None if only the project's settings were."""
    challenge: Challenge | None = None
    """The page's widget, even if the page is not a challenge."""
    verdict: str | None = None
    """``"solve"``, ``"pass"`` for a page that is no challenge, or the reason why a challenge is left alone."""
    message: str = ""
    """Explains the verdict."""
    cost: Cost | None = None
    """None if nothing would be bought."""
    call: str | None = None
    """Call for a page that is no challenge, but whose form wants a token: of ``form_request``, or of ``solve_page``."""
    is_on: bool | None = None
    """Whether the add-on is enabled in this project, so that a crawl would really do this."""
    error: str | None = None
    """Reason why there is no page."""


class InspectingMiddleware(OmoCaptchaMiddleware):
    """Replaces our middleware in a crawl that inspects pages: it judges challenges and does not solve them."""

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "InspectingMiddleware":
        settings = Settings.for_detection(crawler.settings)
        # Nothing is bought, so it does not matter what others have spent.
        return cls(crawler, replace(settings, max_cost_per_day=0.0, ledger=None, redis_url=None))

    def _spider_opened(self, spider: Spider) -> None:
        self._engine.components.watch_downloads()

    async def process_response(self, request: Request, response: Response) -> Response:
        if self._policy.find(request, response) is not None:
            # Our middleware would see the challenge before MetaRefresh follows it.
            request.meta["dont_redirect"] = True
        return response

    async def explain(self, request: Request, response: Response) -> Finding:
        """Judge ``response``; this may fetch robots.txt, if the crawl obeys it."""
        finding = Finding(response.url, response.url, response.status, challenge=find_challenge(response))
        challenge = self._policy.find(request, response)
        if challenge is None:
            if (other := find_other_captcha(response)) is not None:
                return replace(finding, verdict="other_captcha", message=f"it has another kind of captcha: {other}")
            is_rendered = self._policy.mediums.of(request).purpose == "browser"
            message = _pass_message(finding.challenge, response, is_rendered=is_rendered)
            call = None if finding.challenge is None else _SOLVE_PAGE if is_rendered else _form_call(response)
            return replace(finding, verdict="pass", message=message, call=call)
        refusal = await self._policy.refusal(request, response, challenge)
        refusal = refusal or self._policy.limit_refusal(challenge, request.url)
        if refusal is not None:
            return replace(finding, verdict=refusal.reason, message=refusal.message)
        settings = self._policy.settings
        cost = Cost(settings.assumed_price, settings.max_attempts, settings.price is not None)
        message = "" if challenge.blocking else "a trigger says that it is a challenge"
        return replace(finding, verdict="solve", message=message, cost=cost)


def _pass_message(widget: Challenge | None, response: Response, *, is_rendered: bool) -> str:
    if widget is not None:
        if widget.blocking:
            return "a trigger says that it is no challenge"
        cure = '; if it is a challenge, say so with meta={"omocaptcha": True} or omocaptcha_trigger'
        is_withheld = response.status in WALL_STATUSES
        return f"its form {purpose(widget)}{cure if is_withheld or widget.judgement == 'doubtful' else ''}"
    if product := find_product(response.body):
        return f"it has no reCAPTCHA v2 widget, but loads {product}, which is not solved"
    said = "it has no reCAPTCHA v2 widget"
    if b"recaptcha" in response.body:
        said = "it mentions reCAPTCHA but has no live v2 widget: it uses another version, or the code is unused"
    has_more = b"<script" in response.body and not is_rendered
    return f"{said}; if a script adds one, --browser shows it" if has_more else said


def _form_call(response: Response) -> str | None:
    """Return the call of ``form_request`` for a page with a widget, or None if its form cannot be sent."""
    try:
        form_request(response)
    except ValueError:
        return None
    fields = {name: value or "…" for name, value in fields_to_fill(response).items()}
    data = json.dumps(fields, ensure_ascii=False)
    # A spider without that method gets an error before anything is bought, so that this cannot be forgotten.
    return f'form_request(response, {data}, rejected="is_rejected", callback=self.parse_result)'


def as_json(finding: Finding) -> str:
    """Return one line with all fields of :class:`Finding` and of its :class:`Challenge`."""
    return json.dumps(asdict(finding), default=sorted)


def as_text(finding: Finding) -> str:
    """Return a finding in lines, without control characters of the page."""
    rows = [("failed", finding.error)] if finding.error is not None else _rows(finding)
    return "\n".join(map(printable, [finding.subject, *(f"  {label:<9} {text}" for label, text in rows)]))


def _rows(finding: Finding) -> list[tuple[str, str]]:
    verdicts = {"solve": "solve it", "pass": "passed on to the spider"}
    verdict = verdicts.get(finding.verdict or "", f"left alone ({finding.verdict})")
    rows = [
        ("verdict", f"{verdict}: {finding.message}" if finding.message else verdict),
        ("cost", _cost(finding.cost)),
        ("page", _page(finding)),
    ]
    if not finding.is_on:
        rows.insert(2, ("note", "the add-on is off here (ADDONS, OMOCAPTCHA_ENABLED), so crawls do nothing"))
    challenge = finding.challenge
    if challenge is not None:
        rows.append(("judged", f"{challenge.judgement}: {'; '.join(challenge.evidence)}"))
        rows += [("widget", _widget(challenge)), ("form", _form(challenge.form))]
        rows += [("other", f"{_widget(other)}; form: {_form(other.form)}") for other in challenge.others]
    if finding.call is not None:
        is_form = finding.call.startswith("form_request")
        rows += [("call", finding.call), ("", _TO_WRITE_FOR_FORM if is_form else _TO_WRITE_FOR_PAGE)]
    return rows


def _page(finding: Finding) -> str:
    text = f"status {finding.status}"
    if finding.url == UNKNOWN_URL:
        text += f", judged as {UNKNOWN_URL}, which is made up (--url sets the real one)"
    elif finding.url != finding.subject:
        text += f", at {shorten(finding.url or '', _LONGEST)}"
    return text if finding.spider is None else f"{text}; judged as the spider {finding.spider!r} would"


def _widget(challenge: Challenge) -> str:
    product = "reCAPTCHA Enterprise" if challenge.enterprise else "reCAPTCHA v2"
    parts = [
        f"{product}, {'invisible' if challenge.invisible else 'checkbox'}",
        f"key {shorten(challenge.sitekey, _LONGEST)}" if challenge.sitekey else "no key on the page",
    ]
    if challenge.data_s is not None:
        parts.append("data-s")
    if challenge.callback is not None:
        parts.append(f"callback {shorten(challenge.callback, _LONGEST)}")
    if challenge.scripted:
        parts.append("token goes to a script")
    return ", ".join(parts)


def _form(form: Form | None) -> str:
    if form is None:
        return "none around the widget; if a script makes one, --browser shows it"
    names = ", ".join(shorten(name, _LONGEST) for name, _ in form.fields)
    body = f"; {form.enctype}" if form.method == "POST" else ""
    return f"{form.method} {shorten(form.url, _LONGEST)}; fields: {names or 'none'}{body}"


def _cost(cost: Cost | None) -> str:
    if cost is None:
        return "nothing"
    at_most = f", at most {cost.jobs_at_most} for a request" if cost.jobs_at_most > 1 else ""
    source = "" if cost.price_is_set else " (the last price known; crawls fetch the service's list)"
    return f"{cost.usd_per_job:.5f} USD a job{at_most}{source}"
