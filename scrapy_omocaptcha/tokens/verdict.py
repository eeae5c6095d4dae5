"""Tell what became of a token that was handed in, from what is known: what is not known is called unknown. Pure."""

from typing import NamedTuple

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.buying.purchase import ACCEPTED, REJECTED, Verdict
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.errors import HandoverBroke
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.tokens.judging import Answer, is_good, is_overloaded, is_same_wall

_UNKNOWN = {
    "broke": "the request for the page failed after it",
    "not_seen": "no request was seen to carry it",
    "no_page": "the page is empty",
    "http_error": "the page was answered with {status}",
    "widget_again": "the answer to it may be the page, which shows the challenge when it is asked for",
    "redirect": "what comes for it leads to the challenge again",
}


def unknown(reason: str, message: str = "", *, is_useless: bool = False) -> Verdict:
    """Return the verdict that it is not known what the site made of a token; ``message`` is a sentence for a person."""
    return Verdict("unknown", reason, message or _UNKNOWN.get(reason, ""), is_useless)


def unused(reason: str) -> Verdict:
    """Return the verdict on a token that was not handed in, so that its job has brought no page."""
    return Verdict("expired", reason, is_useless=True)


ANOTHER_WALL = unknown("another_wall")
"""The site has shown another wall after the token, as it does where there are two, and may do for a wrong token."""


def came_without(answer: Answer) -> Verdict:
    """Return what became of a token that was not handed in, since ``answer``, which is no challenge, came before."""
    is_page = isinstance(answer, Request) or not is_overloaded(answer)
    return Verdict("expired", "not_needed" if is_page else "page_failed")


class Handed(NamedTuple):
    """The result of handing a token in."""

    answer: Response | None
    """None if there was none, or if it leads to the page that was asked for."""
    is_page: bool
    """Whether the answer, should it be no challenge, is the page that was asked for."""
    is_own_address: bool = False
    """Whether the token was sent to the address of the page that was asked for, with whatever query."""
    broke: HandoverBroke | None = None
    """Why the token may not have been read."""
    sent: tuple[Request, Submission] | None = None
    """The submission as it was sent, and as it was made; None if that was in a browser, or a redirect was followed."""
    is_seen: bool = True
    """Whether a request was seen to carry the token; in a browser, a script may have sent it in another form."""


def still_closed(wall: Challenge, later: Challenge, *, is_first: bool) -> Verdict:
    """Return what became of a token for ``wall`` after which ``later`` is shown."""
    if not is_same_wall(wall, later):
        return ANOTHER_WALL
    # A token that is handed in twice may have been taken the first time, and be refused only because of that.
    return REJECTED if is_first else unknown("broke", is_useless=True)


def opened(handed: Handed, answer: Answer, doubt: str | None, *, others_hand_in: bool = False) -> Verdict:
    """Return what became of a token after which ``answer``, which is no challenge, came for the page.

    :param doubt: why that does not show that the wall is open; see :func:`doubt_about`.
    :param others_hand_in: whether other requests of the session hand in tokens of their own meanwhile.
    """
    if doubt is not None:
        if isinstance(answer, Request):
            return unknown(doubt, is_useless=True)
        # Scrapy retries pages of a site that is overloaded, as often as RETRY_TIMES says.
        return unknown(doubt, _UNKNOWN[doubt].format(status=answer.status), is_useless=not is_overloaded(answer))
    if not handed.is_seen or (handed.broke is not None and not handed.broke.is_sent):
        return unknown("not_seen")
    # If the site has answered the token with an error, another request may have opened the wall.
    if handed.answer is not None and not is_good(handed.answer):
        return unknown("http_error", f"the token was answered with {handed.answer.status}")
    if handed.broke is not None and handed.answer is None and others_hand_in:
        return unknown("broke", "the answer to the token was lost")
    return ACCEPTED
