"""Calls to the service take turns: how many there are at once, who goes first, and what one that waits is worth."""

from __future__ import annotations

import asyncio

import pytest
import scrapy
from scrapy.utils.asyncio import sleep
from twisted.internet.defer import Deferred

from scrapy_omocaptcha import Challenge, solve
from scrapy_omocaptcha.buying.account import CALLS_AT_ONCE
from scrapy_omocaptcha.buying.limiter import Turns
from scrapy_omocaptcha.errors import CrawlClosing
from scrapy_omocaptcha.testing import OmoCaptchaService
from tests.helpers.crawling import RecordingSpider
from tests.helpers.crowded import Crowded
from tests.unit.buying.test_solver import Bench

MORE = 40
CROWD = CALLS_AT_ONCE + MORE
MANY = {"CONCURRENT_JOBS": 100_000, "MAX_COST": 0}
WIDE = {"CONCURRENT_REQUESTS": CROWD, "CONCURRENT_REQUESTS_PER_DOMAIN": CROWD, "ROBOTSTXT_OBEY": False}
CHALLENGE = Challenge("https://shop.example/gate", "6LtestOnly" + "a" * 30)
WISH = {"sitekey": CHALLENGE.sitekey, "page": CHALLENGE.url, "put": "header:X-Token"}


class Buyer(scrapy.Spider):
    """Buys a crowd of tokens at once."""

    name = "buyer"

    async def start(self):
        buying = [solve(CHALLENGE, crawler=self.crawler) for _ in range(CROWD)]
        self.tokens = await asyncio.gather(*buying)
        for request in ():
            yield request


class Closing(RecordingSpider):
    """Has a crowd of requests want tokens, and closes when the service has all the calls that it gets."""

    async def start(self):
        for url in self.urls:
            yield scrapy.Request(url, errback=self.failed, meta={"omocaptcha": WISH}, dont_filter=True)
        while len(self.service.calls) < CALLS_AT_ONCE:
            await sleep(0.01)
        await self.crawler.engine.close_spider_async(reason="enough")


def settings(service):
    return {**service.settings, **{f"OMOCAPTCHA_{name}": value for name, value in MANY.items()}}


# -- in a crawl -----------------------------------------------------------------------------------------------------


def test_a_crowd_of_jobs_opens_a_bounded_number_of_connections_and_each_gets_its_token(crawl):
    with Crowded(CALLS_AT_ONCE) as service:
        left = crawl(Buyer, settings(service))
        assert len(service.connections) == CALLS_AT_ONCE
        assert len({token.value for token in left.spider.tokens}) == len(service.jobs) == CROWD
    assert left.bugs == []


def test_a_crawl_that_closes_counts_the_calls_that_were_on_their_way_as_bought_and_no_others(crawl):
    with OmoCaptchaService(api_version=2) as service:
        service.fault("createTask", "hang", times=CROWD)
        left = crawl(Closing, {**settings(service), **WIDE}, service=service, urls=[CHALLENGE.url] * CROWD)
        assert len(service.calls) == CALLS_AT_ONCE
    assert left.count("jobs/created") == left.count("api/calls") == CALLS_AT_ONCE
    assert left.stats["scheduler/enqueued"] == 2 * CROWD, "each is there on resume"
    assert left.bugs == []


# -- who waits ------------------------------------------------------------------------------------------------------


def test_a_call_that_waits_for_its_turn_has_not_begun_so_that_no_time_out_of_it_runs():
    answers = [Deferred() for _ in range(CROWD)]
    bench = Bench(settings=MANY, create_job=list(answers))
    for _ in range(CROWD):
        bench.start()
    assert len(bench.api.calls) == bench.stat("api/calls") == CALLS_AT_ONCE
    answers[0].callback("first")
    assert len(bench.api.calls) == CALLS_AT_ONCE + 1


def test_a_job_is_bought_ahead_of_the_questions_that_wait():
    questions = [Deferred() for _ in range(CROWD)]
    bench = Bench(settings=MANY, create_job=["some job"], job_result=list(questions))
    for _ in range(CROWD):
        bench.start()
    bench.run(5)
    assert len(bench.api.times("job_result")) == CALLS_AT_ONCE
    bench.start()
    assert len(bench.api.times("create_job")) == CROWD
    questions[0].callback("token")
    assert len(bench.api.times("create_job")) == CROWD + 1


def test_when_the_crawl_closes_thousands_may_be_waiting():
    bench = Bench(settings=MANY, create_job=[Deferred() for _ in range(CALLS_AT_ONCE)])
    ends = [bench.start() for _ in range(5_000)]
    bench.engine.close()
    assert all(end.check(CrawlClosing) for (end,) in ends)
    assert bench.limits.jobs == len(bench.ledger.entries) == bench.stat("jobs/created") == CALLS_AT_ONCE


# -- turns ----------------------------------------------------------------------------------------------------------


def test_turns_come_first_come_first_served_and_those_ahead_come_before_the_others():
    turns, came = Turns(1), []
    with turns.turn() as first:
        assert first.called
        waiting = [turns.turn(ahead=ahead) for ahead in (False, True, False, True)]
        for number, turn in enumerate(waiting):
            turn.__enter__().addCallback(lambda _, number=number: came.append(number))
        assert came == []
    for number in (1, 3, 0, 2):
        assert came[-1] == number
        waiting[number].__exit__(None, None, None)


@pytest.mark.parametrize("cancelled", [False, True])
def test_who_leaves_before_the_turn_has_come_takes_none(cancelled):
    turns = Turns(1)
    with turns.turn():
        with turns.turn() as left:
            if cancelled:
                left.addErrback(lambda _: None)
                left.cancel()
        last = turns.turn()
        come = last.__enter__()
    assert come.called
    last.__exit__(None, None, None)


def test_who_leaves_at_the_moment_at_which_the_turn_comes_hands_it_on():
    turns = Turns(1)
    with turns.turn():
        leaving, last = turns.turn(), turns.turn()
        leaving.__enter__().addCallback(lambda _: leaving.__exit__(None, None, None))
        come = last.__enter__()
    assert come.called
