"""Parse a response as a browser parses a page, and read the text of its elements and what they inherit."""

from collections.abc import Callable, Container, Iterator
from itertools import islice
from typing import Generic, TypeVar

from lxml.etree import iterwalk
from lxml.html import HtmlElement
from parsel import Selector
from scrapy.http import HtmlResponse, Response

T = TypeVar("T")

INERT_TAGS = frozenset(
    ("template", "ng-template", "noscript", "textarea", "title", "xmp", "noembed", "noframes", "style", "script")
)
"""Tags whose content a browser that runs scripts does not render as elements."""

_MAX_ATTRIBUTES = 100


def parse_page(response: Response) -> Selector | None:
    """Parse ``response`` as HTML, with ``response.selector`` where possible, so that a page is parsed once.

    :returns: None if the response is not a page, or its text cannot be decoded.
    """
    if not isinstance(response, HtmlResponse):
        return None
    try:
        text = response.text
    except (LookupError, UnicodeError):
        # The encoding that the response claims is known to Python as something else (hex, idna).
        return None
    try:
        selector: Selector = response.selector
    except ValueError:  # Scrapy raises it for a <base> that is not a valid URL.
        selector = Selector(text=text, type="html")
    # Before parsel 1.12, JSON is read as JSON whatever it is said to be.
    return selector if selector.type == "html" else None


def title_of(root: HtmlElement) -> str:
    """Return the title of a page in one line; empty if it has none."""
    return " ".join(root.findtext(".//title", "")[:1000].split())[:300]


def attributes_of(element: HtmlElement) -> list[tuple[str, str]]:
    """Return names and values of the first attributes of an element. For all of many, lxml takes quadratic time."""
    return [(name, element.get(name, "")) for name in islice(element.keys(), _MAX_ATTRIBUTES)]


def iter_texts(root: HtmlElement, skipped: Container[str]) -> Iterator[str]:
    """Yield the pieces of text in ``root`` in document order, without the content of the tags in ``skipped``."""
    yield root.text or ""
    walk = iterwalk(root, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        if element is root:
            continue
        if event != "start":
            yield element.tail or ""
        elif element.tag in skipped:
            walk.skip_subtree()
        else:
            yield element.text or ""


class Inherited(Generic[T]):
    """A value that the elements of one page inherit from their ancestors, computed once for each of these.

    A page may nest two thousand elements and hold a million fields. Walking up from every field would take minutes.

    :param initial: the value that the root element inherits.
    :param derive: returns the value inside an element, given the element and the value that it inherits.
    """

    def __init__(self, initial: T, derive: Callable[[HtmlElement, T], T]) -> None:
        self._inside: dict[HtmlElement | None, T] = {None: initial}
        self._derive = derive

    def __call__(self, element: HtmlElement) -> T:
        """Return the value that ``element`` inherits."""
        pending = []
        ancestor = element.getparent()
        while ancestor not in self._inside:
            pending.append(ancestor)
            ancestor = ancestor.getparent()
        value = self._inside[ancestor]
        for ancestor in reversed(pending):
            value = self._inside[ancestor] = self._derive(ancestor, value)
        return value

    def change(self, element: HtmlElement, value: T) -> None:
        """Let what follows in ``element`` inherit ``value``, but not what is in a child that was asked for before."""
        self._inside[element] = value


def live_elements() -> Inherited[bool]:
    """Return a function that tells whether a browser that runs scripts renders an element as one of the page."""
    return Inherited(True, lambda element, is_live: is_live and element.tag not in INERT_TAGS)
