"""Find the live reCAPTCHA v2 widgets of a page.

There are three sources: elements made for a widget (a container, a bound button), scripts that render a widget, and
iframes in a page that was saved rendered. What they say of the same widget is merged. Elements that are not live, and
those of other products, are left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, filterfalse, islice
from typing import Any

from lxml.html import HtmlElement
from parsel import Selector

from scrapy_omocaptcha.detection.callbacks import NO_CALLBACK, Callback, read_callback
from scrapy_omocaptcha.detection.elements import SITEKEY, Candidates
from scrapy_omocaptcha.detection.scripts import RenderCall, only
from scrapy_omocaptcha.forms.page import attributes_of

MAX_WIDGETS = 20
"""Maximum number of widgets of a page. No honest page has more."""

_OTHER_PRODUCT = re.compile(
    # Elements of reCAPTCHA v3: AMP's, hidden inputs, those marked v3, and buttons or invisible widgets with an action.
    r"^<amp-recaptcha-input$|^<input\n(?:.*\n)*type=hidden$|^(?:class|id)=.*(?:v3\b|recaptcha-?3\b)"
    r"|^data-(?:(?:recaptcha-)?version|type)=[^\S\n]*(?:v|recaptcha_?v)?3[^\S\n]*$"
    r"|\A(?=(?:.*\n)*data-action=.)(?:<(?:button|input)\n|(?:.*\n)*data-size=(?-i:invisible)$)"
    # Other vendors have names and keys of their own.
    r"|^(?:class|id)=.*(?:h-?captcha|turnstile|frc-captcha|geetest|mtcaptcha|funcaptcha|smart-captcha)"
    r"|^data-sitekey=[^\S\n]*(?:[0-3]x|[0-9a-f]{8}-[0-9a-f]{4}-)",
    re.IGNORECASE | re.MULTILINE,
)
"""Matches lines of what :func:`_described` returns of elements that are made for another captcha."""


@dataclass(slots=True, eq=False)
class Widget:
    """A live widget as far as the page describes it."""

    element: HtmlElement
    """The container, or the bound button."""
    sitekey: str | None = None
    invisible: bool = False
    enterprise: bool = False
    data_s: str = ""
    callback: str = ""
    """Name of the function in ``data-callback``."""
    rendered: bool = False
    """Whether an inline script renders it."""
    render_callback: str = ""
    """The callback that an inline script passes to ``grecaptcha.render``, and what follows."""
    does: Callback = NO_CALLBACK
    """What either callback does with the token."""

    def merge(self, **said: Any) -> None:
        """Add what another source says of the same widget; what is not empty stays."""
        for name, value in said.items():
            setattr(self, name, getattr(self, name) or value)


def find_widgets(selector: Selector) -> list[Widget]:
    """Return the live widgets of a page in document order."""
    page = Candidates(selector)
    widgets = _Widgets(page)
    widgets.add_fallbacks()
    widgets.add_only_key()
    found = widgets.shown()
    in_order = filter(found.get, page.root.iter())
    return [_with_callback(found[element], page) for element in islice(in_order, min(len(found), MAX_WIDGETS))]


def _with_callback(widget: Widget, page: Candidates) -> Widget:
    """Return a widget with what the page shows of its callback."""
    return replace(widget, does=read_callback(page.scripts, widget.callback, widget.render_callback))


class _Widgets:
    """The widgets of a page, as its elements, scripts and iframes describe them."""

    def __init__(self, page: Candidates) -> None:
        self._page = page
        self._by_element: dict[HtmlElement, Widget] = {}
        for widget in islice(self._from_elements(), MAX_WIDGETS):
            self._by_element[widget.element] = widget
        self._add_renders()
        self._add_frames()

    def _from_elements(self) -> Iterator[Widget]:
        """Yield the widgets of elements that are made for one: by their class, or by a site key that they carry."""
        for element in filter(self._may_be_widget, self._page.elements):
            has_class = "g-recaptcha" in element.get("class", "").lower().split()
            values = (value for _, value in attributes_of(element))
            key = next(filter(None, map(_key, (element.get("data-sitekey", ""), *values))), None)
            if has_class or (key and (self._page.loaders or _names_captcha(element))):
                yield Widget(
                    element,
                    sitekey=key,
                    invisible=_is_invisible(element),
                    enterprise=self._page.enterprise,
                    data_s=element.get("data-s", ""),
                    callback=element.get("data-callback", "").strip(),
                )

    def _add_renders(self) -> None:
        """Add the widgets that inline scripts render."""
        for render in self._page.scripts.renders:
            for target in self._targets(render):
                inside = (element for element in self._by_element if target in (element, *element.iterancestors()))
                element = next(inside, target)
                key = _key(element.get("data-sitekey", ""))
                widget = self._get_or_add(element, sitekey=key, invisible=_is_button(element))
                widget.merge(sitekey=render.sitekey, invisible=render.invisible, enterprise=render.enterprise)
                widget.merge(rendered=True, render_callback=render.callback)

    def _targets(self, render: RenderCall) -> list[HtmlElement]:
        """Return the elements that an inline script renders a widget in."""
        targets = self._page.marked(render.target)
        # If a script looks up several nested elements, the innermost is the container.
        outer = set(chain.from_iterable(map(HtmlElement.iterancestors, targets)))
        return list(filterfalse(outer.__contains__, targets))

    def _add_frames(self) -> None:
        """Add the widgets that a browser had rendered when the page was saved."""
        for frame in self._page.live_frames("anchor"):
            widget = next(filter(None, map(self._by_element.get, frame.element.iterancestors())), None)
            if not widget and frame.invisible:
                widget = self._first_with(frame.key)
            # A badge may also be v3's.
            if not widget and frame.is_version_2:
                widget = self._get_or_add(frame.element.getparent(), enterprise=False)
            if widget:
                widget.merge(sitekey=frame.key, invisible=frame.invisible)
                widget.merge(enterprise=frame.enterprise, data_s=frame.data_s)

    def add_only_key(self) -> None:
        """Give the page's only site key to the widgets without one."""
        for widget in self._by_element.values():
            widget.sitekey = widget.sitekey or only(self._page.widget_keys)

    def add_fallbacks(self) -> None:
        """Add the site keys of the ``noscript`` elements that show Google's form for browsers without scripts.

        The key belongs to a widget without one, or to what the ``noscript`` follows, if that is named like a captcha,
        or else is in.
        """
        for noscript, key in self._page.fallbacks():
            if self._first_with(key):
                continue
            keyless = self._first_with(None)
            if keyless:
                keyless.sitekey = key
            elif self._page.is_live(noscript):
                before = islice(noscript.itersiblings(preceding=True), 1)
                self._get_or_add(next(filter(_names_captcha, before), noscript.getparent()), sitekey=key)

    def shown(self) -> dict[HtmlElement, Widget]:
        """Return the widgets that a browser would show, by their elements."""
        return {element: widget for element, widget in self._by_element.items() if self._is_shown(widget)}

    def _get_or_add(self, element: HtmlElement, **known: Any) -> Widget:
        """Return the widget of ``element``, which is added unless there is one."""
        return self._by_element.setdefault(element, Widget(element, **{"enterprise": self._page.enterprise, **known}))

    def _first_with(self, sitekey: str | None) -> Widget | None:
        """Return the first widget with this site key; with None, the first one without a key."""
        return next((widget for widget in self._by_element.values() if widget.sitekey == sitekey), None)

    def _may_be_widget(self, element: HtmlElement) -> bool:
        """Tell whether ``element`` is live and belongs neither to another vendor's captcha nor to reCAPTCHA v3."""
        return self._page.is_live(element) and not _OTHER_PRODUCT.search(_described(element))

    def _is_shown(self, widget: Widget) -> bool:
        """Tell whether something renders a widget, and not as one of reCAPTCHA v3."""
        is_rendered = any((widget.sitekey, widget.rendered, self._page.loads_widgets))
        return is_rendered and widget.sitekey not in self._page.score_keys


def _key(value: str) -> str | None:
    value = value.strip().strip("'\"")
    return value if SITEKEY.fullmatch(value) else None


def _described(element: HtmlElement) -> str:
    """Return the tag of ``element`` and its attributes, each on a line of its own."""
    attributes = (f"{name}={value}".replace("\n", " ") for name, value in attributes_of(element))
    return "\n".join((f"<{element.tag}", *attributes))


def _names_captcha(element: HtmlElement) -> bool:
    """Tell whether the tag or an attribute of ``element`` contains the word."""
    return "captcha" in _described(element).lower()


def _is_button(element: HtmlElement) -> bool:
    return element.tag in ("button", "input")


def _is_invisible(element: HtmlElement) -> bool:
    size = (element.get("data-size") or element.get("size", "")).strip().lower()
    return size == "invisible" or element.get("data-invisible") in ("1", "true") or _is_button(element)
