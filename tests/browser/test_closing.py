"""Crawls in a browser that a signal ends: nothing is lost or crawled twice, and no token is handed in twice."""

import signal
from collections import Counter

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite, browser_settings
from tests.helpers.stopping import StoppedCrawl, Until

pytestmark = pytest.mark.usefixtures("chromium")

PAGES = 6
RUNS = ["CrawlerProcess", "AsyncCrawlerProcess"]
METAS = {
    "plain": {},
    "include_page": {"playwright_include_page": True},
    "page methods": {"playwright_page_methods": [["wait_for_selector", ".item"]]},
}


def start(tmp_path, service, site, *, run, meta):
    urls = [f"{site.url}/page/{number}" for number in range(1, PAGES + 1)]
    settings = {**service.settings, **browser_settings(), "LOG_LEVEL": "DEBUG"}
    return StoppedCrawl(tmp_path, urls, settings, run=run, meta={"playwright": True, **meta}), urls


def check_log(log):
    assert "Traceback" not in log, log
    assert "serializ" not in log.lower(), log
    assert "pickle" not in log, log
    assert "03AFcWeA" not in log, log


@pytest.mark.nightly
@pytest.mark.parametrize("hands_in", [False, True], ids=["waits", "hands in"])
@pytest.mark.parametrize(("meta", "run"), list(zip(METAS, (*RUNS, RUNS[0]), strict=True)))
def test_a_crawl_that_a_signal_ends_at_a_wall_loses_nothing_and_resumes(tmp_path, meta, run, hands_in):
    reached = Until("POST /verify" if hands_in else "getJobResult", 1)
    solve_seconds = [0.0 if hands_in else 1e9]
    with (
        OmoCaptchaService(on_event=reached, solve_seconds=lambda _: solve_seconds[0]) as service,
        WalledSite(service, catalogue_pages=PAGES, on_event=reached) as site,
    ):
        if hands_in:
            site.fault("/verify", "hang")
        crawl, urls = start(tmp_path, service, site, run=run, meta=METAS[meta])
        process = crawl.start()
        reached.wait()
        process.send_signal(signal.SIGINT)
        log = crawl.end(process)
        check_log(log)
        assert crawl.came_back == Counter(), log

        solve_seconds[0] = 0.0
        log = crawl.resume()
        check_log(log)
    assert crawl.came_back == Counter(f"page {url}" for url in urls), log
    # A token that is on its way is spent, and is not handed in again.
    assert [job.verdicts for job in service.jobs] == [("accepted",) if hands_in else (), ("accepted",)]
