"""Parse a response as a browser parses a page, and read the text of its elements."""

import re
from collections.abc import Container, Iterator
from contextlib import suppress

from lxml.etree import iterwalk
from lxml.html import HtmlElement
from parsel import Selector
from scrapy.http import HtmlResponse, Response, XmlResponse

_XHTML = re.compile(r"<(?:\w+:)?html[\s>]", re.IGNORECASE)


def parse_page(response: Response) -> Selector | None:
    """Parse ``response`` as HTML, with ``response.selector`` where possible, so that a page is parsed once.

    :returns: None if the response is not a page, or its text cannot be decoded.
    """
    if not isinstance(response, (HtmlResponse, XmlResponse)):
        return None
    try:
        text = response.text
    except (LookupError, UnicodeError):
        # The encoding that the response claims is known to Python as something else (hex, idna).
        return None
    if isinstance(response, HtmlResponse):
        with suppress(ValueError):  # Scrapy raises it for a <base> that is not a valid URL.
            return _html(response.selector)
    elif not _XHTML.search(text, 0, 2000):
        return None
    # Scrapy parses XHTML as XML, in which forms and scripts are not what they are in HTML.
    return _html(Selector(text=text, type="html"))


def _html(selector: Selector) -> Selector | None:
    # Before parsel 1.12, JSON is read as JSON whatever it is said to be.
    return selector if selector.type == "html" else None


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
