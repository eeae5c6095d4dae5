"""Parsing a response into the page that a browser would make of it."""

from __future__ import annotations

import re
from contextlib import suppress

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
            return response.selector
    elif not _XHTML.search(text, 0, 2000):
        return None
    # Scrapy parses XHTML as XML, in which forms and scripts are not what they are in HTML.
    return Selector(text=text, type="html")
