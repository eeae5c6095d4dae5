"""Build the headers ``Referer`` and ``Origin`` of a request that a page makes.

The rules are those of the W3C Referrer Policy and of the Fetch standard ("append a request `Origin` header").
"""

from scrapy.http import HtmlResponse, Response
from scrapy.utils.url import strip_url

from scrapy_omocaptcha.forms.page import parse_page

# How much of the page's address is sent to its own origin, to another origin, and from https to http.
_POLICIES = {
    "no-referrer": ("none", "none", "none"),
    "no-referrer-when-downgrade": ("address", "address", "none"),
    "same-origin": ("address", "none", "none"),
    "origin": ("origin", "origin", "origin"),
    "strict-origin": ("origin", "origin", "none"),
    "origin-when-cross-origin": ("address", "origin", "origin"),
    "strict-origin-when-cross-origin": ("address", "origin", "none"),
    "unsafe-url": ("address", "address", "address"),
}


def origin(url: str) -> str:
    """Return scheme, host and port of ``url``, without the port if it is the scheme's default."""
    return strip_url(url, origin_only=True).lower().removesuffix("/")


def referrer_headers(response: Response, url: str, method: str) -> dict[str, str]:
    """Return ``Referer`` and ``Origin`` of a navigation from the page ``response`` to ``url``."""
    page, target = origin(response.url), origin(url)
    downgrade = page.startswith("https:") and not target.startswith("https:")
    to_own, to_other, to_http = _POLICIES[_policy(response)]
    extent = to_own if page == target else to_http if downgrade else to_other
    headers = {}
    if extent == "address":
        headers["Referer"] = strip_url(response.url)
    elif extent == "origin":
        headers["Referer"] = f"{page}/"
    if method == "POST":
        headers["Origin"] = "null" if extent == "none" else page
    return headers


def _policy(response: Response) -> str:
    """Return the last policy that the page states in its header or its markup and that browsers know."""
    stated = [
        word for value in response.headers.getlist("Referrer-Policy") for word in value.decode("latin-1").split(",")
    ]
    page = parse_page(response) if isinstance(response, HtmlResponse) else None
    if page is not None:
        stated += page.xpath("//meta[@name='referrer']/@content").getall()
    known = [word for word in (text.strip().lower() for text in stated) if word in _POLICIES]
    return known[-1] if known else "strict-origin-when-cross-origin"
