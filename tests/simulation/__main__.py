"""Simulate crawls: ``python -m tests.simulation --seeds 1:2000``.

The exit status is 0 if nothing is wrong, 1 if something is, and 2 if a simulation never ends or the call is no good.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial
from multiprocessing import TimeoutError, get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.simulation import sockets
from tests.simulation.crawl import run, warm_up
from tests.simulation.plan import plan, read_plan
from tests.simulation.shrink import kind_of, shrink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.crawl import Outcome
    from tests.simulation.plan import Plan

    Run = Callable[[Plan], Outcome]

CHUNK = 50
"""Seeds that a process simulates before it makes room for another one, since what is killed stays in memory."""
CHUNK_SECONDS = 1800
"""Real seconds that it may take for them. Each seed has a bound of its own, which only compiled code can overrun."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seeds", type=_seeds, help="the first and the last seed: 1:2000", metavar="FIRST:LAST")
    which.add_argument("--new", type=_count, help="so many seeds that were never tried", metavar="NUMBER")
    which.add_argument("--seed", type=int, help="one seed, whose crawl is told as a story")
    which.add_argument("--plan", type=_read, help="a plan in a file, as --shrink writes it", metavar="FILE")
    smaller = "make the plan of --seed or --plan smaller, as long as it fails in the same way"
    parser.add_argument("--shrink", type=_new_file, metavar="FILE", help=smaller)
    parser.add_argument("--sockets", action="store_true", help="over real sockets, with shorter times")
    parser.add_argument("--digests", action="store_true", help="print the digest of each crawl")
    parser.add_argument("--processes", type=_count, default=os.cpu_count(), help="default: one for each core")
    options = parser.parse_args()
    if options.seed is not None or options.plan is not None:
        planned = options.plan or plan(options.seed)
        try:
            return _one(planned, sockets.run if options.sockets else run, options.shrink)
        except Exception as error:
            if options.plan is None:
                raise
            parser.error(f"the plan cannot be run: {type(error).__name__}: {error}")
    if options.shrink is not None:
        parser.error("--shrink wants a plan: add --seed or --plan")
    first, last = options.seeds or (1, 100)
    if options.new:
        first = time.time_ns() % 10**12
        last = first + options.new - 1
    print(f"seeds {first}:{last}", flush=True)
    return _many(first, last, options)


def _seeds(text: str) -> tuple[int, int]:
    first, _, last = text.partition(":")
    try:
        seeds = int(first), int(last or first)
    except ValueError:
        seeds = (1, 0)
    if seeds[0] > seeds[1]:
        raise argparse.ArgumentTypeError(f"{text!r} is no range of seeds: write 1:2000")
    return seeds


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above zero")
    return int(text)


def _new_file(name: str) -> Path:
    if not Path(name).parent.is_dir():
        raise argparse.ArgumentTypeError(f"{name}: there is no such folder")
    return Path(name)


def _read(name: str) -> Plan:
    try:
        return read_plan(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{name}: {error}") from None


def _one(planned: Plan, run: Run, smaller: Path | None) -> int:
    if smaller is not None:
        how = set(map(kind_of, run(planned).wrong))
        if not how:
            print("nothing is wrong with this crawl, so there is nothing to make smaller, and nothing is written")
            return 2
        planned = shrink(planned, lambda other: not how.isdisjoint(map(kind_of, run(other).wrong)))
        smaller.write_text(planned.as_json(), encoding="utf-8")
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
    since, cpu = time.perf_counter(), 0.0
    failed: list[Outcome] = []
    requests = jobs = 0
    seconds = 0.0
    simulate = partial(_simulate, sockets.run if options.sockets else run)
    for outcome, cpu_seconds in _outcomes(simulate, first, last, options.processes):
        cpu += cpu_seconds
        requests, jobs, seconds = requests + outcome.requests, jobs + outcome.jobs, seconds + outcome.seconds
        if options.digests:
            print(outcome.plan.seed, outcome.digest)
        if outcome.wrong:
            failed.append(outcome)
            print(f"seed {outcome.plan.seed}: {outcome.wrong[0]}", flush=True)
            how = " --sockets" if options.sockets else ""
            print(f"    make simulation ARGS='--seed {outcome.plan.seed}{how}'", flush=True)
    crawls = last - first + 1
    print(f"{crawls} crawls, {requests} requests, {jobs} jobs, {seconds / 3600:.0f} hours of virtual time")
    print(f"{time.perf_counter() - since:.0f} s, {crawls / max(cpu, 0.01) * 60:.0f} crawls a minute of CPU")
    print(f"wrong: {len(failed)}")
    return _status(failed)


def _outcomes(
    simulate: Callable[[range], list[tuple[Outcome, float]]], first: int, last: int, processes: int
) -> Iterator[tuple[Outcome, float]]:
    chunks = [range(begin, min(begin + CHUNK, last + 1)) for begin in range(first, last + 1, CHUNK)]
    if processes == 1:
        for chunk in chunks:
            yield from simulate(chunk)
        return
    with get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
        results = pool.imap(simulate, chunks)
        for chunk in chunks:
            yield from _wait_for(results, chunk)


def _wait_for(results: Any, chunk: range) -> list[tuple[Outcome, float]]:
    try:
        return results.next(CHUNK_SECONDS)
    except TimeoutError:
        # Not even a signal has ended one of them, or its process is gone.
        print(f"seeds {chunk[0]}:{chunk[-1]} never end: no outcome after {CHUNK_SECONDS} s")
        sys.exit(2)


def _simulate(run: Run, seeds: range) -> list[tuple[Outcome, float]]:
    """Run the crawls of some seeds, and return them with the seconds of CPU that each took."""
    # What is imported in the midst of a process's first crawl draws from what is random.
    warm_up()
    outcomes = []
    before = time.process_time()
    for seed in seeds:
        outcome = run(plan(seed))
        outcome.story.clear()
        now = time.process_time()
        outcomes.append((outcome, now - before))
        before = now
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
