"""Crawls in processes of their own that are stopped on the way, and resumed."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter

import pytest

from tests.helpers.commands import ROOT, STRICT, TIMEOUT


class StoppedCrawl:
    """Crawl with a JOBDIR in a process of its own, which can be stopped and resumed.

    :param meta: meta of each request.
    """

    def __init__(self, tmp_path, urls, settings, run="CrawlerProcess", meta=None):
        self._out = tmp_path / "out"
        self._out.touch()
        settings = {"JOBDIR": str(tmp_path / "job"), **settings}
        self._told = {"urls": urls, "out": str(self._out), "settings": settings, "run": run, "meta": meta or {}}

    def start(self):
        command = [sys.executable, "-m", "tests.helpers.crawl_process", json.dumps(self._told)]
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **STRICT}, stderr=subprocess.PIPE, text=True)

    def resume(self):
        return self.end(self.start())

    def end(self, process):
        """Wait until a process ends, and return its log."""
        try:
            _, log = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            _, log = process.communicate()
            pytest.fail(f"the crawl did not end:\n{log}")
        assert process.returncode == 0, log
        return log

    @property
    def came_back(self):
        return Counter(self._out.read_text().splitlines())


class Until:
    """Wait for a number of events that the service or a site reports."""

    def __init__(self, word, number):
        self._word = word
        self._left = number
        self._reached = threading.Event()

    def __call__(self, line):
        if self._word in line:
            self._left -= 1
        if self._left <= 0:
            self._reached.set()

    def wait(self):
        assert self._reached.wait(TIMEOUT)
