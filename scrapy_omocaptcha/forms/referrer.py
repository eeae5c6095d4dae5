"""Build the headers ``Referer`` and ``Origin`` of a request that a page makes.

Scrapy has the policies of the W3C Referrer Policy. ``Origin`` follows the Fetch standard ("append a request `Origin`
header").
"""

from scrapy.http import HtmlResponse, Response
from scrapy.settings import BaseSettings
from scrapy.spidermiddlewares.referer import RefererMiddleware
from scrapy.utils.url import strip_url

from scrapy_omocaptcha.forms.page import parse_page

_DEFAULT = "strict-origin-when-cross-origin"
# Browsers know neither of those that are left out.
_SETTINGS = BaseSettings({"REFERRER_POLICY": _DEFAULT, "REFERRER_POLICIES": {"": None, "scrapy-default": None}})
_POLICIES = RefererMiddleware(_SETTINGS).policies


def origin(url: str) -> str:
    """Return scheme, host and port of ``url``, without the port if it is the scheme's default."""
    return strip_url(url, origin_only=True).lower().removesuffix("/")


def referrer_headers(response: Response, url: str, method: str) -> dict[str, str]:
    """Return ``Referer`` and ``Origin`` of a navigation from the page ``response`` to ``url``."""
    stated = b",".join(response.headers.getlist("Referrer-Policy")).decode("latin-1").split(",")
    page = parse_page(response) if isinstance(response, HtmlResponse) else None
    if page is not None:
        stated += page.xpath("//meta[@name='referrer']/@content").getall()
    # The last one that browsers know counts.
    known = [word for word in (text.strip().lower() for text in stated) if word in _POLICIES]
    referrer = _POLICIES[known[-1] if known else _DEFAULT]().referrer(response.url, url)
    headers = {} if referrer is None else {"Referer": referrer}
    if method == "POST":
        headers["Origin"] = "null" if referrer is None else origin(response.url)
    return headers
