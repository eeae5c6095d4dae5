"""However a spider names its first pages, they come through a wall for one job."""

import pytest
import scrapy

from tests.helpers.scrapy_versions import calls_no_start_requests, calls_start_requests


class Plain(scrapy.Spider):
    name = "plain"

    def __init__(self, first, **kwargs):
        super().__init__(**kwargs)
        self.first = first
        self.pages = []

    def parse(self, response):
        self.pages.append(response.url)


class ByAttribute(Plain):
    def __init__(self, first, **kwargs):
        super().__init__(first, **kwargs)
        self.start_urls = first


class ByStart(Plain):
    async def start(self):
        for url in self.first:
            yield scrapy.Request(url)


class ByBoth(ByStart):
    def start_requests(self):
        return map(scrapy.Request, self.first)


class ByStartRequests(Plain):
    def start_requests(self):
        return map(scrapy.Request, self.first)


@pytest.fixture
def urls(walled):
    site = walled("session", catalogue_pages=5)
    return [f"{site.url}/page/{number}" for number in range(1, 6)]


@pytest.mark.filterwarnings(
    "ignore:.* defines the deprecated start_requests:scrapy.exceptions.ScrapyDeprecationWarning"
)
@pytest.mark.parametrize(
    "spider", [ByAttribute, ByStart, ByBoth, pytest.param(ByStartRequests, marks=calls_start_requests)]
)
def test_each_page_comes_for_one_job(crawl, service, urls, spider):
    crawled = crawl(spider, service.settings, first=urls)
    assert sorted(crawled.pages) == urls
    assert len(service.jobs) == 1


@calls_no_start_requests
def test_a_spider_that_has_start_requests_only_ends_without_a_page_a_job_or_an_error(crawl, service, urls):
    crawled = crawl(ByStartRequests, service.settings, first=urls)
    assert (crawled.pages, crawled.said(), service.jobs) == ([], [], ())
