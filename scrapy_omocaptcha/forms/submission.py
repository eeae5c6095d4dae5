"""The request that hands a token to the site.

Pure: a challenge and its token go in, a request comes out. Whether it may be sent is the verdict's matter;
sending it, and judging the answer, is the passage's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_plus, urlsplit

from scrapy import Request

from scrapy_omocaptcha.challenge import TOKEN_FIELD, Challenge, Form, Token
from scrapy_omocaptcha.forms.encoding import multipart, plain, urlencode, urlencoded
from scrapy_omocaptcha.forms.referrer import origin, provenance

if TYPE_CHECKING:
    from typing import NoReturn

    from scrapy.http import Response

_SESSION_HEADERS = (
    "User-Agent",
    "Accept",
    "Accept-Language",
    "Accept-Encoding",
    "DNT",
    "Proxy-Authorization",
)
# What makes the session and the way to it; the rest of a request's meta is about that request alone.
_SESSION_META = (
    "cookiejar",
    "dont_merge_cookies",
    "proxy",
    "_auth_proxy",
    "_scheme_proxy",
    "bindaddress",
    "download_slot",
    "download_timeout",
    "download_maxsize",
    "download_warnsize",
)
# Neither repeated nor stored. A redirect's Referer is cut to the origin, since the address of a GET
# submission holds the token.
TOKEN_META = {"dont_retry": True, "dont_cache": True, "referrer_policy": "origin"}


class Submission(Request):
    """A request that carries a token and shows it to nobody.

    Its representation masks the token, and it can neither be turned into a dictionary nor be pickled, so that no
    queue writes it to a disk or to Redis. Its copies, such as redirects make, are the same.

    :param secret: the token.
    :param cookie: the name of the cookie in which the token travels, if it does.
    """

    __slots__ = ("cookie", "secret")

    def __init__(self, *args: Any, secret: str = "", cookie: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.secret = secret
        self.cookie = cookie

    def __repr__(self) -> str:
        url = self.url
        for spelling in {self.secret, urlencode(self.secret), quote(self.secret, safe="")} - {""}:
            url = url.replace(spelling, "***")
        return f"<{self.method} {url}>"

    def replace(self, *args: Any, cls: type[Request] | None = None, **kwargs: Any) -> Any:
        """As :meth:`scrapy.Request.replace`; another ``Submission`` keeps the mask."""
        cls = cls or type(self)
        if issubclass(cls, Submission):
            kwargs.setdefault("secret", self.secret)
            kwargs.setdefault("cookie", self.cookie)
        return super().replace(*args, cls=cls, **kwargs)

    def add_cookie(self) -> None:
        """Write the cookie with the token, where one is wanted, when the request is about to go out.

        Scrapy's cookiejar would send it again with every later request, and COOKIES_DEBUG show it in the log.
        """
        if self.cookie:
            name = self.cookie.encode() + b"="
            pairs = b"; ".join(self.headers.getlist("Cookie")).split(b"; ")
            others = [pair for pair in pairs if pair and not pair.startswith(name)]
            self.headers["Cookie"] = b"; ".join([*others, name + self.secret.encode()])

    def to_dict(self, **kwargs: Any) -> NoReturn:
        """Refuse: what is turned into a dictionary is about to be written down."""
        raise ValueError("this request carries a token, which is used at once and never written down")

    def __reduce__(self) -> NoReturn:
        raise TypeError("this request carries a token, which is used at once; it cannot be pickled")


def submit_token(response: Response, challenge: Challenge, token: Token | str) -> Submission:
    """The request that a browser would send for ``challenge.form`` with ``token`` in its place.

    It belongs to the session of ``response.request`` (cookiejar, proxy, user agent), where there is one, and
    has no callback: in a spider, ``submit_token(...).replace(callback=self.parse_page)``.

    :raises ValueError: the challenge has no form, or its form is sent nowhere that HTTP reaches.
    """
    form = challenge.form
    if form is None:
        raise ValueError(f"no form holds the widget of {challenge.url}, so its token cannot be submitted")
    if form.method not in ("GET", "POST"):
        raise ValueError(f"the form of {challenge.url} has the method {form.method}, which sends nothing")
    if urlsplit(form.url).scheme not in ("http", "https"):
        raise ValueError(f"the form of {challenge.url} is sent to {form.url}, which is not http or https")
    secret = token if isinstance(token, str) else token.value
    fields = _filled(form, secret)
    url, body = form.url.partition("#")[0], b""
    headers: dict[str, Any] = {}
    if form.method == "GET":
        url = url.partition("?")[0] + "?" + urlencoded(fields, form.charset)
    else:
        body, headers["Content-Type"] = _body(form, fields)
    headers.update(provenance(response, url, form.method))
    meta: dict[str, Any] = {}
    if response.request is not None:
        _keep_session(response.request, url, headers, meta)
    return Submission(
        url,
        method=form.method,
        headers=headers,
        body=body,
        meta={**meta, **TOKEN_META},
        dont_filter=True,
        secret=secret,
    )


def without_token(url: str, secret: str) -> str:
    """``url`` without the parameters that hold the token ``secret``, and otherwise as it was."""
    address, hash_, fragment = url.partition("#")
    path, mark, query = address.partition("?")
    pairs = query.split("&")
    kept = [pair for pair in pairs if secret not in map(unquote_plus, pair.split("=", 1))]
    if len(kept) == len(pairs):
        return url
    return path + (mark if kept else "") + "&".join(kept) + hash_ + fragment


def _filled(form: Form, secret: str) -> list[tuple[str, str]]:
    fields = list(form.fields)
    place = form.place
    if place is None and (TOKEN_FIELD, "") in fields:
        place = fields.index((TOKEN_FIELD, ""))
    if place is None:
        return [*fields, (TOKEN_FIELD, secret)]
    fields[place] = (fields[place][0], secret)
    return fields


def _body(form: Form, fields: list[tuple[str, str]]) -> tuple[bytes, str]:
    if form.enctype == "multipart/form-data":
        body, boundary = multipart(fields, form.charset, form.files)
        return body, f"{form.enctype}; boundary={boundary}"
    if form.enctype == "text/plain":
        return plain(fields, form.charset), form.enctype
    return urlencoded(fields, form.charset).encode(), "application/x-www-form-urlencoded"


def _keep_session(request: Request, url: str, headers: dict[str, Any], meta: dict[str, Any]) -> None:
    same_origin = origin(request.url) == origin(url)
    # A Cookie header made by hand; one of Scrapy's cookies is made anew from the cookiejar.
    names = (*_SESSION_HEADERS, *(("Authorization", "Cookie") if same_origin else ()))
    headers.update({name: request.headers.getlist(name) for name in names if name in request.headers})
    meta.update({key: request.meta[key] for key in _SESSION_META if key in request.meta})
    if urlsplit(request.url).hostname != urlsplit(url).hostname:
        meta.pop("download_slot", None)
