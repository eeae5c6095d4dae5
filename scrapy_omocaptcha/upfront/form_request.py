"""Make the request that sends a form which wants a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from cssselect import ExpressionError, SelectorError
from parsel.csstranslator import HTMLTranslator
from scrapy import Request
from scrapy.http import Headers, Response

from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.engine.private_names import AUTH_PROXY
from scrapy_omocaptcha.forms.submission import encode_form, session_headers
from scrapy_omocaptcha.tokens.reasons import Case, find_refusal
from scrapy_omocaptcha.upfront.filling import fill_form
from scrapy_omocaptcha.upfront.wishes import Wish

_SESSION_META = ("cookiejar", "proxy", AUTH_PROXY, "playwright_context")


def form_request(
    response: Response,
    data: Mapping[str, str | Sequence[str] | None] | None = None,
    *,
    form: str | None = None,
    click: str | Literal[False] | None = None,
    rejected: str | None = None,
    headers: Mapping[Any, Any] | None = None,
    meta: Mapping[str, Any] | None = None,
    **request_arguments: Any,
) -> Request:
    """Return the request that sends a page's form, and for which a token is bought when it is sent::

        def parse(self, response):
            for name in self.names:
                yield form_request(response, {"q": name}, rejected=".error", callback=self.parse_result)

    It is an ordinary request: it goes through the scheduler, and can be pickled. It sends what a browser would send in
    the session of the page (its cookiejar, its proxy); a foreign address costs nothing. After a lost answer, 429 or 5xx
    it is sent once more where Scrapy would retry the request, so the site may act on it twice:
    ``meta={"dont_retry": True}`` forbids that. While the add-on is off or has no API token, the form is sent with an
    empty token.

    A browser does not send it: in a page that scrapy-playwright renders, fill the form in, and call
    :func:`~scrapy_omocaptcha.solve_page`.

    :param response: the page with the form and its reCAPTCHA v2 widget.
    :param data: what to fill in: a text, or a list of texts, by field name; None leaves the field out. Other fields
        are sent as the page has them.
    :param form: the form to send, as a CSS selector; by default the one around the widget.
    :param click: the button to press, likewise; by default what a browser would press, and no button if it is False.
    :param rejected: how to tell from the answer that the site rejected the token: a CSS selector that only such an
        answer matches, or a single word, which names a method of the spider (no ``async def``) that gets the answer and
        returns True or False. Another token is bought then, up to :confval:`OMOCAPTCHA_MAX_ATTEMPTS`. Without it, a
        token counts as accepted if a page, JSON or text without a widget came from the form's site, which may still be
        a rejection. Any other answer goes to the callback as well, and its token counts as unknown; so does one with a
        widget where the selector has never matched.
    :param headers: what is sent beside the headers of the session and the form; ``meta`` is added to the session's.
    :param request_arguments: other arguments of :class:`scrapy.Request`, such as ``callback`` and ``priority``.
    :raises ValueError: when the page has no such widget, form or button, or its widget cannot be solved.
    :raises TypeError: when an argument has the wrong type.
    """
    if not isinstance(data, Mapping | None):
        raise TypeError(f"data is {data!r}; it must be a dictionary")
    values = _values(data or {})
    _check_rejected(rejected)
    asked = response.request
    of_session = {} if asked is None else session_headers(asked)
    of_page = {} if asked is None else {key: asked.meta[key] for key in _SESSION_META if key in asked.meta}
    all_meta = of_page | dict(meta or {})
    if all_meta.get("playwright"):
        raise ValueError("a browser does not send a form_request: drive the page, and call solve_page for its token")
    challenge = fill_form(response, values, form=form, click=click)
    refusal = find_refusal("solve", Case(challenge))
    if refusal is not None:
        raise ValueError(f"no token can be bought for {challenge.url}: {refusal.message}")
    encoded = encode_form(response, challenge, "")
    wish = Wish(
        sitekey=challenge.sitekey or "",
        page=challenge.url.partition("#")[0],
        put=f"{'query' if encoded['method'] == 'GET' else 'form'}:{TOKEN_FIELD}",
        invisible=challenge.invisible,
        rejected=rejected,
    )
    all_meta["omocaptcha"] = wish.as_json()
    all_headers = Headers(of_session)
    all_headers.update(encoded.pop("headers"))
    all_headers.update(Headers(headers or {}))
    return Request(**encoded, headers=all_headers, meta=all_meta, **request_arguments)


def _values(data: Mapping[str, str | Sequence[str] | None]) -> dict[str, list[str]]:
    """Return the values of each field as a list of texts."""
    values = {}
    for name, value in data.items():
        given = [value] if isinstance(value, str) else value
        given = [] if given is None else given
        if not isinstance(given, Sequence) or not all(isinstance(text, str) for text in (name, *given)):
            kind = type(value).__name__
            raise TypeError(f"data has {kind} for {name!r}; a name is a text, a value a text, a list of texts, or None")
        values[name] = list(given)
    # Spiders that pass on all fields of a form pass its empty field for the token as well.
    values.pop(TOKEN_FIELD, None)
    return values


def _check_rejected(rejected: str | None) -> None:
    if rejected is None:
        return
    if not isinstance(rejected, str):
        raise TypeError(f"rejected is {rejected!r}; it must be a CSS selector or the name of a method of the spider")
    try:
        HTMLTranslator().css_to_xpath(rejected)
    except (ExpressionError, SelectorError) as error:
        raise ValueError(
            f"rejected={rejected!r} is neither a CSS selector ({error}) nor the name of a method"
        ) from None
