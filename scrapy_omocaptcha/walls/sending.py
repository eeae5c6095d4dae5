"""Send a request that carries a token, and let the token get nowhere else.

Redirects are followed here, not by Scrapy's middleware, which would repeat the body for any site that asks for it (307,
308), keep headers, and send an address with the token in it as the Referer of the next request.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

from scrapy import Request
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.engine.slots import Slots
from scrapy_omocaptcha.errors import HandoverBroke
from scrapy_omocaptcha.forms.submission import Submission, without_token
from scrapy_omocaptcha.urls import same_site

_TO_GET = (HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND, HTTPStatus.SEE_OTHER)
_REPEATED = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)
_KEPT_HEADERS = ("User-Agent", "Accept", "Accept-Language")
_MAX_REDIRECTS = 20
"""The limit of browsers."""


async def send_submission(slots: Slots, request: Submission) -> Response:
    """Send a submission to the site of its address and to no other, and return the answer.

    :raises HandoverBroke: when there was no answer; the token may have been used all the same. The text of the error
        does not contain the address.
    """
    request_state.mark_own(request)
    try:
        return await _answer(slots, request)
    except Exception as error:
        kind = type(error).__name__
    # Raised outside of the except block, and in a frame that does not know the address of a GET, which holds the token:
    # whatever Scrapy raises names the address, or has it among the variables of its traceback.
    raise HandoverBroke(f"the request with the token broke off ({kind})")


async def _answer(slots: Slots, request: Submission) -> Response:
    site = request.url
    for _ in range(_MAX_REDIRECTS):
        answer = await slots.send(request)
        location = answer.headers.get("Location")
        if location is None or not 300 <= answer.status < 400:
            break
        target = urljoin(answer.url, location.decode("latin-1"))
        if urlsplit(target).scheme not in ("http", "https"):
            # A browser would not follow it either, and Scrapy would read a local file.
            break
        if answer.status in _TO_GET:
            # The target is a page like any other, unless the site repeats the spent token in its address.
            target = without_token(target, request.secret)
            answer = await slots.send(_follow(request, target, dont_filter=same_site(site, target)))
            break
        if answer.status not in _REPEATED or not same_site(site, target):
            break
        request = request.replace(url=target)
    return answer.replace(url=without_token(answer.url, request.secret))


def _follow(request: Request, target: str, *, dont_filter: bool) -> Request:
    """Return the request for the page that a submission leads to.

    :param dont_filter: False for another site, where the spider's ``allowed_domains`` hold.
    """
    headers = {name: request.headers.getlist(name) for name in _KEPT_HEADERS if name in request.headers}
    meta = {key: value for key, value in request.meta.items() if key != "dont_redirect"}
    return Request(target, headers=headers, meta=meta, callback=NO_CALLBACK, dont_filter=dont_filter)
