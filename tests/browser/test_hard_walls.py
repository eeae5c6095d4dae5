"""Whole crawls in a browser, of sites whose walls only a browser opens, or that are hard on one."""

import pytest

from tests.browser.crawling import BrowserSpider, methods
from tests.helpers.browser_walls import KINDS, BrowserSite, crash_renderer
from tests.helpers.nightly import nightly

OPENING = [
    *("get_response", "in_place", "late_widget", "late_key", "anonymous_callback"),
    *("promise", "promise_on_load", "popup", "throwing", "two_widgets", "disabled_button", "slow_callback"),
]
CLOSED = ["other_key_second", "foreign_post", "button_alone", "crash"]
"""Kinds that have tests of their own: with them, a crawl loses a page or a browser."""
ENDLESS = ["redirect_forever", "reload_forever"]


class HardSpider(BrowserSpider):
    """Does in a page what shows the challenge where it is not to be seen from the beginning."""

    def meta_of(self, url):
        kind = self.kinds[url.rpartition("/page")[0]]
        if kind == "late_key":
            return {"playwright_page_methods": methods(timeout=1500)}
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
        return dict(zip(kinds, running[-len(kinds) :], strict=True))

    yield start
    for site in running:
        site.stop()


def crawl_both_pages(browse, sites, **options):
    urls = [f"{site.url}/page/{number}" for site in sites.values() for number in (1, 2)]
    return browse(HardSpider, urls=urls, kinds={site.url: kind for kind, site in sites.items()}, **options)


def jobs(service, site):
    return [job for job in service.jobs if job.page.startswith(site.url)]


def test_each_kind_of_site_is_tested():
    assert {*OPENING, *ENDLESS, *CLOSED} == set(KINDS)


@pytest.mark.parametrize("part", [0, *map(nightly, (1, 2, 3))])
def test_a_wall_that_is_hard_on_a_browser_opens_for_one_job(browse, service, sites, part):
    hard = sites(*OPENING[part::4])
    crawled = crawl_both_pages(browse, hard)
    assert crawled.failures == []
    counts = {k: (len(jobs(service, site)), site.accepted, sum(site.rejected.values())) for k, site in hard.items()}
    assert counts == dict.fromkeys(hard, (1, 1, 0))
    assert len(crawled.pages) == 2 * len(hard)
    for page in crawled.pages:
        kind = crawled.spider.kinds[page.url.rpartition("/page")[0]]
        assert (kind, page.status, len(page.css(".item")) > 0) == (kind, 200, True)
        assert page.request is crawled.spider.sent[page.url]


def test_a_token_for_another_key_or_another_site_is_not_handed_in(browse, service, sites):
    other = sites("other_key_second", "foreign_post", "button_alone")
    urls = [f"{site.url}/page/1" for site in other.values()]
    crawled = browse(HardSpider, urls=urls, kinds={site.url: kind for kind, site in other.items()})
    site = other["other_key_second"]
    assert [page.status for page in crawled.pages if page.url.startswith(site.url)] == [200]
    assert (len(jobs(service, site)), site.accepted, site.rejected) == (2, 1, {})
    assert crawled.count("tokens/expired") == 1

    # The page wants to send its token to another site.
    site = other["foreign_post"]
    reasons = {error.challenge.url: error.reason for error in crawled.failures}
    # A button outside of any form is not read, so it is not pressed.
    alone = other["button_alone"]
    assert reasons == {f"{site.url}/page/1": "foreign_form", f"{alone.url}/page/1": "browser"}
    assert (len(jobs(service, alone)), alone.accepted, alone.rejected) == (1, 0, {})
    assert site.stolen == 0
    assert [job.verdicts for job in jobs(service, site)] == [()]
    assert (crawled.count("tokens/unknown"), crawled.count("tokens/accepted")) == (2, 1)


@pytest.mark.nightly
def test_a_page_that_never_comes_to_rest_after_its_token_is_asked_for_again(browse, service, sites):
    hard = sites(*ENDLESS)
    crawled = crawl_both_pages(browse, hard, page_fails=True)
    assert crawled.failures == []
    assert [page.status for page in crawled.pages] == [200] * 4
    assert all(page.css(".item") for page in crawled.pages)
    assert [(len(jobs(service, site)), site.accepted) for site in hard.values()] == [(1, 1)] * 2


def test_a_renderer_that_crashes_after_the_token_was_taken_costs_nothing_more(browse, service, sites):
    (site,) = sites("crash").values()
    # Scrapy-playwright gives the place of a page that crashes back, and gives it back once more when it is closed.
    crawled = browse(HardSpider, urls=[f"{site.url}/page/1"], kinds={site.url: "crash"}, taken=-1, page_fails=True)
    assert [page.status for page in crawled.pages] == [200]
    assert crawled.pages[0].css(".item")
    assert len(service.jobs) == 1
    assert site.accepted == 1
