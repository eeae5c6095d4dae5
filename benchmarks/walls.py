"""Crawl a walled host and a free one: this project beside what people write and install today.

All contenders use the same service, sites and solve times. Solve times, the sleeps of clients and the age of tokens run
``speed`` times as fast as real time; Scrapy and the sites do not.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.clients import KEY, is_installed
from benchmarks.contenders import BASELINE, CONTENDERS, Contender
from benchmarks.crawls import Served, ServerProcess, crawl
from benchmarks.tables import Column, Table, medians
from scrapy_omocaptcha.testing import OmoCaptchaService, Wall
from tests.helpers.chance import STUMBLES, random_faults
from tests.helpers.hard_walls import SlowPages

SOLVE_SECONDS = (5.0, 30.0)
PAGE_SECONDS = 0.1
"""How long a page takes, so that download slots are scarce rather than CPU."""
NO_WALL = Wall(free_pages=10**9)
WALLS = {
    "session": "Crawl beside a session wall: one token opens all pages",
    "per_page": "Crawl beside a wall on each page: every page needs its own token",
}
COLUMNS = (
    Column("seconds", better="less"),
    Column("ratio to no wall", ".2f", better="less"),
    Column("pages/s of the free host while solving", better="more"),
    Column("jobs", ".0f", better="less"),
    Column("tokens rejected", ".0f", better="less"),
    Column("pages received", ".0f", better="more"),
)
COMMON_NOTE = "None of the peers limits costs, or holds the other requests of a session while one is solved."
AT_ONCE = "they buy and submit at once; here, a session waits for one job."
REASONS = {
    "seconds": AT_ONCE,
    "ratio to no wall": AT_ONCE,
    "jobs": "they buy fewer because they do not receive all pages.",
}


@dataclass(frozen=True)
class Scale:
    repeats: int = 3
    speed: float = 40.0
    pages: int = 500
    walled_pages: int = 100


SHORT = Scale(repeats=1, speed=100.0, pages=20, walled_pages=4)


def tables(scale: Scale) -> Iterator[Table]:
    for wall, title in WALLS.items():
        yield _table(wall, title, scale)


def _table(wall: str, title: str, scale: Scale) -> Table:
    contenders = [contender for contender in CONTENDERS if is_installed(contender.package)]
    runs: dict[str, list[list[float]]] = {}
    for _ in range(scale.repeats):
        runs.setdefault(BASELINE.name, []).append(measure(NO_WALL, BASELINE, scale))
        for contender in contenders:
            runs.setdefault(contender.name, []).append(measure(wall, contender, scale))
    figures = {name: medians(measured) for name, measured in runs.items()}
    without = figures[BASELINE.name][0]
    missing = [contender.name for contender in CONTENDERS if contender not in contenders]
    return Table(
        title=title,
        about=_about(scale) if wall == "session" else "As above, but that every page behind the wall wants a token.",
        columns=COLUMNS,
        rows=[[name, seconds, seconds / without, *rest] for name, (seconds, *rest) in figures.items()]
        + [[f"{name} (not installed)", *[None] * len(COLUMNS)] for name in missing],
        notes=_notes(contenders) if wall == "session" else [],
        reasons=REASONS,
        baselines=[BASELINE.name],
    )


def _about(scale: Scale) -> str:
    return (
        f"{scale.pages} pages of a host, {scale.walled_pages} of them behind its wall, and {scale.pages} of a free "
        f"host, 16 at a time, {PAGE_SECONDS:g} s a page. Jobs take {SOLVE_SECONDS[0]:g} to {SOLVE_SECONDS[1]:g} s; all "
        f"waiting for the service runs {scale.speed:g} times as fast. Medians of {scale.repeats}."
    )


def _notes(contenders: Sequence[Contender]) -> list[str]:
    return [f"{contender.name}: {note}" for contender in contenders for note in contender.notes] + [COMMON_NOTE]


def measure(wall: Wall | str, contender: Contender, scale: Scale, failing: float = 0.0) -> list[float]:
    """Return the figures of one crawl: those of :data:`COLUMNS` without the ratio.

    :param failing: share of the service's calls that fail.
    """
    with ServerProcess(_serve, wall, scale.speed, failing) as server:
        pages = {"pages": scale.pages, "walled_pages": scale.walled_pages}
        report = crawl(contender.spider, server, contender.settings, **pages)
        jobs, rejected = server.seen()
    return [report["seconds"], _rate_while_solving(report["free"], jobs), len(jobs), rejected, report["pages"]]


@contextmanager
def _serve(wall: Wall | str, speed: float, failing: float) -> Iterator[Served]:
    rng = random.Random(9)
    with (
        OmoCaptchaService(
            api_version=2,
            api_token=KEY,
            clock=lambda: time.monotonic() * speed,
            solve_seconds=[rng.uniform(*SOLVE_SECONDS) for _ in range(1000)],
        ) as service,
        SlowPages(service, wall, hosts=["127.0.0.2"], catalogue_pages=10**6, free_delay=PAGE_SECONDS) as walled,
        SlowPages(service, hosts=["127.0.0.3"], free_delay=PAGE_SECONDS) as other,
    ):
        random_faults(service, failing, seed=7, kinds=STUMBLES)

        def seen() -> tuple[list[tuple[float, float]], int]:
            jobs = [(job.created_at / speed, (job.answered_at or job.ready_at) / speed) for job in service.jobs]
            return jobs, sum(walled.rejected.values())

        arguments = {"walled": walled.url, "other": other.url, "sitekey": walled.sitekey}
        defaults = {"POLL_INTERVAL": 2.0, "JOB_TIMEOUT": 180.0, "TOKEN_MAX_AGE": 110.0}
        scaled = {f"OMOCAPTCHA_{name}": seconds / speed for name, seconds in defaults.items()}
        yield arguments, {**service.settings, **scaled, "SERVICE": service.origin, "SPEED": speed}, seen


def _rate_while_solving(pages: Sequence[float], jobs: Sequence[tuple[float, float]]) -> float:
    """Return pages a second while a job is running, up to the last page; without jobs, pages a second."""
    last = max(pages)
    seconds = count = counted = 0.0
    for start, end in sorted(jobs):
        # Jobs overlap: what was counted for an earlier one is left out.
        start, end = max(start, counted), min(end, last)
        if start < end:
            seconds, counted = seconds + end - start, end
            count += sum(start <= page < end for page in pages)
    return count / seconds if seconds else len(pages) / (last - min(pages))
