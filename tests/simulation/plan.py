"""Plan one simulated crawl: sites and walls, settings, requests, what goes wrong and when the crawl is stopped.

All of it follows from a seed, and is plain data, so that a plan can be written to a file and changed there.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from scrapy_omocaptcha.testing import WALLS
from scrapy_omocaptcha.testing.faults import KINDS

PRICE = 0.00055
"""What a job costs, in USD."""

UNSOLVABLE = ("foreign_form", "callback_only", "no_key", "enterprise", "data_s")
"""Walls for which nothing is bought."""

_IN_PLACE = ("session", "session_marked", "get", "same_url", "invisible", "explicit")
"""Walls that show the challenge at the page, and after a token the page."""

"""Answers to orders whose addresses claim that the order was withheld, should there be a challenge."""
SiteKind = Literal["walled", "one address", "orders", "never answers"]
End = Literal["finished", "stopped", "closed", "killed", "two crawls", "fleet"]
"""How a crawl ends: by itself, upon a signal, by the spider, by SIGKILL; or two crawls share a ledger, or a queue."""

_DEFAULTS = {"CONCURRENT_REQUESTS": 16, "CONCURRENT_REQUESTS_PER_DOMAIN": 8}
"""Scrapy's defaults, with which most requests are under way while a wall is solved."""

KINDS_OF_REQUESTS = {
    "page": 20,
    "item": 30,
    "search": 8,
    "free": 12,
    "contact": 3,
    "nested": 4,
    "bought": 2,
    "header": 3,
    "signup": 2,
    "form": 4,
    "alone": 1,
}
"""Kinds of requests, see ``spider``, and their relative frequency."""

_NEEDS_TOKEN = ("header", "signup", "form", "bought")

_SITE_FAULTS = tuple(kind for kind in KINDS if kind != "redirect")
"""Without redirects to where a crawl has been before, which Scrapy drops as duplicates, as without a wall."""
_GATE_FAULTS = ("bad_gateway", "too_many", "hang", "reset_after", "truncated", "reset", "server_error")
"""Faults that don't look like a page. At a wall's one address, a page would be what others are duplicates of."""
_JOB_FAULTS = ("fail", "never", "refused", "vanished", "rejected", "stale")

LIMITS = ("OMOCAPTCHA_MAX_COST", "OMOCAPTCHA_MAX_COST_PER_DAY", "OMOCAPTCHA_MAX_JOBS", "OMOCAPTCHA_MAX_JOBS_PER_HOST")
_END_EARLY = tuple(f"OMOCAPTCHA_{name}" for name in ("MIN_BALANCE", "BREAKER_FAILURES", "JOB_TIMEOUT", "API_TIMEOUT"))
"""Settings that end what could still be solved, though nothing goes wrong."""


@dataclass(frozen=True)
class Site:
    """One site of a plan."""

    kind: SiteKind
    wall: str
    """Name of the wall that it is like."""
    changes: dict[str, Any] = field(default_factory=dict)
    """What is different from that wall."""
    status: int = 403
    robots_walled: bool = False
    refuse_every: int = 0
    outdates: bool = False
    """Whether each challenge outdates the form of the one before, in the same session."""
    gate_fault: str | None = None
    """What the first requests to a wall's one address are answered with."""
    answer: str = "page"
    """How an order is answered, see ``Orders``, as for what follows."""
    withholds: bool = True
    gate: str = ""
    opened: str = "challenge"
    once: str = "/challenge?t="

    @property
    def is_solvable(self) -> bool:
        """Tell whether tokens open the wall for good."""
        return self.kind != "never answers" and self.wall not in (*UNSOLVABLE, "never")


@dataclass(frozen=True)
class Wanted:
    """One request, identified by its number."""

    number: int
    kind: str
    site: int
    cookiejar: int | None = None
    proxy: int | None = None
    children: int = 0
    """How many further requests its callback sends."""
    again: bool = False
    """Whether its errback asks once more."""


@dataclass(frozen=True)
class Plan:
    """Everything that follows from a seed."""

    seed: int
    sites: tuple[Site, ...]
    settings: dict[str, Any]
    wanted: tuple[Wanted, ...]
    latency: tuple[float, float] = (0.05, 0.5)
    """Shortest and longest time that a request, or an answer, is on its way, in seconds."""
    stalls: float = 0.0
    """Share of requests and answers that take up to a minute."""
    site_faults: tuple[str, ...] = ()
    api_faults: tuple[str, ...] = ()
    job_faults: tuple[str, ...] = ()
    rate: float = 0.0
    """Share of the exchanges and jobs that go wrong, if any do."""
    fault_seconds: float = 1.0
    balance: float = 100.0
    solve_seconds: tuple[float, ...] = (20.0,)
    outage: tuple[float, float] | None = None
    """When the service begins to refuse connections, and for how long."""
    filters: bool = True
    """Whether Scrapy filters duplicates."""
    passes_meta: bool = False
    """Whether the spider passes the meta of a response on to its next requests."""
    has_cookie: bool = False
    """Whether the spider sends a cookie of its own, which names the cookiejar."""
    end: End = "finished"
    stops: tuple[float, ...] = ()
    """After how many seconds each run of the crawl is stopped or killed."""

    @property
    def is_calm(self) -> bool:
        """Tell whether nothing goes wrong, so that it is known what must come and how many jobs that takes."""
        return (
            not (self.rate or self.stalls or self.outage or self.stops)
            and self.balance >= 100
            and self.end == "finished"
            and not any(name in self.settings for name in (*LIMITS, *_END_EARLY))
            and all(
                site.gate_fault is None and site.kind != "never answers" and not site.refuse_every
                for site in self.sites
            )
        )

    def as_json(self) -> str:
        """Return the plan as text for a file."""
        return json.dumps(asdict(self), indent=1)


def read_plan(text: str) -> Plan:
    """Return the plan in the text of a file."""
    values = json.loads(text)
    values["sites"] = tuple(Site(**site) for site in values["sites"])
    values["wanted"] = tuple(Wanted(**wanted) for wanted in values["wanted"])
    return Plan(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def plan(seed: int) -> Plan:
    """Plan the crawl of a seed."""
    draw = random.Random(f"plan {seed}")
    is_calm = draw.random() < 0.35
    sites = tuple(_site(draw, is_calm=is_calm) for _ in range(draw.choice((1, 1, 2, 3))))
    planned = Plan(
        seed=seed,
        sites=sites,
        settings=_settings(draw, is_calm=is_calm),
        wanted=_wanted(draw, draw.randint(2, 18), sites),
        latency=draw.choice(((0.01, 0.05), (0.05, 0.5), (0.2, 3.0))),
        solve_seconds=tuple(round(draw.uniform(*draw.choice(((5, 30), (20, 60), (1, 5)))), 2) for _ in range(10)),
        passes_meta=draw.random() < 0.3,
        filters=draw.random() < 0.7,
    )
    return _order(_outdate(planned if is_calm else _go_wrong(draw, planned)))


def _go_wrong(draw: random.Random, planned: Plan) -> Plan:
    """Add a few kinds of things that go wrong, each in some plans only, so that each is also seen alone."""
    changes: dict[str, Any] = {}
    chosen = draw.sample(("sites", "api", "jobs", "stalls", "outage", "balance", "end", "solve", "full"), 3)
    if {"sites", "api", "jobs"} & set(chosen):
        changes["rate"] = draw.choice((0.05, 0.15, 0.3))
        changes["fault_seconds"] = draw.choice((1.0, 15.0, 45.0))
    if "sites" in chosen:
        kinds = _GATE_FAULTS if any(map(redirects, planned.sites)) else _SITE_FAULTS
        changes["site_faults"] = tuple(draw.sample(kinds, draw.randint(1, len(kinds))))
    if "api" in chosen:
        changes["api_faults"] = tuple(draw.sample(KINDS, draw.randint(1, len(KINDS))))
    if "jobs" in chosen:
        changes["job_faults"] = tuple(draw.sample(_JOB_FAULTS, draw.randint(1, len(_JOB_FAULTS))))
    if "stalls" in chosen:
        changes["stalls"] = draw.choice((0.02, 0.1))
    if "outage" in chosen:
        changes["outage"] = (draw.uniform(0, 60), draw.choice((5.0, 60.0, 400.0)))
    if "balance" in chosen:
        changes["balance"] = draw.randint(0, 6) * PRICE
    if "solve" in chosen:
        changes["solve_seconds"] = tuple(round(draw.uniform(30, 250), 2) for _ in range(10))
    if "end" in chosen:
        changes["end"] = end = draw.choice(("stopped", "stopped", "closed", "killed", "two crawls", "fleet"))
        if end not in ("two crawls", "fleet"):
            changes["stops"] = tuple(round(draw.uniform(0.2, 60), 3) for _ in range(draw.choice((1, 1, 2))))
        # The filter of a resumed crawl remembers earlier requests.
        changes["filters"] = changes["passes_meta"] = True
    if "full" in chosen:
        # Requests that hang use up the concurrency while tokens wait to be sent. What is queued first is sent last.
        many = draw.choice((2, 4, 8))
        first = max((wanted.number + wanted.children for wanted in planned.wanted), default=-1) + 1
        waiting = tuple(Wanted(number, "item", len(planned.sites)) for number in range(first, first + 2 * many))
        changes["sites"] = (*planned.sites, Site("never answers", "session"))
        changes["wanted"] = (*waiting, *planned.wanted)
        limits = {"CONCURRENT_REQUESTS": many, "CONCURRENT_REQUESTS_PER_DOMAIN": many, "DOWNLOAD_TIMEOUT": 180}
        changes["settings"] = {**planned.settings, **limits}
    return replace(planned, **changes)


def _site(draw: random.Random, *, is_calm: bool) -> Site:
    kind = draw.choices(("walled", "one address", "never answers"), (20, 2, 0 if is_calm else 1))[0]
    wall = draw.choice(sorted(WALLS)) if kind == "walled" else "session"
    changes: dict[str, Any] = {}
    if kind == "walled" and wall not in (*UNSOLVABLE, "never") and draw.random() < 0.4:
        name, values = draw.choice(
            (
                ("clearance_pages", (2, 3, 5)),
                ("free_pages", (1, 3)),
                ("clearance", ("cookie", "session")),
            )
        )
        if (wall, name) != ("home", "clearance_pages"):
            # The home page would use up pages of the clearance, and be taken for the page that was asked for.
            changes[name] = draw.choice(values)
    return Site(
        kind=kind,
        wall=wall,
        changes=changes,
        status=draw.choice((200, 403, 403, 429, 503)),
        robots_walled=draw.random() < 0.2,
        refuse_every=0 if is_calm else draw.choice((0, 0, 3)),
        gate_fault=draw.choice((None, *_GATE_FAULTS[:5])) if kind == "one address" and not is_calm else None,
    )


def _outdate(planned: Plan) -> Plan:
    """Let the forms of some walls be good only until the session gets the next one, and some spiders send a cookie."""
    # Drawn apart, so that older seeds keep all else.
    draw = random.Random(f"outdate {planned.seed}")
    sites = []
    for site in planned.sites:
        is_plain = site.kind in ("walled", "one address")
        # Where each page wants a token, others of the session are at the site all the time.
        may_outdate = is_plain and site.wall not in ("per_page", *UNSOLVABLE)
        sites.append(replace(site, outdates=draw.random() < 0.4 and may_outdate))
    return replace(planned, sites=tuple(sites), has_cookie=draw.random() < 0.6)


def _order(planned: Plan) -> Plan:
    """Replace the sites of some plans by one that takes orders, and knows what was done twice."""
    # Drawn apart, so that all other seeds keep their plans.
    draw = random.Random(f"orders {planned.seed}")
    if draw.random() > 0.25:
        return planned
    answer = draw.choice(("page", "own", "own", "shared", "claimed"))
    gate = draw.choice(("", "/captcha", "/hold?next", "/hold")) if answer != "claimed" else ""
    has_wall = draw.random() < 0.85
    pages = draw.choice((1, 2, 3, 5, 10, 1000))
    # Nothing proves that this address is a gate before a short clearance is used up, see "Known limits" in the docs.
    changes = {"clearance_pages": 1000 if gate == "/hold" else pages} if has_wall else {"free_pages": 10**9}
    site = Site(
        kind="orders",
        wall="redirect" if gate else "session" if answer == "claimed" else draw.choice(_IN_PLACE),
        changes=changes,
        status=draw.choice((200, 403, 429, 503)),
        answer=answer,
        withholds=answer == "page" or draw.random() < 0.6,
        gate=gate,
        once=draw.choice(("/challenge?t=", "/oauth/challenge?code=", "/2fa/challenge?t=", "/once?t=")),
    )
    # Drawn apart, as above.
    if answer == "own" and random.Random(f"receipts {planned.seed}").random() < 0.5:
        site = replace(site, answer="named")
    if gate and changes.get("clearance_pages") == 1000:
        # A page of its own that says nothing is taken for the answer to an order, see "Known limits" in the docs.
        kinds = ("challenge", "home", *["page"] * (gate != "/hold"))
        site = replace(site, opened=random.Random(f"opened {planned.seed}").choice(kinds))
    # Each token for what only claims to be a wall is of no use.
    orders = draw.choice((1, 2) if answer == "claimed" else (1, 3, 8, 20))
    numbers = {"order": orders, "item": draw.choice((0, 3, 15)), "once": draw.choice((0, 0, 3))}
    kinds = [kind for kind, number in numbers.items() for _ in range(number)]
    if draw.random() < 0.5:
        draw.shuffle(kinds)
    jars = draw.choice(((None,), (None,), (1, 2)))
    wanted = (Wanted(number, kind, 0, cookiejar=draw.choice(jars)) for number, kind in enumerate(kinds))
    faults = tuple(kind for kind in planned.site_faults if kind in _GATE_FAULTS or not gate)
    settings = {**planned.settings, **draw.choice(({}, _DEFAULTS))}
    return replace(planned, sites=(site,), wanted=tuple(wanted), settings=settings, site_faults=faults)


def redirects(site: Site) -> bool:
    """Tell whether a site redirects to its challenge."""
    return site.kind == "one address" or WALLS[site.wall].redirect


def _settings(draw: random.Random, *, is_calm: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "CONCURRENT_REQUESTS": draw.choice((1, 2, 8, 16, 64)),
        "CONCURRENT_REQUESTS_PER_DOMAIN": draw.choice((1, 2, 8)),
        "RETRY_TIMES": draw.choice((0, 1, 2)),
        "DOWNLOAD_TIMEOUT": draw.choice((30, 180)),
        "OMOCAPTCHA_MAX_ATTEMPTS": draw.choice((1, 2, 3)),
    }
    maybe: dict[str, tuple[Any, ...]] = {
        "DOWNLOAD_DELAY": (0.25, 2.0, 5.0),
        "AUTOTHROTTLE_ENABLED": (True,),
        "ROBOTSTXT_OBEY": (True,),
        "HTTPCACHE_ENABLED": (True,),
        "METAREFRESH_ENABLED": (False,),
        "OMOCAPTCHA_CONCURRENT_JOBS": (1, 4),
        "OMOCAPTCHA_ON_FAILURE": ("response",),
        "OMOCAPTCHA_TOKEN_MAX_AGE": (60, 115),
    }
    if not is_calm:
        maybe |= {
            "COOKIES_ENABLED": (False,),
            "OMOCAPTCHA_BREAKER_FAILURES": (1, 3),
            "OMOCAPTCHA_BREAKER_PAUSE": (30,),
            "OMOCAPTCHA_API_TIMEOUT": (5, 60),
            "OMOCAPTCHA_JOB_TIMEOUT": (40, 300),
            "OMOCAPTCHA_MAX_COST": (2 * PRICE, 4.5 * PRICE),
            "OMOCAPTCHA_MAX_COST_PER_DAY": (3 * PRICE,),
            "OMOCAPTCHA_MAX_JOBS": (1, 3),
            "OMOCAPTCHA_MAX_JOBS_PER_HOST": (1, 2),
            "OMOCAPTCHA_MIN_BALANCE": (99.999,),
        }
    for name, values in maybe.items():
        if draw.random() < 0.15:
            settings[name] = draw.choice(values)
    return settings


def _wanted(draw: random.Random, requests: int, sites: tuple[Site, ...]) -> tuple[Wanted, ...]:
    cookiejars = draw.choice(((None,), (None,), (None, 1), (1, 2, 3)))
    has_proxies = draw.random() < 0.2
    wanted: list[Wanted] = []
    number = 0
    while number < requests:
        children = min(draw.choice((0, 0, 0, 1, 2)), requests - number - 1)
        site = draw.randrange(len(sites))
        kind = draw.choices(list(KINDS_OF_REQUESTS), KINDS_OF_REQUESTS.values())[0]
        if sites[site].kind != "walled" and kind in (*_NEEDS_TOKEN, "alone"):
            kind = "item"
        if kind == "alone":
            # Its page is an error, so its callback sends nothing.
            children = 0
        # A proxy has cookies of its own, as the documentation says.
        cookiejar = draw.choice(cookiejars)
        proxy = cookiejar if has_proxies else None
        wanted.append(Wanted(number, kind, site, cookiejar, proxy, children, again=draw.random() < 0.1))
        number += 1 + children
    return tuple(wanted)
