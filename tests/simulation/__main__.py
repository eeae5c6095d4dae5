"""Simulate crawls: ``python -m tests.simulation --seeds 1:2000``.

The exit status is 0 if nothing is wrong, 1 if something is, and 2 if a simulation never ends or the call is no good.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulation.crawl import run, warm_up
from tests.simulation.plan import plan, read_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.crawl import Outcome
    from tests.simulation.plan import Plan

CHUNK = 50
"""Seeds that a process simulates before it makes room for another one, since what is killed stays in memory."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seeds", type=_seeds, help="the first and the last seed: 1:2000", metavar="FIRST:LAST")
    which.add_argument("--new", type=int, help="so many seeds that were never tried", metavar="NUMBER")
    which.add_argument("--seed", type=int, help="one seed, whose crawl is told as a story")
    which.add_argument("--plan", type=_read, help="a plan in a file, as --seed prints it", metavar="FILE")
    parser.add_argument("--digests", action="store_true", help="print the digest of each crawl")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="default: one for each core")
    options = parser.parse_args()
    if options.seed is not None or options.plan is not None:
        return _one(options.plan or plan(options.seed))
    first, last = options.seeds or (1, 100)
    if options.new:
        first = time.time_ns() % 10**12
        last = first + options.new - 1
    print(f"seeds {first}:{last}", flush=True)
    return _many(first, last, options)


def _seeds(text: str) -> tuple[int, int]:
    first, _, last = text.partition(":")
    return int(first), int(last or first)


def _read(name: str) -> Plan:
    return read_plan(Path(name).read_text(encoding="utf-8"))


def _one(planned: Plan) -> int:
    outcome = run(planned)
    print(planned.as_json())
    print("\n".join(outcome.story))
    print(f"{outcome.requests} requests, {outcome.jobs} jobs, {outcome.seconds:.0f} s; digest {outcome.digest}")
    for sentence in outcome.wrong:
        print(f"WRONG {sentence}")
    return _status([outcome])


def _status(outcomes: list[Outcome]) -> int:
    return max((2 if outcome.never_ends else 1 for outcome in outcomes if outcome.wrong), default=0)


def _many(first: int, last: int, options: argparse.Namespace) -> int:
    since = time.perf_counter()
    failed: list[Outcome] = []
    requests = jobs = 0
    seconds = 0.0
    for outcome in _outcomes(first, last, options.processes):
        requests, jobs, seconds = requests + outcome.requests, jobs + outcome.jobs, seconds + outcome.seconds
        if options.digests:
            print(outcome.plan.seed, outcome.digest)
        if outcome.wrong:
            failed.append(outcome)
            print(f"seed {outcome.plan.seed}: {outcome.wrong[0]}", flush=True)
            print(f"    make simulation ARGS='--seed {outcome.plan.seed}'", flush=True)
    print(f"{last - first + 1} crawls, {requests} requests, {jobs} jobs, {seconds / 3600:.0f} hours of virtual time")
    print(f"took {time.perf_counter() - since:.0f} s")
    print(f"wrong: {len(failed)}")
    return _status(failed)


def _outcomes(first: int, last: int, processes: int) -> Iterator[Outcome]:
    chunks = [range(begin, min(begin + CHUNK, last + 1)) for begin in range(first, last + 1, CHUNK)]
    if processes == 1:
        for chunk in chunks:
            yield from _simulate(chunk)
        return
    with get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
        for outcomes in pool.imap(_simulate, chunks):
            yield from outcomes


def _simulate(seeds: range) -> list[Outcome]:
    # What is imported in the midst of a process's first crawl draws from what is random.
    warm_up()
    outcomes = []
    for seed in seeds:
        outcomes.append(run(plan(seed)))
        outcomes[-1].story.clear()
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
