"""Buy a token, hand it in and record the verdict, as often as ``OMOCAPTCHA_MAX_ATTEMPTS`` allows.

Requests at a wall and requests that want a token before they are sent share this loop. The subclasses of
:class:`Attempts` supply what differs between them.
"""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.buying.buyer import Buyer
from scrapy_omocaptcha.buying.purchase import ACCEPTED, REJECTED, Purchase, Verdict
from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.errors import (
    ApiError,
    CrawlClosing,
    HandoverBroke,
    JobError,
    JobLost,
    MiddlewareFailed,
    NotBought,
    TokenUnused,
)
from scrapy_omocaptcha.forms.submission import masked
from scrapy_omocaptcha.reporting.events import Events
from scrapy_omocaptcha.reporting.format import count, sent
from scrapy_omocaptcha.tokens.judging import Answer, doubt_about
from scrapy_omocaptcha.tokens.policy import Policy
from scrapy_omocaptcha.tokens.reasons import GivenUp, Refusal
from scrapy_omocaptcha.tokens.verdict import ANOTHER_WALL, unknown, unused
from scrapy_omocaptcha.urls import host_of, public_address

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """The result of one attempt, or of all."""

    answer: Answer | None = None
    """The answer that Scrapy gets; None if the job was of no use."""
    verdict: Verdict | None = None
    """The verdict on the token; None if none was bought, or the crawl closed first."""
    error: Exception | None = None
    """The error that ends the attempts."""
    submitted: Response | None = None
    """The answer to the submission itself, if the spider gets that."""
    proves_open: bool = True
    """Whether an answer shows that the wall is open, so that others may try the clearance."""


@dataclass(eq=False)
class Attempts(ABC):
    """The attempts of one request. Useless jobs of its earlier runs and retries count.

    Each abstract method may raise :class:`GivenUp` or ``CrawlClosing``.
    """

    engine: Engine
    buyer: Buyer
    policy: Policy
    events: Events
    request: Request

    def __post_init__(self) -> None:
        self._state = self.engine.states.of(self.request)
        self._since = time.monotonic()
        self.jobs = 0
        """Jobs bought so far in this run."""
        self.is_first = True
        """Whether the token at hand is handed in for the first time: not so after a handover that broke off."""
        self._job_error: JobError | None = None
        """Why the last job gave no token; None if it gave one."""
        self._rejections = 0
        """Tokens that the site has rejected in this run."""
        self.purchase: Purchase | None = None
        """The token at hand; None while it is still to be bought."""
        self._passed: list[Purchase] = []
        """Tokens after which another wall came. Whether they were of use is known once all attempts are over."""

    @abstractmethod
    async def next_challenge(self) -> Challenge | Answer:
        """Return the challenge to buy a token for, or an answer that came without a token meanwhile."""

    @abstractmethod
    async def hand_in(self, token: Token) -> Result:
        """Hand a token in as soon as that can be done, and judge the answer, or return one that came without it.

        :raises TokenUnused: when the token was not sent.
        :raises CrawlClosing: when the crawl closed before.
        :raises MiddlewareFailed: when a middleware of the project failed on what was sent with it.
        :raises HandoverBroke: when the token may not have reached the site; only if ``is_first``, after which it is
            handed in once more.
        """

    async def make_attempts(self) -> Result:
        """Make attempts until one gives an answer, or raise ``GivenUp``."""
        is_given_up = False
        try:
            while self._state.useless_jobs < self.policy.settings.max_attempts:
                challenge = await self.next_challenge()
                if not isinstance(challenge, Challenge):
                    return Result(challenge)
                self.purchase = await self._buy(challenge)
                result = await self._use()
                if result.answer is not None:
                    return result
            if isinstance(self._job_error, JobLost):
                raise GivenUp(Refusal("service", self._why_no_page()))
            raise GivenUp(Refusal("attempts", self._why_no_page()))
        except GivenUp:
            is_given_up = True
            raise
        finally:
            for purchase in self._passed:
                # A wall that rejects tokens may change its form, so that it looks like another one. If the request got
                # through, nobody knows: another request may have opened the wall.
                purchase.record(replace(ANOTHER_WALL, is_useless=is_given_up))

    def _why_no_page(self) -> str:
        rejected = f"; the site rejected {count(self._rejections, 'token')}" if self._rejections else ""
        last = f"; the last one: {self._job_error}" if self._job_error else ""
        most = self.policy.settings.max_attempts
        return (
            f"{count(self._state.useless_jobs, 'job')} gave no page{rejected}{last}. Raise OMOCAPTCHA_MAX_ATTEMPTS "
            f"({most}) if that is rare; a site that rejects each token may tie tokens to an IP address, or to a cookie "
            "that is thrown away (COOKIES_ENABLED), and the rejected= of a form may match good answers"
        )

    async def _buy(self, challenge: Challenge) -> Purchase | None:
        """Buy a token; return None when a job gave none, and raise ``GivenUp`` when none could be bought."""
        purchase, self._job_error = None, None
        if not self.engine.lifetime.closing:
            self.events.buying(self.request, self.engine.slots.waiting, self.buyer.usual_seconds)
        try:
            purchase = await self.buyer.buy(challenge, host=host_of(self.request.url))
        except JobError as error:
            logger.info("%s", error)
            self._job_error = error
        except NotBought as error:
            raise GivenUp(Refusal(error.reason, str(error))) from error
        except ApiError as error:
            raise GivenUp(Refusal("service", f"the service did not accept a job: {error.with_cure}")) from error
        self.jobs += 1
        self._state.is_paid_for = True
        return purchase

    async def _use(self) -> Result:
        """Hand the token at hand in, if there is one; the result has no answer if the job was of no use."""
        result = Result()
        try:
            if self.purchase is not None:
                with self.engine.slots.order.urgently(self.request):
                    result = await self.hand_in_twice(self.purchase.token)
                self._record(self.purchase, result.verdict)
                if result.error is not None:
                    raise result.error
        finally:
            self.purchase = None
            # Counted only once the job has failed: Scrapy's request for a redirect copies the count before.
            if result.answer is None:
                self._state.useless_jobs += 1
        return result

    def _record(self, purchase: Purchase, verdict: Verdict | None) -> None:
        if verdict is REJECTED:
            self._rejections += 1
            self.events.rejected(self.request, self._state.useless_jobs + 1, self.policy.settings.max_attempts)
        if verdict is ANOTHER_WALL:
            self._passed.append(purchase)
        elif verdict is not None:
            purchase.record(verdict)

    def report_sent(self, method: str, url: str, names: Iterable[str]) -> None:
        """Tell what is sent with the token at hand, and record where; a method of the spider may put it anywhere."""
        assert self.purchase is not None
        secret = self.purchase.token.value
        address = masked(public_address(url), secret)
        self.purchase.entry.handed_in(address)
        self.events.handing_in(self.request, sent(method, address, [masked(name, secret) for name in names]))

    async def hand_in_twice(self, token: Token) -> Result:
        """Hand a token in, and once more if that broke off."""
        self.is_first = True
        try:
            return await self._hand_in(token)
        except HandoverBroke as broke:
            logger.info("%s: %s; it is sent once more", host_of(self.request.url), broke)
            self.is_first = False
            result = await self._hand_in(token)
            # The first try may have used up the token.
            if broke.is_sent and (result.verdict is None or result.verdict.outcome == "expired"):
                return replace(result, verdict=unknown("broke"))
            return result

    async def _hand_in(self, token: Token) -> Result:
        """Hand a token in, and return what came of it.

        Errors are in the result, which has no verdict if the crawl closed before; only HandoverBroke is raised.
        """
        try:
            return await self.hand_in(token)
        except TokenUnused as error:
            return Result(verdict=unused(error.reason))
        except CrawlClosing as error:
            return Result(error=error)
        except HandoverBroke:
            raise
        except MiddlewareFailed as error:
            refusal = Refusal("broke", f"the request with the token failed: {error}")
            return Result(verdict=unknown("broke", is_useless=True), error=GivenUp(refusal))
        except Exception as error:
            # A method of the spider has failed on the answer.
            return Result(verdict=unknown("broke"), error=error)

    def deliver(self, challenge: Challenge, result: Result) -> Answer:
        """Report what has come of the attempts, and return the answer for Scrapy.

        It has the flag of a page behind a wall if it is one. HttpCache has seen the challenge, and is given what the
        submission was answered with in its place.
        """
        answer, verdict = result.answer, result.verdict
        assert answer is not None
        is_through = verdict is ACCEPTED or doubt_about(self.request, result.submitted or answer) is None
        # All jobs of a crawl have one price, which is asked for before the first one.
        seconds, cost = time.monotonic() - self._since, self.jobs * self.buyer.limits.price
        if verdict is not None and verdict.outcome == "unknown":
            self.events.unknown(self.request, challenge, verdict.reason, verdict.message, seconds, cost)
        elif is_through:
            outcome = None if verdict is None else verdict.outcome
            self.events.solved(self.request, challenge, self.jobs, seconds=seconds, cost_usd=cost, outcome=outcome)
            if isinstance(answer, Response):
                answer.flags = [*answer.flags, "omocaptcha"]
            else:
                self.engine.states.record_through(answer)
        if is_through and result.submitted is not None:
            self.engine.components.store(self.request, result.submitted)
        return answer
