"""Crawls with scrapy-playwright's event loop in a thread of its own, as it has it on Windows."""

from __future__ import annotations

import pytest

from tests.helpers.browser_crawling import BrowserSpider, methods

THREADED = {"_PLAYWRIGHT_THREADED_LOOP": True}


class WithMethods(BrowserSpider):
    def meta_of(self, url):
        return {"playwright_page_methods": methods()}


class LeavesPageOpen(BrowserSpider):
    """Gets open pages, of which it can await nothing: they are of the other loop."""

    meta = {"playwright_include_page": True}  # noqa: RUF012

    async def page(self, response, asked=None):
        self.pages.append(response)
        self.live.append(response.meta["playwright_page"].url)


@pytest.mark.parametrize("wall", ["session", "callback_only"])
@pytest.mark.parametrize("spider", [BrowserSpider, WithMethods])
def test_a_wall_opens_for_one_job(browse, service, walled, spider, wall):
    site = walled(wall)
    crawled = browse(spider, THREADED, urls=[f"{site.url}/page/{number}" for number in (1, 2)])
    assert [page.status for page in crawled.pages] == [200, 200]
    assert len(service.jobs) == site.accepted == 1
    assert crawled.bugs == []


def test_the_pages_of_challenges_are_closed_where_the_spider_wants_open_ones(browse, service, walled):
    site = walled()
    crawled = browse(LeavesPageOpen, THREADED, urls=[f"{site.url}/page/{number}" for number in (1, 2)], left=2)
    assert [page.status for page in crawled.pages] == [200, 200]
    assert sorted(crawled.spider.live) == sorted(crawled.spider.urls)
    assert len(service.jobs) == 1
    assert crawled.bugs == []
