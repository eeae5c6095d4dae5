"""Crawl with a service that fails for a share of all calls: how long that takes, and what is lost.

The first table is made in virtual time, as the crawls of ``tests.simulation`` are, so its figures hold for any machine.
The second one compares with peers, as :mod:`benchmarks.walls` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean
from typing import Any

import scrapy

from benchmarks import walls
from benchmarks.clients import is_installed
from benchmarks.contenders import CONTENDERS
from benchmarks.tables import Column, Table
from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from tests.helpers.chance import STUMBLES, random_faults
from tests.simulation.simulation import simulated

AT_ONCE = 32
LATENCY = 0.05
"""Seconds that a request, or an answer, is on its way."""
JOB_TIMEOUT = 60
COLUMNS = (
    Column("seconds"),
    Column("beside no failures"),
    Column("pages"),
    Column("jobs counted"),
    Column("create calls lost"),
)


@dataclass(frozen=True)
class Scale:
    shares: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4, 1.0)
    solve_seconds: float = 1.0
    pages: int = 100
    seeds: int = 5
    shares_of_peers: tuple[float, ...] = (0.0, 0.2, 0.4)
    speed: float = 40.0


SHORT = Scale(shares=(0.0, 0.4), pages=10, seeds=1, shares_of_peers=(0.4,), speed=100.0)


def tables(scale: Scale) -> Iterator[Table]:
    yield _alone(scale)
    yield _beside_peers(scale)


def _alone(scale: Scale) -> Table:
    figures = {share: _means(share, scale) for share in scale.shares}
    without = figures[0.0][0]
    return Table(
        title="A service that stumbles",
        about=(
            f"{scale.pages} pages that want a token each, {AT_ONCE} at a time, from a service of which a share of all "
            f"calls fails: resets, errors of servers and broken answers. A job takes {scale.solve_seconds:g} s, a call "
            f"{2 * LATENCY:g} s; OMOCAPTCHA_JOB_TIMEOUT is {JOB_TIMEOUT}. Means of {scale.seeds} crawls in virtual "
            "time."
        ),
        columns=COLUMNS,
        rows=[[f"{share:.0%} of calls fail", took, took / without, *rest] for share, (took, *rest) in figures.items()],
    )


def _means(share: float, scale: Scale) -> list[float]:
    runs = [measure(share, seed, scale.solve_seconds, scale.pages) for seed in range(1, scale.seeds + 1)]
    return [mean(column) for column in zip(*runs, strict=True)]


def measure(share: float, seed: int, solve_seconds: float, pages: int) -> list[float]:
    """Return the seconds, the pages, the jobs counted and the create calls lost of one crawl."""
    with (
        simulated(seed, lambda host: LATENCY) as crawl,
        OmoCaptchaService(solve_seconds=solve_seconds) as service,
        WalledSite(service, "per_page", catalogue_pages=pages) as site,
    ):
        random_faults(service, share, seed=seed, kinds=STUMBLES)
        settings = {
            **service.settings,
            "OMOCAPTCHA_API_VERSION": 1,
            "OMOCAPTCHA_POLL_INTERVAL": 2.0,
            "OMOCAPTCHA_JOB_TIMEOUT": JOB_TIMEOUT,
            "CONCURRENT_REQUESTS": AT_ONCE,
            "CONCURRENT_REQUESTS_PER_DOMAIN": AT_ONCE,
        }
        urls = [f"{site.url}/page/{number}" for number in range(1, pages + 1)]
        stats = crawl(_Pages, settings, urls=urls).stats
    counted, lost = (stats.get(f"omocaptcha/jobs/{name}", 0) for name in ("created", "failed/lost"))
    return [stats["elapsed_time_seconds"], stats.get("item_scraped_count", 0), counted, lost]


class _Pages(scrapy.Spider):
    """Requests all pages, and yields an item for each that it gets."""

    name = "pages"

    def __init__(self, urls: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_urls = urls

    def parse(self, response: Any) -> Iterator[dict[str, str]]:
        yield {"url": response.url}


# -- beside peers ----------------------------------------------------------------------------------------------------


def _beside_peers(scale: Scale) -> Table:
    crawled = walls.Scale(speed=scale.speed, pages=scale.pages, walled_pages=scale.pages)
    contenders = [contender for contender in CONTENDERS if is_installed(contender.package)]
    rows = []
    for contender in contenders:
        runs = [walls.measure("per_page", contender, crawled, share) for share in scale.shares_of_peers]
        rows.append([contender.name, *(run[0] for run in runs), *(run[-1] for run in runs)])
    return Table(
        title="Beside peers: a service that stumbles",
        about=(
            f"{scale.pages} pages that want a token each, 16 at a time, as in the second table, from a service of "
            "which a share of all calls fails: resets, errors of servers and broken answers."
        ),
        columns=[
            *(Column(f"seconds at {share:.0%}") for share in scale.shares_of_peers),
            *(Column(f"pages at {share:.0%}", ".0f", better="more") for share in scale.shares_of_peers),
        ],
        rows=rows,
    )
