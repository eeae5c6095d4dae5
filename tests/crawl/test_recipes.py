"""docs/recipes: their code does what they say, in whole crawls against the shipped service."""

from __future__ import annotations

import logging

import pytest
import scrapy

from tests.helpers.docs import code, module, page

pytest_plugins = ["scrapy_omocaptcha.testing.pytest_plugin"]

SITE = "https://shop.example"


@pytest.fixture
def run(crawl, service, tmp_path):
    """``run(page, name, site, settings)`` → the items and the crawl of the spider of that code block."""

    def run(name, block, site, settings=None, *, changed=None):
        source = code(page(name), block)
        for old, new in {**(changed or {}), SITE: site.url, "6L…": site.sitekey}.items():
            assert old in source or old not in (changed or {})
            source = source.replace(old, new)
        defined = module(source, tmp_path).values()
        (spider,) = [value for value in defined if isinstance(value, type) and issubclass(value, scrapy.Spider)]
        items = []

        class Keep:
            def process_item(self, item):
                items.append(item)
                return item

        crawled = crawl(spider, {**service.settings, "ITEM_PIPELINES": {Keep: 1}, **(settings or {})})
        assert crawled.bugs == []
        return items, crawled

    return run


def test_the_quick_starts_spider_gets_its_pages_and_buys_one_job(run, walled, service):
    site = walled("session")
    items, crawled = run("quickstart", "quickstart-spider", site, changed={"http://127.0.0.1:6081": site.url})
    assert len(items) == 50
    assert len(service.jobs) == 1
    assert "OMOcaptcha: 1 challenge met in 5 pages, 1 job for 0.00055 USD" in "\n".join(crawled.said(logging.INFO))


def test_a_form_is_sent_with_a_token(run, walled, service):
    items, _ = run("recipes/form", "form", walled("session"))
    assert items == [{"welcome": "Ada"}]
    assert [job.used for job in service.jobs] == [True]


def test_a_json_call_is_sent_with_a_token(run, walled, service):
    items, _ = run("recipes/form", "form-json", walled("session"))
    assert items == [{"found": ["Thing 1", "Thing 2"]}]
    assert [job.used for job in service.jobs] == [True]


def test_a_login_buys_one_job(run, walled, service, monkeypatch):
    monkeypatch.setenv("SHOP_USER", "Ada")
    monkeypatch.setenv("SHOP_PASSWORD", "correct horse")
    items, crawled = run("recipes/login", "login", walled("session"))
    assert items == [{"user": "Ada"}, {"orders": "Orders of Ada"}]
    assert [job.used for job in service.jobs] == [True]
    assert crawled.count("tokens/accepted") == 1


@pytest.mark.parametrize("block", ["boats", "boats-once"])
def test_a_search_form_is_read_page_after_page(run, walled, service, block):
    items, crawled = run("recipes/search", block, walled(refuse_every=4), {"OMOCAPTCHA_MAX_ATTEMPTS": 4})
    names = ("Albatross", "Bluebird", "Curlew")
    assert sorted(item["boat"] for item in items) == [f"{name} {number}" for name in names for number in range(1, 7)]
    assert len(service.jobs) == 3 + crawled.count("tokens/rejected")
    assert crawled.count("tokens/accepted") == 3


def test_each_cookiejar_costs_one_job(run, walled, service):
    site = walled("session")
    items, _ = run("recipes/sessions", "regions", site)
    assert len(items) == 3 * 5
    assert len(service.jobs) == 3


def test_two_proxies_cost_two_jobs(run, walled, service):
    # A server that is asked for a whole address is as good as a proxy.
    site = walled("session", hosts=("127.0.0.2", "127.0.0.3"))
    here = {"http://proxy-a.example:8080": site.url, "http://proxy-b.example:8080": site.url.replace("0.2", "0.3")}
    items, _ = run("recipes/proxies", "sticky", site, changed=here)
    assert sorted(item["name"] for item in items) == [f"Thing {number}" for number in range(1, 9)]
    assert len(service.jobs) == site.accepted == 2


def test_a_resumed_crawl_goes_on_counting(run, walled, service, tmp_path):
    settings = {"JOBDIR": str(tmp_path / "jobs"), "OMOCAPTCHA_MAX_JOBS": 1}
    run("reference/errors", "errback", walled("session"), settings)
    _, crawled = run("reference/errors", "errback", walled("session"), settings)
    assert (tmp_path / "jobs/omocaptcha.sqlite").exists()
    assert len(service.jobs) == 1
    assert crawled.count("skipped/max_jobs") == 1


def test_with_a_cache_a_second_run_costs_nothing(run, walled, service, tmp_path):
    told = module(code(page("recipes/httpcache"), "httpcache-settings"), tmp_path)
    settings = {"HTTPCACHE_DIR": str(tmp_path), **{name: value for name, value in told.items() if name.isupper()}}
    site = walled("session")
    one = {'"north", "south", "west"': '"north",'}
    run("recipes/sessions", "regions", site, settings, changed=one)
    asked = len(site.requests)
    items, _ = run("recipes/sessions", "regions", site, settings, changed=one)
    assert len(items) == 5
    assert len(site.requests) == asked
    assert len(service.jobs) == 1


def test_a_spider_submits_in_its_own_way(run, walled, service):
    items, _ = run("recipes/submit", "submit", walled("callback_only"))
    assert items == [{"title": "Catalogue, page 1 of 5"}]
    assert [job.used for job in service.jobs] == [True]


def test_a_spider_changes_the_request_of_the_form(run, walled, service):
    site = walled("session")
    items, _ = run("recipes/submit", "submit-form", site)
    assert items == [{"title": "Catalogue, page 1 of 5"}]
    (handed_in,) = [visit for visit in site.requests if visit.token]
    assert handed_in.headers["X-Requested-With"] == "XMLHttpRequest"


def test_a_spider_does_it_by_hand(run, walled, service):
    items, _ = run("recipes/by-hand", "by-hand", walled("same_url"))
    assert items == [{"name": "Thing 7"}]
    assert [job.used for job in service.jobs] == [True]


@pytest.fixture
def browser_settings(chromium, omocaptcha_browser, tmp_path):
    """Return the settings of the page about JavaScript, with an offline Chromium."""
    told = module(code(page("recipes/javascript"), "javascript-settings"), tmp_path)
    return {**omocaptcha_browser, **{name: value for name, value in told.items() if name.isupper()}}


def test_a_spider_gets_rendered_pages_whose_wall_only_a_script_can_open(run, walled, service, browser_settings):
    site = walled("callback_only", catalogue_pages=2)
    items, _ = run("recipes/javascript", "rendered", site, browser_settings)
    assert [item["name"] for item in items] == [f"Thing {number}" for number in range(1, 21)]
    assert [item["title"] for item in items[::10]] == ["Catalogue, page 1 of 2", "Catalogue, page 2 of 2"]
    assert [job.used for job in service.jobs] == [True]


def test_a_spider_goes_on_in_a_live_page(run, walled, service, browser_settings):
    # A page that was left open while its request waits would be in the way of the one that gets the token.
    settings = {**browser_settings, "PLAYWRIGHT_MAX_PAGES_PER_CONTEXT": 1}
    items, _ = run("recipes/javascript", "live-page", walled("callback_only"), settings)
    assert items == [{"title": "Catalogue, page 2 of 5"}]
    assert len(service.jobs) == 1


def test_the_errback_of_a_live_page_gets_one_that_it_can_close(run, walled, service, browser_settings):
    site = walled("never")
    items, _ = run("recipes/javascript", "live-page", site, browser_settings)
    assert items == [{"failed": f"{site.url}/catalogue/"}]
    assert [job.used for job in service.jobs] == [True, True]


def test_an_errback_tells_why(run, walled):
    site = walled("never")
    items, _ = run("reference/errors", "errback", site)
    assert items == [{"closed": f"{site.url}/catalogue/", "reason": "attempts"}]
