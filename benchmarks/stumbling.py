"""Crawl with a service that fails for a share of all calls: how long that takes, and what is lost.

Crawl, site and service run in virtual time, as those of ``tests.simulation`` do, so the figures hold for any machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean
from typing import Any

import scrapy

from benchmarks.tables import OURS, Column, Table
from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from tests.simulation.plan import STUMBLES
from tests.simulation.simulation import simulated

AT_ONCE = 32
LATENCY = 0.05
"""Seconds that a request, or an answer, is on its way."""
JOB_TIMEOUT = 60
COLUMNS = (
    Column("seconds", better="less"),
    Column("beside no failures", ".1f", better="less"),
    Column("pages", ".1f", better="more"),
    Column("jobs counted", ".1f", better="less"),
    Column("create calls lost", ".1f"),
)


@dataclass(frozen=True)
class Scale:
    shares: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4, 1.0)
    solve_seconds: tuple[float, ...] = (1.0, 15.0)
    pages: int = 100
    seeds: int = 5


SHORT = Scale(shares=(0.0, 0.4), solve_seconds=(1.0,), pages=10, seeds=1)


def tables(scale: Scale) -> Iterator[Table]:
    for seconds in scale.solve_seconds:
        figures = {share: _means(share, seconds, scale) for share in scale.shares}
        without = figures[0.0][0]
        yield Table(
            title=f"A service that stumbles: jobs of {seconds:g} s",
            about=(
                f"{scale.pages} pages that want a token each, {AT_ONCE} at a time, from a service of which a share of "
                f"all calls fails: resets, errors of servers and broken answers, before the call was processed or "
                f"after it. OMOCAPTCHA_JOB_TIMEOUT is {JOB_TIMEOUT}, and a call takes {2 * LATENCY:g} s. Means of "
                f"{scale.seeds} crawls in virtual time."
            ),
            columns=COLUMNS,
            rows=[
                [f"{OURS}, {share:.0%} of calls fail", took, took / without, *rest]
                for share, (took, *rest) in figures.items()
            ],
        )


def _means(share: float, solve_seconds: float, scale: Scale) -> list[float]:
    runs = [measure(share, seed, solve_seconds, scale.pages) for seed in range(1, scale.seeds + 1)]
    return [mean(column) for column in zip(*runs, strict=True)]


def measure(share: float, seed: int, solve_seconds: float, pages: int) -> list[float]:
    """Return the seconds, the pages, the jobs counted and the create calls lost of one crawl."""
    with (
        simulated(seed, lambda host: LATENCY) as crawl,
        OmoCaptchaService(solve_seconds=solve_seconds) as service,
        WalledSite(service, "per_page", catalogue_pages=pages) as site,
    ):
        service.random_faults(share, seed=seed, kinds=STUMBLES)
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
