"""Find the reCAPTCHA v2 challenge of a response.

A response that does not contain the word "recaptcha" costs one scan of its bytes. Any other is parsed once, by
``response.selector``, which the spider's own ``response.css`` then uses without parsing again.
"""

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from types import MappingProxyType
from urllib.parse import urljoin

from lxml.html import HtmlElement
from parsel import Selector
from scrapy.http import Response, TextResponse

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.detection.blocking import judge
from scrapy_omocaptcha.detection.callbacks import Callbacks, Effect
from scrapy_omocaptcha.detection.widgets import Widget, find_widgets
from scrapy_omocaptcha.forms.page import parse_page
from scrapy_omocaptcha.forms.reading import Controls, find_form, read_form

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
    page = read_page(response) if _mentions_recaptcha(response) else None
    if page is None or not page.widgets:
        return None
    first, *further = map(page.challenge, page.widgets)
    blocking, evidence = judge(page.response, page.selector.root, page.owner(page.widgets[0]))
    return replace(first, blocking=blocking, evidence=evidence, others=tuple(further))


def read_page(response: Response) -> "WidgetPage | None":
    """Return what a response has of widgets and forms, or None if it is not a page."""
    selector = parse_page(response)
    return None if selector is None else WidgetPage(response, selector)  # type: ignore[arg-type]


class WidgetPage:
    """The widgets of a page and the forms that their tokens are sent with."""

    def __init__(self, response: TextResponse, selector: Selector) -> None:
        self.response = response
        self.selector = selector
        self.widgets, self._inline = find_widgets(selector, response.text)
        self._read_once = cache(self._read)

    def owner(self, widget: Widget) -> HtmlElement | None:
        """Return the form that a widget belongs to."""
        return self._owners[widget.element]

    def challenge(self, widget: Widget) -> Challenge:
        """Return a widget as a challenge, with its form as the page has it; without one that cannot be sent."""
        effect, owner = self._effect(widget), self.owner(widget)
        form = None if owner is None else self._read_once(owner, self.is_pressed(widget))
        return Challenge(
            url=self.response.url,
            sitekey=widget.sitekey,
            invisible=widget.invisible,
            enterprise=widget.enterprise,
            data_s=widget.data_s,
            callback=widget.callback,
            form=form,
            # A callback of unknown effect most likely submits the form, which it cannot do where there is none.
            scripted=effect is Effect.SCRIPTED or (effect is Effect.UNKNOWN and widget.invisible and form is None),
        )

    def is_pressed(self, widget: Widget) -> bool:
        """Tell whether the form is sent by its default button, rather than by a script of the widget."""
        # A checkbox waits until the user presses the form's button, unless its callback submits the form. An invisible
        # widget always has a callback that submits the form, unless that presses the button.
        effect = self._effect(widget)
        return effect is Effect.PRESSES or not (widget.invisible or effect is Effect.SUBMITS)

    def controls(self, form: HtmlElement) -> list[HtmlElement]:
        """Return the controls of a form."""
        return self._controls.of(form)

    def read(
        self,
        form: HtmlElement,
        pressed: HtmlElement | bool,
        data: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> Form:
        """Read a form of the page, filled in with ``data``, as :func:`read_form` does."""
        return read_form(
            form,
            self._controls,
            page_url=self.response.url,
            base_url=self._base_url,
            encoding=self.response.encoding,
            pressed=pressed,
            data=data,
        )

    def _read(self, form: HtmlElement, pressed: bool) -> Form | None:
        try:
            return self.read(form, pressed)
        except ValueError:
            return None

    def _effect(self, widget: Widget) -> Effect:
        if widget.handler is not None:
            return self._callbacks.effect_at(*widget.handler)
        return Effect.UNKNOWN if widget.callback is None else self._callbacks.effect_of(widget.callback)

    @cached_property
    def _owners(self) -> dict[HtmlElement, HtmlElement | None]:
        # Each form is searched for once, because the whole page is searched for a form that a button names.
        return {widget.element: find_form(widget.element) for widget in self.widgets}

    @cached_property
    def _controls(self) -> Controls:
        return Controls(self.selector.root, self._owners)

    @cached_property
    def _callbacks(self) -> Callbacks:
        return Callbacks(self._inline)

    @cached_property
    def _base_url(self) -> str:
        url = self.response.url
        bases = self.selector.root.iter("base")
        href = next((base.get("href") for base in bases if base.get("href") is not None), None)
        try:
            return url if href is None else urljoin(url, href.strip())
        except ValueError:
            return url


def _mentions_recaptcha(response: Response) -> bool:
    body = response.body
    if _WORD in body:
        return True
    wide = b"\0" in body[:4] or body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not wide and not _WIDE_CHARSET.search(response.headers.get(b"Content-Type") or b""):
        return False
    return any(word in body for word in _WIDE_WORDS)
