"""Plan the crawls of a chaos run: walls, settings, requests and faults.

Everything follows from a seed, so that a failure can be repeated; only the order in which things happen depends on the
machine. Settings shorten the pauses that last minutes in reality.
"""

from __future__ import annotations

import random
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.testing import WALLS, OmoCaptchaService, WalledSite
from scrapy_omocaptcha.testing.faults import KINDS
from tests.helpers.hard_walls import GATE, OneAddress, TwoWalls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scrapy_omocaptcha.testing.faults import Kind

RATE = 0.2
"""Share of all calls, of all requests to the sites and of all jobs that go wrong."""

ONE_ADDRESS, TWO_WALLS = "one address", "two walls in a row"
GATE_FAULTS: tuple[Kind, ...] = ("bad_gateway", "too_many", "hang", "reset_after", "truncated")
"""What happens at first at a wall's one address. All else that happens there is random."""
KINDS_TO_FILTER: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind != "redirect")
"""Faults of sites where Scrapy filters duplicates: it drops a redirect to where a crawl has been before."""

SHOW_NO_CHALLENGE: frozenset[Kind] = frozenset({"empty", "html", "wrong_type", "wrong_encoding"})
"""Faults that look like a page. At a wall's one address, they make a page of it, to which redirects are duplicates."""

OTHERS_SPEND = True
"""Whether some crawls have a floor for the balance of an account that others spend from, too."""

_OUTAGE = 0.5
"""Seconds for which the service refuses connections."""

PRICE = 0.00055
"""What a job costs, in USD."""

SETTINGS = {
    "ADDONS": {"scrapy_omocaptcha.Addon": 500},
    "TELNETCONSOLE_ENABLED": False,
    "OMOCAPTCHA_PRICE": PRICE,
    "OMOCAPTCHA_API_TIMEOUT": 0.5,
    "OMOCAPTCHA_JOB_TIMEOUT": 1,
    "OMOCAPTCHA_BREAKER_PAUSE": 0.5,
    "DOWNLOAD_TIMEOUT": 0.5,
    "DOWNLOAD_MAXSIZE": 200_000,
    "AUTOTHROTTLE_ENABLED": False,
    # A stored error of a wall's one address would be all that is ever seen of it, and redirects to it are duplicates.
    "HTTPCACHE_IGNORE_HTTP_CODES": [429, 500, 502],
}

LIMITS = {
    "OMOCAPTCHA_MAX_COST": PRICE,
    "OMOCAPTCHA_MAX_COST_PER_DAY": PRICE,
    "OMOCAPTCHA_MAX_JOBS": 1,
    "OMOCAPTCHA_MAX_JOBS_PER_HOST": 1,
}
"""Settings that limit what is bought, and how much of each a job uses up."""

ASKED = {
    "page": 20,
    "item": 35,
    "search": 8,
    "free": 20,
    "contact": 5,
    "nested": 4,
    "bought": 3,
    "header": 3,
    "signup": 2,
    "alone": 2,
}
"""Kinds of requests, see ``spider``, and their relative frequency."""


@dataclass(frozen=True)
class Site:
    """One site of a plan."""

    wall: str
    status: int
    gzip: bool
    robots_walled: bool
    gate_fault: Kind | None = None
    """What the first requests to a wall's one address are answered with."""


@dataclass(frozen=True)
class Wanted:
    """One request, identified by its number."""

    number: int
    kind: str
    site: int
    cookiejar: int | None
    children: int = 0
    """How many further requests its callback sends."""


@dataclass(frozen=True)
class Plan:
    """Everything that follows from a seed."""

    seed: str
    sites: tuple[Site, ...]
    settings: dict[str, Any]
    wanted: tuple[Wanted, ...]
    rate: float = RATE
    balance: float = 100.0
    solve_seconds: tuple[float, ...] = (0.0,)
    faults_seed: int = 0
    filters: bool = False
    """Whether Scrapy filters duplicates."""
    passes_meta: bool = False
    """Whether the spider passes the meta of a response on to its next requests."""
    others_spend: bool = False
    """Whether somebody else buys a job from the same account for each of the crawl's."""
    outage: float | None = None
    """Seconds from the start after which the service refuses connections for a while."""

    def __str__(self) -> str:
        walls = ", ".join(site.wall for site in self.sites)
        changed = {name: value for name, value in self.settings.items() if SETTINGS.get(name) != value}
        marks = [name for name in ("filters", "passes_meta", "others_spend") if getattr(self, name)]
        faults = [site.gate_fault for site in self.sites if site.gate_fault]
        requests = f"{len(self.wanted)} requests to {walls}"
        return f"seed {self.seed}: {requests}; {changed}; {self.balance} USD; {', '.join([*marks, *faults])}"


def plan(seed: str, requests: int) -> Plan:
    """Plan a crawl of that many requests."""
    dice = random.Random(seed)
    sites = tuple(
        Site(
            wall,
            dice.choice((200, 403, 429, 503)),
            dice.random() < 0.3,
            dice.random() < 0.3,
            dice.choice((None, *GATE_FAULTS)) if wall == ONE_ADDRESS else None,
        )
        for wall in (*dice.sample(sorted(WALLS), 5), ONE_ADDRESS, TWO_WALLS)
    )
    settings = {
        **SETTINGS,
        "CONCURRENT_REQUESTS": dice.choice((8, 16, 32)),
        "CONCURRENT_REQUESTS_PER_DOMAIN": dice.choice((2, 8)),
        "DOWNLOAD_DELAY": dice.choice((0, 0, 0.01)),
        "RETRY_TIMES": dice.choice((1, 2)),
        "ROBOTSTXT_OBEY": dice.random() < 0.3,
        "COOKIES_ENABLED": dice.random() < 0.9,
        "OMOCAPTCHA_MAX_ATTEMPTS": dice.choice((1, 2, 3)),
        "OMOCAPTCHA_CONCURRENT_JOBS": dice.choice((4, 32)),
        "OMOCAPTCHA_MAX_WAITING": dice.choice((0, 4, 256)),
        "OMOCAPTCHA_ON_FAILURE": dice.choice(("errback", "response")),
        "OMOCAPTCHA_TOKEN_MAX_AGE": dice.choice((1, 110)),
        "HTTPCACHE_ENABLED": dice.random() < 0.2,
        "METAREFRESH_ENABLED": dice.random() < 0.5,
    }
    few = max(5, requests // 20)
    others_spend = dice.random() < 0.2 and OTHERS_SPEND
    if others_spend:
        settings["OMOCAPTCHA_MIN_BALANCE"] = few * PRICE
    if dice.random() < 0.3:
        limit = dice.choice(sorted(LIMITS))
        settings[limit] = few * LIMITS[limit]
    return Plan(
        seed=seed,
        sites=sites,
        settings=settings,
        wanted=_wanted(dice, requests, sites),
        balance=few * PRICE * (3 if others_spend else 1) if dice.random() < 0.1 or others_spend else 100.0,
        solve_seconds=tuple(dice.uniform(0, 0.4) for _ in range(50)),
        faults_seed=dice.randrange(2**32),
        others_spend=others_spend,
        filters=dice.random() < 0.4,
        passes_meta=dice.random() < 0.4,
        outage=dice.choice((None, dice.uniform(0.3, 6))),
    )


def _wanted(dice: random.Random, requests: int, sites: tuple[Site, ...]) -> tuple[Wanted, ...]:
    wanted: list[Wanted] = []
    number = 0
    while number < requests:
        children = min(dice.choice((0, 0, 0, 1, 2)), requests - number - 1)
        kind = dice.choices(list(ASKED), ASKED.values())[0]
        cookiejar = dice.choice((None, None, None, 1, 2))
        site = dice.randrange(len(sites))
        if kind == "alone" and sites[site].wall == ONE_ADDRESS:
            # Left alone, its redirect is a duplicate to Scrapy.
            kind = "item"
        wanted.append(Wanted(number, kind, site, cookiejar, children))
        number += 1 + children
    return tuple(wanted)


class World:
    """The running service and sites of a plan."""

    def __init__(self, service: OmoCaptchaService, sites: list[WalledSite]) -> None:
        self.service = service
        self.sites = sites
        self.balances: list[float] = []
        """The balance after each job of the crawl, where others spend from the account too."""

    def spend_too(self, line: str) -> None:
        """Buy a job for somebody else when ``line`` tells of one of the crawl's."""
        if "createJob" in line and len(self.service.jobs) > len(self.balances):
            self.balances.append(self.service.balance)
            account = self.service._account
            account.balance = max(account.balance - account.price, account.price * 0)


@contextmanager
def running(plan: Plan, *, filters: bool, on_event: Callable[[str], None] | None = None) -> Iterator[World]:
    """Run the :class:`World` of a plan, which goes wrong as planned.

    :param filters: whether Scrapy filters duplicates.
    :param on_event: function that gets a line for each request to the service or a site, in the server's thread.
    """
    with ExitStack() as stack:

        def on_call(line: str) -> None:
            if plan.others_spend:
                world.spend_too(line)
            if on_event is not None:
                on_event(line)

        service = stack.enter_context(
            OmoCaptchaService(balance=plan.balance, solve_seconds=plan.solve_seconds, on_event=on_call)
        )
        sites = [
            stack.enter_context(
                _site(site.wall)(
                    service,
                    status=site.status,
                    gzip=site.gzip,
                    robots_walled=site.robots_walled,
                    # Cookies are not specific to a port, so each site needs an address of its own.
                    hosts=(f"127.0.1.{number}",),
                    catalogue_pages=100_000,
                    items_per_page=1,
                    on_event=on_event,
                )
            )
            for number, site in enumerate(plan.sites, start=1)
        ]
        world = World(service, sites)
        kinds = KINDS_TO_FILTER if filters else KINDS
        for site, planned in zip(sites, plan.sites, strict=True):
            if planned.gate_fault is not None:
                site.fault(GATE, planned.gate_fault, times=2, seconds=0.05)
        if plan.rate:
            service.random_jobs(plan.rate, seed=plan.faults_seed)
            service.random_faults(plan.rate, seed=plan.faults_seed, seconds=0.05)
            for number, site in enumerate(sites):
                elsewhere = f"{sites[number - 1].url}/search" if number % 2 else "/elsewhere"
                hidden = SHOW_NO_CHALLENGE if filters and isinstance(site, OneAddress) else frozenset()
                site.random_faults(
                    plan.rate,
                    seed=plan.faults_seed + number,
                    kinds=[kind for kind in kinds if kind not in hidden],
                    seconds=0.05,
                    location=elsewhere,
                )
        if plan.outage is not None:
            over = threading.Event()
            outage = threading.Timer(plan.outage, _be_down, [service, over])
            outage.start()
            stack.callback(outage.join)
            stack.callback(outage.cancel)
            stack.callback(over.set)
        yield world


def _site(wall: str) -> Callable[..., WalledSite]:
    sites: dict[str, Callable[..., WalledSite]] = {ONE_ADDRESS: OneAddress, TWO_WALLS: TwoWalls}
    return sites.get(wall) or partial(WalledSite, wall=wall)


def _be_down(service: OmoCaptchaService, over: threading.Event) -> None:
    """Stop the service for a moment, or until the crawl is over."""
    service.stop()
    over.wait(_OUTAGE)
    service.start()
