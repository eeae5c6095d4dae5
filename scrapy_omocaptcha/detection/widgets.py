"""Find the live reCAPTCHA v2 widgets of a page.

There are three sources: elements made for a widget (a container, a bound button), scripts that render a widget, and
iframes in a page that was saved rendered. What they say of the same widget is merged. Elements that are not live, and
those of other products, are left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from lxml.html import HtmlElement
from parsel import Selector

from scrapy_omocaptcha.detection.callbacks import Effect, Functions, addresses_of, effect_of
from scrapy_omocaptcha.detection.elements import SITEKEY, Candidates
from scrapy_omocaptcha.detection.inline_scripts import only
from scrapy_omocaptcha.detection.javascript import Code

MAX_WIDGETS = 20
"""Maximum number of widgets of a page. No honest page has more."""

_SCORE = re.compile(r"v3\b|recaptcha-?3\b", re.IGNORECASE)
_OTHER_KEY = re.compile(r"[0-3]x|[0-9a-f]{8}-[0-9a-f]{4}-", re.IGNORECASE)
_OTHER = re.compile(r"h-?captcha|turnstile|frc-captcha|geetest|mtcaptcha|funcaptcha|smart-captcha", re.IGNORECASE)


@dataclass(slots=True, eq=False)
class Widget:
    """A live widget as far as the page describes it."""

    element: HtmlElement
    """The container, or the bound button."""
    sitekey: str | None = None
    invisible: bool = False
    enterprise: bool = False
    data_s: str | None = None
    callback: str | None = None
    """Name of the function in ``data-callback``."""
    rendered: bool = False
    """Whether an inline script renders it."""
    handler: tuple[Code, slice] | None = None
    """The callback that an inline script passes to ``grecaptcha.render``."""
    effect: Effect = Effect.UNKNOWN
    """What either callback does with the token."""
    addresses: tuple[str, ...] = ()
    """To where either callback may send something, as its code has it."""

    def merge(self, sitekey: str | None, *, invisible: bool, enterprise: bool) -> None:
        """Add what another source says of the same widget."""
        self.sitekey = self.sitekey or sitekey
        self.invisible = self.invisible or invisible
        self.enterprise = self.enterprise or enterprise


def find_widgets(selector: Selector) -> list[Widget]:
    """Return the live widgets of a page in document order."""
    page = Candidates(selector)
    widgets = _widgets(page)
    found = _live(page, widgets)
    if not found or any(widget.sitekey is None for widget in found):
        page.add_by_name()
        widgets = _widgets(page)
        _add_fallbacks(page, widgets)
        found = _live(page, widgets or _plugin(page))
    if len(found) > 1:
        live = {widget.element: widget for widget in found}
        found = [live[element] for element in page.root.iter() if element in live][:MAX_WIDGETS]
    for widget in found:
        functions = Functions(page.inline.running)
        called = [*(functions.at(*widget.handler) if widget.handler else functions.named(widget.callback or ""))]
        widget.effect = effect_of(called)
        widget.addresses = tuple(islice(dict.fromkeys(addresses_of(called)), MAX_WIDGETS))
    return found


def _widgets(page: Candidates) -> dict[HtmlElement, Widget]:
    widgets = {widget.element: widget for widget in islice(_from_elements(page), MAX_WIDGETS)}
    _add_renders(page, widgets)
    _add_frames(page, widgets)
    return widgets


def _from_elements(page: Candidates) -> Iterator[Widget]:
    """Yield the widgets of elements that are made for one: by their class, or by a site key that they carry."""
    for element in page.elements:
        has_class = "g-recaptcha" in (element.get("class") or "").lower().split()
        key = next(filter(None, map(_key, (element.get("data-sitekey"), *element.values()))), None)
        if not has_class and (key is None or not (page.loaders or "captcha" in _words(element))):
            continue
        if _may_be_widget(page, element):
            yield Widget(
                element,
                sitekey=key,
                invisible=_is_invisible(element),
                enterprise=page.enterprise,
                data_s=element.get("data-s") or None,
                callback=(element.get("data-callback") or "").strip() or None,
            )


def _add_renders(page: Candidates, widgets: dict[HtmlElement, Widget]) -> None:
    """Add the widgets that inline scripts render."""
    for render in page.inline.renders:
        targets = [e for css in render.selectors for e in page.selectors.select(css) if page.is_live(e)]
        # If a script looks up several nested elements, the innermost is the container.
        outer = {ancestor for target in targets for ancestor in target.iterancestors()}
        targets = [target for target in targets if target not in outer]
        if not targets and render.creates_container and render.sitekey:
            targets = [page.root]
        for target in targets:
            inner = next((e for e in widgets if e is target or target in e.iterancestors()), target)
            key = _key(inner.get("data-sitekey"))
            widget = widgets.setdefault(inner, Widget(inner, sitekey=key, invisible=_is_button(inner)))
            enterprise = render.enterprise or page.enterprise
            widget.merge(render.sitekey, invisible=render.invisible, enterprise=enterprise)
            widget.rendered = True
            widget.handler = widget.handler or render.callback


def _add_frames(page: Candidates, widgets: dict[HtmlElement, Widget]) -> None:
    """Add the widgets that a browser had rendered when the page was saved."""
    frames = [frame for frame in page.frames if page.is_live(frame.element)]
    keys_with_pictures = {frame.key for frame in frames if frame.kind == "bframe"}
    is_alone = len(widgets) == 1
    for frame in frames:
        if frame.kind != "anchor":
            continue
        ancestors = set(frame.element.iterancestors())
        widget = next((widget for widget in widgets.values() if widget.element in ancestors), None)
        if widget is None and (frame.invisible or is_alone):
            widget = next((widget for widget in widgets.values() if widget.sitekey == frame.key), None)
        if widget is None:
            # A badge may also be v3's, which never shows pictures and has none of the options of a widget.
            if frame.invisible and not (frame.has_options or frame.key in keys_with_pictures):
                continue
            container = frame.element.getparent()
            widget = widgets.setdefault(container, Widget(container, invisible=frame.invisible))
        widget.merge(frame.key, invisible=frame.invisible, enterprise=frame.enterprise)
        widget.data_s = widget.data_s or frame.data_s


def _add_fallbacks(page: Candidates, widgets: dict[HtmlElement, Widget]) -> None:
    """Add the site keys of the ``noscript`` elements that show Google's form for browsers without scripts.

    The key belongs to a widget without one, or to the element beside the ``noscript``.
    """
    for frame in page.frames:
        noscript = next(frame.element.iterancestors("noscript"), None)
        if frame.kind != "fallback" or noscript is None or frame.key in page.score_keys:
            continue
        if any(widget.sitekey == frame.key for widget in widgets.values()):
            continue
        keyless = next((widget for widget in widgets.values() if widget.sitekey is None), None)
        if keyless is not None:
            keyless.sitekey = frame.key
        elif page.is_live(noscript):
            before = noscript.getprevious()
            beside = before if before is not None and "captcha" in _words(before) else noscript.getparent()
            widgets.setdefault(beside, Widget(beside, sitekey=frame.key, enterprise=page.enterprise))


def _plugin(page: Candidates) -> dict[HtmlElement, Widget]:
    """Return the widget of an empty captcha element, which an external script renders with the page's only site key."""
    if page.loads_widgets and only(page.widget_keys):
        for element in page.elements:
            empty = len(element) == 0 and not (element.text or "").strip()
            if empty and element.tag in ("div", "span", "p") and _may_be_widget(page, element):
                return {element: Widget(element, invisible=_is_invisible(element), enterprise=page.enterprise)}
    return {}


def _live(page: Candidates, widgets: dict[HtmlElement, Widget]) -> list[Widget]:
    """Return the widgets that a browser would show, with the page's only site key where they have none."""
    live = []
    for widget in widgets.values():
        widget.sitekey = widget.sitekey or only(page.script_keys or page.widget_keys)
        if widget.sitekey not in page.score_keys and (widget.sitekey or widget.rendered or page.loads_widgets):
            live.append(widget)
    return live


def _key(value: str | None) -> str | None:
    value = (value or "").strip().strip("'\"")
    return value if SITEKEY.fullmatch(value) else None


def _words(element: HtmlElement) -> str:
    """Return the tag and all attributes of ``element`` in lower case."""
    return " ".join((str(element.tag), *element.keys(), *element.values())).lower()


def _is_button(element: HtmlElement) -> bool:
    return element.tag in ("button", "input")


def _is_invisible(element: HtmlElement) -> bool:
    size = (element.get("data-size") or element.get("size") or "").strip().lower()
    return size == "invisible" or element.get("data-invisible") in ("1", "true") or _is_button(element)


def _may_be_widget(page: Candidates, element: HtmlElement) -> bool:
    """Return whether ``element`` is live and belongs neither to another vendor's captcha nor to reCAPTCHA v3.

    Elements of v3 are AMP's, those marked v3, hidden inputs, and buttons or invisible widgets with ``data-action``.
    """
    names = f"{element.get('class') or ''} {element.get('id') or ''}"
    versions = (element.get(name) or "" for name in ("data-type", "data-version", "data-recaptcha-version"))
    return page.is_live(element) and not (
        element.tag == "amp-recaptcha-input"
        or _OTHER.search(names)
        or _OTHER_KEY.match((element.get("data-sitekey") or "").strip())
        or (element.tag == "input" and (element.get("type") or "").lower() == "hidden")
        or any(version.strip().lower() in ("3", "v3", "recaptcha_v3", "recaptchav3") for version in versions)
        or _SCORE.search(names)
        or (element.get("data-action") and (_is_button(element) or element.get("data-size") == "invisible"))
    )
