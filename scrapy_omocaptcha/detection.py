"""A page read for a reCAPTCHA v2 challenge: the public ``find_challenge``.

Pure: a response in, a value out; no settings, no network, no engine. A page without the word costs one scan of its
bytes. A page with it is parsed once, by ``response.selector``, so that the spider's own ``response.css`` finds
the work done.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import replace
from urllib.parse import urljoin

from lxml.html import HtmlElement
from parsel import Selector
from scrapy.http import HtmlResponse, Response, TextResponse, XmlResponse

from scrapy_omocaptcha import callbacks
from scrapy_omocaptcha.blocking import judge
from scrapy_omocaptcha.callbacks import Deed
from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.forms import find_form, read_form
from scrapy_omocaptcha.renders import Inline
from scrapy_omocaptcha.widgets import Widget, find_widgets

_WORD = b"recaptcha"
# As UTF-16 and as UTF-32 spell it, in either byte order.
_WIDE_WORDS = (b"\0".join(bytes([c]) for c in _WORD), b"\0\0\0".join(bytes([c]) for c in _WORD))
_WIDE_CHARSET = re.compile(rb"utf-?(?:16|32)|ucs-?[24]|unicode", re.IGNORECASE)
_XHTML = re.compile(r"<(?:\w+:)?html[\s>]", re.IGNORECASE)


def find_challenge(response: Response) -> Challenge | None:
    """The reCAPTCHA v2 challenge of a page.

    :param response: any response of Scrapy's, of a download or built by hand, of raw or of rendered HTML.
    :returns: the first live widget in document order, with its form, whether the page is the challenge, and the
        page's further widgets; None when the page holds no live widget or is no HTML.
    """
    if not _mentions_recaptcha(response):
        return None
    selector = _page(response)
    if selector is None:
        return None
    text = response.text
    widgets, inline = find_widgets(selector, text)
    if not widgets:
        return None
    root = selector.root
    first, *further = [_challenge(response, root, widget, widgets, inline) for widget in widgets]
    judgement = judge(
        status=response.status, url=response.url, root=root, markup=text, form=find_form(widgets[0].element)
    )
    return replace(first, blocking=judgement.blocking, evidence=judgement.evidence, others=tuple(further))


def _mentions_recaptcha(response: Response) -> bool:
    body = response.body
    if _WORD in body:
        return True
    wide = b"\0" in body[:4] or body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not wide and not _WIDE_CHARSET.search(response.headers.get(b"Content-Type") or b""):
        return False
    return any(word in body for word in _WIDE_WORDS)


def _page(response: Response) -> Selector | None:
    """The parsed page, or None when the response is no page."""
    if isinstance(response, HtmlResponse):
        return response.selector
    if isinstance(response, XmlResponse) and _XHTML.search(response.text[:2000]):
        # Scrapy's own selector of it is one for XML, in which neither a form nor a script is what it is in HTML.
        return Selector(text=response.text, type="html")
    return None


def _challenge(
    response: Response, root: HtmlElement, widget: Widget, widgets: list[Widget], inline: Inline
) -> Challenge:
    deed = _deed(widget, inline)
    form = _form(response, root, widget, widgets, deed)
    unseen = deed is Deed.UNSEEN and widget.invisible and form is None
    return Challenge(
        url=response.url,
        sitekey=widget.sitekey,
        invisible=widget.invisible,
        enterprise=widget.enterprise,
        data_s=widget.data_s,
        callback=widget.callback,
        form=form,
        scripted=deed is Deed.SCRIPTED or unseen,
    )


def _deed(widget: Widget, inline: Inline) -> Deed:
    if widget.handler is not None:
        return callbacks.written(inline, *widget.handler)
    return Deed.UNSEEN if widget.callback is None else callbacks.named(inline, widget.callback)


def _form(response: Response, root: HtmlElement, widget: Widget, widgets: list[Widget], deed: Deed) -> Form | None:
    form = find_form(widget.element)
    if form is None:
        return None
    # A checkbox waits for the form's button, unless its callback submits; an invisible widget always submits by
    # its callback, unless that presses a button.
    pressed = deed is Deed.PRESSES or not (widget.invisible or deed is Deed.SUBMITS)
    try:
        return read_form(
            form,
            page_url=response.url,
            base_url=_base_url(response.url, root),
            encoding=response.encoding if isinstance(response, TextResponse) else "utf-8",
            token_at=[w.element for w in widgets if find_form(w.element) is form],
            pressed=pressed,
        )
    except ValueError:  # the action is no address at all
        return None


def _base_url(url: str, root: HtmlElement) -> str:
    href = next(iter(root.xpath("(//base/@href)[1]")), None)
    try:
        return url if href is None else urljoin(url, href.strip())
    except ValueError:
        return url
