"""List the reasons why a challenge is not solved, and find those that are known before anything is asked or paid.

robots.txt, the limits and the account are checked later, by ``policy`` and ``buying``. Reasons that are cheap to know
come first; in :data:`REASONS` each has the sentence that a user reads.
"""

from collections.abc import Iterable
from typing import NamedTuple

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.urls import host_of, is_allowed, same_site

REASONS = {
    # The request
    "head": "a HEAD request has no page to submit",
    "browser": "a browser would have to send the token, which works only at walls in pages of scrapy-playwright",
    "host_not_allowed": "the host is not among OMOCAPTCHA_ALLOWED_DOMAINS (or the spider's allowed_domains)",
    # The widget
    "no_sitekey": "the page does not show the site key",
    "test_key": "the key is Google's public test key, which needs no solving",
    "data_s": "the widget carries data-s, which the service cannot use",
    "enterprise": "it is reCAPTCHA Enterprise, which the service does not solve",
    # The submission
    "not_rendered": "the page's widget was not rendered in the browser: is Google's script blocked?",
    "callback_only": "a script takes the token: use scrapy-playwright, or write omocaptcha_submit in the spider",
    "no_form": "the widget is in no form: use scrapy-playwright, or write omocaptcha_submit in the spider",
    "foreign_form": "the form posts to another site, or from https to http",
    "cookies": "cookies are switched off, so that the clearance would be lost",
    "form_changed": "the page that is fetched anew for each request no longer has this form",
    "hook": "a method of the spider failed before",
    "robots": "robots.txt forbids the address that the form posts to",
    "offsite": "the form posts outside the spider's allowed_domains",
    # The settings
    "dry_run": "OMOCAPTCHA_DRY_RUN is on",
    # Other vendors
    "other_captcha": "",
}
"""Why no job is bought for a challenge, but for limits and account. The stats ``omocaptcha/skipped/{reason}`` count all
reasons, and why a challenge stays closed that was tried: ``attempts`` (jobs were of no use), ``service`` (it took no
job), ``broke`` (a request with a token had no answer) and ``another_wall`` (the answer is a wall of its own)."""


class Refusal(NamedTuple):
    """Why a challenge is not solved: a word of a closed list, and a sentence for a person."""

    reason: str
    message: str

    @classmethod
    def of(cls, reason: str) -> "Refusal":
        """Return the refusal whose sentence is in ``REASONS``."""
        return cls(reason, REASONS[reason])


class GivenUp(Exception):
    """A request stays without a token, or behind its wall."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class NotSolved(Exception):
    """Nothing is solved for a request, which ``response`` answers: the wall, or what keeps a form from being sent."""

    def __init__(self, response: Response) -> None:
        super().__init__(str(response))
        self.response = response


TEST_KEY = "6LeIxAcTAAAAAJcZVRqyHh71UMIEGNQ_MXjiZKhI"
"""Google's public test key: any answer passes."""

_BROWSER_META = ("splash", "zyte_api", "zyte_api_automap", "puppeteer", "selenium")
_BROWSER_CLASSES = ("SplashRequest", "SplashFormRequest", "SeleniumRequest", "PuppeteerRequest")
_BROWSER_FLAGS = ("zyte-api", "playwright")


def unsuitable_request(request: Request) -> str | None:
    """Return why a challenge in answer to this request cannot be solved, or None."""
    if request.method == "HEAD":
        return "head"
    by_class = any(request_class.__name__ in _BROWSER_CLASSES for request_class in type(request).__mro__)
    return "browser" if by_class or any(request.meta.get(key) for key in _BROWSER_META) else None


def unsuitable_response(request: Request, response: Response) -> str | None:
    """Return why a page that was not rendered by a known browser cannot be solved, or None."""
    # Zyte API may be used for all requests, without a word in their meta.
    by_flag = any(flag in response.flags for flag in _BROWSER_FLAGS)
    # The downloader gives each request a slot. Where there is none, a middleware has made the page, as with Selenium.
    is_made = "download_slot" not in request.meta and "cached" not in response.flags
    return "browser" if by_flag or is_made else None


def unsolvable(challenge: Challenge, allowed_domains: Iterable[str]) -> str | None:
    """Return why no job should be bought for this widget, or None."""
    reasons = {
        "host_not_allowed": not is_allowed(host_of(challenge.url), allowed_domains),
        "test_key": challenge.sitekey == TEST_KEY,
        "data_s": challenge.data_s is not None,
        "enterprise": challenge.enterprise,
        "no_sitekey": not challenge.sitekey,
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def unsubmittable(challenge: Challenge, response: Response, *, cookies: bool) -> str | None:
    """Return why the token could not be handed in, or None; ``cookies``: Scrapy keeps the cookies of the request."""
    form = challenge.form
    if challenge.scripted or (form is None and challenge.callback):
        return "callback_only"
    if form is None:
        return "no_form"
    if form.method == "DIALOG" or form.url.lower().startswith("javascript:"):
        # Submitting such a form sends nothing.
        return "callback_only"
    if not same_site(challenge.url, form.url):
        return "foreign_form"
    if not cookies and "Set-Cookie" in response.headers:
        return "cookies"
    return None


def unsubmittable_in_browser(challenge: Challenge) -> str | None:
    """Return why the token could not be handed in in the page itself, whose scripts send it as they like, or None."""
    form = challenge.form
    if form is None:
        return None
    is_script = form.method == "DIALOG" or form.url.lower().startswith("javascript:")
    return None if is_script or same_site(challenge.url, form.url) else "foreign_form"
