"""Walls of other vendors: named, so that a crawl that stands before one is told which, and never solved.

Pure, like the rest of detection. Only a refused page (403, 429, 503) is looked at, and only one that carries a vendor's
mark is parsed.
"""

from __future__ import annotations

from lxml.etree import XPath
from lxml.html import HtmlElement
from scrapy.http import Response

from scrapy_omocaptcha.detection.blocking import REFUSING
from scrapy_omocaptcha.detection.content import Reading, asked
from scrapy_omocaptcha.detection.phrases import wall_phrase
from scrapy_omocaptcha.forms.page import parse_page

_MARKS = {
    # A wall's own name says more than that of the captcha it holds, so walls stand first.
    "PerimeterX": (b"_pxAppId", b"px-captcha"),
    "DataDome": (b"captcha-delivery.com",),
    "Cloudflare JavaScript challenge": (b"jschl_answer", b"jschl-answer", b"cf-browser-verification", b"_cf_chl_opt"),
    "Incapsula": (b"/_Incapsula_Resource",),
    "AWS WAF": (b"awswaf.com/", b"AwsWafIntegration"),
    "Akamai": (b"sec-if-cpt-container", b"sec-cpt-if"),
    "Kasada": (b"KPSDK",),
    "Sucuri JavaScript challenge": (b"sucuri_cloudproxy_js",),
    "DDoS-Guard": (b"/.well-known/ddos-guard/", b"ddos-guard.net"),
    "hCaptcha": (b"hcaptcha.com/", b"h-captcha"),
    "Turnstile": (b"challenges.cloudflare.com/turnstile", b"cf-turnstile"),
    "FunCaptcha": (b"funcaptcha.com/", b"arkoselabs.com/"),
    "GeeTest": (b"geetest.com/", b"initGeetest"),
    "Yandex SmartCaptcha": (b"smartcaptcha.yandexcloud.net", b"CheckboxCaptcha-Form"),
    "Tencent captcha": (b"captcha.qq.com/",),
    "Friendly Captcha": (b"frc-captcha",),
    "Amazon's picture captcha": (b"/errors/validateCaptcha",),
}
_ELEMENT = XPath(
    "boolean(//*[contains(@class, 'h-captcha') or contains(@class, 'cf-turnstile') or contains(@id, 'px-captcha')"
    " or starts-with(@id, 'jschl') or contains(@class, 'frc-captcha') or contains(@id, 'sec-if-cpt')"
    " or self::iframe[contains(@src, 'captcha') or contains(@src, 'Incapsula')]])"
)


def find_other_captcha(response: Response) -> str | None:
    """The vendor whose wall the page is, for a person to read (``"hCaptcha"``); None when it is no such wall.

    A page that was not refused is none, whatever it carries: many sites load such a product beside their content.

    :param response: any response of Scrapy's.
    """
    if response.status not in REFUSING:
        return None
    body = response.body
    name = next((name for name, marks in _MARKS.items() if any(mark in body for mark in marks)), None)
    selector = parse_page(response) if name else None
    return name if selector is not None and _is_bare(selector.root) else None


def _is_bare(root: HtmlElement) -> bool:
    """There is little to read and it speaks of a check, or there is hardly anything, or nothing but a captcha."""
    reading = Reading(root)
    if wall_phrase(reading.title) or wall_phrase(reading.text[:4000]):
        bare = reading.words <= 450 and reading.links <= 30
    else:
        # A script alone says nothing: many sites load one on every page.
        bare = reading.words <= 60 and reading.links <= 5 and (reading.words == 0 or bool(_ELEMENT(root)))
    return bare and not [field for field in asked(root) if field != "a search"]
