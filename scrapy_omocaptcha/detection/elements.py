"""Select what may belong to reCAPTCHA on a page, in one pass, grouped into elements, frames and scripts."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from lxml.etree import XPath
from lxml.html import HtmlElement
from parsel import Selector

from scrapy_omocaptcha.detection.inline_scripts import KEY, InlineScripts
from scrapy_omocaptcha.detection.selectors import Selectors
from scrapy_omocaptcha.forms.page import live_elements

MAX_FRAMES = 100
"""Maximum number of Google's iframes that are read."""
MAX_SCRIPT = 1_000_000
"""Maximum length in characters of a script."""
MAX_SCRIPTS = 4_000_000
"""Maximum length in characters of all scripts of a page."""

SITEKEY = re.compile(r"6L[\w-]{30,60}")
"""Matches the value of an attribute or parameter that holds a site key."""

# Each expression makes one pass over one attribute, several times as fast as a pass over all elements. They return
# attributes because joining sets and stepping to parents takes libxml2 quadratic time.
_KEYS = XPath("descendant::*/@data-sitekey")
_CLASSES = XPath("descendant::*/@class[contains(., 'aptcha') or contains(., 'APTCHA')]")
_IDS = XPath("descendant::*/@id[contains(., 'aptcha') or contains(., 'APTCHA')]")
_NAMED_CAPTCHA = XPath("descendant::*/@*[contains(name(), 'captcha')]")
_TAGGED_CAPTCHA = XPath("descendant::*[contains(name(), 'captcha')]")
_FRAME = re.compile(
    r"\s*(?:https?:)?/{2,3}(?:www\.)?(?:google\.com|recaptcha\.net)"
    r"/recaptcha/(api2?|enterprise)/(anchor|bframe|fallback)\?([^#]{0,4000})",
    re.IGNORECASE,
)
_LOADER = re.compile(r"/recaptcha/(?:api|enterprise)\.js\b")
_RENDER_KEY = re.compile(r"[?&;]render=(6L[\w-]{38})(?![\w-])")
_OTHER_LOADER = re.compile(r"hcaptcha\.com/|challenges\.cloudflare\.com/turnstile")
_RUNS = re.compile(r"script|module|rocket|babel", re.IGNORECASE)
_HOLDS_DATA = re.compile(r"json|magento", re.IGNORECASE)
_NO_CONTAINER_TAGS = frozenset(("form", "link", "meta", "body", "html", "script", "iframe", "style"))


class Frame(NamedTuple):
    """One of Google's iframes, which a page contains once a browser has rendered its widgets."""

    element: HtmlElement
    kind: str
    """``anchor`` (checkbox or badge), ``bframe`` (pictures) or ``fallback`` (the form for browsers without scripts)."""
    key: str
    invisible: bool
    has_options: bool
    """Whether it was made with the options of a v2 widget, which v3 does not set."""
    enterprise: bool
    data_s: str | None


class Candidates:
    """The candidates of a page: elements that may be widgets, Google's iframes, and scripts.

    At first the elements are those with a site key, which are the cheapest to find.
    """

    def __init__(self, selector: Selector) -> None:
        self.root = selector.root
        self.selectors = Selectors(self.root)
        self.is_live = live_elements()
        self.frames: list[Frame] = []
        self.loaders: list[str] = []
        self.script_keys: set[str] = set()
        self._loads_other_captcha = False
        self.elements = _owners(_KEYS(self.root))
        running: list[str] = []
        data: list[str] = []
        for element in self.root.iter("script", "iframe"):
            if element.tag == "script":
                self._read_script(element, running, data)
            elif len(self.frames) < MAX_FRAMES and (frame := _read_frame(element)):
                self.frames.append(frame)
        self.inline = InlineScripts(_limit(running), _limit(data))

    def add_by_name(self) -> None:
        """Add the elements with "captcha" in their class or id, in their tag, or in the name of an attribute."""
        found = [*_owners(_CLASSES(self.root)), *_owners(_IDS(self.root)), *_TAGGED_CAPTCHA(self.root)]
        # Attributes have such names on many elements. Those of widgets have the site key beside them.
        found += (e for e in _owners(_NAMED_CAPTCHA(self.root)) if any("6L" in value for value in e.values()))
        self.elements = list(dict.fromkeys(self.elements + found))

    @cached_property
    def score_keys(self) -> frozenset[str]:
        """Return the site keys of reCAPTCHA v3."""
        loaded = {key for source in self.loaders for key in _RENDER_KEY.findall(source)}
        return self.inline.score_keys | loaded

    @cached_property
    def widget_keys(self) -> set[str]:
        """Return the site keys that scripts name, without those of reCAPTCHA v3."""
        return {key for _, key in self.inline.keys} - self.score_keys

    @cached_property
    def loads_widgets(self) -> bool:
        """Return whether Google's script is loaded, not for v3 alone, and no other captcha's script is."""
        return not self._loads_other_captcha and any(not _RENDER_KEY.search(source) for source in self.loaders)

    @cached_property
    def enterprise(self) -> bool:
        """Return whether Google's script is loaded in its enterprise version alone."""
        return bool(self.loaders) and all("enterprise.js" in source.lower() for source in self.loaders)

    def _read_script(self, element: HtmlElement, running: list[str], data: list[str]) -> None:
        kind, text = element.get("type"), element.text or ""
        if kind and not _RUNS.search(kind):
            # Consent managers defer scripts by changing their type, and mark them with attributes.
            deferred = kind == "text/plain" and any(name.startswith("data-") for name in element.attrib)
            if not deferred:
                if _HOLDS_DATA.search(kind) and "ld+json" not in kind:
                    data.append(text)
                return
        if "aptcha" in text and not self.is_live(element):
            return
        for name, value in element.items():
            if name == "data-sitekey" and KEY.fullmatch(value.strip()):
                self.script_keys.add(value.strip())
            elif "/recaptcha/" in value and _LOADER.search(value) and self.is_live(element):
                self.loaders.append(value)
            elif _OTHER_LOADER.search(value):
                self._loads_other_captcha = True
        if text:
            running.append(text)


def _read_frame(element: HtmlElement) -> Frame | None:
    """Read the iframe ``element``; return None if it does not belong to reCAPTCHA v2 or v3."""
    source = _FRAME.match(element.get("src") or element.get("data-src") or "")
    if source is None:
        return None
    query = parse_qs(source[3])
    key = query.get("k", [""])[0].strip()
    if not SITEKEY.fullmatch(key):
        return None
    return Frame(
        element=element,
        kind=source[2].lower(),
        key=key,
        invisible=query.get("size") == ["invisible"],
        has_options="type" in query or "theme" in query,
        enterprise=source[1].lower() == "enterprise",
        data_s=query.get("s", [None])[0],
    )


def _owners(attributes: Iterable[Any]) -> list[HtmlElement]:
    """Return the elements that have ``attributes``, each once, if they may be containers."""
    owners = dict.fromkeys(attribute.getparent() for attribute in attributes)
    return [element for element in owners if element.tag not in _NO_CONTAINER_TAGS]


def _limit(scripts: Sequence[str]) -> list[str]:
    """Cut off scripts that are too long, and keep only the first with "captcha" if they are too long together."""
    if sum(map(len, scripts)) > MAX_SCRIPTS:
        scripts = [script for script in scripts if "aptcha" in script][: MAX_SCRIPTS // MAX_SCRIPT]
    return [script[:MAX_SCRIPT] for script in scripts]
