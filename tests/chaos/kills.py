"""Run crawls with a JOBDIR that are stopped again and again in the middle, and resumed.

``python -m tests.chaos.kills --seed 7 --crawls 20`` exits with status 0 if all is well. Faults and walls are those of
the chaos runs. No page may be delivered twice, all others must come after a resume, and the limits go on counting.
Every second crawl is killed: then requests may be lost, but no job may be missing from the ledger.
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
from typing import Any

from tests.chaos import books
from tests.chaos.plan import Plan, World, plan, running
from tests.chaos.sums import Sums

ROOT = Path(__file__).parents[2]
TIMEOUT = 120
_MOST = "OMOCAPTCHA_MAX_JOBS"
ENDS = (
    "SIGINT",
    "SIGTERM",
    "CloseSpider",
    "CloseSpider while nothing is held",
    "CLOSESPIDER_TIMEOUT",
    "CLOSESPIDER_PAGECOUNT",
    "CLOSESPIDER_ITEMCOUNT",
    "OMOCAPTCHA_CLOSE_ON_LIMIT",
)


class Countdown:
    """Event that is set after a number of requests to the service and the sites."""

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


class Crawl:
    """Crawl of a plan, in several processes with one JOBDIR."""

    def __init__(self, planned: Plan, world: World, folder: Path, requests: int) -> None:
        self.planned = planned
        self.world = world
        self.ledger = folder / "ledger"
        self.out = folder / "out"
        self.out.touch()
        self._told = {
            "seed": planned.seed,
            "requests": requests,
            "targets": [(site.url, site.sitekey) for site in world.sites],
            "out": str(self.out),
        }
        self._settings = {
            **planned.settings,
            **world.service.settings,
            "LOG_LEVEL": "INFO",
            "JOBDIR": str(folder / "job"),
            "HTTPCACHE_DIR": str(folder / "cache"),
            "OMOCAPTCHA_LEDGER": str(self.ledger),
        }
        self.wrong: list[str] = []

    def start(
        self, settings: dict[str, Any], close_after: int | None = None, *, waits_for_holds: bool = False
    ) -> subprocess.Popen[str]:
        """Start the crawl, or resume it where the last process ended."""
        ends = {"close_after": close_after, "waits_for_holds": waits_for_holds}
        told = {**self._told, **ends, "settings": {**self._settings, **settings}}
        command = [sys.executable, "-m", "tests.chaos.process", json.dumps(told)]
        return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    def finish(self, process: subprocess.Popen[str]) -> None:
        """Wait until a process ends, and check its status and log."""
        try:
            _, log = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            _, log = process.communicate()
            self.wrong.append(f"a crawl did not end:\n{log[-5000:]}")
            return
        # Scrapy logs, with a trace, a robots.txt that it does without.
        if process.returncode or ("Traceback" in log and "downloadermiddlewares.robotstxt" not in log):
            self.wrong.append(f"exit status {process.returncode}:\n{log[-5000:]}")

    def check(self, times: int) -> list[str]:
        """Return what is wrong after the crawl was stopped that many times and then finished."""
        lines = [json.loads(line) for line in self.out.read_text().splitlines()]
        came = Counter(line[0] for line in lines if isinstance(line[0], int))
        pages = {number for number, what in lines if what == "page"}
        closed = [number for number, what in lines if what == "CrawlClosing"]
        stats: Counter[str] = Counter()
        for name, value in lines:
            if name == "stats":
                stats.update({key: number for key, number in value.items() if isinstance(number, (int, float))})
        sent = Counter(
            number
            for wanted in self.planned.wanted
            for number in range(wanted.number, wanted.number + 1 + (wanted.children if wanted.number in pages else 0))
        )
        service = self.world.service
        wrong = [
            *self.wrong,
            *(value for name, value in lines if name == "wrong"),
            *(f"lost: request {number} went to its errback as the crawl closed" for number in closed),
            *books.requests(sent, came),
            *books.jobs(service, stats, all_ended=False),
            *books.floor(self.planned.settings, self.world),
            *books.tokens(self.world),
            *books.ledger(self.ledger, service, stats),
            *books.limits(self.planned.settings, service, stats, self.ledger, cut_off=times),
        ]
        if stats["scheduler/unserializable"]:
            wrong.append(f"{stats['scheduler/unserializable']} requests could not be written to the JOBDIR")
        return wrong

    @property
    def interrupted(self) -> int:
        """The number of processes that ended before the crawl was finished."""
        ends = [json.loads(line) for line in self.out.read_text().splitlines()]
        return sum(name == "stats" and value["finish_reason"] != "finished" for name, value in ends)


class Kills:
    """Crawls that are each stopped or killed several times."""

    def __init__(self) -> None:
        self.sums = Sums()
        self._interrupted = 0
        self._how: Counter[str] = Counter()
        self._slowest_end = 0.0

    def crawl(self, seed: str, requests: int, times: int, *, kill: bool = False) -> str:
        """Stop a crawl that many times and let it finish, or kill it each time; return the lines to print about it."""
        planned = plan(seed, requests)
        dice = random.Random(seed)
        # Jobs take so long that some request waits at any moment.
        planned = replace(planned, solve_seconds=tuple(dice.uniform(0.1, 0.9) for _ in range(50)))
        countdown = Countdown()
        with tempfile.TemporaryDirectory() as folder, running(planned, filters=True, on_event=countdown) as world:
            crawl = Crawl(planned, world, Path(folder), requests)
            if kill:
                for _ in range(times):
                    self._kill(crawl, dice, countdown)
                # The attempts of a request are not known: a killed Scrapy forgets them.
                wrong = [
                    *books.bill(crawl.ledger, world.service),
                    *books.limits(planned.settings, world.service, {}, crawl.ledger, cut_off=len(world.service.jobs)),
                ]
                self._interrupted += times
            else:
                for _ in range(times):
                    self._end(crawl, dice, countdown)
                crawl.finish(crawl.start({}))
                wrong = crawl.check(times)
                self._interrupted += crawl.interrupted
            back = len(crawl.out.read_text().splitlines())
        return self.sums.add(planned, world, back, f"{back} back, {'killed' if kill else 'ended'} {times} times", wrong)

    def _kill(self, crawl: Crawl, dice: random.Random, countdown: Countdown) -> None:
        countdown.start(dice.randint(1, 150))
        process = crawl.start({})
        _wait(process, countdown)
        process.kill()
        process.communicate()
        self._how["SIGKILL"] += 1

    def _end(self, crawl: Crawl, dice: random.Random, countdown: Countdown) -> None:
        """Start or resume the crawl, and stop it in some way."""
        end = dice.choice(ENDS)
        self._how[end] += 1
        settings: dict[str, Any] = {}
        close_after = None
        if end == "CLOSESPIDER_TIMEOUT":
            settings[end] = dice.uniform(0.2, 2)
        elif end.startswith("CLOSESPIDER"):
            settings[end] = dice.randint(1, 40)
        elif end == "OMOCAPTCHA_CLOSE_ON_LIMIT":
            most = len(crawl.world.service.jobs) + dice.randint(1, 8)
            settings |= {end: True, _MOST: min(most, crawl.planned.settings.get(_MOST, most))}
        elif end.startswith("CloseSpider"):
            close_after = dice.randint(1, 40)
        countdown.start(dice.randint(1, 150))
        process = crawl.start(settings, close_after, waits_for_holds=end != "CloseSpider")
        if not end.startswith("SIG"):
            crawl.finish(process)
            return
        _wait(process, countdown)
        since = time.monotonic()
        if process.poll() is None:
            process.send_signal(getattr(signal, end))
        crawl.finish(process)
        self._slowest_end = max(self._slowest_end, time.monotonic() - since)

    @property
    def summary(self) -> str:
        """The figures of all crawls, as text."""
        ways = ", ".join(f"{end} {times}" for end, times in sorted(self._how.items()))
        return self.sums.lines(
            f"ends: {self._how.total()}, {self._interrupted} of them in the middle ({ways})",
            f"slowest end upon a signal: {self._slowest_end:.1f} s",
        )


def _wait(process: subprocess.Popen[str], countdown: Countdown) -> None:
    """Wait until the countdown is over or the process has ended."""
    while process.poll() is None and not countdown.reached.wait(0.05):
        pass


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
        told = kills.crawl(f"{options.seed}:{number}", options.requests, options.times, kill=number % 2 == 1)
        print(told, flush=True)
    print(kills.summary)
    return 0 if kills.sums.good else 1


if __name__ == "__main__":
    sys.exit(main())
