"""Tell what the answer to a request that carried a token is, and what became of the token. These functions are pure."""

from http import HTTPStatus
from typing import NamedTuple

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.buying.purchase import ACCEPTED, REJECTED, Verdict
from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.errors import HandoverBroke
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.urls import host_of, public_address, same_address

_UNKNOWN = {
    "broke": "the request for the page failed after it",
    "not_seen": "no request was seen to carry it",
    "no_page": "the page is empty",
    "http_error": "the page was answered with {status}",
    "redirect": "the page still redirects to where the challenge was",
}


def unknown(reason: str, message: str = "", *, is_useless: bool | None = None) -> Verdict:
    """Return the verdict that it is not known what the site made of a token.

    :param message: a sentence for a person, where there is an answer all the same.
    """
    return Verdict("unknown", reason, message or _UNKNOWN.get(reason, ""), is_useless or None)


ANOTHER_WALL = unknown("another_wall")
"""The site has shown another wall after the token, as it does where there are two, and may do for a wrong token."""


class Handed(NamedTuple):
    """What came of a token that was handed in."""

    answer: Response | None
    """None if there was none, or if it leads to the page that was asked for."""
    is_page: bool
    """Whether the answer, should it be no challenge, is the page that was asked for."""
    is_own_address: bool = False
    """Whether the token was sent to the address of the page that was asked for."""
    broke: HandoverBroke | None = None
    """Why the token may not have been read."""
    sent: tuple[Request, Submission] | None = None
    """The submission as it was sent, and as it was made; None if that was in a browser, or a redirect was followed."""


def still_closed(wall: Challenge, later: Challenge, *, is_first: bool) -> Verdict:
    """Return what became of a token for ``wall`` after which ``later`` is shown."""
    if not is_same_wall(wall, later):
        return ANOTHER_WALL
    # Otherwise the site may have taken it the first time, and refuse it only because of that.
    return REJECTED if is_first else unknown("broke")


def opened(handed: Handed, answer: Response | Request, doubt: str | None) -> Verdict:
    """Return what became of a token after which ``answer``, which is no challenge, came for the page.

    :param doubt: why that does not show that the wall is open; see :func:`doubt_about`.
    """
    if doubt is not None:
        status = answer.status if isinstance(answer, Response) else None
        # Scrapy retries pages of a site that is overloaded, as often as RETRY_TIMES says.
        is_retried = isinstance(answer, Response) and is_overloaded(answer)
        return unknown(doubt, _UNKNOWN[doubt].format(status=status), is_useless=not is_retried)
    if handed.broke is not None and not handed.broke.is_sent:
        return unknown("not_seen")
    if handed.answer is not None and not is_good(handed.answer):
        # Another request may have opened the wall.
        return unknown("http_error", f"the token was answered with {handed.answer.status}")
    return ACCEPTED


def is_good(answer: Response | Request) -> bool:
    """Tell whether a site has answered with a page or a redirect, rather than an error."""
    # Asked of every page. A number is compared in a fraction of the time that HTTPStatus.BAD_REQUEST takes.
    return isinstance(answer, Request) or answer.status < 400


def is_overloaded(answer: Response) -> bool:
    """Tell whether a site could not answer just now."""
    return answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def doubt_about(request: Request, answer: Response | Request) -> str | None:
    """Return why an answer, which is no challenge, does not show that ``request`` passed its wall; None if it does."""
    if isinstance(answer, Request):
        is_retry = answer.meta.get("retry_times", 0) > request.meta.get("retry_times", 0)
        return "broke" if is_retry else None
    if answer.status < HTTPStatus.MULTIPLE_CHOICES and not answer.body.strip():
        return "no_page"
    # A page that is missing is one. These may come from the wall, or from a site that is overloaded.
    is_refused = answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    return "http_error" if is_refused or is_overloaded(answer) else None


def is_page_of(request: Request, answer: Response) -> bool:
    """Tell whether a GET got its page: an answer that is not empty, with a status below 300, from its own address."""
    is_page = answer.status < HTTPStatus.MULTIPLE_CHOICES and answer.body != b""
    return is_page and request.method == "GET" and same_address(answer.url, request.url)


def is_same_wall(challenge: Challenge, later: Challenge) -> bool:
    """Tell whether a challenge that came after a token is the one that the token was for: same key, same form."""
    forms = [form and form_marks(form) for form in (challenge.form, later.form)]
    return challenge.sitekey == later.sitekey and forms[0] == forms[1]


def is_other_wall(challenge: Challenge, later: Challenge) -> bool:
    """Tell whether a challenge that came after a token is another one for sure; the form of one wall may change."""
    return challenge.sitekey != later.sitekey or host_of(challenge.url) != host_of(later.url)


def form_marks(form: Form) -> list[str]:
    """Return by what a form is known again: its address without the query, its method, the names of its fields."""
    return [public_address(form.url), form.method, *sorted({name for name, _ in form.fields})]
