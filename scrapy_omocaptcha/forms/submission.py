"""Build the request that submits a token to the site.

Other modules decide whether the request may be sent, send it, and judge the answer.
"""

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from scrapy import Request
from scrapy.http import Response
from scrapy.spidermiddlewares.referer import StrictOriginWhenCrossOriginPolicy
from scrapy.utils.url import strip_url

from scrapy_omocaptcha.challenge import TOKEN_FIELD, Challenge, Form, Token
from scrapy_omocaptcha.forms.encoding import multipart, percent_encode, urlencode

_SESSION_HEADERS = ("User-Agent", "Accept", "Accept-Language", "Accept-Encoding", "DNT", "Proxy-Authorization")
"""The headers of a request that also go to another host of its site."""
VALIDATORS = (b"If-None-Match", b"If-Modified-Since")
_BODY_HEADERS = (b"Content-Type", b"Content-Length", b"Content-Encoding", b"Content-Language", b"Content-Location")
_ORIGIN_HEADERS = (b"Referer", b"Origin")
# A request with a token is neither repeated nor stored. The address of a GET submission holds the token, so the Referer
# of a redirect is cut to the origin, and the chain finds out that a response was cut short: Scrapy would log the
# address.
TOKEN_META = {"dont_retry": True, "dont_cache": True, "referrer_policy": "origin", "download_fail_on_dataloss": False}
_REFERRER_POLICY = StrictOriginWhenCrossOriginPolicy()
"""Browsers' default. What a page states instead is not read."""


class Submission(Request):
    """A request that carries a token.

    The token is masked in its representation. It cannot be turned into a dictionary or pickled, so that no queue writes
    it to a disk or to Redis. Copies of it, such as redirects make, are submissions too.

    :param secret: the token.
    :param usable_until: when the token is too old to be sent, in seconds of the monotonic clock.
    """

    def __init__(
        self,
        *args: Any,
        secret: str = "",
        usable_until: float = math.inf,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.secret = secret
        self.usable_until = usable_until

    def __repr__(self) -> str:
        return f"<{self.method} {masked(self.url, self.secret)}>"

    def replace(self, *args: Any, cls: type[Request] | None = None, **kwargs: Any) -> Any:
        """Copy the request as :meth:`scrapy.Request.replace` does; a ``Submission`` still masks the token."""
        cls = cls or type(self)
        if issubclass(cls, Submission):
            for name in ("secret", "usable_until"):
                kwargs.setdefault(name, getattr(self, name))
        return super().replace(*args, cls=cls, **kwargs)

    def to_dict(self, **kwargs: Any) -> NoReturn:
        """Raise ValueError, because a dictionary of the request is about to be stored."""
        raise ValueError("this request carries a token, which is used at once and never written down")

    def __reduce__(self) -> NoReturn:
        raise TypeError("this request carries a token, which is used at once; it cannot be pickled")


def as_submission(request: Request, secret: str, **changes: Any) -> Submission:
    """Return a submission that sends what ``request`` would, but for some changes, and that holds a token.

    Whatever class the request has, the submission must be neither logged nor written to a disk.
    """
    kept = {name: getattr(request, name) for name in Request.attributes}
    return Submission(**{**kept, "meta": {**request.meta, **TOKEN_META}, "dont_filter": True, **changes}, secret=secret)


def submit_token(response: Response, challenge: Challenge, token: Token | str) -> Submission:
    """Build the request that a browser would send for ``challenge.form`` with ``token`` filled in.

    The request belongs to the session of ``response.request`` (cookiejar, proxy, user agent), if there is one. It has
    no callback: in a spider, write ``submit_token(...).replace(callback=self.parse_page)``.

    :raises ValueError: if the challenge has no form, or its form is not sent over HTTP.
    """
    secret = token if isinstance(token, str) else token.value
    changes = encode_form(response, challenge, secret)
    if response.request is None:
        return Submission(**changes, meta=TOKEN_META, dont_filter=True, secret=secret)
    return submission_like(response.request, changes, secret)


def submission_like(request: Request, changes: dict[str, Any], secret: str) -> Submission:
    """Return a submission that components treat as ``request``: with its headers, meta and other fields.

    A header that may hold a credential does not go to another origin.

    :param changes: url, method, body and headers of the submission.
    :param secret: the token.
    """
    headers: dict[Any, Any] = session_headers(request)
    if _origin(request.url) == _origin(changes["url"]):
        others = _BODY_HEADERS + _ORIGIN_HEADERS + VALIDATORS
        headers = {name: value for name, value in request.headers.items() if name not in others}
    meta = {**request.meta, **TOKEN_META}
    if urlsplit(request.url).hostname != urlsplit(changes["url"]).hostname:
        meta.pop("download_slot", None)
    fields = {name: getattr(request, name) for name in Request.attributes}
    fields |= {"callback": None, "errback": None, "cb_kwargs": {}, "cookies": {}, "flags": [], "dont_filter": True}
    return Submission(
        **{**fields, **changes, "headers": {**headers, **changes["headers"]}, "meta": meta}, secret=secret
    )


def encode_form(response: Response, challenge: Challenge, token: str) -> dict[str, Any]:
    """Return url, method, body and headers with which a browser would send ``challenge.form`` with a ``token``."""
    form = challenge.form
    if form is None:
        raise ValueError(f"no form holds the widget of {challenge.url}, so its token cannot be submitted")
    if form.method not in ("GET", "POST"):
        raise ValueError(f"the form of {challenge.url} has the method {form.method}, which sends nothing")
    if urlsplit(form.url).scheme not in ("http", "https"):
        raise ValueError(f"the form of {challenge.url} is sent to {form.url}, which is not http or https")
    fields = _fill_in(form, token)
    url, body = form.url.partition("#")[0], b""
    headers: dict[str, str] = {}
    if form.method == "GET":
        url = url.partition("?")[0] + "?" + urlencode(fields, form.charset)
    else:
        body, headers["Content-Type"] = _body(form, fields)
    headers.update(_referrer_headers(response, url, form.method))
    return {"url": url, "method": form.method, "body": body, "headers": headers}


def session_headers(request: Request, names: Iterable[str] = _SESSION_HEADERS) -> dict[str, Any]:
    """Return the headers that make another request one of the same session."""
    return {name: request.headers.getlist(name) for name in names if name in request.headers}


def copy_back(sent: Request, submission: Submission, request: Request) -> None:
    """Copy what middlewares have written into a submission, whose answer is the page, to the spider's request.

    :param sent: the submission as it was sent.
    """
    for mine, written, before in (
        (request.meta, sent.meta, {**submission.meta, "dont_redirect": True}),
        (request.cb_kwargs, sent.cb_kwargs, submission.cb_kwargs),
    ):
        new = {key: value for key, value in written.items() if before.get(key) is not value}
        mine.update({key: value for key, value in new.items() if _is_free_of(submission.secret, value)})


def _is_free_of(secret: str, value: object) -> bool:
    """Tell whether a value is plain data that does not hold a token."""
    try:
        return secret not in json.dumps(value)
    except (TypeError, ValueError):
        return False


def holds_token(text: str, secret: str) -> bool:
    """Tell whether a text contains the token ``secret``, as it is or percent-encoded, up to twice."""
    once = unquote(text)
    return secret != "" and any(secret in decoded for decoded in (text, once, unquote(once), unquote_plus(text)))


def masked(url: str, secret: str) -> str:
    """Return ``url`` with asterisks in the place of the token ``secret``."""
    for spelling in {secret, percent_encode(secret), quote(secret, safe="")} - {""}:
        url = url.replace(spelling, "***")
    return "***" if holds_token(url, secret) else url


def without_token(url: str, secret: str) -> str:
    """Return ``url`` without the parameters and the fragment that hold the token ``secret``, and otherwise unchanged.

    The token may still be elsewhere in it, such as in the path.
    """
    if not holds_token(url, secret):
        return url
    address, hash_, fragment = url.partition("#")
    path, mark, query = address.partition("?")
    kept = [pair for pair in query.split("&") if not holds_token(pair, secret)]
    end = "" if holds_token(fragment, secret) else hash_ + fragment
    return path + (mark if kept else "") + "&".join(kept) + end


def _origin(url: str) -> str:
    """Return scheme, host and port of ``url``, without the port if it is the scheme's default."""
    return strip_url(url, origin_only=True).lower().removesuffix("/")


def _referrer_headers(response: Response, url: str, method: str) -> dict[str, str]:
    """Return ``Referer`` and ``Origin`` of a navigation from a page to ``url``, as the Fetch standard has them."""
    referrer = _REFERRER_POLICY.referrer(response.url, url)
    headers = {} if referrer is None else {"Referer": referrer}
    if method == "POST":
        headers["Origin"] = "null" if referrer is None else _origin(response.url)
    return headers


def _fill_in(form: Form, secret: str) -> list[tuple[str, str]]:
    fields = [(name, secret if name in form.copies else value) for name, value in form.fields]
    index = form.token_index
    if index is None and (TOKEN_FIELD, "") in fields:
        index = fields.index((TOKEN_FIELD, ""))
    if index is None:
        return [*fields, (TOKEN_FIELD, secret)]
    fields[index] = (fields[index][0], secret)
    return fields


def _body(form: Form, fields: list[tuple[str, str]]) -> tuple[bytes, str]:
    if form.enctype == "multipart/form-data":
        body, boundary = multipart(fields, form.charset, form.files)
        return body, f"{form.enctype}; boundary={boundary}"
    return urlencode(fields, form.charset).encode(), "application/x-www-form-urlencoded"
