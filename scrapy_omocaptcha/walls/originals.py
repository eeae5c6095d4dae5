"""Write down what was asked for before a redirect, as JSON, and make a request of it again where it may be sent again.

These functions are pure. Where it is kept is in ``engine.request_state``.
"""

from base64 import b64decode, b64encode
from typing import Any

from scrapy import Request

Original = dict[str, Any]
"""A request before its first redirect; ``hops`` has the addresses that have redirected since, its own first."""
_OWN_META = ("redirect_times", "redirect_ttl", "redirect_urls", "redirect_reasons", "download_slot")
"""Keys of meta that are not what they were once a redirect was followed; each host has download slots of its own."""
_CONTENT_HEADERS = ("Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Content-Location")
_REPLACED_HEADERS = (*_CONTENT_HEADERS, "Referer", "Authorization", "Cookie")
"""Headers that a redirect removes or changes. Where there is a cookiejar, Scrapy makes the cookies' anew."""


def write(request: Request, original: Original | None) -> Original:
    """Return what a redirected request asks for, given what was written at its first redirect, if this is another."""
    hops = way_of(request, original)
    if original is not None:
        return {**original, "hops": hops}
    names = filter(request.headers.__contains__, _REPLACED_HEADERS)
    return {
        "hops": hops,
        "method": request.method,
        "body": b64encode(request.body).decode(),
        "headers": {name: [value.decode("latin-1") for value in request.headers.getlist(name)] for name in names},
        "cookies": request.cookies,
        "priority": request.priority,
        "dont_filter": request.dont_filter,
        "meta": {key: request.meta[key] for key in _OWN_META if key in request.meta},
    }


def rebuild(request: Request, original: Original) -> Request:
    """Make the request that redirects have made ``request`` of."""
    headers = request.headers.copy()
    for name in _REPLACED_HEADERS:
        headers.pop(name, None)
    # As bytes, since a text would be written in another encoding than it was read in.
    headers.update({name: [value.encode("latin-1") for value in kept] for name, kept in original["headers"].items()})
    meta = {key: value for key, value in request.meta.items() if key not in _OWN_META} | original["meta"]
    values: dict[str, Any] = {name: original[name] for name in ("method", "cookies", "priority", "dont_filter")}
    values |= {"url": original["hops"][0], "body": b64decode(original["body"])}
    rebuilt: Request = request.replace(**values, headers=headers, meta=meta)
    return rebuilt


def way_of(request: Request, original: Original | None) -> list[str]:
    """Return the addresses that redirects have led a request along: what was asked for first, its own last."""
    return [request.url] if original is None else [*original["hops"], request.url]
