"""Sends a request that carries a token, and nothing of the token anywhere else.

Redirects are followed here rather than by Scrapy's own middleware, which would repeat a body for any site that asks
(307, 308), keep a header, and name the address with the token as the Referer of the next request.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from scrapy import Request
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.errors import HandoverBroke
from scrapy_omocaptcha.forms.submission import without_token
from scrapy_omocaptcha.urls import same_site

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_omocaptcha.engine.slots import CrawlEngine
    from scrapy_omocaptcha.forms.submission import Submission

_TO_GET = (HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND, HTTPStatus.SEE_OTHER)
_REPEATED = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)
_KEPT_HEADERS = ("User-Agent", "Accept", "Accept-Language")
_MOST_REDIRECTS = 20
"""As browsers have it."""


async def hand_over(engine: CrawlEngine, request: Submission) -> Response:
    """The answer to ``request``, whose token is sent to the site of its address and to no other.

    :raises HandoverBroke: none came; the token may have been used all the same. Its text does not name the address.
    """
    request_state.mark_own(request)
    try:
        return await _answer(engine, request)
    except Exception as error:
        kind = type(error).__name__
    # Neither from the error nor while it is handled, and from a frame that does not know the address: whatever Scrapy
    # raises names it, or has it among the variables of its traceback, and a GET's address holds the token.
    raise HandoverBroke(f"the request with the token broke off ({kind})")


async def _answer(engine: CrawlEngine, request: Submission) -> Response:
    site = request.url
    for _ in range(_MOST_REDIRECTS):
        answer = await engine.send(request)
        location = answer.headers.get("Location")
        if location is None or not 300 <= answer.status < 400:
            break
        target = urljoin(answer.url, location.decode("latin-1"))
        if urlsplit(target).scheme not in ("http", "https"):
            # A browser would not go there either; Scrapy would read a file of this machine.
            break
        if answer.status in _TO_GET:
            # From here on it is a page like any other, but for a site that repeats the spent token in its address.
            target = without_token(target, request.secret)
            answer = await engine.send(_follow(request, target, dont_filter=same_site(site, target)))
            break
        if answer.status not in _REPEATED or not same_site(site, target):
            break
        request = request.replace(url=target)
    return answer.replace(url=without_token(answer.url, request.secret))


def _follow(request: Request, target: str, *, dont_filter: bool) -> Request:
    """The page that a submission leads to. On another site the spider's ``allowed_domains`` have their say."""
    headers = {name: request.headers.getlist(name) for name in _KEPT_HEADERS if name in request.headers}
    meta = {key: value for key, value in request.meta.items() if key != "dont_redirect"}
    return Request(target, headers=headers, meta=meta, callback=NO_CALLBACK, dont_filter=dont_filter)
