"""Take orders, and show pages that are good for once: a site that knows how often each was done, and its judge."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.testing import WalledSite, pages
from scrapy_omocaptcha.testing.shop import Answer
from tests.simulation.network import PLACE
from tests.simulation.sessions import wanted_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_omocaptcha.testing import OmoCaptchaService, Wall
    from scrapy_omocaptcha.testing.visit import Visit
    from tests.simulation.crawl import Run
    from tests.simulation.plan import Plan
    from tests.simulation.spider import Record
    from tests.simulation.world import World

FALSE_GATE = "/captcha?for=order"
"""Where an executed order leads if its site claims that it was withheld: there is never anything but the challenge."""


class Orders(WalledSite):
    """Site that executes an order for each ``POST /order`` that its wall does not withhold.

    ``GET /go/7`` redirects to an address that shows its page once only.

    :param answer: how the order with the id 7 is answered: by its page (``"page"``), by a redirect to that, which is
        ``/orders/7`` (``"own"``), with an address that names the order (``"named"``), so that a challenge there claims
        to have withheld it, to a page of all orders (``"shared"``), or to a challenge (``"claimed"``).
    :param withholds: whether orders are behind the wall as well.
    :param gate: address to which the wall redirects, if it does; ``/hold?next`` if the address names the page.
    :param opened: what the gate shows to who is through: a ``"challenge"``, as to all others, a ``"page"`` of its own,
        or, by a redirect, the ``"home"`` page.
    :param once: what precedes the number in addresses of pages that are shown once.
    """

    def __init__(
        self,
        service: OmoCaptchaService,
        wall: Wall,
        *,
        answer: str,
        withholds: bool,
        gate: str,
        opened: str,
        once: str,
        **options: Any,
    ) -> None:
        super().__init__(service, wall, **options)
        self.done: defaultdict[str, list[Visit]] = defaultdict(list)
        """The visits that have executed each order, or have got each page that is shown once."""
        self._kind, self._withholds, self._once = answer, withholds, once
        self._gate, _, self._names_page = gate.partition("?")
        self._opened = opened

    def answer(self, visit: Visit) -> Answer:
        """Answer a visit as the shop does, whose gate has another address."""
        if visit.path == self._gate:
            if self._opened != "challenge" and self._is_through(visit):
                return (
                    _page("Welcome")
                    if self._opened == "page"
                    else Answer("", 302, "sent on", headers={"Location": "/"})
                )
            visit = replace(visit, path="/gate")
        answer = self._answer(visit)
        _, is_gate, query = answer.headers.get("Location", "").partition("/gate?")
        if is_gate:
            answer.headers["Location"] = f"{self._gate}?{query}" if self._names_page else self._gate
        return answer

    def _is_through(self, visit: Visit) -> bool:
        """Tell whether a visit may pass the wall, which counts as a page of its clearance."""
        return visit.method == "GET" and self.shop.gate.allows(visit, self.shop.gate.session(visit))

    def _answer(self, visit: Visit) -> Answer:
        path, _, number = visit.path.rpartition("/")
        if visit.path == "/":
            # What a token leads to uses up nothing.
            return Answer(pages.home())
        if path == "/go":
            return Answer("", 302, "sent on", headers={"Location": self._once + number})
        if visit.target.startswith(self._once):
            self.done[visit.target].append(visit)
            is_first = len(self.done[visit.target]) == 1
            return _page(f"Once {visit.target.removeprefix(self._once)}") if is_first else _page("Used", 410)
        if visit.target == FALSE_GATE:
            return self.shop.challenge(visit, self.shop.gate.session(visit), "/")
        if visit.path == "/order":
            return self._order(visit)
        if visit.path == "/thanks" or (path == "/orders" and number in self.done):
            return self.shop.walled(visit, _page(f"Order {number}" if path else "Your orders"))
        return super().answer(visit)

    def _order(self, visit: Visit) -> Answer:
        if visit.method != "POST":
            return _page("Order here")
        number = dict(visit.form)["id"]
        own = f"/orders/{number}"
        targets = {"own": own, "named": f"{own}?from=/order", "shared": "/thanks", "claimed": FALSE_GATE}
        target = targets.get(self._kind)
        done = _page(f"Order {number}") if target is None else Answer("", 303, headers={"Location": target})
        answer = self.shop.walled(visit, done) if self._withholds else done
        if answer is done:
            self.done[number].append(visit)
        return answer


def _page(title: str, status: int = 200) -> Answer:
    return Answer(pages.document(title, f"<h1>{title}</h1>"), status)


def check(planned: Plan, world: World, record: Record, runs: list[Run]) -> Iterator[str]:
    """Check that each order was executed once at most, and that none ends with a page that is not its own, unsaid.

    Each answer that was lost may cost one more, as without a wall. So may a gate that leads back to the order.
    """
    for site, told in zip(world.sites, planned.sites, strict=True):
        if not isinstance(site, Orders):
            continue
        # What is killed, and another crawl, starts anew.
        crawls = len(runs) if planned.end in ("killed", "two crawls") else 1
        for what, visits in site.done.items():
            lost = sum(_is_lost(world, visit) for visit in visits)
            if len(visits) > crawls * (1 + ("?next" in told.gate and what.isdigit())) + lost:
                yield f"again: {what} was done {len(visits)} times, though {lost} answers were lost"
        for name, how in record.ends.items() if planned.is_calm else ():
            is_order = wanted_of(planned, name).kind == "order"
            if is_order and how == "page" and str(int(name) + 1) not in site.done:
                yield f"request {name} has a page though its order was not executed"


def _is_lost(world: World, visit: Visit) -> bool:
    """Tell whether the answer to a visit was lost, so that Retry may repeat it."""
    sent = world.exchanges[int(visit.headers[PLACE])]
    return not sent.is_answered or sent.status == HTTPStatus.BAD_GATEWAY
