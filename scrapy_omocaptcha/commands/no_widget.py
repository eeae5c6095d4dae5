"""Say what a page is that has no widget."""

import json
import re
from contextlib import suppress
from http import HTTPStatus

from parsel import Selector
from scrapy.http import Response, TextResponse
from scrapy.utils.response import response_status_message

from scrapy_omocaptcha.detection.vendors import find_product
from scrapy_omocaptcha.forms.page import parse_page

_HTML = re.compile(r"<(?:!doctype html|html|head|title|meta|body|script|div|p|a|form|input|h[1-6]|table|ul)\b", re.I)
"""Markup that other files with zeros, such as pictures, do not contain by chance."""
_ELEMENT = re.compile(r"<[a-z][\w-]*[\s/>]", re.I)
_SHOWN = "[not(ancestor::head or ancestor::script or ancestor::style or ancestor::noscript or ancestor::template)]"
_TEXT = f"//text(){_SHOWN}"
_FEW_WORDS = 20
"""A browser may show more of a page with scripts that has fewer words of its own."""
_CONTENT = (
    "//*[self::a[@href] or self::form or self::input or self::button or self::p or self::li or self::table"
    " or self::h1 or self::h2 or self::h3 or self::iframe or self::object or self::embed or self::video]"
    f"{_SHOWN} | //frameset | //meta[translate(@http-equiv, 'REFSH', 'refsh') = 'refresh']"
)
"""What a page has that is there for people without any script, or that leads to another page."""
_PICTURE = f"//*[self::img or self::picture]{_SHOWN}"
_LOADING = re.compile(r"\bloading\b|(?:\.\.\.|…)$", re.I)
_WANTS_SCRIPTS = re.compile(r"java\s?script", re.I)


def describe(response: Response, *, is_rendered: bool) -> str:
    """Return what a page without a live reCAPTCHA v2 widget is, and how to see more of it.

    :param is_rendered: whether a browser has rendered the page, so that there is no more to see.
    """
    page = None if is_rendered else parse_page(response)
    words = None if page is None else _words_beside_scripts(page)
    built = page is not None and words is not None and _is_built_by_script(page, words)
    if product := find_product(response.body):
        more = "; a script builds this page: render its URL with --browser" if built else ""
        return f"it has no reCAPTCHA v2 widget, but loads {product}, which is not solved{more}"
    if b"recaptcha" in response.body and not built:
        said = "it mentions reCAPTCHA but has no live v2 widget: it uses another version, or the code is unused"
    elif response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        said = f"the site has no such page ({response_status_message(response.status)}): check the address"
    elif response.status >= HTTPStatus.BAD_REQUEST:
        said = f"it is an error page ({response_status_message(response.status)}) without a reCAPTCHA v2 widget"
    elif (reason := no_page(response)) is not None:
        said = f"it is no HTML page: {reason}"
    elif built:
        said = "it has no reCAPTCHA v2 widget yet"
    else:
        said = "it has no reCAPTCHA v2 widget"
    if built:
        return f"{said}; a script builds this page: render its URL with --browser"
    return said if words is None or len(words) >= _FEW_WORDS else f"{said}; a browser may show more: try --browser"


def no_page(response: Response) -> str | None:
    """Return what is there instead of an HTML page; None if it is one."""
    if not response.body.strip():
        return "it is empty"
    if not isinstance(response, TextResponse):
        return "it is no text"
    try:
        text = response.text
    except (LookupError, UnicodeError):
        return "it is no text"
    with suppress(ValueError, RecursionError):
        json.loads(text)
        return "it is JSON"
    return None if (_HTML if "\0" in text else _ELEMENT).search(text) else "it has no HTML element"


def _words_beside_scripts(page: Selector) -> list[str] | None:
    """Return the words of a page that loads scripts; None if it loads none."""
    return " ".join(page.xpath(_TEXT).getall()).split() if page.xpath("//script[@src]") else None


def _is_built_by_script(page: Selector, words: list[str]) -> bool:
    """Tell whether all that a page shows is made by its scripts, so that without them it is blank or only loading.

    A page with few words may be an ordinary one, such as a note of thanks, or a picture.
    """
    if page.xpath(_CONTENT):
        return False
    if _WANTS_SCRIPTS.search(" ".join(page.xpath("//noscript//text()").getall())):
        return len(words) < _FEW_WORDS
    text = " ".join(words)
    return not page.xpath(_PICTURE) and (not text or (len(words) < _FEW_WORDS and bool(_LOADING.search(text))))
