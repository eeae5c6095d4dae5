"""Run the crawl of a plan: as often as it is stopped and resumed, and once more without walls where both must be alike.

The outcome has the story of the crawl, with a digest by which two runs of one seed can be compared.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy import signals

from tests.helpers.crawling import attached
from tests.simulation import oracle
from tests.simulation.clock import NeverEnds
from tests.simulation.fleet import settings_of_fleet
from tests.simulation.plan import PRICE, plan
from tests.simulation.simulation import Killed, simulated
from tests.simulation.spider import Record, SimulatedSpider
from tests.simulation.world import World, latency_of

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from tests.simulation.plan import Plan
    from tests.simulation.simulation import Simulation
    from tests.simulation.world import Note

SETTINGS = {
    "OMOCAPTCHA_PRICE": PRICE,
    "LOG_LEVEL": "INFO",
    "DOWNLOAD_MAXSIZE": 200_000,
    # A stored error of a wall's one address would be all that is ever seen of it, and redirects to it are duplicates.
    "HTTPCACHE_IGNORE_HTTP_CODES": [429, 500, 502],
    "MEMUSAGE_ENABLED": False,
}
_SECRETS = ("03AFcWeA",)
"""How the tokens of the offline service begin."""


@dataclass
class Run:
    """One run of a crawl, from its start to its end or a stop."""

    crawler: Crawler
    stats: dict[str, Any]
    stopped_at: float | None = None
    ended_at: float = 0.0
    was_killed: bool = False
    queued: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Method and URL of the requests that wait in download slots, or for robots.txt, at the stop: Scrapy sends them."""


@dataclass
class Outcome:
    """A finished crawl with all its runs."""

    plan: Plan
    story: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """A sentence for each thing that is wrong."""
    requests: int = 0
    jobs: int = 0
    seconds: float = 0.0
    """Virtual seconds that the crawl took."""

    never_ends: bool = False
    digest: str = ""
    """A digest of all that happened."""
    items: Counter[str] = field(default_factory=Counter)
    stats: dict[str, Any] = field(default_factory=dict)
    """Those of the last run."""


class _Story(logging.Handler):
    """Writes down what happens, with the virtual time, and what is logged of it."""

    def __init__(self, simulation: Simulation, outcome: Outcome) -> None:
        super().__init__(logging.INFO)
        self._simulation = simulation
        self._outcome = outcome

    def note(self, line: str) -> None:
        self._outcome.story.append(f"{self._simulation.loop.time():12.6f} {line}")

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if any(secret in text for secret in _SECRETS):
            self._outcome.wrong.append(f"a token is in the log: {text[:200]}")
        # Scrapy logs a robots.txt that it cannot get with a traceback, and goes on.
        if (record.exc_info or record.levelno >= logging.CRITICAL) and not record.name.endswith(".robotstxt"):
            trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
            self._outcome.wrong.append(f"logged: {text}\n{trace}")
        if record.name.startswith("scrapy_omocaptcha"):
            # The folder with its ledger has another name each time.
            self.note(f"log: {record.levelname} {text.partition('; jobs are recorded in')[0]}")


def warm_up() -> None:
    """Run a crawl whose outcome nobody wants.

    What a process imports in the midst of its first crawl draws from what is random.
    """
    run(plan(0))


def run(planned: Plan) -> Outcome:
    """Run the crawl of a plan, and judge it."""
    outcome = _run(planned)
    if not outcome.wrong and oracle.has_twin(planned):
        twin = _run(planned, is_open=True)
        outcome.wrong += [f"without walls: {sentence}" for sentence in twin.wrong]
        outcome.wrong += oracle.differences(outcome.items, outcome.stats, twin.items, twin.stats)
        outcome.wrong += oracle.waits(planned, outcome.seconds, twin.seconds, outcome.jobs)
    return outcome


def _run(planned: Plan, *, is_open: bool = False) -> Outcome:
    outcome = Outcome(planned)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            simulated(planned.seed, latency_of(planned)) as simulation,
        ):
            _run_in(simulation, outcome, Path(folder), is_open=is_open)
    except NeverEnds as error:
        outcome.never_ends = True
        outcome.wrong.append(f"never ends: {error}")
    return outcome


def _run_in(simulation: Simulation, outcome: Outcome, folder: Path, *, is_open: bool) -> None:
    story, planned, record = _Story(simulation, outcome), outcome.plan, Record()
    world = World(planned, story.note, call_later=simulation.call_later, is_open=is_open)
    world.exchanges = simulation.network.exchanges
    try:
        with attached(story):
            runs = _Runs(planned, simulation, world, record, story.note, folder, outcome.items).all()
            outcome.stats = runs[-1].stats
            secrets = (*_SECRETS, world.service.settings["OMOCAPTCHA_API_TOKEN"])
            written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
            outcome.wrong += ["a token is in a file" for secret in secrets if secret.encode() in written]
            outcome.wrong += oracle.check(planned, world, record, runs, folder / "ledger", is_open=is_open)
    finally:
        outcome.digest = hashlib.sha256("\n".join(outcome.story).encode()).hexdigest()[:16]
        outcome.requests = record.sent.total()
        outcome.jobs = len(world.service.jobs)
        outcome.seconds = simulation.loop.time()


@dataclass
class _Runs:
    """The runs of one crawl."""

    _plan: Plan
    _simulation: Simulation
    _world: World
    _record: Record
    _note: Note
    _folder: Path
    _items: Counter[str]

    def all(self) -> list[Run]:
        """Run the crawl to its end."""
        if self._plan.end in ("two crawls", "fleet"):
            return self._simulation.run(self._both())
        runs = []
        for seconds in self._plan.stops:
            run = self._until(seconds)
            runs.append(run)
            if run.stopped_at is None:
                return runs
        return [*runs, self._until(None)]

    def _until(self, seconds: float | None) -> Run:
        """Run the crawl until it ends, or is stopped or killed after some seconds."""
        run = self._new_run()
        try:
            self._simulation.run(self._crawl(run, seconds))
        except Killed:
            run.was_killed = True
            self._note("the crawl is killed")
        return run

    async def _both(self) -> list[Run]:
        shared = settings_of_fleet() if self._plan.end == "fleet" else {}
        runs = [self._new_run(shared), self._new_run(shared)]
        await asyncio.gather(*(self._crawl(run, None) for run in runs))
        return runs

    def _new_run(self, shared: dict[str, Any] | None = None) -> Run:
        settings = {
            **SETTINGS,
            **self._world.service.settings,
            "OMOCAPTCHA_POLL_INTERVAL": 2.0,
            "OMOCAPTCHA_LEDGER": str(self._folder / "ledger"),
            "HTTPCACHE_DIR": str(self._folder / "cache"),
            **self._plan.settings,
            **(shared or {}),
        }
        if self._plan.end in ("stopped", "closed"):
            settings["JOBDIR"] = str(self._folder / "job")
        return Run(self._simulation.crawler(SimulatedSpider, settings), {})

    async def _crawl(self, run: Run, seconds: float | None) -> None:
        loop, crawler = self._simulation.loop, run.crawler
        crawler.signals.connect(self._count_item, signals.item_scraped, weak=False)
        crawling = asyncio.ensure_future(
            crawler.crawl_async(planned=self._plan, world=self._world, record=self._record, note=self._note)
        )
        if seconds is not None:
            loop.call_later(seconds, self._end, run)
        await crawling
        run.ended_at = loop.time()
        run.stats = dict(crawler.stats.get_stats())
        self._note(f"the crawl ends: {run.stats.get('finish_reason')}")
        # What the add-on still looks at once in a while must have come to an end by then.
        await asyncio.sleep(1.0)

    def _count_item(self, item: dict[str, Any]) -> None:
        self._items[str(sorted(item.items()))] += 1

    def _end(self, run: Run) -> None:
        engine = run.crawler.engine
        if engine is None or not engine.running or run.ended_at:
            return
        run.stopped_at = self._simulation.loop.time()
        if self._plan.end == "killed":
            raise Killed
        self._note(f"the crawl is {self._plan.end}")
        waiting = {one for slot in engine.downloader.slots.values() for one in slot.active - slot.transferring}
        if self._plan.settings.get("ROBOTSTXT_OBEY"):
            waiting |= engine.downloader.active
        run.queued.update((request.method, request.url) for request in waiting)
        is_closed = self._plan.end == "closed"
        stop = engine.close_spider_async(reason="had enough") if is_closed else run.crawler.stop_async()
        self._stopping = asyncio.ensure_future(stop)
