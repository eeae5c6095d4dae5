"""Run the crawl of a plan over real sockets, in processes that are stopped and killed by signals.

It shows that the simulated network tells the truth, and what only sockets and processes can show. The times of the plan
are shortened. ``python -m tests.simulation.sockets JSON`` is one run of a crawl, in a process of its own.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from scrapy import signals
from scrapy.crawler import AsyncCrawlerProcess

from tests.helpers.commands import ROOT
from tests.helpers.crawling import SETTINGS
from tests.simulation import crawl, oracle
from tests.simulation.crawl import Outcome, Run
from tests.simulation.plan import read_plan
from tests.simulation.spider import Record, SimulatedSpider
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.plan import Plan

TIMEOUT = 120
_SHORTER = 50
"""By how much all that takes time is shorter than in the plan."""


def shortened(planned: Plan) -> Plan:
    """Return a plan whose times are for real sockets, where there are no proxies; nothing else is different."""
    settings = {
        **planned.settings,
        "DOWNLOAD_TIMEOUT": 1.0,
        "OMOCAPTCHA_API_TIMEOUT": 1.0,
        # Longer than any solve of a plan, since without its stalls nothing else has to go wrong.
        "OMOCAPTCHA_JOB_TIMEOUT": 300 / _SHORTER,
        "OMOCAPTCHA_BREAKER_PAUSE": 0.5,
        "OMOCAPTCHA_POLL_INTERVAL": 0.05,
        "DOWNLOAD_DELAY": planned.settings.get("DOWNLOAD_DELAY", 0) / _SHORTER,
        "AUTOTHROTTLE_ENABLED": False,
        # A crawl must end upon a signal with a reactor and without one.
        "TWISTED_REACTOR_ENABLED": bool(planned.seed % 2),
    }
    return replace(
        planned,
        settings=settings,
        # Their hosts have no addresses.
        wanted=tuple(replace(wanted, proxy=None) for wanted in planned.wanted),
        stalls=0.0,
        shuffle=False,
        fault_seconds=0.05,
        solve_seconds=tuple(seconds / _SHORTER for seconds in planned.solve_seconds),
        # With such short timeouts, and on a busy machine, what is fair cannot be told.
        stumbles=0.0,
        outage=planned.outage and (planned.outage[0] / _SHORTER, 0.5),
        stops=tuple(0.5 + seconds / _SHORTER for seconds in planned.stops),
        end="finished" if planned.end in ("two crawls", "fleet") else planned.end,
    )


def run(planned: Plan) -> Outcome:
    """Run the crawl of a plan, and judge it."""
    planned = shortened(planned)
    outcome = Outcome(planned)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "out").touch()
        world = World(
            planned, outcome.story.append, host=lambda number: f"127.0.1.{number + 1}", call_later=_call_later
        )
        try:
            runs = []
            for seconds in (*planned.stops, None):
                runs.append(run := _run(planned, world, folder, outcome, seconds))
                if run.stopped_at is None:
                    break
        finally:
            for server in world.servers:
                server.stop()
        record = _read(folder / "out")
        outcome.wrong += oracle.check(planned, world, record, runs, folder / "ledger")
        outcome.requests, outcome.jobs = record.sent.total(), len(world.service.jobs)
    return outcome


def _call_later(seconds: float, function: Any) -> None:
    timer = threading.Timer(seconds, function)
    timer.daemon = True
    timer.start()


def _run(planned: Plan, world: World, folder: Path, outcome: Outcome, seconds: float | None) -> Run:
    """Run the crawl until it ends, or is stopped or killed after some seconds."""
    settings = {
        **SETTINGS,
        **crawl.SETTINGS,
        **world.service.settings,
        **planned.settings,
        "OMOCAPTCHA_LEDGER": str(folder / "ledger"),
        "HTTPCACHE_DIR": str(folder / "cache"),
    }
    if planned.end in ("stopped", "closed"):
        settings["JOBDIR"] = str(folder / "job")
    targets = [(site.url, site.sitekey) for site in world.sites]
    told = {"plan": planned.as_json(), "settings": settings, "targets": targets, "out": str(folder / "out")}
    command = [sys.executable, "-m", "tests.simulation.sockets", json.dumps(told)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    # A signal that comes while modules are imported ends no crawl.
    process.stdout.readline()
    was_ended = False
    try:
        _, log = process.communicate(timeout=TIMEOUT if seconds is None else seconds)
    except subprocess.TimeoutExpired:
        was_ended = seconds is not None
        process.send_signal(signal.SIGKILL if planned.end == "killed" or not was_ended else signal.SIGINT)
        _, log = _rest(process)
        if not was_ended:
            outcome.never_ends = True
            outcome.wrong.append(f"never ends:\n{log[-5000:]}")
    was_killed = was_ended and planned.end == "killed"
    # A signal that comes once the crawl has ended ends Python itself.
    is_over = was_ended and process.returncode == -signal.SIGINT
    if process.returncode and not was_killed and not is_over:
        outcome.wrong.append(f"exit status {process.returncode}:\n{log[-5000:]}")
    lines = [] if was_killed else [json.loads(line) for line in (folder / "out").read_text().splitlines()]
    stats = next((line[1] for line in reversed(lines) if line[0] == "stats"), {})
    return Run(None, stats, stopped_at=seconds if was_ended else None, was_killed=was_killed)


def _rest(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return what a process writes until it ends; one that does not is killed."""
    try:
        return process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()


def _read(path: Path) -> Record:
    record = Record()
    for line in path.read_text().splitlines():
        kind, *values = json.loads(line)
        if kind == "sent":
            record.sent[values[0]] += 1
        elif kind == "came":
            record.came[values[0]] += 1
            record.ends[values[0]] = values[1]
        elif kind == "wrong":
            record.wrong.append(values[0])
    return record


class WritingRecord(Record):
    """Record that is written to a file as it is made, since the process may be killed."""

    def __init__(self, write: Any) -> None:
        super().__init__()
        self._write = write

    def note_sent(self, name: str) -> None:
        self._write("sent", name)

    def note_came(self, name: str, how: str) -> None:
        self._write("came", name, how)


def main(told: dict[str, Any]) -> None:
    def write(*line: Any) -> None:
        with open(told["out"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")

    process = AsyncCrawlerProcess(told["settings"])
    crawler = process.create_crawler(SimulatedSpider)
    world = SimpleNamespace(sites=[SimpleNamespace(url=url, sitekey=sitekey) for url, sitekey in told["targets"]])
    record = WritingRecord(write)
    crawler.signals.connect(lambda: print("started", flush=True), signals.engine_started, weak=False)
    process.crawl(crawler, planned=read_plan(told["plan"]), world=world, record=record, note=lambda line: None)
    process.start()
    for sentence in record.wrong:
        write("wrong", sentence)
    write("stats", crawler.stats.get_stats())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
