"""Buy a token, hand it in and judge the answer, as often as ``OMOCAPTCHA_MAX_ATTEMPTS`` allows.

Requests at a wall and requests that want a token before they are sent share this loop. An :class:`Errand` supplies what
differs between them.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.buying.buyer import Buyer
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.request_state import RequestStates
from scrapy_omocaptcha.errors import ApiError, HandoverBroke, JobError, NotBought, TokenUnused
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.urls import host_of

if TYPE_CHECKING:
    from scrapy_omocaptcha.buying.purchase import Purchase

logger = logging.getLogger(__name__)

Answer = Response | Request
"""A response, or the request that a redirect leads to, which Scrapy follows."""


class Refusal(NamedTuple):
    """Why a challenge is not solved: a word of a closed list, and a sentence for a person."""

    reason: str
    message: str


class Doubt(NamedTuple):
    """Why it is not known whether the site accepted a token: a word of a closed list, and a sentence for a person."""

    reason: str
    message: str


class GivenUp(Exception):
    """A request stays without a token, or behind its wall."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Outdated(Exception):
    """The challenge at hand changed after :meth:`Errand.ready` returned it, before its token was handed in."""


class Errand(Protocol):
    """What a token is bought for. Each method may raise :class:`GivenUp` or ``CrawlClosing``."""

    async def challenge(self) -> Challenge | Answer:
        """Return the challenge to buy a token for now, or an answer that came without one."""

    async def ready(self) -> Challenge | Answer:
        """Wait until a token may be handed in.

        :returns: the challenge that it must fit, or an answer that came without a token meanwhile.
        """

    async def hand_in(self, purchase: Purchase, *, may_repeat: bool) -> Answer | None:
        """Hand a token in, judge the answer, and record the verdict in ``purchase``.

        :returns: the answer for Scrapy; None when the site rejected the token.
        :raises TokenUnused: when the token was not sent.
        :raises HandoverBroke: only with ``may_repeat``, when the token may not have reached the site. It is handed in
            once more then.
        :raises Outdated: when nothing was handed in, since ``ready`` has to be called again first.
        """


class Attempts:
    """The attempts of one request. Useless jobs of earlier runs and retries of the same request count."""

    def __init__(self, buyer: Buyer, states: RequestStates, settings: Settings, request: Request) -> None:
        self._buyer = buyer
        self._settings = settings
        self._request = request
        self._state = states.of(request)
        self._since = time.monotonic()
        self.jobs = 0
        """Jobs bought so far in this run."""
        self.cost = 0.0
        """What these jobs cost, in USD."""

    @property
    def seconds(self) -> float:
        """Return the seconds since this request met the wall, or asked for a token; waiting included."""
        return time.monotonic() - self._since

    async def run(self, errand: Errand) -> Answer:
        """Make attempts until one gives an answer, or raise ``GivenUp``."""
        while (tried := self._state.useless_jobs) < self._settings.max_attempts:
            challenge = await errand.challenge()
            answer = await self._attempt(errand, challenge) if isinstance(challenge, Challenge) else challenge
            if answer is not None:
                return answer
        raise GivenUp(Refusal("attempts", f"{tried} jobs were of no use (OMOCAPTCHA_MAX_ATTEMPTS)"))

    async def _attempt(self, errand: Errand, challenge: Challenge) -> Answer | None:
        """Buy a token and hand it in; return None if the job was of no use."""
        purchase = await self._buy(challenge)
        answer = None
        try:
            if purchase is not None:
                answer = await self._hand_in(errand, purchase)
        finally:
            # A redirect among the answers has taken the count along already, so nothing is counted before it is known.
            if answer is None:
                self._state.useless_jobs += 1
        return answer

    async def _hand_in(self, errand: Errand, purchase: Purchase) -> Answer | None:
        """Hand a token in while it is young, and once more if that broke off; return None if it was of no use."""
        broke = False
        while True:
            try:
                ready = await errand.ready()
            except Exception:
                if broke:
                    purchase.unknown("broke")
                raise
            try:
                if not isinstance(ready, Challenge):
                    raise TokenUnused("not_needed")
                if ready.sitekey != purchase.token.sitekey:
                    raise TokenUnused("other_key")
                return await errand.hand_in(purchase, may_repeat=not broke)
            except TokenUnused as error:
                purchase.unknown("broke") if broke else purchase.expired(error.reason)
                return None if isinstance(ready, Challenge) else ready
            except HandoverBroke as error:
                logger.info("%s: %s; it is sent once more", host_of(self._request.url), error)
                broke = True
            except Outdated:
                continue

    async def _buy(self, challenge: Challenge) -> Purchase | None:
        """Buy a token; return None when a job was bought and gave none.

        :raises GivenUp: when no job could be bought.
        """
        try:
            return await self._buyer.buy(challenge, host=host_of(self._request.url), on_bought=self._bought)
        except JobError as error:
            logger.info("%s", error)
            return None
        except NotBought as error:
            raise GivenUp(Refusal(error.reason, str(error))) from error
        except ApiError as error:
            raise GivenUp(Refusal("service", f"the service did not accept a job: {error.with_cure}")) from error

    def _bought(self, cost: float) -> None:
        self.jobs += 1
        self.cost += cost
