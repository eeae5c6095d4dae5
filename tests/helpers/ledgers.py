"""Write ledgers for tests."""

from __future__ import annotations

import random
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scrapy.settings import Settings
from scrapy.statscollectors import MemoryStatsCollector

from scrapy_omocaptcha.buying.database import open_ledger
from scrapy_omocaptcha.buying.ledger import Ledger
from scrapy_omocaptcha.engine.stats import Stats

FIELDS: dict[str, Any] = {
    "time": "2026-11-24T20:08:33Z",
    "spider": "catalogue",
    "crawl": "c0ffee",
    "host": "shop.example",
    "page": "https://shop.example/item/7",
    "kind": "checkbox",
    "job": "1000001",
    "seconds": 14.25,
    "outcome": "accepted",
    "reason": "",
    "cost_usd": 0.00055,
    "form": "https://shop.example/verify",
}
_ENDS = (
    [{"outcome": "accepted"}] * 90
    + [{"outcome": "rejected", "reason": "the challenge again"}] * 4
    + [{"outcome": "failed", "reason": "failed"}] * 3
    + [{"outcome": "failed", "reason": "lost", "job": None, "seconds": None}]
    + [{"outcome": "expired", "reason": "older than OMOCAPTCHA_TOKEN_MAX_AGE"}]
    + [{"outcome": "abandoned", "reason": "the crawl was closed", "seconds": None}]
)


def job(**changes: Any) -> dict[str, Any]:
    """Return the columns of a job."""
    return {**FIELDS, **changes}


def write(path: Path, *jobs: dict[str, Any]) -> Path:
    """Write a ledger with these jobs."""
    columns = (*FIELDS, "budget")
    with closing(open_ledger(path)) as db, db:
        db.execute("BEGIN")
        db.executemany(
            f"INSERT INTO jobs ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            [(*each.values(), each["crawl"]) for each in jobs],
        )
    return path


def new_ledger(path: Path | None = None, **arguments: Any) -> Ledger:
    """Return the ledger of a new crawl, in memory or in a file."""
    stats = arguments.pop("stats", None) or Stats(MemoryStatsCollector(SimpleNamespace(settings=Settings())))
    return Ledger(spider="shop", stats=stats, path=None if path is None else str(path), **arguments)


def business(
    jobs: int, *, hosts: int = 9, days: float = 12, spiders: tuple[str, ...] = ("catalogue", "prices", "reviews")
) -> list[dict[str, Any]]:
    """Return the jobs of weeks of monitoring shops: some hosts get most jobs, and a few jobs are wasted."""
    chance = random.Random(jobs)
    start = datetime(2026, 11, 13, 6, tzinfo=timezone.utc)
    moments = sorted(chance.random() ** 0.8 * days for _ in range(jobs))
    found = []
    for number, moment in enumerate(moments):
        host = f"shop{int(hosts * chance.random() ** 2.5):02}.example"
        end = {"seconds": round(chance.lognormvariate(2.7, 0.45), 3), **chance.choice(_ENDS)}
        found.append(
            job(
                time=(start + timedelta(days=moment)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                spider=chance.choice(spiders),
                crawl=f"crawl{int(moment)}",
                host=host,
                page=f"https://{host}/item/{number}",
                job=str(1_000_001 + number),
                **{key: value for key, value in end.items() if key != "job"},
            )
        )
    return found
