"""List the reasons why a challenge is not solved, and what is checked before anything is asked or paid.

``CHECKS`` has, for each purpose of a token, what is checked, in this order; ``REASONS`` has the sentences that users
read. Hooks that have failed, robots.txt, the limits and the account are checked later, by ``policy`` and ``buying``;
what shows only once a token is handed in is found there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.urls import host_of, is_allowed, same_site

REASONS = {
    # The widget, and its host
    "offsite": "it leads outside of OMOCAPTCHA_ALLOWED_DOMAINS (or the spider's allowed_domains): add its host there",
    "unsolvable": "the service cannot use the widget: it has data-s, shows no site key, or has Google's test key",
    "enterprise": "it is reCAPTCHA Enterprise, which the service does not solve",
    "other_captcha": "",
    # The submission
    "browser": "a browser has to send the token: use scrapy-playwright, or write omocaptcha_submit in the spider",
    "behind_methods": "page methods of the spider have clicked or sent something before it, and are not called again",
    "foreign_form": "the token would go to another site than that of its widget, or from https to http",
    "cookies": "the site sets a cookie, which is thrown away: leave out COOKIES_ENABLED = False and dont_merge_cookies",
    "hook": "a method of the spider failed before",
    "robots": "robots.txt forbids the address that the form posts to",
    "maybe_executed": (
        "the site has redirected this POST to its challenge and may have executed it: request a page first, which "
        'opens the wall, or set meta["omocaptcha_resend"] = True for POSTs that may be repeated, such as searches'
    ),
    # The settings
    "dry_run": "OMOCAPTCHA_DRY_RUN is on",
}
"""Why no job is bought for a challenge, but for limits and account. The stats ``omocaptcha/skipped/{reason}`` count all
reasons, and why a challenge stays closed that was tried: ``attempts`` (jobs were of no use), ``service`` (it took no
job) and ``broke`` (a request with a token had no answer)."""


class Refusal(NamedTuple):
    """Why a challenge is not solved: a word of a closed list, and a sentence for a person."""

    reason: str
    message: str

    @classmethod
    def of(cls, reason: str) -> "Refusal":
        """Return the refusal whose sentence is in ``REASONS``."""
        return cls(reason, REASONS[reason])


NOT_RENDERED = Refusal("browser", "the page's widget was not rendered in the browser: is Google's script blocked?")


class GivenUp(Exception):
    """A request stays without a token, or behind its wall."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


TEST_KEY = "6LeIxAcTAAAAAJcZVRqyHh71UMIEGNQ_MXjiZKhI"
"""Google's public test key: any answer passes."""

_BROWSER_META = ("splash", "zyte_api", "zyte_api_automap", "puppeteer", "selenium")
_BROWSER_CLASSES = ("SplashRequest", "SplashFormRequest", "SeleniumRequest", "PuppeteerRequest")
_BROWSER_FLAGS = ("zyte-api", "playwright")
_NO_REQUEST, _NO_RESPONSE = Request("about:blank"), Response("about:blank")


@dataclass(frozen=True)
class Case:
    """A challenge for which a token may be bought, and what else is checked where there is any."""

    challenge: Challenge
    allowed_domains: Iterable[str] = ()
    """Domains outside of which nothing is bought; none: it is bought for all."""
    request: Request = _NO_REQUEST
    """The request that is challenged, or that the token is wanted for."""
    response: Response = _NO_RESPONSE
    """The page with the challenge."""
    keeps_cookies: bool = True
    """Whether Scrapy keeps the cookies of the request."""
    is_downloaded: bool = True
    """Whether Scrapy's downloader has sent the request."""


def _is_for_a_browser(case: Case) -> bool:
    by_class = any(request_class.__name__ in _BROWSER_CLASSES for request_class in type(case.request).__mro__)
    return by_class or any(case.request.meta.get(key) for key in _BROWSER_META)


def _comes_from_a_browser(case: Case) -> bool:
    # Zyte API may be used for all requests, without a word in their meta.
    by_flag = any(flag in case.response.flags for flag in _BROWSER_FLAGS)
    # Where nothing was downloaded, a middleware has made the page, as with Selenium.
    return by_flag or not (case.is_downloaded or "cached" in case.response.flags)


def _is_unsolvable(case: Case) -> bool:
    challenge = case.challenge
    return challenge.data_s is not None or challenge.sitekey in (None, "", TEST_KEY)


def _is_sent_by_script(case: Case) -> bool:
    form = case.challenge.form
    return case.challenge.scripted or form is None or _sends_nothing(form)


def _is_sent_elsewhere(case: Case) -> bool:
    form = case.challenge.form
    return form is not None and not _sends_nothing(form) and not same_site(case.challenge.url, form.url)


def _sends_nothing(form: Form) -> bool:
    """Tell whether submitting a form sends nothing, so that a script has to."""
    return form.method == "DIALOG" or form.url.lower().startswith("javascript:")


Checks = tuple[tuple[str, Callable[[Case], bool]], ...]
_REQUEST: Checks = (("browser", _is_for_a_browser),)
_WIDGET: Checks = (
    ("offsite", lambda case: not is_allowed(host_of(case.challenge.url), case.allowed_domains)),
    ("enterprise", lambda case: case.challenge.enterprise),
    ("unsolvable", _is_unsolvable),
)
_HOOK: Checks = (*_REQUEST, ("browser", _comes_from_a_browser), *_WIDGET)
Purpose = Literal["solve", "upfront", "hook", "form", "browser"]
CHECKS: dict[Purpose, Checks] = {
    "solve": _WIDGET,
    "upfront": (
        *_REQUEST,
        ("foreign_form", lambda case: not same_site(case.challenge.url, case.request.url)),
        *_WIDGET,
    ),
    "hook": _HOOK,
    "form": (
        *_HOOK,
        ("browser", _is_sent_by_script),
        ("foreign_form", _is_sent_elsewhere),
        ("cookies", lambda case: not case.keeps_cookies and "Set-Cookie" in case.response.headers),
    ),
    "browser": (*_REQUEST, *_WIDGET, ("foreign_form", _is_sent_elsewhere)),
}
"""What is checked, with the reason for refusing, by what a token is wanted for: :func:`solve`, a request that wants one
before it is sent, a wall where something else than the page's form takes the token, such as the spider's
``omocaptcha_submit``, one whose form is submitted, and one in a page that a browser renders."""


def find_refusal(purpose: Purpose, case: Case) -> Refusal | None:
    """Return why no token is bought for a purpose, or None."""
    return next((Refusal.of(reason) for reason, applies in CHECKS[purpose] if applies(case)), None)
