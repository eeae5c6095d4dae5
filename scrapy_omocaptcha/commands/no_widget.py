"""Say what a page is that has no widget."""

import re
from http import HTTPStatus

from scrapy.http import Response, TextResponse
from scrapy.utils.response import response_status_message

from scrapy_omocaptcha.detection.vendors import find_product
from scrapy_omocaptcha.forms.page import parse_page

_ELEMENT = re.compile(r"<[a-z][\w-]*[\s/>]", re.I)
_SHOWN = "not(ancestor::head or ancestor::script or ancestor::style or ancestor::noscript or ancestor::template)"
_FEW_WORDS = 20
"""A browser may show more of a page with scripts that has fewer words of its own."""


def describe(response: Response, *, is_rendered: bool) -> str:
    """Return what a page without a live reCAPTCHA v2 widget is, and how to see more of it.

    :param is_rendered: whether a browser has rendered the page, so that there is no more to see.
    """
    if product := find_product(response.body):
        return f"it has no reCAPTCHA v2 widget, but loads {product}, which is not solved"
    if b"recaptcha" in response.body:
        said = "it mentions reCAPTCHA but has no live v2 widget: it uses another version, or the code is unused"
    elif response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        said = f"the site has no such page ({response_status_message(response.status)}): check the address"
    elif response.status >= HTTPStatus.BAD_REQUEST:
        said = f"it is an error page ({response_status_message(response.status)}) without a reCAPTCHA v2 widget"
    elif (reason := _why_no_page(response)) is not None:
        return f"it is no HTML page: {reason}"
    else:
        said = "it has no reCAPTCHA v2 widget"
    return f"{said}; a browser may show more: try --browser" if not is_rendered and _may_show_more(response) else said


def _why_no_page(response: Response) -> str | None:
    """Return what is there instead of an HTML page; None if it is one."""
    if not response.body.strip():
        return "it is empty"
    if not isinstance(response, TextResponse):
        return "it is no text"
    if response.body.lstrip().startswith((b"{", b"[")):
        return "it is JSON"
    return None if _ELEMENT.search(response.text) else "it has no HTML element"


def _may_show_more(response: Response) -> bool:
    page = parse_page(response)
    if page is None or not page.xpath("//script[@src]"):
        return False
    return len(" ".join(page.xpath(f"//text()[{_SHOWN}]").getall()).split()) < _FEW_WORDS
