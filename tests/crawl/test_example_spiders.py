"""The spiders of the example project that the demos don't run, with the settings of that project."""

import json
import runpy
import sys

import pytest
from scrapy.settings import Settings
from scrapy.spiderloader import SpiderLoader

from tests.helpers.commands import ROOT

PROJECT = ROOT / "example_project"


@pytest.fixture
def run(crawl, service, tmp_path, monkeypatch):
    """Return a function that crawls with a spider, and returns its items and its log."""
    monkeypatch.syspath_prepend(PROJECT)
    settings = {k: v for k, v in runpy.run_path(str(PROJECT / "shop/settings.py")).items() if k.isupper()}
    spiders = SpiderLoader.from_settings(Settings({"SPIDER_MODULES": settings["SPIDER_MODULES"]}))

    def run(spider, **arguments):
        feed = tmp_path / "items.jsonl"
        changes = {"DOWNLOAD_DELAY": 0.01, "FEEDS": {feed: {"format": "jsonlines"}}, **service.settings}
        crawled = crawl(spiders.load(spider), {**settings, **changes}, **arguments)
        assert crawled.bugs == []
        return [json.loads(line) for line in feed.read_text().splitlines()], "\n".join(crawled.said())

    yield run
    for module in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[module]


def test_the_per_spider_spider_sets_limits_and_skips_items(run, walled, service):
    site = walled("per_page")
    items, log = run("per_spider", site=site.url)
    passed = {item["path"]: item["passed"] for item in items}
    assert sorted(passed) == ["/item/7", "/page/1", "/page/2", "/page/3"]
    assert not passed.pop("/item/7")
    assert sorted(passed.values()) == [False, True, True]
    assert [job.used for job in service.jobs] == [True, True]
    assert "raise OMOCAPTCHA_MAX_JOBS (2) to go on" in log


@pytest.mark.parametrize(("wall", "passed", "says"), [("same_url", True, "Thing 7"), ("never", False, "max_jobs")])
def test_the_google_demo_spider_submits_one_token_or_reports_why_it_failed(run, walled, service, wall, passed, says):
    items, _ = run("google_demo", page=f"{walled(wall).url}/item/7")
    assert [item["passed"] for item in items] == [passed]
    assert says in items[0]["says"]
    assert [job.used for job in service.jobs] == [True]
