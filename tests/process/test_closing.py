"""Crawls that signals end while requests wait for a token: nothing is lost or crawled twice, all is counted."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter

import pytest

from scrapy_omocaptcha.buying.database import read_ledger
from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from tests.helpers.commands import ROOT, TIMEOUT, python
from tests.helpers.nightly import nightly
from tests.helpers.stopping import StoppedCrawl, Until

PAGES = 20
PRICE = 0.00055


@pytest.mark.parametrize(
    ("ending", "run", "settings"),
    [
        (signal.SIGINT, "CrawlerProcess", {}),
        nightly(signal.SIGTERM, "AsyncCrawlerProcess", {"TWISTED_REACTOR_ENABLED": False}),
    ],
    ids=["SIGINT", "SIGTERM, no reactor"],
)
def test_a_crawl_that_a_signal_ends_while_it_waits_loses_nothing_and_resumes(tmp_path, ending, run, settings):
    asked = Until("getJobResult", 1)
    solve_seconds = [1e9]
    with (
        OmoCaptchaService(on_event=asked, solve_seconds=lambda _: solve_seconds[0]) as service,
        WalledSite(service, catalogue_pages=PAGES) as site,
    ):
        urls = [f"{site.url}/page/{number}" for number in range(1, PAGES + 1)]
        crawl = StoppedCrawl(tmp_path, urls, {**service.settings, **settings}, run=run)
        process = crawl.start()
        asked.wait()
        process.send_signal(ending)
        since = time.monotonic()
        log = crawl.end(process)
        # Generous: this is to tell "at once" from "after OMOCAPTCHA_JOB_TIMEOUT".
        assert time.monotonic() - since < TIMEOUT / 2
        assert crawl.came_back == Counter(), log
        assert "Traceback" not in log, log

        solve_seconds[0] = 0.0
        log = crawl.resume()
    assert crawl.came_back == Counter(f"page {url}" for url in urls), log


@pytest.mark.nightly
def test_hundreds_that_wait_for_their_turn_end_one_after_the_other_and_not_one_within_the_other(tmp_path):
    many = 300
    solved = Until("getJobResult", 60)
    solve_seconds = [0.3]
    with (
        OmoCaptchaService(on_event=solved, solve_seconds=lambda _: solve_seconds[0]) as service,
        WalledSite(service, "per_page", catalogue_pages=many) as site,
    ):
        urls = [f"{site.url}/page/{number}" for number in range(1, many + 1)]
        # With asyncio each would be resumed by the loop.
        select = {"TWISTED_REACTOR": "twisted.internet.selectreactor.SelectReactor"}
        crawl = StoppedCrawl(tmp_path, urls, {**service.settings, **select, "CONCURRENT_REQUESTS_PER_DOMAIN": 16})
        process = crawl.start()
        solved.wait()
        process.send_signal(signal.SIGINT)
        crawl.end(process)
        solve_seconds[0] = 0.0
        log = crawl.resume()
    assert crawl.came_back == Counter(f"page {url}" for url in urls), log


WITHOUT_ASYNCIO = """
from types import SimpleNamespace
from scrapy.utils.reactor import install_reactor
install_reactor("twisted.internet.selectreactor.SelectReactor")
from twisted.internet.defer import Deferred, ensureDeferred
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.errors import CrawlClosing

engine = SimpleNamespace(running=True, _slot=SimpleNamespace(closing=None))
lifetime = Lifetime(SimpleNamespace(engine=engine))
turns = [Deferred() for _ in range(3)]

async def wait(number):
    try:
        await lifetime.wait(turns[number])
    except CrawlClosing:
        print(number, "is told that the crawl closes")
        if number == 0:
            turns[1].callback(None)
    else:
        print(number, "goes on")

for number in range(3):
    ensureDeferred(wait(number))
engine._slot.closing = Deferred()
lifetime._end_waits_if_closing()
"""


def test_without_asyncio_the_end_of_one_wait_may_end_another_and_all_others_end_as_well():
    done = python("-c", WITHOUT_ASYNCIO, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    told = "is told that the crawl closes"
    assert done.stdout.splitlines() == [f"0 {told}", "1 goes on", f"2 {told}"]


def test_the_ledger_of_a_killed_crawl_accounts_for_every_job_of_the_service(tmp_path):
    ledger = tmp_path / "jobs.sqlite"
    solved = threading.Semaphore(0)

    def on_event(line):
        if "getJobResult" in line and "success" in line:
            solved.release()

    with (
        OmoCaptchaService(solve_seconds=[0.1, 0.4, 30.0], on_event=on_event) as service,
        WalledSite(service, "per_page", catalogue_pages=60) as site,
    ):
        urls = [f"{site.url}/page/{number}" for number in range(1, 61)]
        settings = {**service.settings, "OMOCAPTCHA_LEDGER": str(ledger), "LOG_LEVEL": "ERROR"}
        with StoppedCrawl(tmp_path, urls, settings).start() as crawl:
            assert all(solved.acquire(timeout=TIMEOUT) for _ in range(15))
            crawl.send_signal(signal.SIGKILL)
        records = read_ledger(ledger)
        made = {str(job.id) for job in service.jobs}
        asked = {str(job.id) for job in service.jobs if job.questions}
    known = {record.job for record in records} - {None}
    assert known <= made
    # Those whose create call was answered in the last instant are there without their id.
    assert len(made) <= len(records)
    assert asked <= known
    assert len(asked) > 5
    assert {record.outcome for record in records} >= {"accepted", "abandoned"}
    assert sum(record.cost_usd for record in records) >= len(made) * PRICE - 1e-9
