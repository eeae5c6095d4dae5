"""Send requests that want a token before they are sent: those of ``form_request``, and others with such a meta key.

The token is bought and the request with it is sent at once, in this process. The spider gets the answer as the response
to its own request.
"""

import logging
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urljoin
from zlib import crc32

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.httpobj import urlparse_cached

from scrapy_omocaptcha.buying.purchase import Purchase
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.detection.content import PageContent
from scrapy_omocaptcha.detection.filling import fill_form
from scrapy_omocaptcha.engine.chain import InnerChain
from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.slots import Hold, Slots
from scrapy_omocaptcha.errors import ChallengeNotSolved, HandoverBroke, HookFailed, MiddlewareFailed
from scrapy_omocaptcha.forms.page import parse_page
from scrapy_omocaptcha.forms.placement import put_token
from scrapy_omocaptcha.forms.submission import Submission, encode_form, session_of
from scrapy_omocaptcha.reporting.events import Events
from scrapy_omocaptcha.urls import host_of
from scrapy_omocaptcha.walls.attempts import Attempts, GivenUp, Refusal
from scrapy_omocaptcha.walls.delivery import deliver
from scrapy_omocaptcha.walls.judging import is_overloaded, shows_widget
from scrapy_omocaptcha.walls.policy import Policy
from scrapy_omocaptcha.walls.reasons import REASONS
from scrapy_omocaptcha.walls.sending import get_page, send_submission
from scrapy_omocaptcha.walls.wishes import Wish, read_wish

logger = logging.getLogger(__name__)


class UpfrontTokens:
    """The requests of one crawl that want a token before they are sent.

    :param max_unproven: how many tokens of a widget may be under way as long as none has been accepted.
    """

    def __init__(
        self,
        crawler: Crawler,
        policy: Policy,
        lifetime: Lifetime,
        slots: Slots,
        chain: InnerChain,
        components: Components,
        events: Events,
        new_attempts: Callable[[Request], Attempts],
        *,
        token_max_age: float,
        max_unproven: int,
    ) -> None:
        self._policy = policy
        self._lifetime = lifetime
        self._slots = slots
        self._chain = chain
        self._components = components
        self._events = events
        self._new_attempts = new_attempts
        self._token_max_age = token_max_age
        self._max_unproven = max_unproven
        self._under_way: Counter[str] = Counter()
        """The number of requests whose token is being bought or handed in, by host."""
        self._answering: set[str] = set()
        """The sites that have answered anything, so that a token can be handed in there."""
        self._forms: dict[tuple[str, str], _Form] = {}
        crawler.signals.connect(self._downloaded, signals.response_downloaded)

    def _downloaded(self, request: Request) -> None:
        self._answering.add(urlparse_cached(request).netloc)

    async def send(self, request: Request) -> Response:
        """Send ``request`` with the token that its meta wants, and return the response to it.

        :raises ValueError: when the wish is not understood.
        :raises ChallengeNotSolved: when no token could be had, or the site accepted none.
        :raises Exception: what Scrapy raises when the site cannot be reached.
        """
        wish = read_wish(request)
        is_rejected = None if wish.rejected is None else self._policy.rejection_test(wish.rejected)
        host = host_of(request.url)
        cached = await self._components.cached(request)
        if cached is not None:
            # Scrapy would ask HttpCache only after the token was bought.
            return cached
        refusal = self._policy.upfront_refusal(request, wish.challenge)
        self._events.detected(request, wish.challenge, "solve" if refusal is None else refusal.reason)
        if refusal is not None:
            if refusal.reason == "dry_run":
                # Each request needs a token of its own, as if it were a session of its own.
                self._events.dry_run.record(host, object())
            raise self._not_solved(request, refusal, wish.challenge)
        # Only trying shows whether the request has a place for the token; better before than after paying.
        _with_token(request, wish.put, "-")
        form = self._forms.setdefault((host, wish.sitekey), _Form())
        with self._slots.hold(request) as hold:
            await self._lifetime.until(lambda: self._has_room(request, host, form))
            self._under_way[host] += 1
            try:
                sending = _Sending(request, wish, is_rejected, form, hold, self._chain, self._policy)
                if wish.fresh is None and urlparse_cached(request).netloc not in self._answering:
                    await sending.reach_site()
                return await self._attempt(sending)
            finally:
                self._under_way[host] -= 1

    def _has_room(self, request: Request, host: str, form: "_Form") -> bool:
        """Tell whether one more token may be under way.

        It has to be handed in while it is young, given the delay of the site; and where no token has been accepted, few
        are bought at once, since all of them may be rejected.
        """
        under_way = self._under_way[host]
        if not form.accepts and under_way >= self._max_unproven:
            return False
        return not under_way or (under_way + 1) * self._slots.delay(request) <= self._token_max_age / 2

    async def _attempt(self, sending: "_Sending") -> Response:
        request = sending.request
        attempts = self._new_attempts(request)
        try:
            answer = await attempts.run(sending)
        except GivenUp as error:
            raise self._not_solved(
                request, error.refusal, sending.wanted, attempts.jobs, sending.answer
            ) from error.__cause__
        assert isinstance(answer, Response)
        if sending.doubt is None:
            self._events.solved(request, sending.wanted, attempts.seconds, attempts.jobs, attempts.cost)
            answer.flags = [*answer.flags, "omocaptcha"]
            self._components.store(request, answer)
        else:
            self._events.unknown(request, sending.wanted, *sending.doubt, attempts.seconds, attempts.cost)
        return deliver(request, answer)

    def _not_solved(
        self, request: Request, refusal: Refusal, challenge: Challenge, jobs: int = 0, answer: Response | None = None
    ) -> ChallengeNotSolved:
        self._events.failed(request, challenge, *refusal, jobs=jobs)
        shown = answer and answer.replace(request=request)
        return ChallengeNotSolved(refusal.reason, refusal.message, challenge=challenge, response=shown)


class _Form:
    """What is known of a host's forms with one site key."""

    accepts = False
    """Whether the site has accepted a token."""
    last_text: int | None = None
    """Checksum of the text of the last answer that showed the widget again."""


class Doubt(NamedTuple):
    """Why it is not known whether the site accepted a token."""

    reason: str
    message: str


class _Sending:
    """The errand of sending one request with a token in it."""

    def __init__(
        self,
        request: Request,
        wish: Wish,
        is_rejected: Callable[[Response], bool] | None,
        form: _Form,
        hold: Hold,
        chain: InnerChain,
        policy: Policy,
    ) -> None:
        self.request = request
        self.wanted = wish.challenge
        self.answer: Response | None = None
        """The last answer of the site."""
        self.doubt: Doubt | None = None
        self._wish = wish
        self._is_rejected = is_rejected
        self._form = form
        self._hold = hold
        self._chain = chain
        self._policy = policy
        self._prepared = request
        """The request that the token is put into."""
        self._is_used = False

    async def reach_site(self) -> None:
        """Ask the site for its robots.txt, so that no token is bought for one that does not answer."""
        headers, meta = session_of(self.request)
        url = urljoin(self.request.url, "/robots.txt")
        await self._get(Request(url, headers=headers, meta=meta, callback=NO_CALLBACK))

    async def challenge(self) -> Challenge:
        """Return the challenge to buy a token for, from a fresh page if the form works only once."""
        if self._wish.fresh is not None:
            await self._refill()
        # Checked before each attempt, since other requests may have found out much since the last one.
        refusal = self._policy.upfront_refusal(self._prepared, self.wanted)
        if refusal is not None:
            raise GivenUp(refusal)
        return self.wanted

    async def ready(self) -> Challenge:
        """Return the challenge that a token must fit, from a fresh page if the form has been sent before."""
        if self._wish.fresh is not None and self._is_used:
            await self._refill()
        return self.wanted

    async def hand_in(self, purchase: Purchase, *, may_repeat: bool) -> Response | None:
        """Send the request with the token, and tell from the answer what the site made of it."""
        submission = _with_token(self._prepared, self._wish.put, purchase.token.value)
        self._is_used = True
        try:
            async with self._hold.sending():
                answer = await send_submission(self._chain, submission)
        except (HandoverBroke, MiddlewareFailed) as error:
            if may_repeat and isinstance(error, HandoverBroke):
                raise
            purchase.unknown("broke", is_useless=isinstance(error, MiddlewareFailed))
            raise GivenUp(Refusal("broke", str(error))) from error
        assert answer is not None
        # The request that was sent holds the token, and must not reach a method of the spider.
        self.answer = answer = answer.replace(request=self.request)
        try:
            rejected = self._is_rejected is not None and self._is_rejected(answer)
        except HookFailed as error:
            purchase.unknown("hook")
            raise GivenUp(Refusal("hook", str(error))) from error
        if rejected or self._policy.find(self.request, answer) is not None:
            purchase.rejected()
            return None
        if is_overloaded(answer) and may_repeat:
            raise HandoverBroke(f"the request with the token was answered with {answer.status}")
        self._judge(answer, purchase)
        return answer

    def _judge(self, answer: Response, purchase: Purchase) -> None:
        """Record what is known of a token that was not plainly rejected."""
        hint = (
            "" if self._is_rejected is not None else "; tell what a rejection looks like with rejected= (form_request)"
        )
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            is_error = answer.status >= HTTPStatus.BAD_REQUEST
            reason = "http_error" if is_error else "redirect"
            self.doubt = Doubt(reason, f"the answer has the status {answer.status}{hint}")
            purchase.unknown(reason, is_useless=is_error)
        elif self._is_rejected is None and shows_widget(answer, self.wanted.sitekey):
            message = f"the answer shows the widget again, as a rejection would, and as a result may{hint}"
            self.doubt = Doubt("widget_again", message)
            # Results differ, and rejections are alike.
            text = crc32(_text(answer).encode())
            purchase.unknown(self.doubt.reason, is_useless=text == self._form.last_text)
            self._form.last_text = text
        else:
            purchase.accepted()
            self._form.accepts = True

    async def _refill(self) -> None:
        """Fetch the page of the form, and fill the form in as the spider has done."""
        wish, fresh = self._wish, self._wish.fresh
        assert fresh is not None
        headers, meta = session_of(self.request)
        page = await self._get(Request(wish.page, headers=headers, meta=meta, callback=NO_CALLBACK))
        if page is None:
            raise GivenUp(Refusal("form_changed", f"{wish.page} redirects to where robots.txt or the spider forbids"))
        page = page.replace(request=self.request)
        try:
            self.wanted = fill_form(page, fresh.data, form=fresh.form, click=fresh.click)
            encoded = encode_form(page, self.wanted, "")
        except ValueError as error:
            raise GivenUp(Refusal("form_changed", f"{REASONS['form_changed']}: {error}")) from None
        refusal = await self._policy.target_refusal(self.request, self.wanted, encoded["url"])
        if refusal is not None:
            raise GivenUp(refusal)
        headers = self.request.headers.copy()
        headers.update(encoded.pop("headers"))
        self._prepared = self.request.replace(**encoded, headers=headers)
        self._is_used = False

    async def _get(self, request: Request) -> Response | None:
        try:
            async with self._hold.sending():
                return await get_page(self._chain, request)
        except MiddlewareFailed as error:
            raise GivenUp(Refusal("broke", str(error))) from error


def _with_token(request: Request, put: str, token: str) -> Submission:
    """Return the submission that sends ``request`` with ``token`` in it; ``ValueError`` if there is no such place."""
    meta = {key: value for key, value in request.meta.items() if key != "omocaptcha"}
    return put_token(request.replace(meta=meta, callback=NO_CALLBACK, errback=None), put, token)


def _text(answer: Response) -> str:
    page = parse_page(answer)
    return "" if page is None else PageContent(page.root).text
