"""Every way that Scrapy runs crawls in: each reactor and none, each of its classes, two crawlers at once."""

import json
import os
from collections import Counter

import pytest

from tests.helpers.commands import ROOT, crawl_process, scrapy
from tests.helpers.crawl_process import ASYNCIO, EPOLL, NONE, SELECT
from tests.helpers.nightly import nightly

PAGES = 10
WAYS = {
    "CrawlerProcess, select": ("CrawlerProcess", SELECT),
    "CrawlerRunner, asyncio": ("CrawlerRunner", ASYNCIO),
    "AsyncCrawlerRunner, no reactor": ("AsyncCrawlerRunner", NONE),
}
"""Each class and each kind of loop; ``scrapy crawl``, which other tests run, is an AsyncCrawlerProcess with asyncio."""
OTHER_WAYS = {
    "AsyncCrawlerProcess, no reactor": ("AsyncCrawlerProcess", NONE),
    "AsyncCrawlerRunner, asyncio": ("AsyncCrawlerRunner", ASYNCIO),
    "CrawlerProcess, asyncio": ("CrawlerProcess", ASYNCIO),
    "CrawlerProcess, epoll": ("CrawlerProcess", EPOLL),
    "CrawlerRunner, select": ("CrawlerRunner", SELECT),
    "AsyncCrawlerProcess, asyncio": ("AsyncCrawlerProcess", ASYNCIO),
}


@pytest.mark.parametrize("way", [*WAYS, *map(nightly, OTHER_WAYS)])
def test_two_crawlers_go_through_one_wall_side_by_side_each_with_its_own_session_and_limits(
    service, walled, tmp_path, way
):
    run, settings = {**WAYS, **OTHER_WAYS}[way]
    site = walled("session", catalogue_pages=PAGES)
    urls = [f"{site.url}/page/{number}" for number in range(1, PAGES + 1)]
    out = tmp_path / "out"
    told = {
        "urls": [urls, urls],
        "out": str(out),
        "run": run,
        # One job each: were they counted together, or the session shared, there would not be two.
        "settings": {**service.settings, **settings, "OMOCAPTCHA_MAX_JOBS": 1},
    }
    done = crawl_process(told)
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    assert Counter(out.read_text().splitlines()) == Counter(f"page {url}" for url in [*urls, *urls])
    assert len(service.jobs) == 2
    assert site.accepted == 2


def test_a_projects_downloader_may_import_the_reactor(service, walled, tmp_path):
    (tmp_path / "own_downloader.py").write_text(
        "from scrapy.core.downloader import Downloader\n"
        "from twisted.internet import reactor\n"
        "class Own(Downloader):\n"
        "    clock = reactor\n"
    )
    site, out = walled("session"), tmp_path / "out"
    settings = {**service.settings, **ASYNCIO, "DOWNLOADER": "own_downloader.Own"}
    told = {"urls": [f"{site.url}/page/1"], "out": str(out), "settings": settings}
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = scrapy(json.dumps(told), cwd=ROOT, module="tests.helpers.crawl_process", PYTHONPATH=paths)
    assert "OMOcaptcha over own_downloader.Own" in done.stdout, done.stdout
    assert ("Traceback" in done.stdout, out.read_text()) == (False, f"page {site.url}/page/1\n")
