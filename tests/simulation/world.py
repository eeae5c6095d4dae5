"""Build the service and the sites of a plan, and let them go wrong as planned."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.testing import WALLS, OmoCaptchaService, WalledSite
from tests.helpers.chance import random_faults, random_jobs
from tests.helpers.hard_walls import GATE, OneAddress
from tests.simulation.orders import Orders

if TYPE_CHECKING:
    from scrapy_omocaptcha.testing.account import Job
    from scrapy_omocaptcha.testing.gate import Session
    from scrapy_omocaptcha.testing.shop import Answer
    from scrapy_omocaptcha.testing.visit import Visit
    from tests.simulation.network import Exchange
    from tests.simulation.plan import Plan, Site

Note = Callable[[str], None]
"""Writes a line into the story of a crawl."""

_PAGES = 100_000


class NeverAnswers(WalledSite):
    """Site that accepts connections and never answers."""

    async def _handle(self, request):
        await self._pause(None)
        return await super()._handle(request)


class World:
    """The service and the sites of a plan.

    :param call_later: calls a function after some seconds.
    :param is_open: whether the sites are without walls.
    """

    def __init__(
        self,
        planned: Plan,
        note: Note,
        *,
        call_later: Callable[[float, Callable[[], None]], object],
        is_open: bool = False,
    ) -> None:
        self.plan = planned
        self.exchanges: list[Exchange] = []
        """All requests to service and sites as their clients see them."""
        self.service = OmoCaptchaService(
            balance=planned.balance, solve_seconds=planned.solve_seconds, on_event=lambda line: note(line)
        )
        self.sites = [
            _build(site, self.service, number, note, is_open=is_open) for number, site in enumerate(planned.sites)
        ]
        self.servers = (self.service, *self.sites)
        for server in self.servers:
            server.start()
        self._go_wrong()
        if planned.outage is not None:
            begin, seconds = planned.outage
            call_later(begin, self.service.stop)
            call_later(begin + seconds, self.service.start)

    def _go_wrong(self) -> None:
        planned = self.plan
        for number, (site, told) in enumerate(zip(self.sites, planned.sites, strict=True)):
            if told.gate_fault is not None:
                site.fault(GATE, told.gate_fault, times=2, seconds=planned.fault_seconds)
            if planned.site_faults:
                random_faults(
                    site,
                    planned.rate,
                    seed=planned.seed + number,
                    kinds=planned.site_faults,
                    seconds=planned.fault_seconds,
                )
        if planned.api_faults:
            random_faults(
                self.service, planned.rate, seed=planned.seed, kinds=planned.api_faults, seconds=planned.fault_seconds
            )
        if planned.job_faults:
            random_jobs(self.service, planned.rate, seed=planned.seed, outcomes=planned.job_faults)

    def token(self, job: Job) -> str:
        """Return the token of a job, or an empty text if it has none."""
        return self.service._account._job_tokens.get(job.id, "")

    def said(self, token: str) -> list[Visit]:
        """Return the visits that carried a token, in their order."""
        return [] if not token else [visit for site in self.sites for visit in site.requests if _carries(visit, token)]


def latency_of(planned: Plan) -> Callable[[str], float]:
    """Return what draws how long a request, or an answer, is on its way."""
    draw = random.Random(f"latency {planned.seed}")

    def latency(host: str) -> float:
        seconds = draw.uniform(*planned.latency)
        return seconds if draw.random() >= planned.stalls else draw.uniform(5, 60)

    return latency


def _build(site: Site, service: OmoCaptchaService, number: int, note: Note, *, is_open: bool) -> WalledSite:
    # Cookies know no ports, so each site has a host of its own.
    host = f"shop{number}.example"
    options = {
        "status": site.status,
        "robots_walled": site.robots_walled,
        "refuse_every": site.refuse_every,
        "hosts": (host,),
        "sitekey": f"6LtestOnly{number:030d}",
        "catalogue_pages": _PAGES,
        "items_per_page": 1,
        "on_event": lambda line: note(f"{host} {line.removeprefix('site ')}"),
    }
    server = _server(site, service, is_open=is_open, options=options)
    if site.outdates:
        server.shop.challenge = _outdating(server.shop.challenge)
    return server


def _outdating(challenge: Callable[..., Answer]) -> Callable[..., Answer]:
    """Return what shows a challenge whose form is good until the session is shown the next one."""

    def show(visit: Visit, session: Session, *arguments: Any) -> Answer:
        session.csrf = secrets.token_hex(16)
        return challenge(visit, session, *arguments)

    return show


def _server(site: Site, service: OmoCaptchaService, *, is_open: bool, options: dict[str, Any]) -> WalledSite:
    wall = replace(WALLS[site.wall], **site.changes)
    if is_open:
        wall = replace(WALLS["session"], free_pages=10**9)
    if site.kind == "orders":
        names = ("answer", "withholds", "gate", "opened", "once")
        return Orders(service, wall, **{name: getattr(site, name) for name in names}, **options)
    if is_open:
        return WalledSite(service, wall, **options)
    if site.kind == "walled":
        return WalledSite(service, wall, **options)
    return {"one address": OneAddress, "never answers": NeverAnswers}[site.kind](service, **options)


def _carries(visit: Visit, token: str) -> bool:
    values = [value for _, value in (*visit.form, *visit.query)]
    return token in values or token.encode() in visit.body or any(token in text for text in visit.headers.values())
