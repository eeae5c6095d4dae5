"""What a request asked for, kept in its meta from before a redirect or a retry can change it.

Plain data, so that it survives a disk queue, and tied to the request it was written for: spiders pass
``response.meta`` on, and what was asked by the page before is nothing to the next request. The dictionary in meta is
shared by copies of a request; so it is replaced, never changed.
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit
from zlib import crc32

from scrapy import Request
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.httpobj import urlparse_cached

_KEY = "_omocaptcha"
_OWN_KEY = "_omocaptcha_own"
# What Scrapy's components write into the meta of a request on its way; a fresh start must not find it.
_TRACES = (
    "redirect_times",
    "redirect_ttl",
    "redirect_urls",
    "redirect_reasons",
    "retry_times",
    "is_start_request",
    "download_latency",
    "cached_response",
    "_dont_cache",
)
# Headers that a redirect takes away, and those of them that it may bring in another form.
_KEPT_HEADERS = ("Content-Type", "Referer", "Authorization", "Cookie")
_REPLACED_HEADERS = ("Content-Type", "Referer")


def remember(request: Request, *, scheduled: bool = False) -> None:
    """Write down what ``request`` asks for, unless it goes on with what an earlier one asked.

    :param scheduled: the request goes through the scheduler, so that it can be given back to it.
    """
    state = request.meta.get(_KEY)
    where = _where(request)
    if state is not None and _goes_on(request, state, where):
        if state["at"] != where or scheduled > state["scheduled"]:
            request.meta[_KEY] = {**state, "at": where, "scheduled": scheduled or state["scheduled"]}
        return
    if state is not None:
        for key in state.get("added", ()):
            request.meta.pop(key, None)
    state = {"at": where, "scheduled": scheduled, "url": request.url, "method": request.method, "jobs": 0}
    if request.body:
        state["body"] = request.body
    if request.cookies:
        state["cookies"] = request.cookies
    for name in _KEPT_HEADERS:
        if name in request.headers:
            state.setdefault("headers", {})[name] = request.headers[name]
    request.meta[_KEY] = state


def _where(request: Request) -> list[Any]:
    return [request.url, request.meta.get("redirect_times", 0), request.method, crc32(request.body)]


def _goes_on(request: Request, state: dict[str, Any], where: list[Any]) -> bool:
    """The same request (again), or the one that Scrapy made of it for a redirect."""
    if "added" in state:
        # It has been delivered: whoever carries this on has copied the meta of its response.
        return False
    url, redirects = state["at"][:2]
    if state["at"] == where:
        return True
    return bool(where[1] == redirects + 1 and request.meta.get("redirect_urls", [None])[-1] == url)


def url(request: Request) -> str:
    """The address that was asked for."""
    return str(_state(request).get("url", request.url))


def method(request: Request) -> str:
    """The method with which it was asked for."""
    return str(_state(request).get("method", request.method))


def is_scheduled(request: Request) -> bool:
    """The request came out of the scheduler; others have a component of Scrapy waiting for their response."""
    return bool(_state(request).get("scheduled"))


def jobs(request: Request) -> int:
    """How many jobs have been bought for what was asked, and come to an end."""
    return int(_state(request).get("jobs", 0))


def count_job(request: Request) -> None:
    state = _state(request)
    request.meta[_KEY] = {**state, "jobs": state.get("jobs", 0) + 1}


def is_redirected(request: Request) -> bool:
    """The request is not what was asked for, but where that led to."""
    return bool(request.meta.get("redirect_times"))


def clearances(request: Request) -> int:
    """How many clearances its session had won when what was asked was sent."""
    return int(_state(request).get("clearances", 0))


def count_clearances(request: Request, number: int) -> None:
    request.meta[_KEY] = {**_state(request), "clearances": number}


def forget(request: Request) -> None:
    """The request is done with: a spider that asks again from its errback asks anew."""
    request.meta.pop(_KEY, None)


def add_meta(request: Request, **values: Any) -> None:
    """Set meta keys for the components after us, on a request that is done; copies of its meta lose them again."""
    state = _state(request)
    added = [key for key in values if key not in request.meta]
    request.meta.update(values)
    request.meta[_KEY] = {**state, "added": [*state.get("added", ()), *added]}


def _state(request: Request) -> dict[str, Any]:
    state: dict[str, Any] = request.meta.get(_KEY) or {}
    return state


# -- asking again -----------------------------------------------------------------------------------------------


def again(request: Request) -> Request:
    """A request of our own that asks what ``request`` asked for, in its session and without its cookies.

    The cookies of the first request are in the cookiejar by now; sent again they would overwrite a clearance.
    """
    return Request(
        **_as_asked(request),
        cookies={},
        meta=own_meta(request),
        dont_filter=True,
        priority=request.priority,
        flags=list(request.flags),
        callback=NO_CALLBACK,
    )


def original(request: Request, **changes: Any) -> Request:
    """The request as the spider made it, before any redirect and without a trace of ours."""
    fields = {
        **_as_asked(request),
        "cookies": _state(request).get("cookies", {}),
        "meta": _spiders_meta(request),
    }
    return cast("Request", request.replace(**{**fields, **changes}))


def give_back(request: Request) -> Request:
    """The request as the spider made it, to be put back into the scheduler."""
    back = original(request, dont_filter=True)
    remember(back)
    back.meta[_KEY] = {**_state(back), "jobs": jobs(request)}
    return back


def _as_asked(request: Request) -> dict[str, Any]:
    state = _state(request)
    headers = request.headers.copy()
    for name in _REPLACED_HEADERS:
        headers.pop(name, None)
    headers.update(state.get("headers", {}))
    return {"url": url(request), "method": method(request), "body": state.get("body", b""), "headers": headers}


def own_meta(request: Request) -> dict[str, Any]:
    """The meta of a request of our own that is sent for ``request``: its session, none of its history."""
    meta = _spiders_meta(request)
    meta.pop("omocaptcha", None)
    # A challenge must not be cached; the page behind it is put into the cache when it is there.
    meta.update({_OWN_KEY: True, "dont_cache": True})
    return meta


def _spiders_meta(request: Request) -> dict[str, Any]:
    ours = (*_TRACES, _KEY, *_state(request).get("added", ()))
    meta = {key: value for key, value in request.meta.items() if key not in ours}
    if urlsplit(url(request)).hostname != urlparse_cached(request).hostname:
        meta.pop("download_slot", None)
    return meta


def mark_own(request: Request) -> Request:
    """Have a request that hands a token in known as our own; it is neither repeated, redirected nor cached."""
    request.meta.update({_OWN_KEY: True, "dont_retry": True, "dont_redirect": True, "dont_cache": True})
    return request


def is_own(request: Request) -> bool:
    """A request that this package sent for another one."""
    return bool(request.meta.get(_OWN_KEY))
