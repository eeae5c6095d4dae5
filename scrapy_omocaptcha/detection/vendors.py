"""Detect other vendors' walls, which are never solved but named in the log.

Only pages with the status of a wall are searched, and only those that contain a vendor's mark are parsed.
"""

import re
from collections.abc import Iterable

from lxml.etree import XPath
from lxml.html import HtmlElement
from scrapy.http import Response

from scrapy_omocaptcha.detection.content import count_words, text_of
from scrapy_omocaptcha.detection.lexicon import Lexicon
from scrapy_omocaptcha.detection.phrases import CHECK, WITHHOLDING
from scrapy_omocaptcha.forms.labels import describe_field
from scrapy_omocaptcha.forms.page import live_elements, parse_page, title_of

_MARKS = {
    # Walls come first, because the name of a wall says more than the name of the captcha on it.
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
_PRODUCTS = ("hCaptcha", "Turnstile", "FunCaptcha", "GeeTest", "Yandex SmartCaptcha", "Friendly Captcha")
"""Captchas that also stand in forms, rather than on walls only."""
_AWS_STATUSES = (202, 405)
"""Statuses of AWS WAF, which other pages of such products do not have."""
_PHRASES = Lexicon(("enable js", "one last step", "one more step", "security verification", "verify you"))
"""What such pages say, beside what those with our widgets do."""
_count_links = XPath("count(descendant::a/@href)")
_ELEMENT = XPath(
    "boolean(//*[contains(@class, 'h-captcha') or contains(@class, 'cf-turnstile') or contains(@id, 'px-captcha')"
    " or starts-with(@id, 'jschl') or contains(@class, 'frc-captcha') or contains(@id, 'sec-if-cpt')"
    " or self::iframe[contains(@src, 'captcha') or contains(@src, 'Incapsula')]])"
)


def find_product(body: bytes) -> str | None:
    """Return which captcha that is none of reCAPTCHA v2 a page loads, whatever its status and whatever it is for."""
    product = "reCAPTCHA Enterprise" if b"recaptcha/enterprise.js" in body else None
    rendered = re.search(rb"recaptcha/(?:api|enterprise)\.js\?[^\"'>]*\brender=(?!explicit|onload)([\w-]+)", body)
    if rendered:
        return f"{product or 'reCAPTCHA v3'} (render={rendered[1].decode()})"
    return product or _first_marked(body, _PRODUCTS)


def find_vendor(response: Response) -> str | None:
    """Return the name of the vendor whose wall a page with the status of a wall is, or None if it is not one."""
    name = _first_marked(response.body, ["AWS WAF"] if response.status in _AWS_STATUSES else _MARKS)
    selector = parse_page(response) if name else None
    return name if selector is not None and _is_bare(selector.root) else None


def _first_marked(body: bytes, names: Iterable[str]) -> str | None:
    """Return the first of some vendors of which a page contains a mark, or None."""
    return next((name for name in names if any(mark in body for mark in _MARKS[name])), None)


def _is_bare(root: HtmlElement) -> bool:
    """Tell whether the page has little text that speaks of a check, or hardly any text, and asks for nothing else."""
    text = text_of(root)
    words, links = count_words(text), _count_links(root)
    title = title_of(root)
    if CHECK.find(title) or any(phrases.find(f"{title} {text[:4000]}") for phrases in (WITHHOLDING, _PHRASES)):
        is_bare = words <= 450 and links <= 30
    else:
        # A vendor's script alone proves nothing, because many sites load one on every page.
        is_bare = words <= 60 and links <= 5 and (words == 0 or bool(_ELEMENT(root)))
    fields = filter(live_elements(), root.iter("input", "textarea", "select"))
    return is_bare and {None, "a search"}.issuperset(map(describe_field, fields))
