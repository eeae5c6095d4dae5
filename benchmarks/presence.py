"""Measure what the add-on costs where there is no captcha: pages of crawls, their start, and imports."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from scrapy import Request
from scrapy.http import Response

from benchmarks.crawls import CrawlProcess, ReportingSpider, Served, ServerProcess, crawl, share_core
from benchmarks.tables import OURS, Column, Table, medians

# The measured crawls import this module too, so it imports the add-on only where it serves pages.
WITHOUT: dict[str, Any] = {"ADDONS": {}}
# The service is never called.
WITH = {"OMOCAPTCHA_API_TOKEN": "offline", "OMOCAPTCHA_API_URL": "http://127.0.0.1:9/api"}
TURN = 0.03
"""Seconds. Longer turns differ more in speed; after shorter ones, more of them begins with cold caches."""
NOTE = (
    "The aim for pages/s is a ratio of 0.98. The spider does nothing here; parsing a page of 100 KB and running one "
    "selector on it would take 1.9 ms of CPU time."
)
SPREAD = (
    "Runs differ: five of 9 pairs each, of this tree and of earlier ones of 2026-11-26, gave 1.011 to 1.017 for tiny "
    "pages."
)
IMPORTS = {
    "the command, at every call of scrapy": "import scrapy_omocaptcha.commands.omocaptcha",
    "values, errors and signals": "import scrapy_omocaptcha",
    "the offline service": "import scrapy_omocaptcha.testing",
}


@dataclass(frozen=True)
class Scale:
    """How much is measured; ``pages`` has a name, the bytes of a page, and how many are crawled."""

    repeats: int = 9
    pages: tuple[tuple[str, int, int], ...] = (("tiny", 0, 3000), ("100 KB", 100_000, 1500), ("1 MB", 1_000_000, 500))
    warm_up: int = 50
    starts: int = 15
    imports: int = 15


SHORT = Scale(repeats=1, pages=(("tiny", 0, 20),), warm_up=2, starts=1, imports=1)


def tables(scale: Scale) -> Iterator[Table]:
    yield _crawls(scale)
    yield _starts(scale)
    yield _imports(scale)


class PlainSpider(ReportingSpider):
    """Requests ``pages`` pages after ``warm_up`` others, and reports pages a second, CPU seconds a page, and MB."""

    url: str
    pages: int
    warm_up: int
    received = 0

    async def start(self) -> AsyncIterator[Request]:
        for number in range(self.warm_up + self.pages):
            yield Request(f"{self.url}?{number}")

    def parse(self, response: Response) -> None:
        self.received += 1
        if self.received == self.warm_up:
            self.started, self.cpu_started = time.monotonic(), time.process_time()
        if self.received == self.warm_up + self.pages:
            seconds, cpu = time.monotonic() - self.started, time.process_time() - self.cpu_started
            self.report((self.pages / seconds, cpu / self.pages, _peak_memory()))


class FirstPageSpider(ReportingSpider):
    """Requests one page, and reports the CPU milliseconds of the process until it came."""

    url: str

    async def start(self) -> AsyncIterator[Request]:
        yield Request(self.url)

    def parse(self, response: Response) -> None:
        self.report(1000 * time.process_time())


def _peak_memory() -> float:
    """Return the most MB that this process has used. On Linux, ``getrusage`` counts the parent's before exec too."""
    status = Path("/proc/self/status")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) / 1024 if status.exists() else 0.0


@contextmanager
def _serve(size: int) -> Iterator[Served]:
    from aiohttp import web

    from benchmarks.detection import article
    from scrapy_omocaptcha.testing.server import LoopbackServer

    body = article(size) if size else b"<!DOCTYPE html><title>News</title><p>No news."

    class Site(LoopbackServer):
        async def _handle(self, request: web.Request) -> web.StreamResponse:
            return web.Response(body=body, content_type="text/html", charset="utf-8")

    with Site(["127.0.0.4"], 0) as site:
        yield {"url": f"{site.origin}/"}, {}, lambda: None


def _crawls(scale: Scale) -> Table:
    rows = []
    for name, size, count in scale.pages:
        with ServerProcess(_serve, size) as server:
            arguments = {"pages": count, "warm_up": scale.warm_up}
            pairs = _pairs(scale.repeats, PlainSpider, server, **arguments)
            shared = _pairs(scale.repeats, PlainSpider, server, turn=TURN, **arguments)
        (speed, _, memory), (our_speed, _, our_memory) = map(medians, zip(*pairs, strict=True))
        (_, cpu, _), (_, our_cpu, _) = map(medians, zip(*shared, strict=True))
        speed_ratio = median(ours[0] / without[0] for without, ours in pairs)
        cpu_ratio = median(ours[1] / without[1] for without, ours in shared)
        rows.append([name, speed, our_speed, speed_ratio, cpu * 1e3, our_cpu * 1e3, cpu_ratio, memory, our_memory])
    return Table(
        title="Overhead: crawls that meet no captcha",
        about=(
            "Crawls in their own processes with CONCURRENT_REQUESTS=16, with the add-on and without it: for pages/s "
            "and MB one after the other; for CPU at the same time on one core, which each has for "
            f"{1000 * TURN:.0f} ms at a time, so that what slows the machine down slows both. Medians of "
            f"{scale.repeats} pairs; the ratios are medians of the pairs' ratios. MB are the most that the process "
            "used."
        ),
        columns=(
            *(Column("pages/s without"), Column("with"), Column("ratio", ".3f")),
            *(Column("CPU ms/page without", ".3f"), Column("with", ".3f"), Column("ratio", ".3f")),
            *(Column("MB without", ".0f"), Column("with", ".0f")),
        ),
        rows=rows,
        notes=[NOTE, SPREAD],
    )


def _pairs(
    repeats: int, spider: type[ReportingSpider], server: ServerProcess, *, turn: float = 0, **arguments: Any
) -> list[list[Any]]:
    """Run a crawl without and with the add-on so often, and return the reports of each pair in this order.

    :param turn: seconds after which the two change places on one core; 0: they run one after the other.
    """
    pairs = []
    for number in range(repeats):
        # Which crawl comes first changes, so that neither always gets the warmer machine.
        order = (WITHOUT, WITH) if number % 2 else (WITH, WITHOUT)
        if turn:
            reports = share_core([CrawlProcess(spider, server, settings, **arguments) for settings in order], turn)
        else:
            reports = [crawl(spider, server, settings, **arguments) for settings in order]
        pairs.append(reports if order[0] is WITHOUT else reports[::-1])
    return pairs


def _starts(scale: Scale) -> Table:
    with ServerProcess(_serve, 0) as server:
        pairs = _pairs(scale.starts, FirstPageSpider, server, turn=TURN)
    without, ours = (median(reports) for reports in zip(*pairs, strict=True))
    added = median(ours - without for without, ours in pairs)
    return Table(
        title="Overhead: the start of a crawl",
        about=(
            "CPU milliseconds of a crawl's process until its first page comes, with the add-on and without, both at "
            f"the same time on one core, as above. Medians of {scale.starts} pairs. What only a challenge needs is not "
            "imported yet."
        ),
        columns=(Column("ms without", ".0f"), Column("with", ".0f"), Column("added", ".0f")),
        rows=[[OURS, without, ours, added]],
    )


def _imports(scale: Scale) -> Table:
    return Table(
        title="Overhead: imports",
        about=(
            "Milliseconds by ``-X importtime`` in a new interpreter that has loaded Scrapy's commands. Every call of "
            f"``scrapy`` in any project imports the module of the command. Medians of {scale.imports}."
        ),
        columns=(Column("Scrapy"), Column("added"), Column("modules added", ".0f")),
        rows=[
            [name, *medians(_import_times(statement) for _ in range(scale.imports))]
            for name, statement in IMPORTS.items()
        ],
    )


def _import_times(statement: str) -> tuple[float, float, int]:
    """Return the milliseconds that Scrapy takes, those that ``statement`` adds, and the modules that it adds."""
    # Nothing else imports "this", so it marks where the modules of Scrapy end.
    code = f"import scrapy.cmdline, scrapy.commands, this\n{statement}"
    command = [sys.executable, "-X", "importtime", "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    loaded = re.findall(r"import time: +(\d+) \| +\d+ \| +(\S+)", output)
    end = [name for _, name in loaded].index("this")
    times = [int(own) / 1000 for own, _ in loaded]
    return sum(times[:end]), sum(times[end + 1 :]), len(loaded) - end - 1
