"""Requests that want a token before they are sent: ``meta["omocaptcha"] = {"sitekey": …, "page": …, "put": …}``.

The request with the token is sent at once, in this process; what the spider gets is the response to its own request.
"""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from scrapy.downloadermiddlewares.httpcache import HttpCacheMiddleware
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.errors import ApiError, ChallengeNotSolved, HandoverBroke, JobError, NotBought
from scrapy_omocaptcha.forms.placement import check_put, put_token
from scrapy_omocaptcha.urls import host_of
from scrapy_omocaptcha.walls.sending import hand_over

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler

    from scrapy_omocaptcha.buying.buyer import Means
    from scrapy_omocaptcha.forms.submission import Submission
    from scrapy_omocaptcha.walls.handler import Walls

_KEYS = {"sitekey", "page", "invisible", "put"}


class Beforehand:
    """Sends a crawl's requests with the tokens that they want."""

    def __init__(self, crawler: Crawler, means: Means, walls: Walls) -> None:
        self._crawler = crawler
        self._means = means
        self._walls = walls
        self._under_way: Counter[str] = Counter()
        """By host: requests whose token is being bought or handed in."""

    async def send(self, request: Request, wish: dict[str, Any]) -> Response | None:
        """The response to ``request``, sent with the token that it wants; None: it is to be sent as it is.

        :raises ValueError: the wish is not understood.
        :raises ChallengeNotSolved: no token could be had, or the site accepted none.
        :raises CrawlClosing: the crawl closes.
        """
        challenge = _challenge(request, wish)
        host = host_of(request.url)
        cached = self._cached(request)
        if cached is not None:
            return cached
        means = self._means
        means.stats.inc("challenges")
        refusal = means.policy.refuse_beforehand(request, challenge)
        verdict = "solve" if refusal is None else refusal.reason
        means.told.detected(request, challenge, verdict)
        if refusal is not None:
            if refusal.reason == "dry_run":
                # A token of its own for each request.
                means.estimate.challenge(host, object())
                means.told.left_alone("dry_run", challenge.url, refusal.message)
                return None
            raise self._not_solved(request, refusal.reason, refusal.message, challenge)
        # Whether the request has such a place at all is known only from trying; better before than after paying.
        _own(request, wish["put"], "-")
        hold = means.engine.hold(request)
        try:
            await self._room(request, host)
            self._under_way[host] += 1
            try:
                return await self._attempts(request, wish["put"], challenge)
            finally:
                self._under_way[host] -= 1
        finally:
            hold.release()

    async def _room(self, request: Request, host: str) -> None:
        """Not more tokens at once than the site's delay lets be handed in while they are young.

        :raises CrawlClosing: the crawl closes.
        """
        engine, young = self._means.engine, self._means.settings.token_max_age / 2

        def is_room() -> bool:
            under_way = self._under_way[host]
            return not under_way or (under_way + 1) * engine.delay(request) <= young

        await engine.until(is_room)

    async def _attempts(self, request: Request, put: str, challenge: Challenge) -> Response:
        means = self._means
        since, cost = means.clock(), 0.0
        host = host_of(request.url)
        answer: Response | None = None

        def bought(usd: float) -> None:
            nonlocal cost
            cost += usd

        while request_state.jobs(request) < means.settings.max_attempts:
            try:
                token = await means.solver.solve(challenge, host=host, bought=bought)
            except JobError:
                request_state.count_job(request)
                continue
            except NotBought as error:
                raise self._not_solved(request, error.reason, str(error), challenge, answer) from error
            except ApiError as error:
                message = f"the service took no job: {error}"
                raise self._not_solved(request, "service", message, challenge, answer) from error
            request_state.count_job(request)
            age = means.clock() - token.made_at + means.engine.delay_ahead(request)
            if age > means.settings.token_max_age:
                means.solver.expired(token, "too_old")
                continue
            try:
                answer = await hand_over(means.engine, _own(request, put, token.value))
            except HandoverBroke as error:
                means.solver.left(token, "broke")
                raise self._not_solved(request, "broke", str(error), challenge, answer) from error
            if means.policy.find(request, answer) is None:
                if answer.status < HTTPStatus.BAD_REQUEST:
                    means.solver.accepted(token)
                else:
                    means.solver.left(token, "http_error")
                means.told.solved(request, challenge, means.clock() - since, request_state.jobs(request), cost)
                return self._walls.deliver(request, answer)
            means.solver.rejected(token)
        message = f"{request_state.jobs(request)} jobs were of no use (OMOCAPTCHA_MAX_ATTEMPTS)"
        raise self._not_solved(request, "attempts", message, challenge, answer)

    def _cached(self, request: Request) -> Response | None:
        """What HttpCache has, which would otherwise be asked only after the token was bought."""
        cache = self._crawler.get_downloader_middleware(HttpCacheMiddleware)
        answer = cache.process_request(request) if cache is not None else None
        return answer if isinstance(answer, Response) else None

    def _not_solved(
        self, request: Request, reason: str, message: str, challenge: Challenge, answer: Response | None = None
    ) -> ChallengeNotSolved:
        self._means.told.failed(request, challenge, reason, message, jobs=request_state.jobs(request))
        # What it answers is a request of our own, which holds a token that is spent.
        shown = answer and answer.replace(request=request_state.original(request))
        return ChallengeNotSolved(reason, message, challenge=challenge, response=shown)


def _own(request: Request, put: str, token: str) -> Submission:
    """:raises ValueError: the request has no such place for a token."""
    own = request.replace(meta=request_state.own_meta(request), callback=NO_CALLBACK, errback=None)
    return put_token(own, put, token)


def _challenge(request: Request, wish: dict[str, Any]) -> Challenge:
    """What ``meta["omocaptcha"]`` asks for.

    :raises ValueError: it names the request, what is wrong and what is valid.
    """
    where = f"meta['omocaptcha'] of {request}"
    if unknown := set(wish) - _KEYS:
        raise ValueError(f"{where} has {sorted(map(str, unknown))}; valid are {sorted(_KEYS)}")
    for key in ("sitekey", "page", "put"):
        if not isinstance(wish.get(key), str) or not wish[key]:
            raise ValueError(f"{where} has {key}={wish.get(key)!r}; it must be a text")
    if not isinstance(wish.get("invisible", False), bool):
        raise ValueError(f"{where} has invisible={wish['invisible']!r}; it must be True or False")
    check_put(wish["put"])
    return Challenge(
        url=wish["page"],
        sitekey=wish["sitekey"],
        invisible=wish.get("invisible", False),
        blocking=True,
        evidence=("the request asks for a token",),
    )
