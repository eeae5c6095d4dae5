"""Crawls that are closed while requests wait for a token: nothing is lost, nothing is crawled twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from tests.helpers.commands import ROOT, STRICT

PAGES = 20
PATIENCE = 60


class Crawl:
    """A crawl with a JOBDIR, in a process of its own, that can be ended and resumed."""

    def __init__(self, tmp_path, urls, settings, wish=None, run="CrawlerProcess"):
        self._out = tmp_path / "out"
        self._out.touch()
        settings = {"JOBDIR": str(tmp_path / "job"), **settings}
        self._told = {"urls": urls, "out": str(self._out), "settings": settings, "wish": wish, "run": run}

    def start(self, **settings):
        told = {**self._told, "settings": {**self._told["settings"], **settings}}
        command = [sys.executable, "-m", "tests.helpers.crawl_process", json.dumps(told)]
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **STRICT}, stderr=subprocess.PIPE, text=True)

    def resume(self, **settings):
        return self.end(self.start(**settings))

    def end(self, process):
        """Wait for a process to end of itself, and return its log."""
        try:
            _, log = process.communicate(timeout=PATIENCE)
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
    """Waits for a number of events that the service or a site tells of."""

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
        assert self._reached.wait(PATIENCE)


ENDS = {
    "SIGINT": (signal.SIGINT, {}),
    "SIGTERM": (signal.SIGTERM, {}),
    "CLOSESPIDER_TIMEOUT": (None, {"CLOSESPIDER_TIMEOUT": 3}),
}


WITHOUT_REACTOR = {"run": "AsyncCrawlerProcess", "settings": {"TWISTED_REACTOR_ENABLED": False}}


@pytest.mark.parametrize(
    ("wall", "how"),
    [
        ("session", {}),
        ("redirect", {}),
        ("per_page", {}),
        ("session", WITHOUT_REACTOR),
    ],
    ids=["session", "redirect", "per_page", "session, no reactor"],
)
@pytest.mark.parametrize("end", ENDS)
def test_a_crawl_that_is_closed_while_it_waits_loses_nothing_and_resumes(tmp_path, end, wall, how):
    ending, settings = ENDS[end]
    asked = Until("getJobResult", 1)
    solve_seconds = [1e9]
    with (
        OmoCaptchaService(on_event=asked, solve_seconds=lambda _: solve_seconds[0]) as service,
        WalledSite(service, wall, catalogue_pages=PAGES) as site,
    ):
        urls = [f"{site.url}/page/{number}" for number in range(1, PAGES + 1)]
        how = {"run": "CrawlerProcess", "settings": {}, **how}
        crawl = Crawl(tmp_path, urls, {**service.settings, **how["settings"]}, run=how["run"])
        process = crawl.start(**settings)
        asked.wait()
        if ending is not None:
            process.send_signal(ending)
        since = time.monotonic()
        log = crawl.end(process)
        # Generous: this is to tell "at once" from "after OMOCAPTCHA_JOB_TIMEOUT".
        assert time.monotonic() - since < PATIENCE / 2
        assert crawl.came_back == Counter(), log
        assert "Traceback" not in log, log

        solve_seconds[0] = 0.0
        log = crawl.resume()
    assert crawl.came_back == Counter(f"page {url}" for url in urls), log


def test_hundreds_that_wait_for_their_turn_end_one_after_the_other_and_not_one_within_the_other(tmp_path):
    many = 300
    solved = Until("getJobResult", 60)
    with (
        OmoCaptchaService(on_event=solved, solve_seconds=0.3) as service,
        WalledSite(service, "per_page", catalogue_pages=many) as site,
    ):
        urls = [f"{site.url}/page/{number}" for number in range(1, many + 1)]
        # With asyncio each would be resumed by the loop.
        select = {"TWISTED_REACTOR": "twisted.internet.selectreactor.SelectReactor"}
        crawl = Crawl(tmp_path, urls, {**service.settings, **select, "CONCURRENT_REQUESTS_PER_DOMAIN": 16})
        process = crawl.start()
        solved.wait()
        process.send_signal(signal.SIGINT)
        crawl.end(process)
        log = crawl.resume()
    assert crawl.came_back == Counter(f"page {url}" for url in urls), log


@pytest.mark.parametrize("beforehand", [False, True], ids=["walled", "wanted beforehand"])
def test_a_job_that_the_end_of_the_crawl_has_cut_off_does_not_count_as_an_attempt(tmp_path, beforehand):
    asked = Until("getJobResult", 1)
    solve_seconds = [1e9]
    with (
        OmoCaptchaService(on_event=asked, solve_seconds=lambda _: solve_seconds[0]) as service,
        WalledSite(service) as site,
    ):
        url = f"{site.url}/api/header" if beforehand else f"{site.url}/page/1"
        wish = {"sitekey": site.sitekey, "page": f"{site.url}/signup", "put": "header:X-Captcha-Token"}
        crawl = Crawl(tmp_path, [url], {**service.settings, "OMOCAPTCHA_MAX_ATTEMPTS": 1}, wish if beforehand else None)
        process = crawl.start()
        asked.wait()
        process.send_signal(signal.SIGINT)
        crawl.end(process)
        solve_seconds[0] = 0.0
        log = crawl.resume()
    assert crawl.came_back == Counter([f"page {url}"]), log
