"""Fetch what redirects lead to, once: what is no challenge is kept for the request that Scrapy makes of a redirect."""

from collections.abc import Hashable
from typing import Any, NamedTuple

from scrapy import Request
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.engine.components import is_redirect
from scrapy_omocaptcha.errors import CrawlClosing, MiddlewareFailed
from scrapy_omocaptcha.tokens.policy import Policy
from scrapy_omocaptcha.urls import address_of, host_of

_MAX_KEPT = 100
_FOR_LOOKING = {"dont_cache": True, "dont_redirect": True}


class Looked(NamedTuple):
    """What a redirect leads to."""

    answer: Response | None
    """None where Scrapy's components forbid to follow it, or where it leads on and on."""
    challenge: Challenge | None = None


class Looks:
    """What was fetched in this crawl to find out where redirects lead, until the spider gets it."""

    def __init__(self, engine: Engine, policy: Policy) -> None:
        self._components, self._chain, self._policy = engine.components, engine.chain, policy
        self._kept: LocalCache[Hashable, tuple[Request, Response | Exception]] = LocalCache(_MAX_KEPT)
        """What was sent, and what came for it, by address and cookiejar."""

    def take(self, request: Request) -> Response | None:
        """Return what was fetched for a request when its redirect came, or None; raise the error that it met."""
        sent, result = self._kept.pop(_key(request), (request, None)) if self._kept else (request, None)
        if isinstance(result, Exception):
            raise result
        if result is not None:
            # What the middlewares closer to the site have written.
            for name, values in sent.headers.items():
                request.headers.setdefault(name, values)
            for key in sent.meta.keys() - _FOR_LOOKING.keys():
                request.meta.setdefault(key, sent.meta[key])
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
        fetched: list[tuple[Request, Response | Exception]] = []
        looked = Looked(None)
        try:
            looked = await self._follow(request, response, fetched, follow=follow, is_wall=is_wall)
        finally:
            if looked.challenge is None:
                self._kept.update({_key(sent): (sent, result) for sent, result in fetched})
        if looked.challenge is not None and fetched:
            self._show_cookies(request, fetched[-1][0])
        return looked

    async def _follow(
        self,
        request: Request,
        response: Response,
        fetched: list[tuple[Request, Response | Exception]],
        *,
        follow: bool,
        is_wall: bool,
    ) -> Looked:
        redirected, seen = await self._components.redirect(request, response), {request.url}
        while redirected is not None and redirected.url not in seen:
            seen.add(redirected.url)
            answer = await self._fetch(redirected, request, fetched, is_wall=is_wall)
            if isinstance(answer, Response) and is_redirect(answer):
                answer = await self._components.redirect(redirected, answer) or answer
            if isinstance(answer, Response):
                # Behind a redirect that HttpCache has stored, nothing shows that the site would redirect now.
                flags = [flag for flag in response.flags if flag == "cached"]
                answer = answer.replace(flags=[*answer.flags, *flags])
                return Looked(answer, self._policy.find(request, answer))
            redirected = answer if follow else None
        return Looked(None)

    async def _fetch(
        self, redirected: Request, page: Request, fetched: list[tuple[Request, Response | Exception]], *, is_wall: bool
    ) -> Response | Request | None:
        sent, result = self._kept.pop(_key(redirected), (redirected, None))
        if isinstance(result, Response) and not is_wall:
            fetched.append((sent, result))
            return result
        # Whatever is asked for, looking must not do it.
        changes: dict[str, Any] = {"method": "GET", "body": b"", "callback": NO_CALLBACK, "errback": None}
        sent = redirected.replace(meta={**redirected.meta, **_FOR_LOOKING}, **changes)
        try:
            answer = await self._chain.follow(sent, page=page)
        except (IgnoreRequest, CrawlClosing, MiddlewareFailed):
            raise
        except Exception as error:
            fetched.append((sent, error))
            raise
        if isinstance(answer, Response):
            fetched.append((sent, answer))
        return answer

    def _show_cookies(self, request: Request, sent: Request) -> None:
        """Write into a request the cookies with which its challenge was fetched.

        By these, the passage tells whether the session has got others since, so that its form is void.
        """
        if self._components.jar(request) is not None and host_of(sent.url) == host_of(request.url):
            request.headers.setlist("Cookie", sent.headers.getlist("Cookie"))


def _key(request: Request) -> Hashable:
    return address_of(request.url), request.meta.get("cookiejar"), request.method != "GET"
