"""Write journals for tests."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

FIELDS: dict[str, Any] = {
    "time": "2026-11-24T20:08:33Z",
    "spider": "catalogue",
    "crawl": "c0ffee",
    "host": "shop.example",
    "page": "https://shop.example/item/7",
    "kind": "checkbox",
    "job": "1000001",
    "seconds": 14.25,
    "questions": 5,
    "outcome": "accepted",
    "reason": "",
    "cost_usd": 0.00055,
}
_ENDS = (
    [{"outcome": "accepted"}] * 90
    + [{"outcome": "rejected", "reason": "the challenge again"}] * 4
    + [{"outcome": "failed", "reason": "failed"}] * 3
    + [{"outcome": "failed", "reason": "lost", "job": None, "seconds": None}]
    + [{"outcome": "expired", "reason": "older than OMOCAPTCHA_TOKEN_MAX_AGE"}]
    + [{"outcome": "abandoned", "reason": "the crawl was closed", "seconds": None}]
)


def line(**changes: Any) -> str:
    """Return a record as a line, including the newline."""
    return json.dumps({**FIELDS, **changes}) + "\n"


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(lines), encoding="utf-8")
    return path


def business(
    jobs: int, *, hosts: int = 9, days: float = 12, spiders: tuple[str, ...] = ("catalogue", "prices", "reviews")
) -> list[str]:
    """Return the lines of weeks of monitoring shops: some hosts get most jobs, and a few jobs are wasted."""
    chance = random.Random(jobs)
    start = datetime(2026, 11, 13, 6, tzinfo=timezone.utc)
    moments = sorted(chance.random() ** 0.8 * days for _ in range(jobs))
    lines = []
    for number, moment in enumerate(moments):
        host = f"shop{int(hosts * chance.random() ** 2.5):02}.example"
        end = {"seconds": round(chance.lognormvariate(2.7, 0.45), 3), **chance.choice(_ENDS)}
        lines.append(
            line(
                time=(start + timedelta(days=moment)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                spider=chance.choice(spiders),
                crawl=f"crawl{int(moment)}",
                host=host,
                page=f"https://{host}/item/{number}",
                job=str(1_000_001 + number),
                **{key: value for key, value in end.items() if key != "job"},
            )
        )
    return lines
