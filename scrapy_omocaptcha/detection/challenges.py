"""Finding the reCAPTCHA v2 challenge of a response.

A response that does not contain the word "recaptcha" costs one scan of its bytes. Any other is parsed once, by
``response.selector``, which the spider's own ``response.css`` then uses without parsing again.
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
from scrapy_omocaptcha.detection.callbacks import Callbacks, Effect
from scrapy_omocaptcha.detection.widgets import Widget, find_widgets
from scrapy_omocaptcha.forms.page import parse_page
from scrapy_omocaptcha.forms.reading import find_form, read_form

_WORD = b"recaptcha"
# The word in UTF-16 and in UTF-32, in either byte order.
_WIDE_WORDS = (b"\0".join(bytes([c]) for c in _WORD), b"\0\0\0".join(bytes([c]) for c in _WORD))
_WIDE_CHARSET = re.compile(rb"utf-?(?:16|32)|ucs-?[24]|unicode", re.IGNORECASE)


def find_challenge(response: Response) -> Challenge | None:
    """Return the reCAPTCHA v2 challenge of a page.

    :param response: any response, downloaded or built by hand, with raw or with rendered HTML.
    :returns: the first live widget in document order, with its form, whether the page is the challenge, and the page's
        other widgets. None if the page has no live widget, or the response is not a page.
    """
    if not _mentions_recaptcha(response) or not isinstance(response, (HtmlResponse, XmlResponse)):
        return None
    selector = parse_page(response)
    if selector is None:
        return None
    widgets, inline = find_widgets(selector, response.text)
    if not widgets:
        return None
    root = selector.root
    forms = _Forms(response, root, [widget.element for widget in widgets])
    callbacks = Callbacks(inline)
    first, *further = [_challenge(response.url, widget, callbacks, forms) for widget in widgets]
    blocking, evidence = judge(response, root, find_form(widgets[0].element))
    return replace(first, blocking=blocking, evidence=evidence, others=tuple(further))


class _Forms:
    """The forms of a page's widgets, each read once."""

    def __init__(self, response: HtmlResponse | XmlResponse, root: HtmlElement, elements: list[HtmlElement]) -> None:
        self._url, self._encoding = response.url, response.encoding
        self._base_url = _base_url(response.url, root)
        # Each form is searched for once, because the whole page is searched for a form that a button names.
        self._owners = {element: find_form(element) for element in elements}
        self._known: dict[tuple[HtmlElement, bool], Form | None] = {}

    def read(self, element: HtmlElement, pressed: bool) -> Form | None:
        """Return the form of a widget, or None if it has none or a form that cannot be sent."""
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
    effect = _effect(widget, callbacks)
    # A checkbox waits until the user presses the form's button, unless its callback submits the form. An invisible
    # widget always has a callback that submits the form, unless that presses the button.
    pressed = effect is Effect.PRESSES or not (widget.invisible or effect is Effect.SUBMITS)
    form = forms.read(widget.element, pressed)
    return Challenge(
        url=url,
        sitekey=widget.sitekey,
        invisible=widget.invisible,
        enterprise=widget.enterprise,
        data_s=widget.data_s,
        callback=widget.callback,
        form=form,
        # A callback of unknown effect most likely submits the form, which it cannot do where there is none.
        scripted=effect is Effect.SCRIPTED or (effect is Effect.UNKNOWN and widget.invisible and form is None),
    )


def _effect(widget: Widget, callbacks: Callbacks) -> Effect:
    if widget.handler is not None:
        return callbacks.effect_at(*widget.handler)
    return Effect.UNKNOWN if widget.callback is None else callbacks.effect_of(widget.callback)


def _base_url(url: str, root: HtmlElement) -> str:
    href = next((base.get("href") for base in root.iter("base") if base.get("href") is not None), None)
    try:
        return url if href is None else urljoin(url, href.strip())
    except ValueError:
        return url
