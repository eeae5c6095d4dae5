"""A response parsed as the page that a browser would make of it."""

from __future__ import annotations

import re
from contextlib import suppress

from parsel import Selector
from scrapy.http import HtmlResponse, Response, XmlResponse

_XHTML = re.compile(r"<(?:\w+:)?html[\s>]", re.IGNORECASE)


def parsed_page(response: Response) -> Selector | None:
    """The page, by ``response.selector`` where that can be, so that nobody parses it again; None for what is none."""
    if not isinstance(response, (HtmlResponse, XmlResponse)):
        return None
    try:
        text = response.text
    except (LookupError, UnicodeError):
        # It claims an encoding by which Python knows something else (hex, idna); nobody has the page's text.
        return None
    if isinstance(response, HtmlResponse):
        with suppress(ValueError):  # Scrapy's way of taking a <base> that is no address
            return response.selector
    elif not _XHTML.search(text, 0, 2000):
        return None
    # Scrapy's own selector of XHTML is one for XML, in which neither a form nor a script is what it is in HTML.
    return Selector(text=text, type="html")
