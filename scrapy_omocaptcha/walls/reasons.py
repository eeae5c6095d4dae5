"""Challenge → may and can we? The reasons to leave one alone before anything is paid.

Pure: what is asked of robots.txt, of the limits and of the account comes later. The order is the order in which the
reasons are cheap to know; in :data:`REASONS` each has the sentence that a user reads.
"""

from __future__ import annotations

from collections.abc import Iterable

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.urls import host_of, is_allowed, same_site

REASONS = {
    # of the request
    "head": "a HEAD request has no page to submit",
    "browser": "the response was made by a browser, whose session cannot be continued from here",
    "host_not_allowed": "the host is not among OMOCAPTCHA_ALLOWED_DOMAINS (or the spider's allowed_domains)",
    # of the widget
    "no_sitekey": "the page does not show the site key",
    "test_key": "the key is Google's public test key, which needs no solving",
    "data_s": "the widget carries data-s, which the service cannot use",
    "enterprise": "it is reCAPTCHA Enterprise, which the service does not solve",
    # of the way in
    "callback_only": "the token goes to a script of the page, not into a form: write omocaptcha_submit in the spider",
    "no_form": "the widget is in no form: write omocaptcha_submit in the spider",
    "foreign_form": "the form posts to another site, or from https to http",
    "cookies": "cookies are switched off, so that the clearance would be lost",
    "hook": "omocaptcha_submit of the spider failed before",
    "robots": "robots.txt forbids the address that the form posts to",
    "offsite": "the form posts outside the spider's allowed_domains",
    # of the purse; the message is the limit's own
    "max_jobs": "",
    "max_jobs_per_host": "",
    "max_cost": "",
    "max_cost_per_day": "",
    "min_balance": "",
    "breaker": "",
    "refused": "",
    "redis": "",
    "account": "",
    # of the operator
    "dry_run": "OMOCAPTCHA_DRY_RUN is on",
    # of other vendors
    "other_captcha": "",
}
"""Why a challenge is left alone without a job; the closed list behind ``omocaptcha/skipped/{reason}``, which those join
that stayed closed all the same: ``attempts`` (jobs were of no use), ``service`` (it took no job), ``broke`` (a request
with a token had no answer)."""

TEST_KEY = "6LeIxAcTAAAAAJcZVRqyHh71UMIEGNQ_MXjiZKhI"
"""Google's public test key: any answer passes."""

_BROWSER_META = ("playwright", "splash", "zyte_api", "zyte_api_automap", "puppeteer", "selenium")


def unsuitable_request(request: Request) -> str | None:
    """Why a challenge in answer to this request cannot be worked on, or None."""
    if request.method == "HEAD":
        return "head"
    if any(request.meta.get(key) for key in _BROWSER_META):
        return "browser"
    return None


def unsolvable(challenge: Challenge, allowed_domains: Iterable[str]) -> str | None:
    """Why no job should be bought for this widget, or None."""
    if not is_allowed(host_of(challenge.url), allowed_domains):
        return "host_not_allowed"
    if challenge.sitekey == TEST_KEY:
        return "test_key"
    if challenge.data_s is not None:
        return "data_s"
    if challenge.enterprise:
        return "enterprise"
    if not challenge.sitekey:
        return "no_sitekey"
    return None


def unsubmittable(challenge: Challenge, response: Response, *, cookies: bool) -> str | None:
    """Why the token could not be handed in, or None.

    :param cookies: the request's cookies are kept by Scrapy.
    """
    form = challenge.form
    if challenge.scripted or (form is None and challenge.callback):
        return "callback_only"
    if form is None:
        return "no_form"
    if form.method == "DIALOG" or form.url.lower().startswith("javascript:"):
        # Submitting it sends nothing.
        return "callback_only"
    if not same_site(challenge.url, form.url):
        return "foreign_form"
    if not cookies and "Set-Cookie" in response.headers:
        return "cookies"
    return None
