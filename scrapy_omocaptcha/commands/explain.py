"""Explain what a crawl would do with a page and why.

The decision is made by the same ``Policy`` as in a crawl, with the same settings. Nothing here calls the service or
needs an API token.
"""

import json
from dataclasses import replace

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.http import Response

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.detection import find_challenge, find_other_captcha
from scrapy_omocaptcha.detection.vendors import find_product
from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware
from scrapy_omocaptcha.reporting.format import purpose, shorten
from scrapy_omocaptcha.reporting.overruling import may_be_challenge, overruling
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.upfront.filling import fields_to_fill
from scrapy_omocaptcha.upfront.form_request import form_request

Rows = list[tuple[str, str]]
"""Lines about a page, each with its label."""

_LONGEST = 200
"""Characters of a page's text that are shown on one line."""


class InspectingMiddleware(OmoCaptchaMiddleware):
    """Replaces our middleware in a crawl that inspects a page: it judges a challenge and does not solve it."""

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "InspectingMiddleware":
        settings = Settings.for_command(crawler.settings, api_token="not-needed")
        # Limits that others use up do not matter, since nothing is bought.
        return cls(crawler, replace(settings, max_cost_per_day=0.0, ledger=None, redis_url=None))

    def _spider_opened(self, spider: Spider) -> None:
        """Say nothing of what the crawl may buy."""

    async def process_response(self, request: Request, response: Response) -> Response:
        if self._policy.find(request, response) is not None:
            # Our middleware would see the challenge before MetaRefresh follows it.
            request.meta["dont_redirect"] = True
        return response

    async def explain(self, request: Request, response: Response) -> Rows:
        """Judge ``response``; this may fetch robots.txt, if the crawl obeys it."""
        widget, challenge = find_challenge(response, request), self._policy.find(request, response)
        calls: Rows = []
        if challenge is not None:
            refusal = await self._policy.refusal(request, response, challenge)
            refusal = refusal or self._policy.limit_refusal(request.url)
            if refusal is not None:
                verdict = f"left alone ({refusal.reason}): {refusal.message}"
            else:
                why = "" if challenge.blocking else ": a setting or the spider says that it is a challenge"
                verdict = f"solve it{why}"
        elif other := find_other_captcha(response):
            verdict = f"left alone (other_captcha): it has another kind of captcha: {other}"
        else:
            verdict = f"passed on to the spider: {why_passed(widget, response)}"
            calls = _calls(response)
            if widget is not None and not widget.blocking and may_be_challenge(response, widget):
                where, line = overruling(widget)
                said = f"if it is a challenge, {where} says so"
                calls = [("overrule", f"{said}:"), ("", line), *calls] if line else [("overrule", said), *calls]
        page = f"status {response.status} at {shorten(response.url, _LONGEST)}"
        rows = [("verdict", verdict), ("page", page)]
        if widget is not None:
            rows.append(("judged", f"{widget.judgement}: {'; '.join(widget.evidence)}"))
            rows += [("widget", _widget(widget)), ("form", _form(widget.form))]
            rows += [("other", f"{_widget(other)}; form: {_form(other.form)}") for other in widget.others]
            rows += calls
        return rows


def why_passed(widget: Challenge | None, response: Response) -> str:
    """Return why a page is no challenge."""
    if widget is not None:
        if widget.blocking:
            return "the spider says that it is no challenge"
        return f"its form {purpose(widget)}"
    if product := find_product(response.body):
        return f"it has no reCAPTCHA v2 widget, but loads {product}, which is not solved"
    said = "it has no reCAPTCHA v2 widget"
    if b"recaptcha" in response.body:
        said = "it mentions reCAPTCHA but has no live v2 widget: it uses another version, or the code is unused"
    return f"{said}; if a script adds one, a browser has to render the page" if b"<script" in response.body else said


def _calls(response: Response) -> Rows:
    """Return how a spider buys a token for a widget that is no wall, if its form can be sent."""
    try:
        form_request(response)
    except ValueError:
        return []
    fields = {name: value or "…" for name, value in fields_to_fill(response).items()}
    data = json.dumps(fields, ensure_ascii=False)
    # A spider without that method gets an error before anything is bought, so that this cannot be forgotten.
    return [("call", f'form_request(response, {data}, rejected="is_rejected", callback=self.parse_result)')]


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
        return "none around the widget; if a script makes one, a browser has to render the page"
    names = ", ".join(shorten(name, _LONGEST) for name, _ in form.fields)
    body = f"; {form.enctype}" if form.method == "POST" else ""
    return f"{form.method} {shorten(form.url, _LONGEST)}; fields: {names or 'none'}{body}"
