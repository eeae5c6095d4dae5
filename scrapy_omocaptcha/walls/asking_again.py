"""Ask again for what a challenged request asks for: its own page, or what was asked for before it was redirected.

What was asked for is sent again, and its redirects are followed as before. The answer shows whether the challenge is
that of a gate, or in the place of the page; see ``redirects``. The request that Scrapy's engine waits for then becomes
the one that was answered.
"""

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.tokens.judging import Answer, is_good
from scrapy_omocaptcha.tokens.policy import Policy
from scrapy_omocaptcha.tokens.reasons import GivenUp
from scrapy_omocaptcha.urls import host_of, same_address
from scrapy_omocaptcha.walls import originals
from scrapy_omocaptcha.walls.redirects import MAYBE_EXECUTED, Redirects
from scrapy_omocaptcha.walls.targets import GATES, Kind


class AskingAgain:
    """Asks again for what one request asks for."""

    def __init__(self, engine: Engine, policy: Policy, redirects: Redirects, request: Request) -> None:
        self._components, self._chain, self._lifetime = engine.components, engine.chain, engine.lifetime
        self._policy, self._redirects, self._request = policy, redirects, request
        self._state = engine.states.of(request)
        self._way = redirects.way_of(request)
        self._was_led_back = False

    @property
    def is_for_own_page(self) -> bool:
        """Tell whether the request asks for the page at its own address, in whose place its challenge is."""
        return not self._redirects.is_withheld(self._request)

    @property
    def is_for_order(self) -> bool:
        """Tell whether it asks for an order, which was redirected to the challenge."""
        return self._redirects.is_order(self._request)

    @property
    def may_be_executed(self) -> bool:
        """Tell whether it asks for an order that must not be sent again, whatever the gate shows after a token."""
        is_last = self._state.is_resent or self._redirects.targets.of(self._request.url).kind is Kind.GATE
        return self.is_for_order and len(self._way) == 1 and is_last

    @property
    def is_at_gate(self) -> bool:
        """Tell whether no page that was asked for is at the address of the request."""
        return not self.is_for_own_page and self._redirects.targets.of(self._request.url).kind in GATES

    @property
    def hops(self) -> list[str]:
        """Return the addresses on the way to the challenge, what was asked for first; none if that is the own page."""
        return [] if self.is_for_own_page or self._state.original is None else self._state.original["hops"]

    def record_led_to(self, url: str) -> None:
        """Record where the answer to a token leads."""
        if not self.is_for_own_page:
            self._was_led_back = self._redirects.record_led_to(self._request, url) == 0

    async def ask(self) -> Answer:
        """Ask again, and return the answer.

        :raises GivenUp: where an order has none, and must not be sent again.
        """
        if self.is_for_own_page:
            return await self._send(self._request)
        if self.is_for_order:
            return await self._ask_for_order()
        return await self._ask_for_page()

    def give_up(self) -> None:
        """Turn the request that the engine waits for into what was asked for, which the spider is told of."""
        if not self.is_for_own_page:
            self._become(self._original())

    async def _ask_for_page(self) -> Answer:
        """Send what was asked for; the answer shows whether the challenge is that of a gate."""
        original = self._original()
        try:
            sent, answer, missed = await self._go(original)
        except Exception:
            # Retry is to send what was asked for.
            self._become(original)
            raise
        if self._is_challenge(answer):
            return answer
        # A middleware of the project may have returned the request for another try.
        is_told = is_good(answer) and not (isinstance(answer, Request) and same_address(answer.url, sent.url))
        if is_told and missed:
            self._redirects.record_gate(missed)
        elif is_told and isinstance(answer, Response):
            for url in self._way:
                self._redirects.targets.record_in_place(url)
        self._become(sent)
        return answer

    async def _ask_for_order(self) -> Answer:
        """Ask for what an order was redirected to, and send the order again if its gate leads back to it."""
        if not self._was_led_back:
            sent, answer, missed = await self._go(self._request.replace(url=self._way[0]))
            if self._is_challenge(answer):
                return answer
            if missed and isinstance(answer, Response):
                # The receipt, which the gate has withheld rather than the order.
                self._redirects.record_gate(missed)
                self._become(sent)
                return answer
            place = self._redirects.record_led_to(self._request, answer.url) if isinstance(answer, Request) else None
            if place:
                return answer
            is_returning = self._redirects.targets.of(self._request.url).kind is Kind.RETURNING
            if place is None and not (is_returning and len(self._way) == 1):
                self._redirects.check_receipt(self._request, answer)
                return answer
        if self._state.is_resent:
            raise GivenUp(MAYBE_EXECUTED)
        self._state.is_resent = True
        order = self._original()
        answer = await self._send(order)
        if isinstance(answer, Request) and self._redirects.targets.of(answer.url).kind in GATES:
            raise GivenUp(MAYBE_EXECUTED)
        self._become(order)
        return answer

    def _original(self) -> Request:
        assert self._state.original is not None
        return originals.rebuild(self._request, self._state.original)

    async def _go(self, request: Request) -> tuple[Request, Answer, list[str]]:
        """Send a request, and follow its redirects as long as they lead the way to the challenge.

        :returns: the last request, its answer, and the addresses to which it was not led any more.
        :raises CrawlClosing: when a redirect is left to be followed, and the crawl closes.
        """
        route_of = self._redirects.targets.route_of
        missed = self._way[1:] if same_address(request.url, self._way[0]) else self._way
        answer = await self._send(request)
        while isinstance(answer, Request) and route_of(answer.url) in (routes := list(map(route_of, missed))):
            missed = missed[routes.index(route_of(answer.url)) + 1 :]
            request = answer
            answer = await self._lifetime.wait(self._send(request))
        if self._is_challenge(answer) and host_of(request.url) == host_of(self._request.url):
            # The passage compares these cookies with the session's: newer ones make its form void.
            self._request.headers.setlist("Cookie", request.headers.getlist("Cookie"))
        return request, answer, missed

    async def _send(self, request: Request) -> Answer:
        """Send a request, and return its answer, or what a redirect or a meta refresh leads to."""
        answer = await self._chain.send_again(request, page=self._request)
        if isinstance(answer, Request) or request is self._request or self._is_challenge(answer):
            return answer
        is_refresh = self._components.meta_refresh(answer) is not None
        return await self._components.redirect(request, answer) or answer if is_refresh else answer

    def _is_challenge(self, answer: Answer) -> bool:
        return isinstance(answer, Response) and self._policy.find(self._request, answer) is not None

    def _become(self, sent: Request) -> None:
        """Turn the request that the engine waits for into one that was sent in its place."""
        self._state.original, self._state.sent_at = None, 0
        self._components.turn_into(self._request, sent)
