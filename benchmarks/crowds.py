"""Many jobs under way at once in one process: what one costs must not depend on how many others there are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean

from benchmarks.buyers import Buyer, Shop
from benchmarks.crawls import FOR_EVER, Crawl
from benchmarks.tables import Column, Table, medians

SOLVE_SECONDS = (10.0, 20.0)


@dataclass(frozen=True)
class Scale:
    repeats: int = 3
    crowds: tuple[int, ...] = (10, 100, 1_000, 10_000)
    speed: float = 1.0


SHORT = Scale(repeats=1, crowds=(10, 20), speed=100.0)


def tables(scale: Scale) -> Iterator[Table]:
    dice = random.Random(5)
    found = {}
    for crowd in scale.crowds:
        times = [dice.uniform(*SOLVE_SECONDS) for _ in range(crowd)]
        # A large crowd is a repetition in itself.
        runs = [_run(times, scale) for _ in range(scale.repeats if crowd < ENOUGH else 1)]
        cpu, lag, late, questions = medians(runs)
        found[crowd] = (cpu * 1e3, cpu * 1e3 / (questions + 1), _bytes(crowd, scale) / 1024, questions, late, lag * 1e3)
    first = found[scale.crowds[1]]
    yield Table(
        title="Scale: jobs under way at once in one process",
        about=(
            f"All asked for at the same moment, solve times {SOLVE_SECONDS[0]:g} to {SOLVE_SECONDS[1]:g} s. CPU of the "
            "crawl's process, HTTP included; memory as Python counts it while all are under way. Late is from solved "
            "to told; lag is by how much later than it should the process gets to anything, in the worst of a hundred "
            f"times. The ratios are to {scale.crowds[1]} jobs: fewer bear what the process costs by itself."
        ),
        columns=COLUMNS,
        rows=[[f"{crowd:,} jobs", *cells, cells[0] / first[0], cells[2] / first[2]] for crowd, cells in found.items()],
    )


COLUMNS = (
    Column("CPU ms a job", ".2f"),
    Column("CPU ms a call", ".2f"),
    Column("KiB a job", ".1f"),
    Column("questions", ".1f"),
    Column("seconds late", ".2f"),
    Column("lag, ms", ".0f"),
    Column("CPU, ratio", ".2f"),
    Column("memory, ratio", ".2f"),
)
ENOUGH = 1_000


def _run(times: list[float], scale: Scale) -> tuple[float, float, float, float]:
    """CPU seconds a job, lag, and the mean lateness and questions of a job."""
    with Shop([0.0, *times], speed=scale.speed) as shop:
        crawl = Crawl(Buyer, shop, {}, crowds=(1, len(times)))
        cpu, lag = crawl.reported()
        crawl.end()
        jobs = shop.facts()[1:]
    return cpu / len(times), lag, mean(job.late for job in jobs), mean(job.questions for job in jobs)


def _bytes(crowd: int, scale: Scale) -> float:
    """Bytes a job, while all are under way."""
    with Shop([0.0] + [FOR_EVER] * crowd, speed=scale.speed) as shop:
        crawl = Crawl(Buyer, shop, {"OMOCAPTCHA_JOB_TIMEOUT": FOR_EVER}, crowds=(1, crowd), memory=True)
        found: float = crawl.reported()
        crawl.kill()
    return found / crowd
