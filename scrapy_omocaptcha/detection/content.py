"""Read what a page says to a visitor: its text, and its headings, and what is around its widgets.

What stands beside the content does not count: navigation, footers, sidebars, links, and forms without a widget. Reading
stops when a page is known to be a full one, so that long pages cost no more than short ones.
"""

import re
from collections.abc import Collection, Iterable
from functools import cache
from itertools import islice

from lxml.etree import Comment, ProcessingInstruction, iterwalk
from lxml.html import HtmlElement

from scrapy_omocaptcha.forms.labels import describe_field, is_hidden, visible_text
from scrapy_omocaptcha.forms.page import INERT_TAGS, Inherited, attributes_of, iter_texts, live_elements

MAX_TEXT = 20_000
"""Length in characters of text after which reading stops."""
MAX_PIECES = 40_000
"""Number of pieces of text, empty ones included, after which reading stops. An element has two."""
_MAX_HEADINGS = 50

_UNREAD_TAGS = frozenset((*INERT_TAGS, "head", "iframe", "select", "svg", "object"))
# Links lead elsewhere, and what buttons say is read by itself.
_NOT_CONTENT_TAGS = _UNREAD_TAGS | {"a", "button"}
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "legend"))
_INLINE_TAGS = {Comment, ProcessingInstruction}.union(
    """
    a abbr b bdi bdo big cite code em font i img kbd label mark q s small span strong sub sup time tt u var wbr
    """.split()
)
_FURNITURE_TAGS = frozenset(("nav", "footer", "aside", "menu", "header"))
_FURNITURE_ROLES = frozenset(("navigation", "banner", "contentinfo", "complementary", "search"))
_FURNITURE_NAMES = re.compile(
    r"(?:(?:site|page|main|top|global|left|right)[-_]?)?(?:nav|navbar|navigation|menu|topbar|header|footer|sidebar"
    r"|breadcrumbs?|cookies?|consent|copyright|search)(?:[-_]?(?:bar|banner|nav|menu|box|form|links|list|inner))?"
)
"""Matches classes and ids of what stands beside the content."""
_IDEOGRAPHS = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_SAYS = re.compile(
    r"alt|aria-label|id|name|onclick|onsubmit|title"
    r"|data-(?!(?:sitekey|s|size|theme|type|badge|(?:[a-z]+-)?callback)$)[a-z-]+"
)
"""Attributes that may say what a form is for."""
_MAX_ATTRIBUTES = 2000
_MAX_OUTER = 10
Pairs = tuple[tuple[str, str], ...]


class PageText:
    """What a page says, read in one pass.

    :param root: the page's root element.
    :param places: its widgets, the forms that own them, and the buttons that send these.
    :param other_forms: the page's other forms.
    """

    def __init__(
        self, root: HtmlElement, places: Collection[HtmlElement], other_forms: Collection[HtmlElement]
    ) -> None:
        self._other_forms = frozenset(other_forms)
        # An element that holds a widget is content, whatever its class says.
        kept = (*places, *root.iter("html", "body"))
        self._kept = {outer for inner in kept for outer in (inner, *inner.iterancestors())}
        self._is_live = live_elements()
        self._is_beside = Inherited(False, lambda element, is_beside: is_beside or self._is_furniture(element))
        self._pieces: list[str] = []
        """The pieces of the block that is being read."""
        self._length = 0
        self._blocks: list[str] = []
        """The text of the content by paragraph, cell and the like."""
        self._places = dict.fromkeys(places, 0)
        """The index of the block at which each of the places begins."""
        self._ends = dict.fromkeys(places, 0)
        self.headings: list[str] = []
        """The headings of the content and of the page's header, and the words for the header's pictures."""
        self.is_whole = True
        """Whether the page was read to its end."""
        self._attributes_in = cache(self._read_attributes)
        self._read(root)

    def near(self, widget: HtmlElement, before: int, after: int) -> str:
        """Return so many characters of the text before and after a widget."""
        place = self._places[widget]
        return f"{' '.join(self._blocks[:place])[-before:]} {' '.join(self._blocks[place:])[:after]}"

    def between(self, form: HtmlElement, widget: HtmlElement, button: HtmlElement | None) -> str:
        """Return the text of a form before its button. What follows may be the footer of a page in one form."""
        end = max(self._ends[form], self._places[widget]) if button is None else self._places[button]
        return " ".join(self._blocks[self._places[form] : end])

    def attributes(self, widget: HtmlElement, form: HtmlElement | None, buttons: Iterable[HtmlElement]) -> Pairs:
        """Return the attributes of a form, of what it has, and of what its widget is in that may say what it is for."""
        outer = (widget, *islice(widget.iterancestors(), _MAX_OUTER), *buttons)
        return (() if form is None else self._attributes_in(form)) + _attributes_of(outer)

    def _read_attributes(self, form: HtmlElement) -> Pairs:
        elements = islice(form.iter("*"), MAX_PIECES)
        # Links lead elsewhere.
        return _attributes_of(element for element in elements if element.tag != "a" and self.is_content(element))

    def is_content(self, element: HtmlElement) -> bool:
        """Tell whether an element is part of the content, and not of a form without a widget."""
        return self._is_live(element) and not (self._is_beside(element) or self._is_furniture(element))

    def first_field(self, controls: Iterable[HtmlElement]) -> str | None:
        """Describe the first of some controls that a visitor would fill in, as in "a password"."""
        shown = filter(self.is_content, filter(describe_field, controls))
        return next(map(describe_field, shown), None)

    def _is_furniture(self, element: HtmlElement) -> bool:
        names = f"{element.get('class', '')} {element.get('id', '')}".lower().split()
        return element not in self._kept and (
            element.tag in _FURNITURE_TAGS
            or element in self._other_forms
            or element.get("role") in _FURNITURE_ROLES
            or is_hidden(element)
            or any(map(_FURNITURE_NAMES.fullmatch, names))
        )

    def _read(self, root: HtmlElement) -> None:
        walk = iterwalk(root, events=("start", "end", "comment", "pi"))
        for event, element in islice(walk, MAX_PIECES):
            if event != "start":
                self._mark(element, self._ends)
                self._add(element.tail)
                continue
            self._mark(element, self._places)
            headings = self._headings_of(element)
            if headings is None:
                self._add(element.text)
            else:
                self.headings += islice(filter(None, map(visible_text, headings)), _MAX_HEADINGS - len(self.headings))
                walk.skip_subtree()
        self._end_block()
        self.is_whole = next(walk, None) is None and self._length < MAX_TEXT and len(self.headings) < _MAX_HEADINGS

    def _headings_of(self, element: HtmlElement) -> Iterable[HtmlElement] | None:
        """Return the headings of an element whose text is not read, often none; None if its text is read."""
        is_content = element.tag not in _NOT_CONTENT_TAGS
        if is_content and self._is_furniture(element):
            return element.iter(*_HEADINGS, "img") if _is_header(element) else ()
        if element.tag in _HEADINGS or element.get("role") == "heading":
            return [element]
        return None if is_content else ()

    def _mark(self, element: HtmlElement, places: dict[HtmlElement, int]) -> None:
        """Begin a block at the start or the end of an element, unless that is inline; note the number of a place's."""
        if element in places or element.tag not in _INLINE_TAGS:
            self._end_block()
        if element in places:
            places[element] = len(self._blocks)

    def _add(self, piece: str | None) -> None:
        if piece and self._length < MAX_TEXT:
            self._pieces.append(piece[:MAX_TEXT])
            self._length += len(piece.strip())

    def _end_block(self) -> None:
        if text := " ".join(" ".join(self._pieces).split()):
            self._blocks.append(text)
        self._pieces.clear()


def _is_header(element: HtmlElement) -> bool:
    return element.tag == "header" or element.get("role") == "banner" or "header" in element.get("id", "").lower()


def _attributes_of(elements: Iterable[HtmlElement]) -> Pairs:
    pairs = ((element.tag, name, value[:200]) for element in elements for name, value in attributes_of(element))
    # What an input is called is judged with what it sends.
    said = ((n, v) for tag, n, v in pairs if _SAYS.fullmatch(n) and not (tag == "input" and n in ("id", "name")))
    return tuple(islice(said, _MAX_ATTRIBUTES))


def text_of(root: HtmlElement) -> str:
    """Return the beginning of a page's text, without scripts, options and the like."""
    pieces = islice(iter_texts(root, _UNREAD_TAGS), MAX_PIECES)
    return " ".join(" ".join(pieces).split())[:MAX_TEXT]


def count_words(text: str) -> int:
    """Return the number of words in a text; without spaces, as in Chinese, two characters count as one."""
    return len(text.split()) + len(_IDEOGRAPHS.findall(text)) // 2


def shortened(text: str) -> str:
    """Return the beginning of a page's text for a line."""
    return text if len(text) <= 60 else f"{text[:59]}…"
