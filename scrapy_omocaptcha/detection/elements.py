"""The elements of a page that may have to do with reCAPTCHA, picked out in one pass and sorted.

What is dead stays dead here: elements that a browser with scripts does not show as such, scripts that do not run.
Whether anything is a widget is not asked here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from lxml.etree import XPath
from lxml.html import HtmlElement

from scrapy_omocaptcha.detection.inline_scripts import KEY, Inline
from scrapy_omocaptcha.forms.ancestors import Inherited

DEAD = (
    "template",
    "ng-template",
    "noscript",
    "textarea",
    "title",
    "xmp",
    "noembed",
    "noframes",
    "style",
    "script",
)
"""Elements whose content a browser with scripts does not show as elements."""

MAX_FRAMES = 100
MAX_SCRIPT = 1_000_000
"""Length in characters up to which one script is read."""
MAX_SCRIPTS = 4_000_000
"""Length in characters up to which a page's scripts are read together."""

# One pass each over an attribute is several times as fast as one that asks each element about all of them, and takes
# the attributes as they are: libxml2 needs time in the square of their number to join sets, or to step to the parents.
_KEYED = (XPath("descendant::*/@data-sitekey"),)
_CALLED = (
    XPath("descendant::*/@class[contains(., 'aptcha') or contains(., 'APTCHA')]"),
    XPath("descendant::*/@id[contains(., 'aptcha') or contains(., 'APTCHA')]"),
)
_NAMED = XPath("descendant::*[contains(name(), 'captcha') or @*[contains(name(), 'captcha')]]")
_IN_NAME = re.compile(
    r"<[\w.:-]{0,30}captcha[\w.-]{0,30}[\s/>]|\s[\w.:-]{0,30}captcha[\w-]{0,30}[\s=>][^<>]{0,200}[\"'=]6L[\w-]{38}",
    re.IGNORECASE,
)
_GOOGLE = re.compile(r"(?:https?:)?/{2,3}(?:www\.)?(?:google\.com|recaptcha\.net)/recaptcha/", re.IGNORECASE)
_LOADER = re.compile(r"/recaptcha/(?:api|enterprise)\.js\b")
_RENDER_KEY = re.compile(r"[?&;]render=(6L[\w-]{38})(?![\w-])")
_OTHER_LOADER = re.compile(r"hcaptcha\.com/|challenges\.cloudflare\.com/turnstile")
_RUNS = re.compile(r"script|module|rocket|babel", re.IGNORECASE)
_HOLDS_DATA = re.compile(r"json|magento", re.IGNORECASE)
_NO_CONTAINER = ("<script", "<link", "<iframe", "<meta", "<img", "<a ", "</", "<!")
_NO_WIDGET = frozenset(("form", "link", "meta", "body", "html", "script", "iframe", "style"))


def dead() -> Inherited[bool]:
    """For the elements of one page: a browser with scripts does not show them as elements of the page."""
    return Inherited(False, lambda element, is_dead: is_dead or element.tag in DEAD)


class Candidates:
    """The candidates of a page, sorted by what they may be: at first the elements with a key, for they cost least."""

    def __init__(self, root: HtmlElement) -> None:
        self._root = root
        self.is_dead = dead()
        self.frames: list[HtmlElement] = []
        self.loaders: list[str] = []
        self.script_keys: list[str] = []
        self.others = False
        self.elements = _owners(root, _KEYED)
        running: list[str] = []
        data: list[str] = []
        for element in root.iter("script", "iframe"):
            if element.tag == "script":
                self._read_script(element, running, data)
            elif len(self.frames) < MAX_FRAMES and _is_google(element):
                self.frames.append(element)
        self.inline = Inline(_within_bounds(running), _within_bounds(data))

    def look_closer(self, markup: str) -> None:
        """Add the elements that are called a captcha: by class or id, or by a tag's or an attribute's name."""
        inside = [at for word in ("aptcha", "APTCHA") for at in _places(markup, word) if _is_in_tag(markup, at)]
        if inside:
            found = _owners(self._root, _CALLED)
            if any(_IN_NAME.search(markup, max(0, at - 32), at + 300) for at in inside):
                found += [element for element in _NAMED(self._root) if element.tag not in _NO_WIDGET]
            self.elements = list(dict.fromkeys(self.elements + found))

    @cached_property
    def score_keys(self) -> frozenset[str]:
        """Keys of reCAPTCHA v3."""
        loaded = {key for source in self.loaders for key in _RENDER_KEY.findall(source)}
        return self.inline.score_keys | loaded

    @property
    def loads_widgets(self) -> bool:
        """Google's script is loaded, and not for v3 alone."""
        return any(not _RENDER_KEY.search(source) for source in self.loaders)

    @property
    def enterprise(self) -> bool:
        """What Google's script makes of a container without further words is an enterprise widget."""
        return bool(self.loaders) and all("enterprise.js" in source.lower() for source in self.loaders)

    def _read_script(self, element: HtmlElement, running: list[str], data: list[str]) -> None:
        kind, text = element.get("type"), element.text or ""
        if kind and not _RUNS.search(kind):
            # Consent managers park scripts under another type and say so in attributes.
            parked = kind == "text/plain" and any(name.startswith("data-") for name in element.attrib)
            if not parked:
                if _HOLDS_DATA.search(kind) and "ld+json" not in kind:
                    data.append(text)
                return
        if "aptcha" in text and self.is_dead(element):
            return
        for name, value in element.items():
            if name == "data-sitekey" and KEY.fullmatch(value.strip()):
                self.script_keys.append(value.strip())
            elif "/recaptcha/" in value and _LOADER.search(value) and not self.is_dead(element):
                self.loaders.append(value)
            elif ("hcaptcha" in value or "turnstile" in value) and _OTHER_LOADER.search(value):
                self.others = True
        if text:
            running.append(text)


def _owners(root: HtmlElement, attributes: tuple[XPath, ...]) -> list[HtmlElement]:
    """The elements that carry one of ``attributes``, each once."""
    owners = dict.fromkeys(attribute.getparent() for find in attributes for attribute in find(root))
    return [element for element in owners if element.tag not in _NO_WIDGET]


def _is_in_tag(markup: str, at: int) -> bool:
    """What stands there may be part of a tag, and of one that may be a container."""
    opening = markup.rfind("<", max(0, at - 1000), at)
    return opening > markup.rfind(">", max(0, at - 1000), at) and not markup.startswith(_NO_CONTAINER, opening)


def _places(text: str, word: str) -> list[int]:
    """Where ``word`` stands in ``text``, the first thousand times."""
    places: list[int] = []
    at = text.find(word)
    while at >= 0 and len(places) < 1000:
        places.append(at)
        at = text.find(word, at + 1)
    return places


def _is_google(frame: HtmlElement) -> bool:
    return bool(_GOOGLE.match((frame.get("src") or frame.get("data-src") or "").strip()))


def _within_bounds(scripts: Sequence[str]) -> list[str]:
    """The scripts, if they are no more than a page can need; else the parts that may matter."""
    if sum(map(len, scripts)) <= MAX_SCRIPTS:
        return [script[:MAX_SCRIPT] for script in scripts]
    chosen: list[str] = []
    left = MAX_SCRIPTS
    for script in scripts:
        if "aptcha" in script and left > 0:
            chosen.append(script[: min(MAX_SCRIPT, left)])
            left -= len(chosen[-1])
    return chosen
