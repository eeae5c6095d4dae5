"""The live reCAPTCHA v2 widgets of a parsed page.

Three things speak of a widget: an element made for it (a container, a bound button), an iframe of a page that was
saved rendered, and a script that renders one. What they say of the same widget is put together here. Markup that a
browser would not show as such (``template``, ``noscript``, comments, text) and the elements of other products
stay out. Reads elements and :class:`~scrapy_omocaptcha.detection.inline_scripts.Inline`; judges no page and reads no
form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from cssselect import ExpressionError, SelectorError
from lxml.etree import XPath
from lxml.html import HtmlElement
from parsel import Selector

from scrapy_omocaptcha.detection.elements import Candidates
from scrapy_omocaptcha.detection.frames import container, read_frame
from scrapy_omocaptcha.detection.inline_scripts import Inline
from scrapy_omocaptcha.detection.javascript import Code, Span

MAX_SELECTORS = 30
"""How many selectors of a page's scripts are looked up."""

MAX_WIDGETS = 20
"""How many widgets of one page are looked at; more are no page but an attack."""

_SCORE = re.compile(r"v3\b|recaptcha-?3\b", re.IGNORECASE)
_SIMPLE = re.compile(r"#([\w-]+)|\.([\w-]+)")
_BY_ID = XPath("descendant::*/@id[. = $id]")
_BY_CLASS = XPath("descendant::*/@class[contains(., $name)]")
_OTHER_KEY = re.compile(r"[0-3]x|[0-9a-f]{8}-[0-9a-f]{4}-", re.IGNORECASE)
_OTHER = (
    "h-captcha",
    "hcaptcha",
    "turnstile",
    "frc-captcha",
    "geetest",
    "mtcaptcha",
    "funcaptcha",
    "smart-captcha",
)
_KEY = re.compile(r"6L[\w-]{30,60}")


@dataclass(slots=True, eq=False)
class Widget:
    """A live widget, as far as the page tells."""

    element: HtmlElement
    """The container, or the bound button."""
    sitekey: str | None = None
    invisible: bool = False
    enterprise: bool = False
    data_s: str | None = None
    callback: str | None = None
    """The name in ``data-callback``."""
    rendered: bool = False
    """An inline script renders it."""
    handler: tuple[Code, Span] | None = None
    """The callback that an inline script passes to ``grecaptcha.render``."""


def find_widgets(selector: Selector, markup: str) -> tuple[list[Widget], Inline]:
    """The live widgets of the page in document order, and what its inline scripts say.

    :param markup: what ``selector`` was parsed from.
    """
    page = Candidates(selector.root)
    widgets = _widgets(page, selector)
    found = _live(page, widgets)
    if not found or any(widget.sitekey is None for widget in found):
        page.look_closer(markup)
        widgets = _widgets(page, selector)
        _add_fallbacks(page, widgets)
        found = _live(page, widgets or _plugin(page))
    return sorted(found, key=lambda widget: _position(widget.element)), page.inline


def _widgets(page: Candidates, selector: Selector) -> dict[HtmlElement, Widget]:
    widgets = {widget.element: widget for widget in islice(_from_elements(page), MAX_WIDGETS)}
    _add_renders(page, selector, widgets)
    _add_frames(page, widgets)
    return widgets


def _from_elements(page: Candidates) -> Iterator[Widget]:
    """Elements that are made for a widget: by their class, or by a key that they carry."""
    for element in page.elements:
        words = (element.get("class") or "").lower().split()
        own = "g-recaptcha" in words
        key = next(filter(None, map(_key, (element.get("data-sitekey"), *element.values()))), None)
        if not own and key is None:
            continue
        if not own and not (page.loaders or "captcha" in _words(element)):
            continue
        if page.is_dead(element) or _is_other(element) or _is_score(element):
            continue
        size = (element.get("data-size") or element.get("size") or "").strip().lower()
        yield Widget(
            element,
            sitekey=key,
            invisible=size == "invisible" or element.get("data-invisible") in ("1", "true") or _is_button(element),
            enterprise=page.enterprise,
            data_s=element.get("data-s") or None,
            callback=(element.get("data-callback") or "").strip() or None,
        )


def _add_renders(page: Candidates, selector: Selector, widgets: dict[HtmlElement, Widget]) -> None:
    selected: dict[str, list[HtmlElement]] = {}
    for render in page.inline.renders:
        for css in render.selectors:
            if css not in selected and len(selected) < MAX_SELECTORS:
                selected[css] = [e for e in _select(selector, css) if not page.is_dead(e)]
        targets = [e for css in render.selectors for e in selected.get(css, ())][:MAX_WIDGETS]
        # Of several look-ups in a script, the widget's own is the innermost.
        around = {ancestor for target in targets for ancestor in target.iterancestors()}
        targets = [target for target in targets if target not in around]
        if not targets and render.created and render.sitekey:
            targets = [selector.root]
        for target in targets:
            inner = next((w for w in widgets if w is target or target in w.iterancestors()), target)
            if inner not in widgets and len(widgets) >= MAX_WIDGETS:
                return
            key = _key(inner.get("data-sitekey"))
            widget = widgets.setdefault(inner, Widget(inner, sitekey=key, invisible=_is_button(inner)))
            widget.rendered = True
            widget.sitekey = widget.sitekey or render.sitekey
            widget.invisible = widget.invisible or render.invisible
            widget.enterprise = widget.enterprise or render.enterprise or page.enterprise
            widget.handler = widget.handler or render.callback


def _add_frames(page: Candidates, widgets: dict[HtmlElement, Widget]) -> None:
    """What a browser had rendered when the page was saved."""
    frames = [frame for frame in map(read_frame, page.frames) if frame and not page.is_dead(frame.element)]
    asked = {frame.key for frame in frames if frame.kind == "bframe"}
    known = {widget.sitekey for widget in widgets.values()}
    for frame in frames:
        if frame.kind != "anchor":
            continue
        ancestors = set(frame.element.iterancestors())
        widget = next((w for w in widgets.values() if w.element in ancestors), None)
        if widget is None and frame.invisible:
            # A badge: of the widget that is known already, of an invisible one, or of v3, which never asks.
            widget = next((w for w in widgets.values() if w.sitekey == frame.key), None)
            if widget is None and (frame.key not in asked or frame.key in page.score_keys):
                continue
        if widget is None:
            if frame.key in known and not frame.invisible and len(widgets) == 1:
                widget = next(iter(widgets.values()))
            elif len(widgets) < MAX_WIDGETS:
                place = container(frame)
                widget = widgets.setdefault(place, Widget(place, invisible=frame.invisible))
            else:
                continue
        widget.sitekey = widget.sitekey or frame.key
        widget.enterprise = widget.enterprise or frame.enterprise
        widget.invisible = widget.invisible or frame.invisible
        widget.data_s = widget.data_s or frame.data_s


def _add_fallbacks(page: Candidates, widgets: dict[HtmlElement, Widget]) -> None:
    """``noscript`` with Google's own form for browsers without scripts: it names the key of the widget beside it."""
    for element in page.frames:
        frame = read_frame(element)
        noscript = next(element.iterancestors("noscript"), None)
        if frame is None or frame.kind != "fallback" or noscript is None or frame.key in page.score_keys:
            continue
        if any(widget.sitekey == frame.key for widget in widgets.values()):
            continue
        keyless = next((widget for widget in widgets.values() if widget.sitekey is None), None)
        if keyless is not None:
            keyless.sitekey = frame.key
        elif page.is_dead(noscript) or len(widgets) >= MAX_WIDGETS:
            continue
        else:
            before = noscript.getprevious()
            beside = before if before is not None and "captcha" in _words(before) else noscript.getparent()
            if beside is not None:
                widgets.setdefault(beside, Widget(beside, sitekey=frame.key, enterprise=page.enterprise))


def _plugin(page: Candidates) -> dict[HtmlElement, Widget]:
    """An empty element called a captcha, filled by a script that is not on the page from a key that is."""
    keys = {key for _, key in page.inline.keys} - page.score_keys
    if len(keys) != 1 or not page.loads_widgets or page.others:
        return {}
    for element in page.elements:
        empty = len(element) == 0 and not (element.text or "").strip()
        if not empty or element.tag not in ("div", "span", "p"):
            continue
        if not (page.is_dead(element) or _is_other(element) or _is_score(element)):
            size = (element.get("data-size") or "").strip().lower()
            return {element: Widget(element, invisible=size == "invisible", enterprise=page.enterprise)}
    return {}


def _complete(page: Candidates, widgets: Iterable[Widget]) -> None:
    """Keys for the widgets without one: the key of a script element, or the only one that the page names."""
    keyless = [widget for widget in widgets if widget.sitekey is None]
    if not keyless:
        return
    keys = set(page.script_keys) or {key for _, key in page.inline.keys} - page.score_keys
    if len(keys) == 1:
        key = keys.pop()
        for widget in keyless:
            widget.sitekey = key


def _live(page: Candidates, widgets: dict[HtmlElement, Widget]) -> list[Widget]:
    """The widgets that a browser would show, with their keys as far as they are to be had."""
    _complete(page, widgets.values())
    return [widget for widget in widgets.values() if _is_live(page, widget)]


def _is_live(page: Candidates, widget: Widget) -> bool:
    if widget.sitekey is not None:
        return widget.sitekey not in page.score_keys
    return widget.rendered or (page.loads_widgets and not page.others)


def _position(element: HtmlElement) -> list[int]:
    """Something that sorts elements into document order."""
    position = []
    parent = element.getparent()
    while parent is not None:
        position.append(parent.index(element))
        element, parent = parent, parent.getparent()
    return position[::-1]


def _select(selector: Selector, css: str) -> list[HtmlElement]:
    simple = _SIMPLE.fullmatch(css)
    if simple:  # what scripts mostly look up, without the way through XPath that is made for the occasion
        identity, name = simple.groups()
        found = _BY_ID(selector.root, id=identity) if identity else _BY_CLASS(selector.root, name=name)
        return [a.getparent() for a in found if identity or name in a.split()][:MAX_WIDGETS]
    try:
        return [found.root for found in selector.css(css)[:MAX_WIDGETS]]
    except (ValueError, ExpressionError, SelectorError):  # jQuery knows selectors that CSS does not
        return []


def _key(value: str | None) -> str | None:
    value = (value or "").strip().strip("'\"")
    return value if _KEY.fullmatch(value) else None


def _words(element: HtmlElement) -> str:
    """Everything that the element says about itself, but for its keys."""
    return " ".join((str(element.tag), *element.keys(), *element.values())).lower()


def _is_button(element: HtmlElement) -> bool:
    return element.tag in ("button", "input")


def _is_other(element: HtmlElement) -> bool:
    """The element belongs to another vendor's captcha."""
    words = f"{element.get('class') or ''} {element.get('id') or ''}".lower()
    return any(name in words for name in _OTHER) or bool(_OTHER_KEY.match((element.get("data-sitekey") or "").strip()))


def _is_score(element: HtmlElement) -> bool:
    """The element belongs to reCAPTCHA v3: it says so, it is a hidden field, or it names an action for its button."""
    if element.tag == "input" and (element.get("type") or "").lower() == "hidden":
        return True
    kind = (element.get("data-type"), element.get("data-version"), element.get("data-recaptcha-version"))
    if any(value and value.strip().lower() in ("3", "v3", "recaptcha_v3", "recaptchav3") for value in kind):
        return True
    if _SCORE.search(f"{element.get('class') or ''} {element.get('id') or ''}"):
        return True
    return bool(element.get("data-action")) and (_is_button(element) or element.get("data-size") == "invisible")
