"""scrapy-redis' RedisSpider beside a wall: when it reads the start URLs that come in while a token is waited for."""

import json
from urllib.parse import urlsplit

import pytest
from scrapy.exceptions import CloseSpider
from scrapy_redis.spiders import RedisSpider

from scrapy_omocaptcha.testing import OmoCaptchaService
from tests.helpers.docs import code, module, page

# It calls what Scrapy deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::scrapy.exceptions.ScrapyDeprecationWarning")

SOLVE_SECONDS = 60.0
FIRST, WALLED, LATE = "/free/1", "/page/1", "/contact"


class Solving:
    """A service whose jobs are done when a test says so."""

    def __init__(self):
        self.now = 0.0
        self.when_asked = lambda: None
        self.service = OmoCaptchaService(solve_seconds=SOLVE_SECONDS, clock=lambda: self.now, on_event=self._told)

    def _told(self, line):
        if "getJobResult" in line:
            self.when_asked()

    def done(self):
        self.now = SOLVE_SECONDS


@pytest.fixture
def solving():
    return Solving()


@pytest.fixture
def service(solving):
    with solving.service as service:
        yield service


@pytest.fixture
def came(crawl, service, solving, walled, redis, scrapy_redis):
    """``came(spider, solved_upon)`` → the paths of the pages, in the order in which they came.

    Of the start URLs one is behind a wall. ``LATE`` is a start URL that comes in when the job for that is under way,
    which is done upon the page of ``LATE``, or upon the first question of the service once nothing else is to be done.
    """
    # What is asked of the first while its wall is being solved waits with the rest.
    sites = {WALLED: walled("session"), FIRST: (other := walled("session")), LATE: other}

    def push(*paths):
        redis.client.rpush("shop:start_urls", *(json.dumps({"url": sites[path].url + path}) for path in paths))

    def came(spider, solved_upon):
        paths = []

        class Telling(spider):
            def parse(self, response):
                path = urlsplit(response.url).path
                paths.append(path)
                if path == LATE == solved_upon:
                    solving.done()
                if {WALLED, LATE} <= {*paths}:
                    raise CloseSpider("finished")
                if path in (WALLED, LATE):
                    return
                if not service.jobs:
                    # Any other page: until the job is under way.
                    yield response.follow(f"/free/{len(paths) + 1}")
                    return
                push(LATE)
                if solved_upon == "question":
                    # Scrapy sees whether the spider is idle upon this page's end, and so before the next question.
                    solving.when_asked = solving.done

        push(WALLED, FIRST)
        crawled = crawl(Telling, {**service.settings, **scrapy_redis})
        assert crawled.bugs == []
        return [path for path in paths if path in (WALLED, LATE)]

    return came


class Plain(RedisSpider):
    name = "shop"


@pytest.fixture
def reading_on(tmp_path):
    """The spider of the page on fleets, which reads new start URLs every few seconds; here it does more often."""
    spider = module(code(page("fleets"), "reading-on"), tmp_path)["ReadingOn"]
    return type("Soon", (spider,), {"read_every": 0.05})


def test_a_redis_spider_reads_no_start_urls_while_a_token_is_waited_for(came):
    assert came(Plain, "question") == [WALLED, LATE]


def test_a_redis_spider_that_reads_on_by_itself_gets_them_meanwhile(came, reading_on):
    # Were they not read, the job would never be done.
    assert came(reading_on, LATE) == [LATE, WALLED]
