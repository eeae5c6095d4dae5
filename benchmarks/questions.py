"""When the clients ask for a token: the real ones against the offline service, all jobs at once.

Time is scaled, for the service and for the clients alike. Where a client cannot be pointed at the service, what it
would have done is reckoned from its schedule in ``polling.py``, and the row says so.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from statistics import mean

from benchmarks.buyers import PAGE, SITEKEY, Asked, Buyer, Shop
from benchmarks.clients import CLIENTS, SHAPES, Solve, installed
from benchmarks.crawls import PATIENCE, START, Crawl
from benchmarks.polling import FAST, PEERS, QUESTION, SLOW, Times, best_cost, peer_asks
from benchmarks.tables import OURS, Cell, Column, Table

LEARNT_FROM = 30
BEST = "best possible schedule (dynamic programming)"
NOT_POINTED = {
    "every 2 s (OMOcaptcha's page, puppeteer-extra)",
    "OMOCaptcha.py, captchatools",
    "OMO JS client",
    "scrapyx-mw",
    "2captcha-solver, captcha-router",
    "2captcha-python",
    "multicaps, 2captcha",
}
"""Schedules of clients in other languages or of another protocol than the service speaks."""


@dataclass(frozen=True)
class Scale:
    jobs: int = 24
    speed: float = 10.0


SHORT = Scale(jobs=3, speed=100.0)

COLUMNS = (
    Column("tokens", ".0f", better="more"),
    Column("seconds late", ".2f"),
    Column("questions", ".1f"),
    Column("cost", ".2f", better="less"),
    Column("of the best", ".2f", better="less"),
)
FITS = "It knows one schedule, which happens to fit these solve times; see what it costs at others."
NOTES = (
    "Who asks more often is less late: a client that is ahead in one of “seconds late” and “questions” pays with the "
    "other, and “cost” is what counts.",
    "A client that got fewer tokens than there were jobs has given up on the rest, which were paid for.",
)


def tables(scale: Scale) -> Iterator[Table]:
    for times in (FAST, SLOW):
        yield _table(times, scale)


def _table(times: Times, scale: Scale) -> Table:
    sample = times.sample(scale.jobs)
    random.Random(3).shuffle(sample)
    best = best_cost(times)

    def row(name: str, seen: Sequence[tuple[float | None, int]]) -> list[Cell]:
        told = [late for late, _ in seen if late is not None]
        late, asked = mean(told), mean(asked for _, asked in seen)
        cost = late + QUESTION * asked if len(told) == len(seen) else None
        return [name, len(told), late, asked, cost, cost and cost / best]

    rows = [
        row(f"{OURS}, after {LEARNT_FROM} solves", ours(sample, scale, before=times.draw_many(LEARNT_FROM))),
        row(f"{OURS}, knowing nothing", ours(sample, scale)),
    ]
    there = [package for package in CLIENTS if installed(package)]
    rows += [row(f"{package} {version(package)}", theirs(package, sample, scale)) for package in there]
    rows += [[f"{name} (not installed)", *[None] * len(COLUMNS)] for name in CLIENTS if name not in there]
    rows += [
        row(f"{name} (reckoned)", [peer_asks(schedule, solved) for solved in sample])
        for name, schedule in PEERS.items()
        if name in NOT_POINTED
    ]
    rows.append([BEST, None, None, None, best, 1.0])
    return Table(
        title=f"Polling: solve times with {times.name}",
        about=(
            f"{scale.jobs} jobs at once, waiting {scale.speed:g} times as fast. Seconds from solved at the service to "
            f"told to the client, questions a job, and the cost of both: a question counts as {QUESTION:g} s."
        ),
        columns=COLUMNS,
        rows=rows,
        notes=NOTES,
        reasons={"cost": FITS, "of the best": FITS},
        baselines=[BEST],
    )


def ours(sample: Sequence[float], scale: Scale, before: Sequence[float] = ()) -> list[Asked]:
    """Seconds late and questions of each job, in a crawl that has solved some ``before``."""
    crowds = (*([len(before)] if before else ()), len(sample))
    with Shop([*before, *sample], speed=scale.speed) as shop:
        crawl = Crawl(Buyer, shop, {}, crowds=crowds)
        crawl.reported()
        crawl.end()
        seen: list[Asked] = shop.facts()
    return seen[len(before) :]


def theirs(package: str, sample: Sequence[float], scale: Scale) -> list[Asked]:
    with Shop(sample, speed=scale.speed, shape=SHAPES.get(package)) as shop:
        buyer = START.Process(target=_buy, args=(package, shop.told["origin"], scale.speed, len(sample)), daemon=True)
        buyer.start()
        buyer.join(PATIENCE)
        seen: list[Asked] = shop.facts()
        return seen


def _buy(package: str, origin: str, speed: float, count: int) -> None:
    """Whether a client gave up is seen at the service."""
    solve = CLIENTS[package](origin, speed)
    if inspect.iscoroutinefunction(solve):
        asyncio.run(_all_at_once(solve, count))
    else:
        with ThreadPoolExecutor(count) as threads:
            for _ in range(count):
                threads.submit(solve, PAGE, SITEKEY)


async def _all_at_once(solve: Solve, count: int) -> None:
    await asyncio.gather(*(solve(PAGE, SITEKEY) for _ in range(count)), return_exceptions=True)
