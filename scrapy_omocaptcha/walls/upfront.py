"""Send requests that want a token before they are sent: ``meta["omocaptcha"] = {"sitekey": …, "page": …, "put": …}``.

The token is bought and the request with it is sent at once, in this process. The spider gets the answer as the response
to its own request.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from scrapy import Request
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha.buying.purchase import Purchase
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.chain import InnerChain
from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.slots import Hold, Slots
from scrapy_omocaptcha.errors import ChallengeNotSolved, HandoverBroke, MiddlewareFailed
from scrapy_omocaptcha.forms.placement import parse_put, put_token
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.reporting.events import Events
from scrapy_omocaptcha.urls import host_of
from scrapy_omocaptcha.walls.attempts import Attempts, GivenUp, Refusal
from scrapy_omocaptcha.walls.delivery import deliver
from scrapy_omocaptcha.walls.judging import is_overloaded
from scrapy_omocaptcha.walls.policy import Policy
from scrapy_omocaptcha.walls.sending import send_submission

_KEYS = {"sitekey", "page", "invisible", "put"}


class UpfrontTokens:
    """The requests of one crawl that want a token before they are sent."""

    def __init__(
        self,
        policy: Policy,
        lifetime: Lifetime,
        slots: Slots,
        chain: InnerChain,
        components: Components,
        events: Events,
        new_attempts: Callable[[Request], Attempts],
        token_max_age: float,
    ) -> None:
        self._policy = policy
        self._lifetime = lifetime
        self._slots = slots
        self._chain = chain
        self._components = components
        self._events = events
        self._new_attempts = new_attempts
        self._token_max_age = token_max_age
        self._under_way: Counter[str] = Counter()
        """The number of requests whose token is being bought or handed in, by host."""

    async def send(self, request: Request, wish: dict[str, Any]) -> Response | None:
        """Send ``request`` with the token that it wants, and return the response to it.

        :param wish: ``meta["omocaptcha"]`` of the request.
        :returns: None when the request is to be sent as it is, as in a dry run.
        :raises ValueError: when the wish is not understood.
        :raises ChallengeNotSolved: when no token could be had, or the site accepted none.
        """
        challenge = _challenge(request, wish)
        host = host_of(request.url)
        cached = await self._components.cached(request)
        if cached is not None:
            # Scrapy would ask HttpCache only after the token was bought.
            return cached
        refusal = self._policy.upfront_refusal(request, challenge)
        self._events.detected(request, challenge, "solve" if refusal is None else refusal.reason)
        if refusal is not None:
            if refusal.reason != "dry_run":
                raise self._not_solved(request, refusal, challenge)
            # Each request needs a token of its own, as if it were a session of its own.
            self._events.dry_run.record(host, object())
            self._events.left_alone("dry_run", challenge.url, refusal.message)
            return None
        # Only trying shows whether the request has a place for the token; better before than after paying.
        _with_token(request, wish["put"], "-")
        with self._slots.hold(request) as hold:
            await self._lifetime.until(lambda: self._has_room(request, host))
            self._under_way[host] += 1
            try:
                return await self._attempt(_Sending(request, wish["put"], challenge, hold, self._chain, self._policy))
            finally:
                self._under_way[host] -= 1

    def _has_room(self, request: Request, host: str) -> bool:
        """Tell whether one more token could be handed in while it is young, given the delay of the site."""
        under_way = self._under_way[host]
        return not under_way or (under_way + 1) * self._slots.delay(request) <= self._token_max_age / 2

    async def _attempt(self, errand: "_Sending") -> Response:
        request = errand.request
        attempts = self._new_attempts(request)
        try:
            answer = await attempts.run(errand)
        except GivenUp as error:
            raise self._not_solved(
                request, error.refusal, errand.wanted, attempts.jobs, errand.answer
            ) from error.__cause__
        assert isinstance(answer, Response)
        self._events.solved(request, errand.wanted, attempts.seconds, attempts.jobs, attempts.cost)
        answer.flags = [*answer.flags, "omocaptcha"]
        self._components.store(request, answer)
        return deliver(request, answer)

    def _not_solved(
        self, request: Request, refusal: Refusal, challenge: Challenge, jobs: int = 0, answer: Response | None = None
    ) -> ChallengeNotSolved:
        self._events.failed(request, challenge, *refusal, jobs=jobs)
        shown = answer and answer.replace(request=request)
        return ChallengeNotSolved(refusal.reason, refusal.message, challenge=challenge, response=shown)


@dataclass
class _Sending:
    """The errand of sending one request with a token in it."""

    request: Request
    put: str
    wanted: Challenge
    hold: Hold
    chain: InnerChain
    policy: Policy
    answer: Response | None = None
    """The last answer of the site."""

    async def challenge(self) -> Challenge:
        return self.wanted

    async def ready(self) -> Challenge:
        return self.wanted

    async def hand_in(self, purchase: Purchase, *, may_repeat: bool) -> Response | None:
        submission = _with_token(self.request, self.put, purchase.token.value)
        try:
            async with self.hold.sending():
                answer = await send_submission(self.chain, submission)
        except (HandoverBroke, MiddlewareFailed) as error:
            if may_repeat and isinstance(error, HandoverBroke):
                raise
            purchase.unknown("broke", is_useless=isinstance(error, MiddlewareFailed))
            raise GivenUp(Refusal("broke", str(error))) from error
        assert answer is not None
        self.answer = answer
        if self.policy.find(self.request, answer) is not None:
            purchase.rejected()
            return None
        if is_overloaded(answer) and may_repeat:
            raise HandoverBroke(f"the request with the token was answered with {answer.status}")
        if answer.status < HTTPStatus.BAD_REQUEST:
            purchase.accepted()
        else:
            purchase.unknown("http_error")
        return answer


def _with_token(request: Request, put: str, token: str) -> Submission:
    """Return the submission that sends ``request`` with ``token`` in it; ``ValueError`` if there is no such place."""
    meta = {key: value for key, value in request.meta.items() if key != "omocaptcha"}
    return put_token(request.replace(meta=meta, callback=NO_CALLBACK, errback=None), put, token)


def _challenge(request: Request, wish: dict[str, Any]) -> Challenge:
    """Return the challenge that ``meta["omocaptcha"]`` describes.

    :raises ValueError: when it is invalid; the error names the request, what is wrong and what is valid.
    """
    where = f"meta['omocaptcha'] of {request}"
    if unknown := set(wish) - _KEYS:
        raise ValueError(f"{where} has {sorted(map(str, unknown))}; valid are {sorted(_KEYS)}")
    for key in ("sitekey", "page", "put"):
        if not isinstance(wish.get(key), str) or not wish[key]:
            raise ValueError(f"{where} has {key}={wish.get(key)!r}; it must be a text")
    if not isinstance(wish.get("invisible", False), bool):
        raise ValueError(f"{where} has invisible={wish['invisible']!r}; it must be True or False")
    parse_put(wish["put"])
    return Challenge(
        url=wish["page"],
        sitekey=wish["sitekey"],
        invisible=wish.get("invisible", False),
        blocking=True,
        evidence=("the request asks for a token",),
    )
