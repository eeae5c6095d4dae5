"""Crawls with a JOBDIR that are ended again and again in the middle of everything, and resumed.

``python -m tests.chaos.kills --seed 7 --crawls 20``; its exit status is the verdict. Faults and walls are those of the
chaos runs. A page that was delivered must not be delivered again, and everything else must come after a resume.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.testing.faults import KINDS
from tests.chaos import books
from tests.chaos.plan import Plan, World, plan, running

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PATIENCE = 120
ENDS = ("SIGINT", "SIGTERM", "CloseSpider", "CLOSESPIDER_TIMEOUT", "CLOSESPIDER_PAGECOUNT", "CLOSESPIDER_ERRORCOUNT")
# Scrapy drops a redirect to where a crawl has been before, unless it is told not to filter, as a resume needs it to.
SITE_FAULTS = tuple(kind for kind in KINDS if kind != "redirect")


class Countdown:
    """Fires after a number of requests to the service and the sites."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._left = 0
        self._lock = threading.Lock()

    def start(self, number: int) -> None:
        self.reached.clear()
        self._left = number

    def __call__(self, line: str) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self.reached.set()


class Kills:
    """Crawls one after another, each ended several times and then seen to its end."""

    def __init__(self) -> None:
        self.requests = self.jobs = self.ended = 0
        self.faults: Counter[str] = Counter()
        self.how: Counter[str] = Counter()
        self.slowest_end = 0.0
        self.wrong: list[str] = []

    def crawl(self, seed: str, requests: int, times: int) -> str:
        """One crawl, ended so many times; a line that tells of it."""
        planned = plan(seed, requests)
        # Limits hold for a crawl and its resumes alike; here an account that is empty would only make it dull.
        settings = {name: value for name, value in planned.settings.items() if "OMOCAPTCHA_MAX_JOBS" not in name}
        settings |= {"OMOCAPTCHA_MAX_COST": 0, "LOG_LEVEL": "INFO"}
        planned = replace(planned, settings=settings, balance=100.0)
        dice = random.Random(seed)
        countdown = Countdown()
        with tempfile.TemporaryDirectory() as folder, running(planned, SITE_FAULTS, countdown) as world:
            crawl = _Crawl(planned, world, Path(folder), requests)
            ends = []
            for _ in range(times):
                end = dice.choice(ENDS)
                ends.append(end)
                self._end(crawl, end, dice, countdown)
            crawl.finish(crawl.start({}))
            wrong = list(_check(planned, world, crawl))
            came = crawl.came.total()
        self.ended += times
        self.how.update(ends)
        self.requests += came
        self.jobs += len(world.service.jobs)
        self.faults += books.faults(world)
        self.wrong += [f"{planned}: {sentence}" for sentence in wrong]
        told = f"{seed}: {came} back, {len(world.service.jobs)} jobs, ended by {', '.join(ends)}"
        return "\n".join([told, *(f"    WRONG {sentence}" for sentence in wrong), *([f"    {planned}"] if wrong else [])])

    def _end(self, crawl: _Crawl, end: str, dice: random.Random, countdown: Countdown) -> None:
        """Start the crawl, or go on with it, until it is ended."""
        countdown.start(dice.randint(1, 300))
        settings: dict[str, Any] = {}
        close_after = None
        if end == "CLOSESPIDER_TIMEOUT":
            settings[end] = dice.uniform(0.2, 4)
        elif end == "CLOSESPIDER_PAGECOUNT":
            settings[end] = dice.randint(1, 80)
        elif end == "CLOSESPIDER_ERRORCOUNT":
            settings[end] = 1
        elif end == "CloseSpider":
            close_after = dice.randint(1, 60)
        process = crawl.start(settings, close_after)
        if end.startswith("SIG"):
            # It may come to its end before.
            while process.poll() is None and not countdown.reached.wait(0.1):
                pass
            since = time.monotonic()
            if process.poll() is None:
                process.send_signal(getattr(signal, end))
            crawl.finish(process)
            self.slowest_end = max(self.slowest_end, time.monotonic() - since)
        else:
            crawl.finish(process)

    @property
    def summary(self) -> str:
        """The figures of all crawls."""
        return "\n".join(
            [
                f"requests driven: {self.requests}",
                f"jobs bought: {self.jobs}",
                f"faults met: {self.faults.total()}",
                f"ended: {self.ended} times, {dict(self.how)}; slowest end upon a signal {self.slowest_end:.1f} s",
                f"wrong: {len(self.wrong)}",
            ]
        )


class _Crawl:
    """The crawl of a plan: its JOBDIR, and what has come of it in all its processes."""

    def __init__(self, planned: Plan, world: World, folder: Path, requests: int) -> None:
        self._out = folder / "out"
        self._out.touch()
        self._told = {
            "seed": planned.seed,
            "requests": requests,
            "targets": [(site.url, site.sitekey) for site in world.sites],
            "out": str(self._out),
        }
        self._settings = {**planned.settings, **world.service.settings, "JOBDIR": str(folder / "job")}
        self.wrong: list[str] = []

    def start(self, settings: dict[str, Any], close_after: int | None = None) -> subprocess.Popen[str]:
        told = {**self._told, "settings": {**self._settings, **settings}, "close_after": close_after}
        command = [sys.executable, "-m", "tests.chaos.process", json.dumps(told)]
        return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    def finish(self, process: subprocess.Popen[str]) -> None:
        """Wait for a process to end of itself, and read its log."""
        try:
            _, log = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            _, log = process.communicate()
            self.wrong.append(f"a crawl did not end:\n{log[-5000:]}")
        if process.returncode or "Traceback" in _without_robots(log) or "CRITICAL" in log:
            self.wrong.append(f"exit status {process.returncode}:\n{log[-5000:]}")

    def lines(self) -> Iterator[list[Any]]:
        return map(json.loads, self._out.read_text().splitlines())

    @property
    def came(self) -> Counter[int]:
        """How often each request came back."""
        return Counter(line[0] for line in self.lines() if isinstance(line[0], int))

    @property
    def pages(self) -> set[int]:
        """The requests whose pages came."""
        return {number for number, what in self.lines() if what == "page"}

    @property
    def stats(self) -> dict[str, Any]:
        """Sums over all processes."""
        sums: Counter[str] = Counter()
        for name, value in self.lines():
            if name == "stats":
                sums.update({key: number for key, number in value.items() if isinstance(number, (int, float))})
            if name == "wrong":
                self.wrong.append(value)
        return dict(sums)


def _without_robots(log: str) -> str:
    """Less what Scrapy logs, with a trace, of a robots.txt that it does without."""
    return "" if "downloadermiddlewares.robotstxt" in log else log


def _check(planned: Plan, world: World, crawl: _Crawl) -> Iterator[str]:
    pages = crawl.pages
    sent = Counter(
        number
        for wanted in planned.wanted
        for number in range(wanted.number, wanted.number + 1 + (wanted.children if wanted.number in pages else 0))
    )
    stats = crawl.stats
    yield from books.requests(sent, crawl.came)
    yield from books.jobs(world.service, stats, all_ended=False)
    yield from books.tokens(world)
    if stats.get("scheduler/unserializable"):
        yield f"{stats['scheduler/unserializable']} requests could not be written to the JOBDIR"
    yield from crawl.wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.kills", description=__doc__)
    parser.add_argument("--seed", default=str(time.time_ns() % 1_000_000), help="any word (default: a random one)")
    parser.add_argument("--crawls", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--requests", type=int, default=300, help="of one crawl (default: %(default)s)")
    parser.add_argument("--times", type=int, default=4, help="that a crawl is ended (default: %(default)s)")
    parser.add_argument("--only", type=int, help="only the crawl of this number")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    kills = Kills()
    for number in range(options.crawls) if options.only is None else [options.only]:
        print(kills.crawl(f"{options.seed}:{number}", options.requests, options.times), flush=True)
    print(kills.summary)
    return 1 if kills.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
