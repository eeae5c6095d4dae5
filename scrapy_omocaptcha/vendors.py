"""Walls of other vendors: named, so that a crawl that stands before one is told which, and never solved.

Pure, like detection; it is asked about refused pages only (403, 429, 503), and parses those that carry a vendor's
mark.
"""

from __future__ import annotations

import re

from lxml.etree import XPath
from lxml.html import HtmlElement
from scrapy.http import Response

from scrapy_omocaptcha.parsing import parsed_page
from scrapy_omocaptcha.reading import Reading, asked
from scrapy_omocaptcha.wordings import wall_phrase

_MARKS = (
    ("hCaptcha", rb"\bhcaptcha\.com/|class=[\"']?h-captcha\b"),
    ("Turnstile", rb"challenges\.cloudflare\.com/turnstile|\bcf-turnstile\b"),
    ("PerimeterX", rb"\b_pxAppId\b|\bpx-captcha\b"),
    ("Cloudflare JavaScript challenge", rb"\bjschl[-_]answer\b|\b_cf_chl_opt\b|\bcf-browser-verification\b"),
    ("FunCaptcha", rb"\bfuncaptcha\.com/|\barkoselabs\.com/"),
    ("DataDome", rb"\bcaptcha-delivery\.com\b"),
    ("GeeTest", rb"\bgeetest\.com/|\binitGeetest\w*\("),
    ("AWS WAF", rb"\bawswaf\.com/|\bAwsWafIntegration\b"),
    ("Incapsula", rb"/_Incapsula_Resource\b"),
    ("Kasada", rb"/ips\.js\?|\bKPSDK\b"),
    ("Akamai", rb"\bsec-if-cpt-container\b|\bsec-cpt-if\b"),
    ("Yandex SmartCaptcha", rb"\bsmartcaptcha\.yandexcloud\.net\b|\bCheckboxCaptcha-Form\b"),
    ("Tencent captcha", rb"\bcaptcha\.qq\.com/|\bturing\.captcha\."),
    ("Friendly Captcha", rb"\bfrc-captcha\b"),
    ("Amazon's picture captcha", rb"/errors/validateCaptcha\b"),
    ("Sucuri JavaScript challenge", rb"\bsucuri_cloudproxy_js\b"),
    ("DDoS-Guard", rb"/\.well-known/ddos-guard/|\bddos-guard\.net\b"),
)
_MARK = re.compile(b"|".join(b"(" + mark + b")" for _, mark in _MARKS), re.IGNORECASE)
_ELEMENT = XPath(
    "boolean(//*[contains(@class, 'h-captcha') or contains(@class, 'cf-turnstile') or contains(@id, 'px-captcha')"
    " or starts-with(@id, 'jschl') or contains(@class, 'frc-captcha') or contains(@id, 'sec-if-cpt')"
    " or self::iframe[contains(@src, 'captcha') or contains(@src, 'Incapsula')]])"
)


def find_other_captcha(response: Response) -> str | None:
    """The vendor whose wall the page is, for a person to read (``"hCaptcha"``); None when it is no such wall.

    :param response: a response that was refused; of a page that was served, the answer means nothing.
    """
    marks = {mark.lastindex for mark in _MARK.finditer(response.body)}
    selector = parsed_page(response) if marks else None
    if selector is None or not _is_bare(selector.root):
        return None
    # A wall by Cloudflare holds Turnstile, one by PerimeterX somebody's captcha: the wall's own name says more.
    names = [name for number, (name, _) in enumerate(_MARKS, 1) if number in marks]
    return next((name for name in ("PerimeterX", "DataDome") if name in names), names[0])


def _is_bare(root: HtmlElement) -> bool:
    """There is little to read and it speaks of a check, or there is hardly anything but a captcha."""
    reading = Reading(root)
    if wall_phrase(reading.title) or wall_phrase(reading.text[:4000]):
        bare = reading.words <= 450 and reading.links <= 30
    else:
        # A script alone says nothing: many sites load one on every page.
        bare = reading.words <= 60 and reading.links <= 5 and bool(_ELEMENT(root))
    return bare and not [field for field in asked(root) if field != "a search"]
