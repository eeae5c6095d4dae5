"""A response parsed as the page that a browser would make of it."""

from __future__ import annotations

import re

from parsel import Selector
from scrapy.http import HtmlResponse, Response, XmlResponse

_XHTML = re.compile(r"<(?:\w+:)?html[\s>]", re.IGNORECASE)


def parsed_page(response: Response) -> Selector | None:
    """The page, by ``response.selector`` where that can be, so that nobody parses it again; None for what is none."""
    if isinstance(response, HtmlResponse):
        try:
            return response.selector
        except ValueError:  # Scrapy's way of taking a <base> that is no address
            return Selector(text=response.text, type="html")
    if isinstance(response, XmlResponse) and _XHTML.search(response.text, 0, 2000):
        # Scrapy's own selector of it is one for XML, in which neither a form nor a script is what it is in HTML.
        return Selector(text=response.text, type="html")
    return None
