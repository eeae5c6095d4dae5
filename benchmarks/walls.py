"""A crawl of two hosts, one of them behind walls: this project beside what people write and install today.

All contenders meet the same service, the same sites and the same seed of solve times. Time is scaled: solve times,
the naps of the clients and the age of tokens run ``speed`` times as fast, Scrapy and the sites do not.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from scrapy.utils.misc import load_object

from benchmarks.clients import KEY, installed
from benchmarks.crawls import NO_WALL, OTHER, WALLED, Aside, Crawl
from benchmarks.tables import OURS, Column, Table, medians
from scrapy_omocaptcha.testing import OmoCaptchaService, Wall, WalledSite

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SOLVE_SECONDS = (5.0, 30.0)
PAGE_SECONDS = 0.1
"""What a page of either site takes, walls aside, so that places are short rather than CPU."""


@dataclass(frozen=True)
class Scale:
    repeats: int = 3
    speed: float = 40.0
    pages: int = 500
    walled_pages: int = 100


SHORT = Scale(repeats=1, speed=100.0, pages=20, walled_pages=4)


class Contender(NamedTuple):
    name: str
    package: str
    """Must be installed for it to run."""
    module: str
    """Has its ``SETTINGS``."""
    spider: str = "benchmarks.beside.Beside"
    notes: tuple[str, ...] = ()


UNDISTURBED = "no wall, no add-on"
CONTENDERS = (
    Contender(OURS, "scrapy_omocaptcha", "benchmarks.contenders.ours"),
    Contender(
        "anticaptchaofficial, blocking",
        "anticaptchaofficial",
        "benchmarks.contenders.blocking",
        notes=("It stops the whole crawl, log and signals included, for as long as each job takes.",),
    ),
    Contender(
        "anticaptchaofficial, deferToThread",
        "anticaptchaofficial",
        "benchmarks.contenders.threads",
        notes=("Ten jobs at once, the size of Twisted's pool of threads, which Scrapy also resolves host names with.",),
    ),
    Contender("capmonstercloudclient, awaited", "capmonstercloudclient", "benchmarks.contenders.awaiting"),
    Contender(
        "scrapyx-mw",
        "scrapyx_mw",
        "benchmarks.contenders.scrapyx",
        "benchmarks.contenders.scrapyx.ScrapyxSpider",
        notes=(
            "It never looks at a page: the spider has to know the site key, to see that it is challenged, to set a "
            "flag and to submit the form.",
            "While the flag is set every request of the spider waits for the token, whatever its host.",
        ),
    ),
)
COMMON_NOTES = (
    "None of the others has a limit of cost, keeps requests of a session together, or ends waiting when the crawl is "
    "closed.",
)
COLUMNS = (
    Column("seconds", better="less"),
    Column("of the undisturbed", ".2f", better="less"),
    Column("free pages/s while solving", better="more"),
    Column("jobs", ".0f", better="less"),
    Column("tokens rejected", ".0f", better="less"),
    Column("pages got", ".0f", better="more"),
)


REASONS = {"jobs": "It buys fewer because it does not get all pages.", "of the undisturbed": "As for “seconds”."}


class Two(Aside):
    """The service, which speaks version 2, the walled host and the free one."""

    def __init__(self, wall: Wall | str, speed: float) -> None:
        super().__init__(_serve, wall, speed)


def _serve(link: Connection, wall: Wall | str, speed: float) -> None:
    dice = random.Random(9)
    times = [dice.uniform(*SOLVE_SECONDS) for _ in range(1000)]
    with (
        OmoCaptchaService(
            api_version=2, api_token=KEY, clock=lambda: time.monotonic() * speed, solve_seconds=times
        ) as service,
        WalledSite(service, wall, hosts=[WALLED], catalogue_pages=10**6, free_delay=PAGE_SECONDS) as walled,
        WalledSite(service, hosts=[OTHER], free_delay=PAGE_SECONDS) as other,
    ):
        told = {"walled": walled.url, "other": other.url, "sitekey": walled.sitekey}
        link.send((told, {**service.settings, **_hurried(speed), "SERVICE": service.origin, "SPEED": speed}))
        while True:
            link.recv()
            jobs = [(job.created_at / speed, (job.answered_at or job.ready_at) / speed) for job in service.jobs]
            link.send({"jobs": jobs, "rejected": sum(walled.rejected.values())})


def _hurried(speed: float) -> dict[str, float]:
    """Our defaults, as fast as everything else here."""
    defaults = {"POLL_INTERVAL": 2.0, "JOB_TIMEOUT": 180.0, "TOKEN_MAX_AGE": 110.0}
    return {f"OMOCAPTCHA_{name}": seconds / speed for name, seconds in defaults.items()}


def race(wall: Wall | str, contender: Contender, scale: Scale) -> list[float]:
    """The figures of one crawl, in the order of the columns but for the second, which they are divided for."""
    with Two(wall, scale.speed) as two:
        settings = load_object(f"{contender.module}.SETTINGS")
        spider = load_object(contender.spider)
        crawl = Crawl(spider, two, {"ADDONS": {}, **settings}, pages=scale.pages, walled_pages=scale.walled_pages)
        seen = crawl.reported()
        crawl.end()
        facts = two.facts()
    rate = _rate_while_solving(seen["free"], facts["jobs"])
    return [seen["seconds"], rate, len(facts["jobs"]), facts["rejected"], seen["got"]]


def _rate_while_solving(pages: Sequence[float], jobs: Sequence[tuple[float, float]]) -> float:
    """Pages a second while a job is under way; what comes after the last page does not count."""
    last = max(pages)
    seconds = 0.0
    found = 0
    for start, end in _united((start, min(end, last)) for start, end in jobs if start < last):
        seconds += end - start
        found += sum(start <= page <= end for page in pages)
    return found / seconds if seconds else len(pages) / (last - min(pages))


def _united(spans: Iterator[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    start = end = float("-inf")
    for next_start, next_end in sorted(spans):
        if next_start > end:
            if end > start:
                yield start, end
            start = next_start
        end = max(end, next_end)
    if end > start:
        yield start, end


def tables(scale: Scale) -> Iterator[Table]:
    yield _table("session", "one wall around the session: a good token wins a cookie for all pages", scale)
    yield _table("per_page", "a wall around each page: every page wants a token of its own", scale)


def _table(wall: str, about: str, scale: Scale) -> Table:
    there = [contender for contender in CONTENDERS if installed(contender.package)]
    runs: dict[str, list[list[float]]] = {}
    for _ in range(scale.repeats):
        plain = Contender(UNDISTURBED, "scrapy", "benchmarks.contenders.nobody")
        runs.setdefault(UNDISTURBED, []).append(race(NO_WALL, plain, scale))
        for contender in there:
            runs.setdefault(contender.name, []).append(race(wall, contender, scale))
    undisturbed = medians(runs[UNDISTURBED])[0]
    rows = []
    for name, found in runs.items():
        seconds, *rest = medians(found)
        rows.append([name, seconds, seconds / undisturbed, *rest])
    missing = [contender.name for contender in CONTENDERS if contender not in there]
    rows += [[f"{name} (not installed)", *[None] * len(COLUMNS)] for name in missing]
    return Table(
        title=f"A crawl beside walls: {about}",
        about=(
            f"{scale.pages} pages of a host, {scale.walled_pages} of them behind its wall, and {scale.pages} of a free "
            f"one, CONCURRENT_REQUESTS=16, {PAGE_SECONDS:g} s a page; jobs take {SOLVE_SECONDS[0]:g} to "
            f"{SOLVE_SECONDS[1]:g} s, all waiting {scale.speed:g} times as fast. Medians of {scale.repeats}."
        ),
        columns=COLUMNS,
        rows=rows,
        notes=[f"{contender.name}: {note}" for contender in there for note in contender.notes] + [*COMMON_NOTES],
        reasons=REASONS,
        baselines=[UNDISTURBED],
    )
