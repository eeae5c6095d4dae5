"""Crawls without a site: processes that buy jobs in one ledger, some of which are killed at any moment and resumed.

``python -m tests.process.ledger_crawls`` reads plans from its input, one JSON object a line, and writes for each of
them what it found wrong. Processes are forked, since starting Python takes longer than all that they do.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scrapy_omocaptcha.buying import database
from scrapy_omocaptcha.buying.database import open_ledger
from scrapy_omocaptcha.buying.ledger import Entry
from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.errors import NotBought
from tests.helpers.ledgers import new_ledger
from tests.helpers.limit_cases import job, settings_of

PRICE = 0.1
HOSTS = ("a.example", "b.example")


def reserve(limits: Limits, host: str) -> Entry:
    """Reserve a job in limits that never wait."""
    try:
        limits.reserve(job(host), host).send(None)
    except StopIteration as returned:
        entry: Entry = returned.value
        return entry
    raise AssertionError("it waits")


def buy(folder: Path, crawl: int, seed: float, plan: dict[str, Any]) -> None:
    """Run a crawl until its work is done, and write each job that reaches the service to the service's bill."""
    dice = random.Random(seed)
    path = folder / "jobs.sqlite"
    jobdir = folder / f"job{crawl}"
    jobdir.mkdir(exist_ok=True)
    bill = os.open(folder / "bill", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    settings = settings_of(ledger=str(path), price=PRICE, **plan["limits"])
    # A crawl that stalls while it has locked the ledger must not make the others give it up.
    database.BUSY_TIMEOUT = 60
    ledger = new_ledger(path, jobdir=str(jobdir))
    limits = Limits(settings, ledger, time.monotonic)
    for _ in range(plan["jobs"]):
        host = dice.choice(HOSTS)
        try:
            entry = reserve(limits, host)
        except NotBought:
            continue
        if dice.random() < plan["given_up"]:
            limits.cancel(entry)
            continue
        row = entry.row
        os.write(bill, f"{row} {host}\n".encode())
        limits.bought(entry, str(row))
        entry.solved(1.0)
        entry.judged("accepted")


def start(folder: Path, crawl: int, seed: float, plan: dict[str, Any], dies_after: float | None) -> int:
    """Start a crawl in a process of its own, which is killed after some seconds."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        if dies_after is not None:
            # Its default is the end of the process, whatever it does at the moment.
            signal.setitimer(signal.ITIMER_REAL, dies_after)
        buy(folder, crawl, seed, plan)
        status = 0
    finally:
        os._exit(status)


def run(folder: Path, plan: dict[str, Any]) -> tuple[int, int, list[str]]:
    """Run all crawls of a plan at once, and resume those that were killed.

    :returns: how many jobs the service has on its bill, how many crawls were killed, and what is wrong.
    """
    dice = random.Random(plan["seed"])
    running = {
        start(folder, crawl, dice.random(), plan, dies_after): crawl
        for crawl, dies_after in enumerate(plan["dies_after"])
    }
    killed, wrong = 0, []
    while running:
        process, status = os.wait()
        crawl = running.pop(process)
        if os.WIFSIGNALED(status):
            killed += 1
            running[start(folder, crawl, dice.random(), plan, None)] = crawl
        elif status:
            wrong.append(f"crawl {crawl} has failed")
    bill = [line.split() for line in (folder / "bill").read_text().splitlines()] if (folder / "bill").exists() else []
    return len(bill), killed, [*wrong, *check(folder, bill, plan["limits"], killed)]


def check(folder: Path, bill: list[list[str]], limits: dict[str, Any], killed: int) -> Iterator[str]:
    """Yield what is wrong with the ledger, beside the bill of the service."""
    with closing(open_ledger(folder / "jobs.sqlite")) as db:
        rows = db.execute("SELECT id, host, budget, outcome FROM jobs").fetchall()
        (cost,) = db.execute("SELECT total(cost_usd) FROM jobs").fetchone()
    if missing := {(int(row), host) for row, host in bill} - {(row, host) for row, host, *_ in rows}:
        yield f"lost: {missing} of the bill are not in the ledger"
    if len(rows) > len(bill) + killed:
        yield f"too many: {len(rows)} in the ledger, {len(bill)} on the bill, {killed} killed"
    unfinished = sum(outcome != "accepted" for *_, outcome in rows)
    if unfinished > killed:
        yield f"lost: what became of {unfinished} jobs, {killed} killed"
    if cost > limits.get("max_cost_per_day", math.inf) + 1e-6:
        yield f"overrun: {cost} USD in a day"
    jobs = Counter(budget for _, _, budget, _ in rows)
    jobs_of_host = Counter((budget, host) for _, host, budget, _ in rows)
    for name, most in ("max_jobs", jobs), ("max_jobs_per_host", jobs_of_host):
        if max(most.values(), default=0) > limits.get(name, math.inf):
            yield f"overrun: {name}, {most}"
    if max(jobs.values(), default=0) * PRICE > limits.get("max_cost", math.inf) + 1e-6:
        yield f"overrun: max_cost, {jobs}"


def main() -> None:
    for line in sys.stdin:
        with TemporaryDirectory() as folder:
            print(json.dumps(run(Path(folder), json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
