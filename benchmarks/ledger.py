"""Reserve and update jobs in a ledger: how long a crawl stands still for it, however many jobs are in there."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from scrapy.settings import Settings
from scrapy.statscollectors import MemoryStatsCollector

from benchmarks.tables import Column, Table
from scrapy_omocaptcha.buying.ledger import Entry, Ledger
from scrapy_omocaptcha.buying.records import JobRequest
from scrapy_omocaptcha.engine.stats import Stats

JOB_NUMBERS = count()
PAUSE = 0.02
"""Seconds between two jobs of another crawl, which are 50 jobs a second."""


@dataclass(frozen=True)
class Scale:
    rows: int = 100_000
    sample: int = 2_000
    others: int = 3


SHORT = Scale(rows=300, sample=20, others=1)


def tables(scale: Scale) -> Iterator[Table]:
    with TemporaryDirectory() as folder, ExitStack() as stack:
        path = Path(folder, "jobs.sqlite")
        ledger = open_ledger(path)
        rows = []
        for number, others in ((100, 0), (scale.rows, 0), (scale.rows, scale.others)):
            while ledger.sums("").jobs < number:
                enter(ledger)
            for _ in range(others):
                command = [sys.executable, "-m", "benchmarks.ledger", str(path)]
                process = subprocess.Popen(command, stdout=subprocess.PIPE)
                stack.enter_context(process)
                stack.callback(process.kill)
                assert process.stdout is not None
                process.stdout.readline()
            name = f"{number:,} jobs" + (f", {others} other crawls" if others else "")
            rows.append([name, *measure(ledger, scale.sample if number > 100 else 50)])
        ledger.close()
    yield Table(
        "A job in the ledger",
        "A reservation checks the limits and writes the job; an update writes what became of it. The crawl stands "
        "still meanwhile. Each other crawl buys 50 jobs a second in the same file.",
        [Column("reservation, ms", ".3f"), Column("update, ms", ".3f"), Column("longest of all, ms", ".1f")],
        rows,
    )


def measure(ledger: Ledger, sample: int) -> tuple[float, float, float]:
    """Return the median times of a reservation and an update, and the longest time of both, in milliseconds."""
    times: tuple[list[float], list[float]] = ([], [])

    def timed(kind: int, call: Callable[..., Any], *arguments: Any) -> Any:
        start = time.perf_counter()
        result = call(*arguments)
        times[kind].append(1000 * (time.perf_counter() - start))
        return result

    for _ in range(sample):
        timed(1, timed(0, enter, ledger).solved, 15.0)
    return median(times[0]), median(times[1]), max(map(max, times))


def open_ledger(path: Path) -> Ledger:
    stats = Stats(MemoryStatsCollector(SimpleNamespace(settings=Settings())))
    return Ledger(spider="shop", stats=stats, path=str(path))


def enter(ledger: Ledger) -> Entry:
    number = next(JOB_NUMBERS)
    host = f"shop{number % 50}.example"
    page = f"https://{host}/item/{number}"
    return ledger.enter(JobRequest(page, "key", invisible=False), host, cost=0.00055, check=lambda sums: None)


if __name__ == "__main__":
    other = open_ledger(Path(sys.argv[1]))
    print("open", flush=True)
    while True:
        enter(other).solved(15.0)
        time.sleep(PAUSE)  # The pace of the load, rather than a wait for something.
