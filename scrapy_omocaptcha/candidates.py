"""The elements of a page that may have to do with reCAPTCHA, picked out in one pass and sorted.

What is dead stays dead here: elements that a browser with scripts does not show as such, scripts that do not run.
Whether anything is a widget is not asked here.
"""

from __future__ import annotations

import re

from lxml.etree import XPath
from lxml.html import HtmlElement

from scrapy_omocaptcha.renders import KEY, Inline

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

_LOWER = "translate(@{}, 'CAPTH', 'capth')"
_CANDIDATES = XPath(
    "//*[@data-sitekey or self::iframe or self::script or contains(name(), 'captcha')"
    f" or contains({_LOWER.format('class')}, 'captcha') or contains({_LOWER.format('id')}, 'captcha')]"
)
_GOOGLE = re.compile(r"(?:https?:)?/{2,3}(?:www\.)?(?:google\.com|recaptcha\.net)/recaptcha/", re.IGNORECASE)
_LOADER = re.compile(r"/recaptcha/(?:api|enterprise)\.js\b", re.IGNORECASE)
_RENDER_KEY = re.compile(r"[?&;]render=(6L[\w-]{38})(?![\w-])")
_OTHER_LOADER = re.compile(r"hcaptcha\.com/|challenges\.cloudflare\.com/turnstile", re.IGNORECASE)
_RUNS = re.compile(r"^$|script|module|rocket|babel", re.IGNORECASE)
_HOLDS_DATA = re.compile(r"json|magento", re.IGNORECASE)


def is_dead(element: HtmlElement) -> bool:
    """A browser with scripts does not show ``element`` as an element of the page."""
    return next(element.iterancestors(*DEAD), None) is not None


class Candidates:
    """The candidates of a page, sorted by what they may be."""

    def __init__(self, root: HtmlElement) -> None:
        self.elements: list[HtmlElement] = []
        self.frames: list[HtmlElement] = []
        self.loaders: list[str] = []
        self.script_keys: list[str] = []
        self.others = False
        running: list[str] = []
        data: list[str] = []
        for element in _CANDIDATES(root):
            if element.tag == "iframe":
                if _GOOGLE.match((element.get("src") or element.get("data-src") or "").strip()):
                    self.frames.append(element)
            elif element.tag == "script":
                self._read_script(element, running, data)
            elif element.tag not in ("form", "link", "meta", "body", "html"):
                self.elements.append(element)
        self.inline = Inline(running, data)

    @property
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
        if is_dead(element):
            return
        kind = element.get("type") or ""
        # Consent managers and lazy loaders park scripts under another type and say so in attributes.
        runs = _RUNS.search(kind) or (kind == "text/plain" and any(a.startswith("data-") for a in element.attrib))
        if not runs:
            if _HOLDS_DATA.search(kind) and "ld+json" not in kind:
                data.append(element.text or "")
            return
        for value in element.values():
            if _LOADER.search(value):
                self.loaders.append(value)
            elif _OTHER_LOADER.search(value):
                self.others = True
        key = (element.get("data-sitekey") or "").strip()
        if KEY.fullmatch(key):
            self.script_keys.append(key)
        if element.text:
            running.append(element.text)
