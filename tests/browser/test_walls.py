"""Whole crawls in a browser: each wall that ships opens for as many jobs as over plain HTTP."""

import pytest

from scrapy_omocaptcha import find_challenge
from scrapy_omocaptcha.testing import WALLS, OmoCaptchaService, WalledSite
from tests.browser.crawling import BrowserSpider, Browsing, WithPage, methods
from tests.helpers.clock import Clock
from tests.helpers.crawling import reason_of
from tests.helpers.labelled_pages import LabelledSites, response
from tests.helpers.nightly import nightly

REFUSED = {"foreign_form": "foreign_form", "enterprise": "enterprise", "data_s": "unsolvable", "no_key": "unsolvable"}
OPENING = [wall for wall in WALLS if wall not in {*REFUSED, "never"}]
PAGES = {"rate": 4, "expiring": 4}
"""How many pages are asked for, where it is not two."""
JOBS = {"per_page": 2, "expiring": 2}
"""How many jobs that costs, where it is not one."""
PARTS = [slice(10, None, 60), *(nightly(slice(start, None, 15)) for start in range(15))]
"""Parts of the labelled pages."""


class WithBoth(BrowserSpider):
    def meta_of(self, url):
        return {"playwright_page_methods": dict(enumerate(methods())), "playwright_include_page": True}


class InTwoContexts(BrowserSpider):
    """Has a session in each of two contexts."""

    def meta_of(self, url):
        return {"playwright_context": "even" if int(url[-1]) % 2 == 0 else "odd"}


class InContextsOfTheirOwn(WithPage):
    """Closes the context of each page, as an example of scrapy-playwright does."""

    def meta_of(self, url):
        return {**self.meta, "playwright_context": url}

    async def page(self, response, asked=None):
        await super().page(response, asked)
        await response.meta["playwright_page"].context.close()


@pytest.fixture
def sites(walled):
    """``sites("session", "get")`` → sites of these walls."""
    return lambda *walls: {wall: walled(wall) for wall in walls}


def urls(sites):
    return [f"{site.url}/page/{number}" for wall, site in sites.items() for number in range(1, PAGES.get(wall, 2) + 1)]


def settings(sites):
    """Return the settings with which a site whose first pages are free gets its requests one by one."""
    return {"DOWNLOAD_SLOTS": {sites["rate"].hosts[0]: {"concurrency": 1}}} if "rate" in sites else {}


def jobs(service, sites):
    return {wall: sum(job.sitekey == site.sitekey for job in service.jobs) for wall, site in sites.items()}


def expected(sites):
    return {wall: JOBS.get(wall, 1) for wall in sites}


def shown(crawled):
    """Return the pages that reached the callback, in order."""
    return sorted(page.url for page in crawled.pages)


@pytest.mark.parametrize("part", [0, *map(nightly, range(1, 5))])
def test_each_wall_opens_in_a_browser_for_as_many_jobs_as_over_plain_http(browse, service, sites, part):
    opening = sites(*OPENING[part::5])
    crawled = browse(BrowserSpider, settings(opening), urls=urls(opening))
    assert crawled.failures == []
    assert shown(crawled) == sorted(urls(opening))
    for page in crawled.pages:
        assert page.status == 200
        assert page.css(".item")
        assert page.request is crawled.spider.sent[page.url]
        assert page.cb_kwargs == {"asked": page.url}
        assert "playwright" in page.flags
        assert "playwright_page_methods" not in page.meta
    assert jobs(service, opening) == expected(opening)
    assert {wall: site.accepted for wall, site in opening.items()} == expected(opening)
    assert {page.url.rpartition("/page")[0] for page in crawled.pages if "omocaptcha" in page.flags} == {
        site.url for site in opening.values()
    }
    assert crawled.count("tokens/accepted") == len(service.jobs)


def test_walls_that_stay_closed_over_plain_http_are_refused_for_the_same_reason_without_a_job(browse, service, sites):
    closed = sites(*REFUSED)

    class NotesPages(WithPage):
        async def failed(self, failure):
            are_closed.append(failure.request.meta["playwright_page"].is_closed())
            await super().failed(failure)

    are_closed = []
    crawled = browse(NotesPages, urls=[f"{site.url}/page/1" for site in closed.values()])
    assert crawled.pages == []
    assert are_closed == [False] * len(closed), "the page of a challenge that is left alone is the spider's"
    reasons = {error.response.url: reason_of(error) for error in crawled.failures}
    assert reasons == {f"{site.url}/page/1": REFUSED[wall] for wall, site in closed.items()}
    assert service.calls == ()


def test_page_methods_are_called_in_a_challenge_that_is_left_alone_as_without_the_add_on(browse, service, sites):
    closed = sites("session")

    class Reads(WithPage):
        handle_httpstatus_list = (403,)

        def meta_of(self, url):
            return {**self.meta, "playwright_page_methods": methods("form", timeout=2_000)}

    crawled = browse(Reads, {"OMOCAPTCHA_ALLOWED_DOMAINS": "other.example"}, urls=[f"{closed['session'].url}/page/1"])
    (page,) = crawled.pages
    assert page.flags[-1] == "omocaptcha:offsite"
    assert page.meta["playwright_page_methods"][1].result == page.css("title::text").get()
    assert (len(crawled.spider.live), service.calls) == (1, ())


# What the spider wants of its page


def test_the_spider_gets_what_its_page_methods_return_and_an_open_page(browse, service, sites):
    opening = sites("redirect", "callback_only")
    crawled = browse(WithBoth, urls=urls(opening))
    assert crawled.failures == []
    assert shown(crawled) == sorted(urls(opening))
    assert jobs(service, opening) == expected(opening)
    for page in crawled.pages:
        title = f"Catalogue, page {page.url[-1]} of 5"
        assert (page.status, page.css("title::text").get()) == (200, title)
        assert page.request is crawled.spider.sent[page.url]
        asked = page.meta["playwright_page_methods"]
        assert type(asked) is dict
        assert [method.result for method in asked.values()][1:] == [title]
    assert sorted(crawled.spider.live) == sorted((page.url, page.css("title::text").get()) for page in crawled.pages)


def test_who_waits_for_a_token_takes_no_page_of_the_browser(chromium, crawl):
    clock = Clock()

    class Waits(WithPage):
        """Lets the job end once the free page is there, for which there is no place beside an open page."""

        async def page(self, response, asked=None):
            await super().page(response)
            clock.now += 10

    with OmoCaptchaService(clock=clock, solve_seconds=5) as service, WalledSite(service) as site:
        free = f"{site.url}/free/1"
        settings = {"PLAYWRIGHT_MAX_PAGES_PER_CONTEXT": 1}
        crawled = Browsing(crawl, service)(Waits, settings, urls=[f"{site.url}/page/1", free])
    assert {page.url for page in crawled.pages} == {f"{site.url}/page/1", free}
    assert crawled.pages[0].url == free
    assert len(service.jobs) == 1


def test_held_requests_do_not_wait_for_contexts_that_they_keep_themselves(chromium, crawl):
    with OmoCaptchaService(solve_seconds=0.1) as service, WalledSite(service, catalogue_pages=4) as site:
        urls = [f"{site.url}/page/{number}" for number in range(1, 5)]
        settings = {"PLAYWRIGHT_MAX_CONTEXTS": 2, "CONCURRENT_REQUESTS": 2, "CLOSESPIDER_TIMEOUT": 60}
        crawled = Browsing(crawl, service)(InContextsOfTheirOwn, settings, urls=urls)
    assert sorted(page.url for page in crawled.pages) == urls
    assert len(service.jobs) == 4
    assert site.accepted == 4


def test_each_context_is_a_session_of_its_own(chromium, crawl):
    clock, created = Clock(), []

    def on_event(line):
        # Neither of the two jobs ends before both are there: no session waits for the other.
        created.extend(["job"] * ("createJob" in line))
        if len(created) == 2:
            clock.now += 10

    with (
        OmoCaptchaService(clock=clock, solve_seconds=5, on_event=on_event) as service,
        WalledSite(service, catalogue_pages=4) as site,
    ):
        urls = [f"{site.url}/page/{number}" for number in range(1, 5)]
        crawled = Browsing(crawl, service)(InTwoContexts, urls=urls)
    assert sorted(page.url for page in crawled.pages) == urls
    assert len(service.jobs) == 2
    assert site.accepted == 2
    assert crawled.stats["playwright/context_count"] == 2


# Pages that are none


@pytest.mark.parametrize("part", PARTS)
def test_a_browser_sends_no_form_that_may_do_something_and_buys_nothing_for_it(browse, service, part):
    with LabelledSites("action", "doubtful", part=part) as site:
        crawled = browse(BrowserSpider, {"HTTPERROR_ALLOW_ALL": True}, urls=site.move_here())
        assert len(crawled.pages) == len(site.pages)
        assert (site.submissions, service.calls) == ([], ())


@pytest.mark.parametrize("part", PARTS)
def test_a_browser_gets_the_pages_behind_walls(browse, service, part):
    with LabelledSites("wall", part=part) as site:
        settings = {"HTTPERROR_ALLOW_ALL": True, "OMOCAPTCHA_MAX_JOBS_PER_HOST": 100}
        crawled = browse(BrowserSpider, settings, urls=site.move_here())
        behind = [page for page in crawled.pages if page.css("title::text").get() == "behind"]
        # What the judgement misses is told by its own test.
        found = [find_challenge(response({**each, "url": url})) for url, each in site.pages.items()]
        walls = [each for each in found if each is not None and each.blocking and not each.scripted]
        # Some forms post to another host of their site. What else a script sends, this site need not know.
        assert len(behind) >= len(walls) * 0.6 > 0
        attempts = 3 * (sum(each is not None and each.blocking for each in found) - len(behind))
        assert len(behind) <= len(site.submissions) <= len(behind) + attempts
