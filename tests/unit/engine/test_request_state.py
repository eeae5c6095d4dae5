"""What is known of a request goes on with its retry, and sticks to no other request."""

import pytest
from scrapy import Request, Spider
from scrapy.downloadermiddlewares.retry import get_retry_request
from scrapy.utils.test import get_crawler

from scrapy_omocaptcha.engine.mixins import SchedulerMixin
from scrapy_omocaptcha.engine.request_state import RequestStates

PAGE = "https://shop.example/catalogue?p=2"
GATE = "https://shop.example/gate"


class AskingSpider(Spider):
    name = "asking"

    def parse_page(self, response, number=None):
        """A callback."""

    def failed(self, failure):
        """An errback."""


@pytest.fixture
def spider():
    crawler = get_crawler(AskingSpider)
    crawler.spider = AskingSpider.from_crawler(crawler)
    return crawler.spider


class Queue:
    """A scheduler, as far as its requests come out of it."""

    def __init__(self):
        self.requests = []

    def next_request(self):
        return self.requests.pop(0)


def pay_for(state):
    """Count a useless job that was bought for a request."""
    state.useless_jobs += 1
    state.is_paid_for = True


@pytest.fixture
def states():
    states = RequestStates()
    states.queue = type("Derived", (SchedulerMixin, Queue), {"_omocaptcha_states": states})()
    return states


def spiders_request(spider, url=PAGE, **values):
    calls = {"callback": spider.parse_page, "errback": spider.failed, "cb_kwargs": {"number": 7}}
    others = {"priority": 3, "flags": ["mine"], "headers": {"X-Own": "1"}}
    return Request(url, **{**calls, **others, "meta": {"cookiejar": "a", "depth": 2, "mine": [1]}, **values})


def out_of_the_scheduler(states, request):
    states.queue.requests.append(request)
    assert states.queue.next_request() is request
    states.begin(request)
    return request


@pytest.mark.parametrize(
    "own",
    [
        {"meta": {"cookiejar": "b"}},
        {"body": b"other", "method": "POST"},
        {"cookies": {"user": "b"}},
        {"headers": {"Authorization": "Basic b"}},
        {"headers": {"Cookie": "user=b"}},
        {"method": "PUT"},
        {"meta": {"cookiejar": "a", "redirect_urls": [GATE]}},
    ],
    ids=["cookiejar", "body", "cookies", "authorization", "cookie", "method", "redirected"],
)
def test_what_is_known_of_a_request_is_not_taken_for_the_retry_of_anothers_session(spider, states, own):
    values = {"meta": {"cookiejar": "a"}, "cookies": {"user": "a"}, "body": b"a", "method": "POST"}
    mine, others = (
        out_of_the_scheduler(states, spiders_request(spider, **{**values, **changes})) for changes in ({}, own)
    )
    for number, request in enumerate((mine, others), start=1):
        states.of(request).is_through = True
        states.of(request).sent_at = number
        states.keep_for_retry(request)
    retries = [get_retry_request(request, spider=spider, reason="test") for request in (others, mine)]
    assert [states.of(out_of_the_scheduler(states, retry)).sent_at for retry in retries] == [2, 1]


def test_the_jobs_of_requests_that_are_not_retried_after_all_are_forgotten_in_the_end(spider, states):
    for number in range(1002):
        request = spiders_request(spider, f"{PAGE}&n={number}")
        pay_for(states.of(request))
        states.keep_for_retry(request)
    retries = [
        spiders_request(spider, f"{PAGE}&n={number}", meta={"cookiejar": "a", "retry_times": 1})
        for number in (0, 1, 2, 1001)
    ]
    assert [states.of(out_of_the_scheduler(states, retry)).useless_jobs for retry in retries] == [0, 0, 1, 1]
