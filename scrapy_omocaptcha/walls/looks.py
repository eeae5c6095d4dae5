"""Fetch what redirects lead to, once: what is no challenge is kept for the request that Scrapy makes of a redirect."""

from collections.abc import Hashable
from typing import Any
from weakref import WeakSet

from scrapy import Request
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.engine.components import is_redirect
from scrapy_omocaptcha.errors import CrawlClosing, MiddlewareFailed
from scrapy_omocaptcha.forms.submission import VALIDATORS
from scrapy_omocaptcha.tokens.policy import Policy
from scrapy_omocaptcha.urls import address_of, host_of

_MAX_KEPT = 100
_VARYING = (b"User-Agent", b"Referer", b"Proxy-Authorization", *VALIDATORS)
"""Headers that middlewares may set differently each time."""
_FOR_LOOKING = {"dont_cache": True, "dont_redirect": True}
_MERE_GET: dict[str, Any] = {"method": "GET", "body": b"", "callback": NO_CALLBACK, "errback": None}
"""A look must not do what the request asks for."""
_WRITTEN = ("download_latency", "download_slot", "download_timeout")
"""Keys of meta that are written while a request is sent."""
_Fetched = dict[Hashable, tuple[Request, Response | Exception]]
Looked = tuple[Response | None, Challenge | None]
"""What a redirect leads to, and the challenge that it is. There is no response where Scrapy's components forbid to
follow the redirect, or where it leads back, or on and on, or on at all if only its target was to be fetched."""


class Looks:
    """What was fetched in this crawl to find out where redirects lead, until the spider gets it."""

    def __init__(self, engine: Engine, policy: Policy) -> None:
        self._components, self._chain, self._policy = engine.components, engine.chain, policy
        self._kept: LocalCache[Hashable, tuple[Request, Response | Exception]] = LocalCache(_MAX_KEPT)
        """What was sent, and the answer, or the error in its place."""
        self._dropped: WeakSet[Request] = WeakSet()
        """What was sent for redirects that were dropped as duplicates of requests which may still come for it."""

    def take(self, request: Request) -> Response | None:
        """Return what was fetched for a request when its redirect came, or None; raise the error where that failed."""
        sent, _ = self._kept.get(_key(request), (None, None)) if self._kept else (None, None)
        if sent is None or request.method == "HEAD" or self._is_of_another(request, sent):
            return None
        _, answer = self._kept.pop(_key(request))
        if request.method != "GET" or (sent in self._dropped and request.dont_filter):
            # The answer to another method may change what is there, and a later request is to see what is there then.
            return None
        # The downloader and the middlewares closer to the site have written into the request that was sent.
        for name, values in sent.headers.items():
            request.headers.setdefault(name, values)
        request.meta.update({key: sent.meta[key] for key in _WRITTEN if key in sent.meta})
        self._components.downloaded_for(request, sent)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def is_full(self) -> bool:
        """Tell whether so much is kept that looks under way could push out some of it."""
        return len(self._kept) >= _MAX_KEPT // 2

    def _is_of_another(self, request: Request, sent: Request) -> bool:
        """Tell whether a request has other headers than what was sent, as those of another user, or for a language."""
        ignored = _VARYING if self._components.jar(request) is None else (*_VARYING, b"Cookie")
        names = set(request.headers).difference(ignored)
        return any(request.headers.getlist(name) != sent.headers.getlist(name) for name in names)

    def record_dropped(self, request: Request) -> None:
        """Leave what was fetched for a redirect to the request of which it is dropped as a duplicate, if that waits."""
        sent, _ = self._kept.get(_key(request), (None, None))
        if sent is not None and sent.meta.get("redirect_urls") == request.meta.get("redirect_urls"):
            self._dropped.add(sent)

    async def look(self, request: Request, response: Response, *, follow: bool, is_wall: bool) -> Looked:
        """Return what a redirect leads to, by further ones if ``follow``.

        :param is_wall: whether a challenge is known to be there, so that what was fetched before may be outdated.
        :raises CrawlClosing: when the crawl closes before there is an answer. Errors are raised as they are.
        """
        fetched: _Fetched = {}
        try:
            redirected = await self._components.redirect(request, response)
            while redirected is not None and redirected.url != request.url and _key(redirected) not in fetched:
                sent, answer = await self._fetch(request, redirected, fetched, is_wall=is_wall)
                if not isinstance(answer, Response):
                    redirected = answer if follow else None
                    continue
                led_on = await self._components.redirect(redirected, answer) if is_redirect(answer) else None
                if led_on is None:
                    challenge = self._policy.find(request, answer)
                    if challenge is not None:
                        fetched.clear()
                        if self._components.jar(request) is not None and host_of(sent.url) == host_of(request.url):
                            # The passage compares these cookies with the session's: newer ones make its form void.
                            request.headers.setlist("Cookie", sent.headers.getlist("Cookie"))
                    # Behind a redirect that HttpCache has stored, nothing shows that the site would redirect now.
                    stored = {"cached"}.intersection(response.flags)
                    return answer.replace(flags=[*answer.flags, *stored]), challenge
                redirected = led_on if follow else None
        finally:
            self._kept.update(fetched)
        return None, None

    async def _fetch(
        self, request: Request, redirected: Request, fetched: _Fetched, *, is_wall: bool
    ) -> tuple[Request, Response | Request | None]:
        """Return what was sent for a redirect of ``request``, and the answer; note in ``fetched`` what the site did."""
        key = _key(redirected)
        answer: Response | Request | Exception | None
        sent, answer = self._kept.pop(key, (redirected, None))
        try:
            if answer is None or is_wall:
                sent = redirected.replace(meta={**redirected.meta, **_FOR_LOOKING}, **_MERE_GET)
                answer = await self._chain.follow(sent, page=request)
            if isinstance(answer, Exception):
                raise answer
        except (CrawlClosing, IgnoreRequest):
            raise
        except Exception as error:
            # Scrapy's request for it gets the error, or what a middleware has failed on, for that to see once more.
            what = error.downloaded if isinstance(error, MiddlewareFailed) else error
            if what is not None and not is_wall:
                fetched[key] = sent, what
            raise
        if isinstance(answer, Response):
            fetched[key] = sent, answer
        return sent, answer


def _key(request: Request) -> Hashable:
    """Return what a request that looks and the one that Scrapy makes of a redirect have in common."""
    return address_of(request.url), request.meta.get("cookiejar")
