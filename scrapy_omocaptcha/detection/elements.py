"""Select what may belong to reCAPTCHA on a page, in one pass, grouped into elements, frames and scripts."""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain, islice
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from lxml.etree import XPath
from lxml.html import HtmlElement
from parsel import Selector

from scrapy_omocaptcha.detection.scripts import Mark, Scripts
from scrapy_omocaptcha.forms.page import attributes_of, live_elements

MAX_FRAMES = 100
"""Maximum number of Google's iframes that are read."""
MAX_MARKED = 20
"""Maximum number of elements that are looked up by an id or a class."""
MAX_SCRIPT = 1_000_000
"""Maximum length in characters of a script."""

SITEKEY = re.compile(r"6L[\w-]{30,60}")
"""Matches the value of an attribute or parameter that holds a site key."""

# Each expression makes one pass over one attribute, several times as fast as a pass over all elements. They return
# attributes because joining sets and stepping to parents takes libxml2 quadratic time.
_KEYS = XPath("descendant::*/@data-sitekey")
_CLASSES = XPath("descendant::*/@class[contains(., 'aptcha') or contains(., 'APTCHA')]")
_IDS = XPath("descendant::*/@id[contains(., 'aptcha') or contains(., 'APTCHA')]")
_BY_MARK = {
    "id": XPath("descendant-or-self::*[@id = $name]"),
    "class": XPath(
        "descendant-or-self::*[contains(concat(' ', normalize-space(@class), ' '), concat(' ', $name, ' '))]"
    ),
}
_FRAME = re.compile(
    r"\s*(?:https?:)?/{2,3}(?:www\.)?(?:google\.com|recaptcha\.net)"
    r"/recaptcha/(api2?|enterprise)/(anchor|fallback)\?([^#]{0,4000})",
    re.IGNORECASE,
)
_LOADER = re.compile(r"/recaptcha/(?:api|enterprise)\.js\b")
_RENDER_KEY = re.compile(r"[?&;]render=(6L[\w-]{38})(?![\w-])")
_OTHER_LOADER = re.compile(r"hcaptcha\.com/|challenges\.cloudflare\.com/turnstile")
_RUNS = re.compile(r"\A\Z|script|module|rocket|babel", re.IGNORECASE)
"""Matches the types of scripts that a browser runs."""
_NO_CONTAINER_TAGS = frozenset(("form", "link", "meta", "body", "html", "script", "iframe", "style"))


class Frame(NamedTuple):
    """One of Google's iframes, which a page contains once a browser has rendered its widgets."""

    element: HtmlElement
    kind: str
    """``anchor`` (checkbox or badge) or ``fallback`` (the form for browsers without scripts)."""
    key: str
    invisible: bool
    is_version_2: bool
    """Whether it is a checkbox, or was made with the options of a v2 widget, which v3 does not set."""
    enterprise: bool
    data_s: str


class Candidates:
    """The candidates of a page: elements that may be widgets, Google's iframes, and scripts."""

    def __init__(self, selector: Selector) -> None:
        self.root = selector.root
        self.is_live = live_elements()
        self._frames = list(islice(filter(None, map(_read_frame, self.root.iter("iframe"))), MAX_FRAMES))
        self.loaders: list[str] = []
        self._loads_other_captcha = False
        self.elements = _owners(chain(_KEYS(self.root), _CLASSES(self.root), _IDS(self.root)))
        self._running: list[str] = []
        for script in self.root.iter("script"):
            self._read_script(script)
        self.scripts = Scripts(self._running)

    def marked(self, mark: Mark | None) -> list[HtmlElement]:
        """Return the first live elements with an id or a class."""
        kind, name = mark or ("id", "")
        # XPath has no zeros and the like.
        found = _BY_MARK[kind](self.root, name=name) if name.isprintable() and name else []
        return list(filter(self.is_live, found[:MAX_MARKED]))

    @cached_property
    def score_keys(self) -> frozenset[str]:
        """Return the site keys of reCAPTCHA v3."""
        return self.scripts.score_keys.union(chain.from_iterable(map(_RENDER_KEY.findall, self.loaders)))

    @cached_property
    def widget_keys(self) -> set[str]:
        """Return the site keys that scripts name, without those of reCAPTCHA v3."""
        return {key for _, key in self.scripts.keys} - self.score_keys

    @cached_property
    def loads_widgets(self) -> bool:
        """Tell whether Google's script is loaded, not for v3 alone, and no other captcha's script is."""
        return not self._loads_other_captcha and not all(map(_RENDER_KEY.search, self.loaders))

    @cached_property
    def enterprise(self) -> bool:
        """Tell whether Google's script is loaded in its enterprise version alone."""
        return bool(self.loaders) and all("enterprise.js" in source.lower() for source in self.loaders)

    def live_frames(self, kind: str) -> list[Frame]:
        """Return the iframes of a kind that a browser that runs scripts shows."""
        return [frame for frame in self._frames if frame.kind == kind and self.is_live(frame.element)]

    def fallbacks(self) -> Iterator[tuple[HtmlElement, str]]:
        """Yield the ``noscript`` elements that show Google's form for browsers without scripts, with its site key."""
        for frame in self._frames:
            noscript = next(frame.element.iterancestors("noscript"), None)
            if noscript is not None and frame.kind == "fallback" and frame.key not in self.score_keys:
                yield noscript, frame.key

    def _read_script(self, script: HtmlElement) -> None:
        kind = script.get("type", "")
        # Consent managers defer scripts by changing their type, and mark them with attributes.
        is_deferred = kind == "text/plain" and any(name.startswith("data-") for name in script.attrib)
        if not (self.is_live(script) and (is_deferred or _RUNS.search(kind))):
            return
        self._running.append((script.text or "")[:MAX_SCRIPT])
        values = {value for _, value in attributes_of(script)}
        loaders = set(filter(_LOADER.search, values))
        self.loaders += loaders
        self._loads_other_captcha |= any(map(_OTHER_LOADER.search, values - loaders))


def _read_frame(element: HtmlElement) -> Frame | None:
    """Read the iframe ``element``; return None if it does not belong to reCAPTCHA v2 or v3."""
    source = _FRAME.match(element.get("src") or element.get("data-src", ""))
    if source is None:
        return None
    query = parse_qs(source[3])
    is_invisible = query.get("size") == ["invisible"]
    key = query.get("k", [""])[0].strip()
    if not SITEKEY.fullmatch(key):
        return None
    return Frame(
        element=element,
        kind=source[2].lower(),
        key=key,
        invisible=is_invisible,
        is_version_2=not is_invisible or not query.keys().isdisjoint(("type", "theme")),
        enterprise=source[1].lower() == "enterprise",
        data_s=query.get("s", [""])[0],
    )


def _owners(attributes: Iterable[Any]) -> list[HtmlElement]:
    """Return the elements that have ``attributes``, each once, if they may be containers."""
    owners = dict.fromkeys(attribute.getparent() for attribute in attributes)
    return [element for element in owners if element.tag not in _NO_CONTAINER_TAGS]
