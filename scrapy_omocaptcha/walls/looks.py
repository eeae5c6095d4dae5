"""Fetch what redirects lead to, once: what is no challenge is kept for the request that Scrapy makes of a redirect."""

from collections.abc import Hashable
from typing import Any

from scrapy import Request
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.engine.components import is_redirect
from scrapy_omocaptcha.errors import CrawlClosing
from scrapy_omocaptcha.tokens.policy import Policy
from scrapy_omocaptcha.urls import address_of, host_of

_MAX_KEPT = 100
_FOR_LOOKING = {"dont_cache": True, "dont_redirect": True}
_WRITTEN = ("download_latency", "download_slot", "download_timeout")
Looked = tuple[Response | None, Challenge | None]
"""What a redirect leads to, and the challenge that it is. There is no response where Scrapy's components forbid to
follow the redirect, or where it leads on and on."""
Fetched = tuple[Hashable, Request, Response | Exception]
"""The key of what was kept, what was sent, and what came for it."""


class Looks:
    """What was fetched in this crawl to find out where redirects lead, until the spider gets it."""

    def __init__(self, engine: Engine, policy: Policy) -> None:
        self._components, self._chain, self._policy = engine.components, engine.chain, policy
        self._kept: LocalCache[Hashable, tuple[Request, Response | Exception]] = LocalCache(_MAX_KEPT)

    def take(self, request: Request) -> Response | None:
        """Return what was fetched for a request when its redirect came, or None; raise the error that it met."""
        if not self._kept or _key(request) not in self._kept:
            return None
        sent, result = self._kept.pop(_key(request))
        if request.method != "GET":
            # Its answer may change what is there.
            return None
        if isinstance(result, Exception):
            raise result
        # What the downloader and the middlewares closer to the site have written.
        for name, values in sent.headers.items():
            request.headers.setdefault(name, values)
        request.meta.update({key: sent.meta[key] for key in _WRITTEN if key in sent.meta})
        self._components.downloaded_for(request, sent)
        return result

    def drop(self, request: Request) -> None:
        """Forget what was fetched for a request that is not sent."""
        self._kept.pop(_key(request), None)

    async def look(self, request: Request, response: Response, *, follow: bool = True, is_wall: bool) -> Looked:
        """Return what a redirect leads to, by further ones if ``follow``.

        :param is_wall: whether a challenge is known to be there, so that what was fetched before may be outdated.
        :raises CrawlClosing: when the crawl closes before there is an answer. Errors are raised as they are.
        """
        fetched: list[Fetched] = []
        challenge = None
        try:
            answer = await self._follow(request, response, fetched, follow=follow, is_wall=is_wall)
            challenge = None if answer is None else self._policy.find(request, answer)
        finally:
            if challenge is None:
                self._kept.update({key: (sent, result) for key, sent, result in fetched})
        if challenge is not None and fetched:
            _, sent, _ = fetched[-1]
            if self._components.jar(request) is not None and host_of(sent.url) == host_of(request.url):
                # By these, the passage tells whether the session has got others since, so that its form is void.
                request.headers.setlist("Cookie", sent.headers.getlist("Cookie"))
        return answer, challenge

    async def _follow(
        self, request: Request, response: Response, fetched: list[Fetched], *, follow: bool, is_wall: bool
    ) -> Response | None:
        redirected, seen = await self._components.redirect(request, response), {request.url}
        while redirected is not None and redirected.url not in seen:
            seen.add(redirected.url)
            sent, kept = self._kept.pop(_key(redirected), (redirected, None))
            if isinstance(kept, Response) and not is_wall:
                fetched.append((_key(redirected), sent, kept))
                answer: Response | Request | None = kept
            else:
                answer = await self._fetch(redirected, request, fetched)
            if isinstance(answer, Response) and is_redirect(answer):
                answer = await self._components.redirect(redirected, answer) or answer
            if isinstance(answer, Response):
                # Behind a redirect that HttpCache has stored, nothing shows that the site would redirect now.
                return answer.replace(flags=[*answer.flags, *(flag for flag in response.flags if flag == "cached")])
            redirected = answer if follow else None
        return None

    async def _fetch(self, redirected: Request, page: Request, fetched: list[Fetched]) -> Response | Request | None:
        # Whatever is asked for, looking must not do it.
        changes: dict[str, Any] = {"method": "GET", "body": b"", "callback": NO_CALLBACK, "errback": None}
        sent = redirected.replace(meta={**redirected.meta, **_FOR_LOOKING}, **changes)
        try:
            answer = await self._chain.follow(sent, page=page)
        except (IgnoreRequest, CrawlClosing):
            raise
        except Exception as error:
            fetched.append((_key(redirected), sent, error))
            raise
        if isinstance(answer, Response):
            fetched.append((_key(redirected), sent, answer))
        return answer


def _key(request: Request) -> Hashable:
    """Return what a request that looks and the one that Scrapy makes of a redirect have in common, but no two users."""
    headers = tuple(request.headers.get(name) for name in ("Authorization", "Cookie"))
    return address_of(request.url), request.meta.get("cookiejar"), headers
