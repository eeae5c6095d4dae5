"""Send a request that carries a token, and let the token get nowhere else.

Redirects are followed here, not by Scrapy's middleware, which would repeat the body for any site that asks for it (307,
308), keep headers, and send an address with the token in it as the Referer of the next request.
"""

import math
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha.challenge import Token
from scrapy_omocaptcha.engine.chain import InnerChain
from scrapy_omocaptcha.errors import CrawlClosing, HandoverBroke, MiddlewareFailed, TokenUnused, in_words
from scrapy_omocaptcha.forms.encoding import repeats
from scrapy_omocaptcha.forms.submission import Submission, holds_token, masked, session_headers, without_token
from scrapy_omocaptcha.scrapy_versions import CannotResolveHostError, DownloadConnectionRefusedError
from scrapy_omocaptcha.urls import public_address, redirect_target, same_address, same_site

_TO_GET = (HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND, HTTPStatus.SEE_OTHER)
_REPEATED = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)
_NOT_SENT = (DownloadConnectionRefusedError, CannotResolveHostError)
_KEPT_HEADERS = ("User-Agent", "Accept", "Accept-Language")
_MAX_REDIRECTS = 20
"""The limit of browsers."""


async def send_submission(
    chain: InnerChain, submission: Submission, token: Token, *, asked: Request | None = None, stops: Sequence[str] = ()
) -> Response | str:
    """Send a submission to the site of its address and to no other, and return the answer.

    The answer's ``request`` is what was sent, unless a redirect was followed.

    :param asked: a request that can be sent again. Where the site redirects to its address, that is returned; "" if
        the page refreshes to an address that holds the token. If the submission goes to its very address, no redirect
        to another page is followed.
    :param stops: other addresses that count like that of ``asked``.
    :raises HandoverBroke: when there was no answer; the token may have been used all the same. The text of the error
        does not contain the address.
    :raises TokenUnused: when ``token`` was too old by the time at which it would have gone out.
    :raises MiddlewareFailed: when a middleware of the project failed on it.
    """
    answers: list[Response] = []
    try:
        stops = stops if asked is None else [asked.url, *stops]
        answer = await _send(chain, submission.replace(usable_until=token.usable_until), asked, stops, answers)
    except (MiddlewareFailed, TokenUnused):
        raise
    except Exception as error:
        kind, why, is_sent = type(error), in_words(error), bool(answers) or not isinstance(error, _NOT_SENT)
    else:
        if asked is None or isinstance(answer, str):
            return answer
        refresh = chain.components.meta_refresh(answer) or ""
        return "" if holds_token(refresh, submission.secret) else answer
    # The error is raised outside of the except block, and in a frame that does not know the address of a GET, which
    # holds the token: whatever Scrapy raises names the address, or has it among the variables of its traceback.
    raise HandoverBroke(f"the request with the token failed ({why})", is_sent=is_sent, kind=kind)


async def follow_back(chain: InnerChain, submission: Submission, answer: Response, asked: Request) -> Response | None:
    """Return what the answer to a submission redirects to, if that is the page that was asked for, with another query.

    :returns: None if it leads elsewhere, or nowhere.
    """
    target = _target(answer)
    if target is None or answer.status not in _TO_GET or public_address(target) != public_address(asked.url):
        return None
    try:
        page = await _follow(chain, submission, target, answer, [asked.url])
    except CrawlClosing:
        raise
    except Exception:
        # Scrapy follows the redirect and meets the same error, which Retry may repeat.
        return None
    return None if page is answer or isinstance(page, str) else page


async def _send(
    chain: InnerChain, submission: Submission, asked: Request | None, stops: Sequence[str], answers: list[Response]
) -> Response | str:
    """Send a submission; what the site answers to it, rather than to a request that it leads to, joins ``answers``."""
    is_elsewhere = asked is None or public_address(submission.url) != public_address(asked.url)
    # Where the submission repeats the request that was asked for, its redirect need not lead to the page.
    may_lead_back = asked is not None and not repeats(submission, asked)
    request: Request = submission.replace(meta={**submission.meta, "dont_redirect": True}, callback=NO_CALLBACK)
    for _ in range(_MAX_REDIRECTS):
        answer = await chain.send_straight(request)
        answers.append(answer)
        target = _target(answer)
        if target is None:
            break
        leads_back = may_lead_back and any(same_address(target, stop) for stop in stops)
        if answer.status in _TO_GET and (is_elsewhere or leads_back):
            return await _follow(chain, submission, target, answer, stops)
        is_repeated = answer.status in _REPEATED and same_site(submission.url, target)
        if not (is_elsewhere and is_repeated):
            break
        # The site has had the token by now.
        request = request.replace(url=target, usable_until=math.inf)
    return answer.replace(url=without_token(answer.url, submission.secret), request=request)


async def _follow(
    chain: InnerChain, submission: Submission, target: str, answer: Response, stops: Sequence[str]
) -> Response | str:
    """Get the page that a submission leads to, a page like any other, or the address where that is one of ``stops``.

    Where it may not be requested, ``answer`` is returned, whose ``Location`` is then that address.

    The requests for it are submissions only so that the token is masked and cut out wherever the site may repeat it.
    """
    headers = session_headers(submission, _KEPT_HEADERS)
    secret = submission.secret
    step: Request = Submission(target, headers=headers, meta=submission.meta, secret=secret)
    for _ in range(_MAX_REDIRECTS):
        step = step.replace(callback=NO_CALLBACK)
        if any(same_address(step.url, stop) for stop in stops):
            return step.url
        result = await chain.follow(step, page=submission)
        if result is None:
            # Users are told where it leads.
            answer.headers["Location"] = masked(without_token(step.url, secret), secret)
            break
        if not isinstance(result, Request):
            return result
        step = result
    return answer


def _target(answer: Response) -> str | None:
    """Return the web address that an answer redirects to. Scrapy would also follow one of a file, and read that."""
    target = redirect_target(answer.url, answer.headers.get("Location"))
    return target if urlsplit(target or "").scheme in ("http", "https") else None
