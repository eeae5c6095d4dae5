"""Send requests that want a token before they are sent: those of ``form_request``, and others with such a meta key.

The token is bought and the request with it is sent at once, in this process. The spider gets the answer as the response
to its own request.
"""

from collections import Counter
from typing import TYPE_CHECKING

from scrapy import Request
from scrapy.http import Response
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.buying.buyer import Buyer
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.errors import ChallengeNotSolved
from scrapy_omocaptcha.reporting.events import Events
from scrapy_omocaptcha.tokens.policy import Policy
from scrapy_omocaptcha.tokens.reasons import GivenUp, Refusal
from scrapy_omocaptcha.urls import host_of

if TYPE_CHECKING:
    from scrapy_omocaptcha.upfront.token_request import FormRecord

_MAX_FORMS = 1000
"""Hosts and sitekeys whose answers to tokens are remembered."""


class UpfrontTokens:
    """The requests of one crawl that want a token before they are sent."""

    def __init__(self, engine: Engine, buyer: Buyer, policy: Policy, events: Events) -> None:
        self._engine = engine
        self._buyer = buyer
        self._policy = policy
        self._events = events
        self._under_way: Counter[str] = Counter()
        """The number of requests whose token is being bought or handed in, by host."""
        self._forms: LocalCache[tuple[str, str], FormRecord] = LocalCache(_MAX_FORMS)

    async def send(self, request: Request) -> Response:
        """Send ``request`` with the token that its meta wants, and return the response to it.

        :raises ValueError: when the wish is not understood.
        :raises ChallengeNotSolved: when no token could be had, or the site accepted none.
        """
        from scrapy_omocaptcha.upfront.token_request import FormRecord, TokenRequest, with_token
        from scrapy_omocaptcha.upfront.wishes import read_wish

        wish = read_wish(request)
        host = host_of(request.url)
        cached = await self._engine.components.cached(request)
        if cached is not None:
            # Scrapy would ask HttpCache only after the token was bought.
            return cached
        refusal = self._policy.hooks.rejected_refusal(wish.rejected)
        if self._policy.mediums.is_rendered(request):
            refusal = refusal or Refusal.of("browser")
        refusal = refusal or self._policy.upfront_refusal(request, wish.challenge)
        self._events.detected(request, wish.challenge, "solve" if refusal is None else refusal.reason)
        if refusal is not None:
            if refusal.reason == "dry_run":
                # A request needs a token of its own, as if it were a session.
                self._events.dry_run[host][object()] += 1
            raise self._not_solved(request, refusal, wish.challenge)
        # This raises ValueError for a request without a place for the token, before anything is paid.
        with_token(request, wish.put, "-")
        form = self._forms.setdefault((host, wish.sitekey), FormRecord())
        with self._engine.slots.hold(request) as hold:
            await self._engine.lifetime.until(lambda: self._has_room(request, host, form))
            parts = (self._engine, self._buyer, self._policy, self._events)
            tries = TokenRequest(*parts, request, wish, form, hold)
            self._under_way[host] += 1
            try:
                return await tries.run()
            except GivenUp as error:
                raise self._not_solved(request, error.refusal, tries.wanted, tries.jobs, tries.answer) from None
            finally:
                self._under_way -= Counter((host,))

    def _has_room(self, request: Request, host: str, form: "FormRecord") -> bool:
        """Tell whether one more token may be under way.

        It has to be handed in while it is young, given the delay of the site; and where no token has been accepted, few
        are bought at once, since all of them may be rejected.
        """
        under_way = self._under_way[host]
        if not form.accepts and under_way >= self._policy.settings.breaker_failures:
            return False
        seconds = (under_way + 1) * self._engine.slots.delay(request)
        return not under_way or seconds <= self._policy.settings.token_max_age / 2

    def _not_solved(
        self, request: Request, refusal: Refusal, challenge: Challenge, jobs: int = 0, answer: Response | None = None
    ) -> ChallengeNotSolved:
        self._events.failed(request, challenge, *refusal, is_paid=jobs > 0)
        return ChallengeNotSolved(refusal.reason, refusal.message, challenge=challenge, response=answer)
