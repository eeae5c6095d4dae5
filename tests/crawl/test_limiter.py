"""Whole crawls that want many tokens at once: how many calls the service gets."""

import asyncio

import pytest
import scrapy

from scrapy_omocaptcha import Challenge, solve
from scrapy_omocaptcha.buying.account import CALLS_AT_ONCE
from tests.helpers.simultaneous import SimultaneousService

CROWD = CALLS_AT_ONCE + 40
MANY = {"OMOCAPTCHA_CONCURRENT_JOBS": 100_000, "OMOCAPTCHA_MAX_COST": 0}
CHALLENGE = Challenge("https://shop.example/gate", "6LtestOnly" + "a" * 30)


class Buyer(scrapy.Spider):
    """Buys a crowd of tokens at once."""

    name = "buyer"

    async def start(self):
        buying = [solve(CHALLENGE, crawler=self.crawler) for _ in range(CROWD)]
        self.tokens = await asyncio.gather(*buying)
        for request in ():
            yield request


@pytest.mark.sockets
def test_a_crowd_of_jobs_opens_a_bounded_number_of_connections_and_each_gets_its_token(crawl):
    with SimultaneousService(CALLS_AT_ONCE, "/getJobResult") as service:
        left = crawl(Buyer, {**service.settings, **MANY})
        # On a busy machine a connection may be closed as unused and opened again.
        assert service.max_open == CALLS_AT_ONCE
        assert len({token.value for token in left.spider.tokens}) == len(service.jobs) == CROWD
    assert left.bugs == []
