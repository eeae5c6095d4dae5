"""Whole crawls in a browser, of sites whose walls only a browser opens, or that are hard on one."""

from __future__ import annotations

import pytest
from scrapy_playwright.page import PageMethod

from tests.browser.crawling import BrowserSpider, methods
from tests.helpers.browser_walls import KINDS, BrowserSite, crash_renderer
from tests.helpers.nightly import nightly

OPENING = [
    *("get_response", "button_alone", "in_place", "late_widget", "late_key", "behind_click", "anonymous_callback"),
    *("promise", "promise_on_load", "popup", "throwing", "two_widgets", "disabled_button", "slow_callback"),
]
ENDLESS = ["redirect_forever", "reload_forever"]


class HardSpider(BrowserSpider):
    """Does in a page what shows the challenge where it is not to be seen from the beginning."""

    def meta_of(self, url):
        kind = self.kinds[url.rpartition("/page")[0]]
        if kind == "late_key":
            return {"playwright_page_methods": methods(timeout=1500)}
        if kind == "behind_click":
            return {
                "playwright_page_methods": [PageMethod("click", "#more"), *methods("#details .stock", timeout=1500)]
            }
        return {"playwright_page_init_callback": crash_renderer} if kind == "crash" else {}


@pytest.fixture
def sites(service):
    """``sites("popup", "promise")`` → sites of these kinds."""
    running = []

    def start(*kinds):
        for kind in kinds:
            site = BrowserSite(service, kind, hosts=(f"127.0.0.{len(running) + 2}",))
            site.start()
            running.append(site)
        return dict(zip(kinds, running, strict=True))

    yield start
    for site in running:
        site.stop()


def crawl_both_pages(browse, sites, **options):
    urls = [f"{site.url}/page/{number}" for site in sites.values() for number in (1, 2)]
    return browse(HardSpider, urls=urls, kinds={site.url: kind for kind, site in sites.items()}, **options)


def jobs(service, site):
    return sum(job.page.startswith(site.url) for job in service.jobs)


def test_each_kind_of_site_is_tested():
    assert {*OPENING, *ENDLESS, "other_key_second", "foreign_post", "crash"} == set(KINDS)


@pytest.mark.parametrize("part", [nightly(0), nightly(1), nightly(2), 3])
def test_a_wall_that_is_hard_on_a_browser_opens_for_one_job(browse, service, sites, part):
    hard = sites(*OPENING[part::4])
    crawled = crawl_both_pages(browse, hard)
    assert crawled.failures == []
    counts = {kind: (jobs(service, site), site.accepted, sum(site.rejected.values())) for kind, site in hard.items()}
    assert counts == dict.fromkeys(hard, (1, 1, 0))
    for page in crawled.pages:
        kind = crawled.spider.kinds[page.url.rpartition("/page")[0]]
        selector = "#details .stock" if kind == "behind_click" else ".item"
        assert (kind, page.status, len(page.css(selector)) > 0) == (kind, 200, True)
        assert page.request is crawled.spider.sent[page.url]
    assert len(crawled.pages) == 2 * len(hard)


@pytest.mark.nightly
def test_a_page_that_never_comes_to_rest_after_its_token_is_asked_for_again(browse, service, sites):
    hard = sites(*ENDLESS)
    crawled = crawl_both_pages(browse, hard, page_fails=True)
    assert crawled.failures == []
    assert [page.status for page in crawled.pages] == [200] * 4
    assert all(page.css(".item") for page in crawled.pages)
    assert [(jobs(service, site), site.accepted) for site in hard.values()] == [(1, 1)] * 2


def test_a_token_for_a_key_that_the_page_does_not_show_any_more_is_not_handed_in(browse, service, sites):
    (site,) = sites("other_key_second").values()
    crawled = browse(HardSpider, urls=[f"{site.url}/page/1"], kinds={site.url: "other_key_second"})
    assert [page.status for page in crawled.pages] == [200]
    assert (len(service.jobs), site.accepted) == (2, 1)
    assert (crawled.count("tokens/expired"), crawled.count("tokens/accepted")) == (1, 1)
    assert site.rejected == {}


def test_a_token_that_a_page_wants_to_send_to_another_site_never_gets_there(browse, service, sites):
    (site,) = sites("foreign_post").values()
    crawled = browse(HardSpider, urls=[f"{site.url}/page/1"], kinds={site.url: "foreign_post"})
    assert [error.reason for error in crawled.failures] == ["foreign_form"]
    assert (len(service.jobs), site.stolen) == (1, 0)
    assert service.jobs[0].verdicts == ()
    assert (crawled.count("tokens/unknown"), crawled.count("tokens/accepted")) == (1, 0)


@pytest.mark.nightly
def test_a_renderer_that_crashes_after_the_token_was_taken_costs_nothing_more(browse, service, sites):
    (site,) = sites("crash").values()
    # Scrapy-playwright gives the place of a page that crashes back, and gives it back once more when it is closed.
    crawled = browse(HardSpider, urls=[f"{site.url}/page/1"], kinds={site.url: "crash"}, taken=-1, page_fails=True)
    assert [page.status for page in crawled.pages] == [200]
    assert crawled.pages[0].css(".item")
    assert (len(service.jobs), site.accepted) == (1, 1)
