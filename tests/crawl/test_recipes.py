"""docs/recipes: their code does what they say, in whole crawls against the sites that their boxes start.

In the nights only: thirty searches in a browser, of which there are three with each change.
"""

import logging
from argparse import ArgumentParser

import pytest
import scrapy
from docutils import nodes

from scrapy_omocaptcha.testing import simulate
from tests.browser.crawling import SharedBrowser
from tests.helpers.docs import code, module, offline_box, page, written_instead
from tests.helpers.nightly import nightly

pytest_plugins = ["scrapy_omocaptcha.testing.pytest_plugin"]

SITE = "https://shop.example"
SIMULATED = "http://127.0.0.1:6081"
"""The site of ``scrapy omocaptcha simulate --port 6080``."""
BOATS = [f"{name} {number}" for name in ("Albatross", "Bluebird", "Curlew") for number in range(1, 7)]


@pytest.fixture
def boxed(walled):
    """``boxed(page, name)`` → the site that the box after that code block starts, and the block for that site."""

    def start(name, block):
        box = offline_box(page(name), block)
        words = box.next_node(nodes.literal).astext().split()
        assert words[:5] == ["scrapy", "omocaptcha", "simulate", "--port", "6080"]
        parser = ArgumentParser()
        simulate.add_options(parser)
        (wall,) = parser.parse_args(words[3:]).wall or ["session"]
        site = walled(wall, hosts=("127.0.0.1",))
        source = code(page(name), block)
        for old, new in written_instead(box).items():
            assert old in source, old
            # The site of this test has a free port.
            source = source.replace(old, new.replace(":6081", f":{site.port}"))
        return site, source.replace("6L…", site.sitekey)

    return start


@pytest.fixture
def run(crawl, service, boxed, tmp_path):
    """``run(page, name, site, settings)`` → the items and the crawl of the spider of that code block.

    :param site: None for the site that the box after the code block starts.
    """

    def run(name, block, site=None, settings=None, *, changed=None):
        if site is None:
            site, source = boxed(name, block)
        else:
            source = code(page(name), block).replace(SITE, site.url).replace(SIMULATED, site.url)
        for old, new in (changed or {}).items():
            assert old in source, old
            source = source.replace(old, new)
        defined = module(source, tmp_path).values()
        spiders = [value for value in defined if isinstance(value, type) and issubclass(value, scrapy.Spider)]
        (spider,) = [spider for spider in spiders if spider.__module__.startswith("code_")]  # not those of Scrapy
        items = []

        class Keep:
            def process_item(self, item):
                items.append(item)
                return item

        crawled = crawl(spider, {**service.settings, "ITEM_PIPELINES": {Keep: 1}, **(settings or {})})
        assert crawled.bugs == []
        return items, crawled

    return run


@pytest.mark.parametrize(
    ("name", "block", "found"),
    [
        ("recipes/form", "form", [{"boats": ["Albatross 1", "Albatross 2"]}]),
        ("recipes/form", "form-json", [{"found": ["Thing 1", "Thing 2"]}]),
        ("recipes/login", "login", [{"user": "Ada"}, {"orders": "Orders of Ada"}]),
        ("recipes/submit", "submit", [{"title": "Catalogue, page 1 of 5"}]),
        ("recipes/by-hand", "by-hand", [{"name": "Thing 7"}]),
    ],
    ids=["a form", "a call with JSON", "a login", "the spider's own way", "by hand"],
)
def test_a_token_is_sent(run, service, monkeypatch, name, block, found):
    monkeypatch.setenv("SHOP_USER", "Ada")
    monkeypatch.setenv("SHOP_PASSWORD", "correct horse")
    items, crawled = run(name, block)
    assert items == found
    assert [job.used for job in service.jobs] == [True]
    assert len([line for line in crawled.said(logging.INFO) if line.startswith("Solving the reCAPTCHA at")]) == 1
    assert block != "login" or crawled.count("tokens/accepted") == 1


def test_the_spider_of_the_first_page_gets_all_things_for_one_job(run, walled, service):
    items, _ = run("index", "spider", walled("session"))
    assert [item["name"] for item in items] == [f"Thing {number}" for number in range(1, 51)]
    assert len(service.jobs) == 1


def test_a_callback_gets_a_token_for_a_key_that_it_knows(run, walled, service):
    site = walled()
    _, crawled = run("questions", "only-a-token", site, changed={"6L…": site.sitekey})
    assert len(service.jobs) == 1
    assert crawled.count("tokens/unknown") == 1


@pytest.mark.parametrize("refuse_every", [None, 4], ids=["accepts", "rejects"])
def test_a_search_form_is_read_page_after_page(run, walled, service, refuse_every):
    site = refuse_every and walled(refuse_every=refuse_every)
    items, crawled = run("recipes/search", "boats", site)
    assert sorted(item["boat"] for item in items) == BOATS
    assert len(service.jobs) == 3 + crawled.count("tokens/rejected")
    assert crawled.count("tokens/rejected") == 0 or refuse_every
    assert crawled.count("tokens/accepted") == 3


def for_boats(number):
    """Return what to change in a recipe that searches for three names."""
    return {
        'names = ["Albatross", "Bluebird", "Curlew"]': f"names = [f'Boat {{number}}' for number in range({number})]"
    }


def test_each_page_of_the_results_is_read_that_a_form_of_aspnet_leads_to(run, service):
    items, crawled = run("recipes/aspnet", "postback")
    assert sorted(item["boat"] for item in items) == BOATS
    assert len(service.jobs) == crawled.count("tokens/accepted") == 3
    assert crawled.said() == []


def test_a_crawl_spider_costs_one_job(run, service):
    items, _ = run("recipes/crawlspider", "items")
    assert sorted(item["price"] for item in items) == sorted(f"{number}.50" for number in range(1, 51))
    assert len(service.jobs) == 1


def test_the_errback_of_a_rule_gets_pages_that_stay_closed_and_their_links_are_not_followed(run, walled, service):
    items, crawled = run("recipes/crawlspider", "items", walled("per_page"), {"OMOCAPTCHA_MAX_JOBS": 1})
    failed = [line for line in crawled.said() if line.startswith("No page: ")]
    assert len(items) == 0
    assert len(failed) == 10
    assert len(service.jobs) == 1


@pytest.mark.parametrize(
    ("wall", "settings", "problems"),
    [
        ("session", {}, []),
        ("never", {}, ["shop: the site rejected 3 of 3 tokens"]),
        ("per_page", {"OMOCAPTCHA_MAX_COST": 0.0006}, ["shop: 1 challenges were not solved: max_cost"]),
    ],
)
def test_the_checks_tell_at_the_end_what_is_wrong(run, walled, tmp_path, wall, settings, problems):
    checks = module(code(page("recipes/watch"), "checks"), tmp_path)["CaptchaChecks"]
    told = module(code(page("recipes/watch"), "checks-settings"), tmp_path)["EXTENSIONS"]
    extensions = {checks: told["shop.checks.CaptchaChecks"]}
    _, crawled = run("quickstart", "quickstart-spider", walled(wall), {**settings, "EXTENSIONS": extensions})
    assert [line for line in crawled.said(logging.ERROR) if line.startswith("shop: ")] == problems


def test_each_cookiejar_costs_one_job(run, service):
    items, _ = run("recipes/sessions", "regions")
    assert len(items) == 3 * 5
    assert len(service.jobs) == 3


def test_two_proxies_cost_two_jobs(run, service):
    # A server that is asked for a whole address is as good as a proxy.
    items, crawled = run("recipes/proxies", "sticky")
    assert sorted(item["name"] for item in items) == [f"Thing {number}" for number in range(1, 9)]
    assert len(service.jobs) == crawled.count("tokens/accepted") == 2


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


@pytest.fixture
def browser_settings(chromium, omocaptcha_browser, tmp_path):
    """Return the settings of the page about JavaScript, with an offline Chromium."""
    told = module(code(page("recipes/javascript"), "javascript-settings"), tmp_path)
    told = {name: value for name, value in told.items() if name.isupper()}
    return {**omocaptcha_browser, **told, "PLAYWRIGHT_BROWSER_PROVIDER": SharedBrowser}


@pytest.mark.sockets
def test_the_box_about_rendered_pages_needs_no_other_settings(run, service, chromium):
    import_ = "import scrapy\n"
    offline = {
        import_: f"{import_}from scrapy_omocaptcha.testing import browser_settings\n",
        '    name = "rendered"\n': '    name = "rendered"\n    custom_settings = browser_settings()\n',
    }
    items, _ = run("recipes/javascript", "rendered", changed=offline)
    assert len(items) == 50
    assert len(service.jobs) == 1


@pytest.mark.sockets
def test_a_spider_goes_on_in_a_live_page(run, walled, service, browser_settings):
    # A page that was left open while its request waits would be in the way of the one that gets the token.
    settings = {**browser_settings, "PLAYWRIGHT_MAX_PAGES_PER_CONTEXT": 1}
    items, _ = run("recipes/javascript", "live-page", walled("callback_only"), settings)
    assert items == [{"title": "Catalogue, page 2 of 5"}]
    assert len(service.jobs) == 1


@pytest.mark.sockets
def test_the_errback_of_a_live_page_gets_one_that_it_can_close(run, walled, service, browser_settings):
    site = walled("never")
    items, _ = run("recipes/javascript", "live-page", site, {**browser_settings, "OMOCAPTCHA_MAX_ATTEMPTS": 1})
    assert items == [{"failed": f"{site.url}/catalogue/"}]
    assert [job.used for job in service.jobs] == [True]


@pytest.mark.sockets
@pytest.mark.parametrize(("number", "every", "rejected"), [(3, 3, 1), nightly(30, 5, 7)])
def test_a_spider_searches_by_a_form_that_a_script_builds(
    run, walled, service, browser_settings, number, every, rejected
):
    # More than there are pages at once: the same one could have each of its tokens refused.
    site = walled(refuse_every=every)
    # Each page that stayed open would keep its place.
    settings = {**browser_settings, "PLAYWRIGHT_MAX_PAGES_PER_CONTEXT": 4, "OMOCAPTCHA_MAX_ATTEMPTS": 5}
    items, crawled = run("recipes/live-pages", "register", site, settings, changed=for_boats(number))
    assert sorted(item["boats"][0] for item in items) == sorted(f"Boat {boat} 1" for boat in range(number))
    assert crawled.count("tokens/rejected") == site.rejected.total() == rejected
    assert crawled.count("tokens/accepted") == site.accepted == number
    assert len(service.jobs) == number + rejected


def test_an_errback_tells_why(run, walled):
    site = walled("never")
    items, _ = run("reference/errors", "errback", site)
    assert items == [{"closed": f"{site.url}/catalogue/", "reason": "attempts"}]


def test_a_spider_reads_from_the_flags_why_a_page_was_left_alone(run, walled):
    site = walled("session")
    items, _ = run("reference/reasons", "flags", site, {"OMOCAPTCHA_MAX_COST": 0.0001})
    assert items == [{"later": f"{site.url}/catalogue/"}]
    items, _ = run("reference/reasons", "flags", walled("session"))
    assert [item.keys() for item in items] == [{"title"}]
