"""A page read for a reCAPTCHA v2 challenge: the public ``find_challenge``.

Pure: a response in, a value out; no settings, no network, no engine. A page without the word costs one scan of its
bytes. A page with it is parsed once, by ``response.selector``, so that the spider's own ``response.css`` finds
the work done.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import replace
from urllib.parse import urljoin

from lxml.html import HtmlElement
from scrapy.http import HtmlResponse, Response, XmlResponse

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.detection.blocking import judge
from scrapy_omocaptcha.detection.callbacks import Callbacks, Deed
from scrapy_omocaptcha.detection.widgets import Widget, find_widgets
from scrapy_omocaptcha.forms.page import parse_page
from scrapy_omocaptcha.forms.reading import find_form, read_form

_WORD = b"recaptcha"
# As UTF-16 and as UTF-32 spell it, in either byte order.
_WIDE_WORDS = (b"\0".join(bytes([c]) for c in _WORD), b"\0\0\0".join(bytes([c]) for c in _WORD))
_WIDE_CHARSET = re.compile(rb"utf-?(?:16|32)|ucs-?[24]|unicode", re.IGNORECASE)


def find_challenge(response: Response) -> Challenge | None:
    """The reCAPTCHA v2 challenge of a page.

    :param response: any response of Scrapy's, of a download or built by hand, of raw or of rendered HTML.
    :returns: the first live widget in document order, with its form, whether the page is the challenge, and the
        page's further widgets; None when the page holds no live widget or is no HTML.
    """
    if not _mentions_recaptcha(response) or not isinstance(response, (HtmlResponse, XmlResponse)):
        return None
    selector = parse_page(response)
    if selector is None:
        return None
    markup = response.text
    widgets, inline = find_widgets(selector, markup)
    if not widgets:
        return None
    root = selector.root
    forms = _Forms(response, root, [widget.element for widget in widgets])
    callbacks = Callbacks(inline)
    first, *further = [_challenge(response.url, widget, callbacks, forms) for widget in widgets]
    judgement = judge(
        status=response.status, url=response.url, root=root, markup=markup, form=find_form(widgets[0].element)
    )
    return replace(first, blocking=judgement.blocking, evidence=judgement.evidence, others=tuple(further))


class _Forms:
    """The forms around a page's widgets, each read once."""

    def __init__(self, response: HtmlResponse | XmlResponse, root: HtmlElement, elements: list[HtmlElement]) -> None:
        self._url, self._encoding = response.url, response.encoding
        self._base_url = _base_url(response.url, root)
        # Asked once: a button that names its form has the whole page looked through.
        self._owners = {element: find_form(element) for element in elements}
        self._known: dict[tuple[HtmlElement, bool], Form | None] = {}

    def read(self, element: HtmlElement, pressed: bool) -> Form | None:
        """The form of a widget, None when it has none or one that cannot be sent."""
        form = self._owners[element]
        if form is None:
            return None
        if (form, pressed) not in self._known:
            try:
                self._known[form, pressed] = read_form(
                    form,
                    page_url=self._url,
                    base_url=self._base_url,
                    encoding=self._encoding,
                    widgets=[widget for widget, owner in self._owners.items() if owner is form],
                    pressed=pressed,
                )
            except ValueError:
                self._known[form, pressed] = None
        return self._known[form, pressed]


def _mentions_recaptcha(response: Response) -> bool:
    body = response.body
    if _WORD in body:
        return True
    wide = b"\0" in body[:4] or body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not wide and not _WIDE_CHARSET.search(response.headers.get(b"Content-Type") or b""):
        return False
    return any(word in body for word in _WIDE_WORDS)


def _challenge(url: str, widget: Widget, callbacks: Callbacks, forms: _Forms) -> Challenge:
    deed = _deed(widget, callbacks)
    # A checkbox waits for the form's button, unless its callback submits; an invisible widget always submits by
    # its callback, unless that presses a button.
    pressed = deed is Deed.PRESSES or not (widget.invisible or deed is Deed.SUBMITS)
    form = forms.read(widget.element, pressed)
    return Challenge(
        url=url,
        sitekey=widget.sitekey,
        invisible=widget.invisible,
        enterprise=widget.enterprise,
        data_s=widget.data_s,
        callback=widget.callback,
        form=form,
        # An unseen callback most often submits its form; without a form there is nothing that it could submit.
        scripted=deed is Deed.SCRIPTED or (deed is Deed.UNSEEN and widget.invisible and form is None),
    )


def _deed(widget: Widget, callbacks: Callbacks) -> Deed:
    if widget.handler is not None:
        return callbacks.written(*widget.handler)
    return Deed.UNSEEN if widget.callback is None else callbacks.named(widget.callback)


def _base_url(url: str, root: HtmlElement) -> str:
    href = next((base.get("href") for base in root.iter("base") if base.get("href") is not None), None)
    try:
        return url if href is None else urljoin(url, href.strip())
    except ValueError:
        return url
