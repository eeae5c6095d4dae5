"""Whole crawls that want many tokens at once: how many calls the service gets, and what closing makes of them."""

from __future__ import annotations

import asyncio

import pytest
import scrapy
from scrapy.utils.asyncio import sleep

from scrapy_omocaptcha import Challenge, solve
from scrapy_omocaptcha.buying.account import CALLS_AT_ONCE
from scrapy_omocaptcha.buying.window import FIRST_CALLS
from scrapy_omocaptcha.testing import OmoCaptchaService
from tests.helpers.crawling import RecordingSpider
from tests.helpers.simultaneous import SimultaneousService
from tests.helpers.sites import Site, page

CROWD = CALLS_AT_ONCE + 40
MANY = {"OMOCAPTCHA_CONCURRENT_JOBS": 100_000, "OMOCAPTCHA_MAX_COST": 0}
WIDE = {"CONCURRENT_REQUESTS": CROWD, "CONCURRENT_REQUESTS_PER_DOMAIN": CROWD, "ROBOTSTXT_OBEY": False}
CHALLENGE = Challenge("https://shop.example/gate", "6LtestOnly" + "a" * 30)
UNPROVEN = {"OMOCAPTCHA_BREAKER_FAILURES": CROWD}
"""As many tokens may be under way for a site that has accepted none yet."""


class Buyer(scrapy.Spider):
    """Buys a crowd of tokens at once."""

    name = "buyer"

    async def start(self):
        buying = [solve(CHALLENGE, crawler=self.crawler) for _ in range(CROWD)]
        self.tokens = await asyncio.gather(*buying)
        for request in ():
            yield request


class Closing(RecordingSpider):
    """Has a crowd of requests want tokens, and closes once no further call comes before an answer."""

    async def start(self):
        wish = {"sitekey": CHALLENGE.sitekey, "page": self.site.origin, "put": "header:X-Token"}
        for _ in range(CROWD):
            yield scrapy.Request(self.site.origin, errback=self.failed, meta={"omocaptcha": wish}, dont_filter=True)
        while len(self.service.calls) < FIRST_CALLS:
            await sleep(0.01)
        await self.crawler.engine.close_spider_async(reason="enough")


@pytest.mark.sockets
def test_a_crowd_of_jobs_opens_a_bounded_number_of_connections_and_each_gets_its_token(crawl):
    with SimultaneousService(CALLS_AT_ONCE, "/getJobResult") as service:
        left = crawl(Buyer, {**service.settings, **MANY})
        # On a busy machine a connection may be closed as unused and opened again.
        assert service.max_open == CALLS_AT_ONCE
        assert len({token.value for token in left.spider.tokens}) == len(service.jobs) == CROWD
    assert left.bugs == []


def test_a_crawl_that_closes_counts_the_calls_that_were_on_their_way_as_bought_and_no_others(crawl):
    with OmoCaptchaService(api_version=2) as service, Site(lambda request, form: page()) as site:
        service.fault("createTask", "hang", times=CROWD)
        # A call that timed out would make room for another one.
        settings = {**service.settings, **MANY, **WIDE, **UNPROVEN, "OMOCAPTCHA_API_TIMEOUT": 60}
        left = crawl(Closing, settings, service=service, site=site)
        assert len(service.calls) == FIRST_CALLS
    assert left.count("jobs/created") == left.count("api/calls") == FIRST_CALLS
    assert left.stats["scheduler/enqueued"] == 2 * CROWD, "each is there on resume"
    assert left.bugs == []
