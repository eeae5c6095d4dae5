"""What waiting costs a crawl: ``python -m benchmarks.waiting``; with ``--short`` half a minute, else twenty.

Each figure is the median of several crawls. Machines are noisy: compare what stands in one table, and ratios rather
than numbers.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.crawls import NO_WALL, WALLED, Crawl, World
from benchmarks.spiders import AwaitingMiddleware, Catalogue, Crowd, Interrupted, Neighbour, Ordinary, Queue
from benchmarks.tables import medians

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PLAIN = {"ADDONS": {}, "DOWNLOADER_MIDDLEWARES": {AwaitingMiddleware: 585}}


@dataclass(frozen=True)
class Scale:
    """How much is measured; what is here is the short form."""

    repeats: int = 1
    window: float = 0.5
    """Seconds in which pages are counted."""
    settle: float = 0.3
    """Seconds before that."""
    stages: tuple[int, ...] = (0, 32)
    queued: int = 300
    delays: tuple[float, ...] = (1,)
    walls: tuple[str, ...] = ("session", "per_page")
    crowd: int = 40
    in_flight: tuple[int, ...] = (40,)
    solve_seconds: float = 0.3
    slots: tuple[tuple[float, int, int], ...] = ((0.1, 4, 8),)
    """DOWNLOAD_DELAY, requests behind the wall, requests of the same host before it."""
    waiting: tuple[int, ...] = (50,)
    idle: float = 0.5
    interrupted: int = 20


SHORT = Scale()
LONG = Scale(
    repeats=3,
    window=5.0,
    settle=1.5,
    stages=(0, 16, 64, 256),
    queued=5000,
    delays=(0, 1),
    walls=("session", "session_marked", "redirect", "per_page"),
    crowd=200,
    in_flight=(16, 200),
    solve_seconds=5.0,
    slots=((0, 1, 0), (0, 1, 200), (0, 40, 200), (1, 1, 0), (1, 1, 40), (1, 16, 0)),
    waiting=(100, 1000, 10000),
    idle=5.0,
    interrupted=100,
)


# -- another host's pages a second ---------------------------------------------------------------------------------


def neighbours(scale: Scale) -> None:
    print("Pages/s of an unchallenged host while requests of a walled host wait, CONCURRENT_REQUESTS=16")
    for name, settings in (("ours", {}), ("a plain awaiting middleware", PLAIN)):
        told = {"stages": scale.stages}
        runs = [_rates(Neighbour, "session", scale, len(scale.stages), settings, **told) for _ in range(scale.repeats)]
        print(f"  {name}")
        for number, stage in enumerate(scale.stages):
            ratio = median(run[number][0] / run[0][0] for run in runs)
            free, _, waiting = medians(run[number] for run in runs)
            print(f"    {stage:4} waiting  {free:6.1f}  ratio {ratio:.2f}  (held or under way: {waiting:.0f})")


def queues(scale: Scale) -> None:
    print(f"\nThe same with {scale.queued} requests of each host queued, interleaved")
    for delay in scale.delays:
        slots = {"DOWNLOAD_SLOTS": {WALLED: {"concurrency": 16, "delay": delay}}}
        seen: dict[str, list[tuple[float, float, float]]] = {}
        for _ in range(scale.repeats):
            for names, wall, told in QUEUES:
                told = {"length": scale.queued, **told}
                for name, rates in zip(names, _rates(Queue, wall, scale, len(names), slots, **told), strict=True):
                    seen.setdefault(name, []).append(rates)
        print(f"  DOWNLOAD_DELAY={delay} at the walled host")
        undisturbed = median(free for free, _, _ in seen[ALONE])
        for name, runs in seen.items():
            free, walled, waiting = medians(runs)
            print(
                f"    {name:28} {free:6.1f}  ratio {free / undisturbed:.2f}"
                f"  (walled host: {walled:.1f} pages/s, held or under way {waiting:.0f})"
            )


ALONE = "the other host's alone"
QUEUES: tuple[tuple[tuple[str, ...], Any, dict[str, Any]], ...] = (
    ((ALONE,), "session", {"beside": False}),
    (("behind a wall that is closed", "and that was opened"), "session", {"opens": True}),
    (("without any wall",), NO_WALL, {}),
)


def _rates(
    spider: Any, wall: Any, scale: Scale, windows: int, settings: dict[str, Any], **told: Any
) -> list[tuple[float, float, float]]:
    with World(wall) as world:
        crawl = Crawl(spider, world, settings, window=scale.window, settle=scale.settle, **told)
        try:
            return [crawl.reported() for _ in range(windows)]
        finally:
            crawl.kill()


# -- jobs, requests, seconds ---------------------------------------------------------------------------------------


def jobs(scale: Scale) -> None:
    count = scale.crowd
    print(f"\n{count} requests at once, behind one wall")
    for wall in scale.walls:
        for at_once in scale.in_flight:
            concurrent = {
                "CONCURRENT_REQUESTS": at_once,
                "CONCURRENT_REQUESTS_PER_DOMAIN": at_once,
                "OMOCAPTCHA_CONCURRENT_JOBS": count,
            }
            with World(wall, solve_seconds=scale.solve_seconds) as world:
                times = _catalogue(world, concurrent, count=count)
                facts = world.facts()
            in_hand = [_callback(times, path, token) - token for path, token in facts.token_times.items()]
            beyond = facts.requests - facts.pages - at_once
            print(
                f"  {wall:15} {at_once:4} in flight: jobs {facts.jobs} ({facts.at_once} at once), pages {len(times)}, "
                f"requests {facts.requests} = pages + in flight {beyond:+}; "
                f"token in hand to callback {median(in_hand):.2f} s"
            )


def hands(scale: Scale) -> None:
    print("\nSeconds from token in hand to the first callback, and what the slot of the host has queued")
    for delay, walled, ordinary in scale.slots:
        found = []
        for _ in range(scale.repeats):
            with World("session", solve_seconds=scale.solve_seconds) as world:
                times = _catalogue(world, {"DOWNLOAD_DELAY": delay}, count=walled, ordinary_pages=ordinary)
                found += [_callback(times, path, token) - token for path, token in world.facts().token_times.items()]
        print(
            f"  DOWNLOAD_DELAY={delay}, {walled:2} requests behind the wall, {ordinary:3} of pages before it: "
            f"{median(found):.2f} s"
        )


def _callback(times: dict[str, float], path: str, token: float) -> float:
    """When the page that ``token`` was bought for was there; behind a redirect that is the first page of all."""
    return times[path] if path in times else min(time for time in times.values() if time > token)


def _catalogue(world: World, settings: dict[str, Any], **told: Any) -> dict[str, float]:
    crawl = Crawl(Catalogue, world, settings, **told)
    times: dict[str, float] = crawl.reported()
    crawl.end()
    return times


# -- CPU and memory ------------------------------------------------------------------------------------------------


def crowds(scale: Scale) -> None:
    print("\nWhat a waiting request costs")
    for count in scale.waiting:
        told = {"count": count, "idle": scale.idle}
        held, idle, let_go = medians(_crowd(Crowd, "session", **told) for _ in range(scale.repeats))
        memory, _, _ = _crowd(Crowd, "session", memory=True, **told)
        ordinary = median(_crowd(Ordinary, NO_WALL, count=count) for _ in range(scale.repeats))
        print(
            f"  {count:6} waiting: {memory / count / 1024:.1f} KiB; CPU to be held {held / count * 1e3:.2f} ms, "
            f"to wait {idle / count * 1e6:.1f} us/s, afterwards {let_go / count * 1e3:.2f} ms "
            f"(an ordinary page {ordinary / count * 1e3:.2f} ms)"
        )


def _crowd(spider: Any, wall: Any, **told: Any) -> Any:
    with World(wall) as world:
        crawl = Crawl(spider, world, {"OMOCAPTCHA_MAX_WAITING": told["count"] + 1}, **told)
        report = crawl.reported()
        crawl.end()
        return report


# -- the end -------------------------------------------------------------------------------------------------------


def ends(scale: Scale) -> None:
    print("\nSIGINT while requests wait, then a resume with the JOBDIR")
    for count in (0, scale.interrupted):
        seconds, lost, twice = medians(_interrupt(count) for _ in range(scale.repeats))
        print(f"  {count:4} waiting: {seconds:.2f} s to the end of the process, lost {lost:.0f}, twice {twice:.0f}")


def _interrupt(count: int) -> tuple[float, int, int]:
    with tempfile.TemporaryDirectory() as folder, World("session") as world:
        out = Path(folder, "out")
        out.touch()
        told = {"count": count, "out": str(out)}
        settings = {"JOBDIR": str(Path(folder, "job"))}
        crawl = Crawl(Interrupted, world, settings, **told)
        crawl.reported()
        assert crawl.process.pid is not None
        os.kill(crawl.process.pid, signal.SIGINT)
        since = time.monotonic()
        crawl.end()
        seconds = time.monotonic() - since
        world.solving.set()
        Crawl(Interrupted, world, settings, **told).end()
        crawled = Counter(out.read_text().splitlines())
        asked = {f"{world.walled}/page/{number + 1}" for number in range(count)}
    return seconds, len(asked - crawled.keys()), sum(crawled.values()) - len(crawled)


MEASURES: dict[str, Callable[[Scale], None]] = {
    "neighbours": neighbours,
    "queues": queues,
    "jobs": jobs,
    "hands": hands,
    "crowds": crowds,
    "ends": ends,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description=__doc__)
    parser.add_argument("--short", action="store_true", help="see that it runs: figures mean little then")
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=f"only these of {', '.join(MEASURES)}")
    options = parser.parse_args(arguments)
    for name in options.measures or MEASURES:
        MEASURES[name](SHORT if options.short else LONG)


if __name__ == "__main__":
    main()
