"""Tell what a response is: a page, the same wall or another one, or no answer of the site at all. Pure."""

import re
from http import HTTPStatus

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.urls import host_of, public_address, same_address

Answer = Response | Request
"""A response, or the request that a redirect leads to, which Scrapy follows."""
_OVERLOADED = frozenset((HTTPStatus.TOO_MANY_REQUESTS, *range(HTTPStatus.INTERNAL_SERVER_ERROR, 1000)))
"""Statuses of sites that cannot answer just now."""
_DOUBTFUL = _OVERLOADED | {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
"""Statuses that may come from a wall as well as from the page behind it."""
_LOST = _OVERLOADED | {HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, 499}
"""Statuses of overloaded sites and of proxies. Nginx logs 499, and some proxies send it, where a client has gone."""
_NOTHING = re.compile(
    rb"\xef\xbb\xbf|\xc2\xa0|&nbsp;|<!--.*?-->|<!doctype[^>]*>|</?(?:html|head|body)\b[^>]*>", re.IGNORECASE | re.DOTALL
)
_LONGEST_SHELL = 1000
"""Bytes up to which a page is looked at for having nothing in it."""


def is_good(answer: Answer) -> bool:
    """Tell whether a site has answered with a page or a redirect, rather than an error."""
    # This is asked of every page, and a number is compared in a fraction of the time that HTTPStatus.BAD_REQUEST takes.
    return isinstance(answer, Request) or answer.status < 400


def is_stored(request: Request, response: Response) -> bool:
    """Tell whether HttpCache has answered a request, rather than the site; it may have stored only a redirect."""
    return "cached" in response.flags and same_address(response.url, request.url)


def is_overloaded(answer: Response) -> bool:
    """Tell whether a site could not answer just now."""
    return answer.status in _OVERLOADED


def is_blank(answer: Response) -> bool:
    """Tell whether there is nothing in an answer but white space, comments, and the tags that any page has."""
    body = answer.body.strip()
    return len(body) <= _LONGEST_SHELL and not _NOTHING.sub(b"", body).strip()


def is_lost(answer: Response) -> bool:
    """Tell whether an answer to a token cannot be the site's word about it: it may come from a proxy, or is empty."""
    leads_on = answer.status >= HTTPStatus.MULTIPLE_CHOICES and "Location" in answer.headers
    says_nothing = is_good(answer) and is_blank(answer) and not leads_on
    return says_nothing or answer.status in _LOST


def doubt_about(request: Request, answer: Answer) -> str | None:
    """Return why an answer, which is no challenge, does not show that ``request`` passed its wall; None if it does."""
    if isinstance(answer, Request):
        is_retry = answer.meta.get("retry_times", 0) > request.meta.get("retry_times", 0)
        return "broke" if is_retry else None
    if answer.status < HTTPStatus.MULTIPLE_CHOICES and is_blank(answer):
        return "no_page"
    # A page that says that there is none, such as 404, shows that the wall is open, too.
    return "http_error" if answer.status in _DOUBTFUL else None


def is_page_of(request: Request, answer: Response) -> bool:
    """Tell whether a GET got its page: an answer that is not blank, with a status below 300, from its own address."""
    is_page = answer.status < HTTPStatus.MULTIPLE_CHOICES and not is_blank(answer)
    return is_page and request.method == "GET" and same_address(answer.url, request.url)


def is_same_wall(challenge: Challenge, later: Challenge) -> bool:
    """Tell whether a challenge that came after a token is the one that the token was for: same key, same form."""
    return (challenge.sitekey, form_marks(challenge.form)) == (later.sitekey, form_marks(later.form))


def is_other_wall(challenge: Challenge, later: Challenge) -> bool:
    """Tell whether a challenge that came after a token is another one for sure; the form of one wall may change."""
    return (challenge.sitekey, host_of(challenge.url)) != (later.sitekey, host_of(later.url))


def form_marks(form: Form | None) -> list[str]:
    """Return what a form is known by: its address without the query, its method, the names of its fields."""
    return [] if form is None else [public_address(form.url), form.method, *sorted(form.names)]
