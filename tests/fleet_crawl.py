"""A fleet for tests: its workers are processes, its queue and its limits are in one real Redis.

``python -m tests.fleet_crawl --workers 8 --requests 2000`` has it go through everything that can happen to one; its
exit status is the verdict.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

from scrapy_omocaptcha.journal import read_journal
from tests.commands import ROOT

PATIENCE = 300
"""Seconds for all workers to come to their end."""
CONCURRENT_REQUESTS = 16


class Worker:
    """A process, the file that it writes its pages to, its journal and its log."""

    def __init__(self, folder: Path, number: int, urls: list[str], settings: dict[str, object]) -> None:
        self.out, self.journal, self.log = (folder / f"{name}{number}" for name in ("out", "journal", "log"))
        self.out.touch()
        told = {"urls": urls, "out": str(self.out), "settings": {**settings, "OMOCAPTCHA_JOURNAL": str(self.journal)}}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.fleet_worker", json.dumps(told)], cwd=ROOT, stderr=log, stdout=log
            )

    @property
    def records(self):
        """Its jobs."""
        return read_journal(self.journal)[0] if self.journal.exists() else []

    @property
    def abandoned(self) -> int:
        """Jobs that it bought and did not live to use."""
        return sum(record.outcome == "abandoned" for record in self.records)


class FleetCrawl:
    """Workers that crawl the same addresses."""

    def __init__(self, folder: Path, urls: list[str], settings: dict[str, object], redis_url: str) -> None:
        self._folder = folder
        self._urls = urls
        self._settings = {
            "REDIS_URL": redis_url,
            "OMOCAPTCHA_REDIS_URL": redis_url,
            "CONCURRENT_REQUESTS": CONCURRENT_REQUESTS,
            **settings,
        }
        self.workers: list[Worker] = []

    def start(self, number: int = 1) -> list[Worker]:
        new = [Worker(self._folder, len(self.workers) + n, self._urls, self._settings) for n in range(number)]
        self.workers += new
        return new

    def wait(self) -> None:
        for worker in self.workers:
            worker.process.wait(PATIENCE)

    def end(self) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait(PATIENCE)

    @property
    def ends(self) -> Counter[str]:
        """What has come of it, of all workers: "page" or the reason of an errback, and the address."""
        return Counter(line for worker in self.workers for line in worker.out.read_text().splitlines())

    @property
    def tracebacks(self) -> list[str]:
        return [text for worker in self.workers if "Traceback" in (text := worker.log.read_text())]


class Countdown:
    """Calls ``function`` in a thread of its own once so many lines have been told it."""

    def __init__(self, number, function):
        self._left = number
        self._function = function
        self._lock = threading.Lock()
        self.thread = None

    def __call__(self, line):
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self.thread = threading.Thread(target=self._function)
                self.thread.start()
