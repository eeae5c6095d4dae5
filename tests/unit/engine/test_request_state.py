"""What is known of a request survives queues and redirects as Scrapy makes them, and sticks to no other request."""

import json
import marshal
import pickle
from dataclasses import replace
from types import SimpleNamespace

import pytest
from scrapy import Request, Spider
from scrapy.downloadermiddlewares.redirect import RedirectMiddleware
from scrapy.downloadermiddlewares.retry import get_retry_request
from scrapy.http import JsonRequest, Response
from scrapy.utils.request import request_from_dict
from scrapy.utils.test import get_crawler

from scrapy_omocaptcha.engine.mixins import DownloaderMixin, SchedulerMixin
from scrapy_omocaptcha.engine.request_state import STATE_KEY, RequestState, RequestStates
from scrapy_omocaptcha.walls import originals

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
    """A scheduler, as a project may have one. Its duplicate filter knows each address."""

    def __init__(self):
        self.requests = []
        self.df = SimpleNamespace(
            request_seen=lambda request: request.url in self.seen or self.seen.append(request.url)
        )
        self.seen = []

    def next_request(self):
        return self.requests.pop(0) if self.requests else None

    def enqueue_request(self, request):
        if not request.dont_filter and self.df.request_seen(request):
            return False
        self.requests.append(request)
        return True

    def close(self, reason):
        return reason


def pay_for(state, jobs=1):
    """Count useless jobs that were bought for a request."""
    state.useless_jobs += jobs
    state.is_paid_for |= jobs > 0


def new_states():
    states = RequestStates()
    states.queue = type("Derived", (SchedulerMixin, Queue), {"_omocaptcha_states": states})()
    return states


@pytest.fixture
def states():
    return new_states()


def spiders_request(spider, url=PAGE, make=Request, **values):
    calls = {"callback": spider.parse_page, "errback": spider.failed, "cb_kwargs": {"number": 7}}
    others = {"priority": 3, "flags": ["mine"], "headers": {"X-Own": "1"}}
    return make(url, **{**calls, **others, "meta": {"cookiejar": "a", "depth": 2, "mine": [1]}, **values})


def out_of_the_scheduler(states, request):
    states.queue.requests.append(request)
    assert states.queue.next_request() is request
    states.begin(request)
    return request


def write_original(states, request):
    state = states.peek(request)
    states.write(request, replace(state, original=originals.write(request, state.original)), must_pass=False)


def redirect(spider, states, request, location, status=302):
    """Return the request that Scrapy makes of a redirect that was written down."""
    write_original(states, request)
    middleware = RedirectMiddleware.from_crawler(spider.crawler)
    response = Response(request.url, status=status, headers={"Location": location}, request=request)
    redirected = middleware.process_response(request, response)
    assert isinstance(redirected, Request)
    return redirected


def redirected(spider, states, request, location, status=302):
    """Return the request that Scrapy makes of a redirect, as it comes out of the scheduler."""
    return out_of_the_scheduler(states, redirect(spider, states, request, location, status))


def original_of(states, request):
    return originals.rebuild(request, states.peek(request).original)


def essence(request):
    """Return what a request asks for, and for whom."""
    names = ("url", "method", "body", "cookies", "callback", "errback", "cb_kwargs", "flags", "priority", "dont_filter")
    return {name: getattr(request, name) for name in names} | {
        "headers": dict(request.headers),
        "class": type(request),
        "meta": dict(request.meta),
    }


MADE = {
    "a plain page": {},
    "a post with cookies": {"method": "POST", "body": b"\x00\xff", "cookies": {"s": "1"}},
    "cookies as a list": {"cookies": [{"name": "s", "value": "1", "domain": "shop.example"}]},
    "a wish": {"meta": {"omocaptcha": True, "depth": 1}},
    "a header that redirects take away": {"headers": {"Authorization": "Bearer x", "Content-Type": "text/x"}},
    "not to be cached, by the spider's own wish": {"meta": {"dont_cache": True}},
    "never a duplicate, by the spider's own wish": {"dont_filter": True},
    "a request of another class": {"make": JsonRequest, "data": {"q": 1}},
}


# -- the scheduler ---------------------------------------------------------------------------------------------------


def test_a_request_is_known_to_have_come_out_of_the_scheduler_or_not(spider, states):
    assert states.is_scheduled(out_of_the_scheduler(states, spiders_request(spider)))
    assert states.queue.next_request() is None
    sent_by_a_component = spiders_request(spider)
    states.begin(sent_by_a_component)
    assert not states.is_scheduled(sent_by_a_component)
    assert states.is_scheduled(out_of_the_scheduler(states, sent_by_a_component)), "the same object later"
    states.begin(sent_by_a_component)
    assert not states.is_scheduled(sent_by_a_component), "and once more, by a component again"
    assert not states.is_scheduled(spiders_request(spider)), "it did not even pass the engine"


class FetchingAnother:
    """A project's downloader that fetches another request in the place of the one it gets."""

    def __init__(self, crawler):
        self.another = None

    def fetch(self, request):
        return request if request is self.another else self.fetch(self.another)


def test_no_middleware_sees_the_state_in_the_meta_of_what_is_fetched_within_a_fetch(spider, states):
    downloader = type("Derived", (DownloaderMixin, FetchingAnother), {"_omocaptcha_states": states})(spider.crawler)
    downloader.another = spiders_request(spider)
    states.write(downloader.another, RequestState(useless_jobs=1), must_pass=False)
    assert downloader.fetch(spiders_request(spider)) is downloader.another
    assert STATE_KEY not in downloader.another.meta
    assert states.peek(downloader.another).useless_jobs == 1


def test_a_request_is_of_concern_once_more_is_known_of_it_than_that_somebody_awaits_it(spider, states):
    request = spiders_request(spider)
    seen = [states.has(request)]
    states.begin(request)
    seen.append(states.has(request))
    states.of(request).useless_jobs = 1
    assert [*seen, states.has(request)] == [False, False, True]


@pytest.mark.parametrize("dont_filter", [True, False])
@pytest.mark.parametrize("has_filter", [True, False], ids=["scrapy's", "one without a duplicate filter"])
def test_what_must_not_be_dropped_passes_the_filter_which_drops_others_and_nobody_sees_that(
    spider, states, has_filter, dont_filter
):
    if not has_filter:
        del states.queue.df
    states.queue.seen.append(PAGE)
    for url in (PAGE, GATE):
        request = spiders_request(spider, url=url, dont_filter=dont_filter)
        states.write(request, RequestState(), must_pass=True)
        assert states.queue.enqueue_request(request)
        assert request.dont_filter, "a scheduler may also filter what it gives out"
        assert states.take(request)
        assert request.dont_filter is dont_filter
    assert not has_filter or dont_filter or states.queue.seen == [PAGE, GATE]
    assert len(states.queue.requests) == 2


@pytest.mark.parametrize("dont_filter", [True, False])
def test_nobody_sees_that_a_request_has_passed_the_filter_when_it_comes_out_of_a_disk_queue(
    spider, states, dont_filter
):
    request = spiders_request(spider, dont_filter=dont_filter)
    states.write(request, RequestState(), must_pass=True)
    assert out_of_the_scheduler(states, request.replace(dont_filter=True)).dont_filter is dont_filter


# -- giving back -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", MADE)
def test_what_is_given_back_comes_out_of_the_scheduler_as_the_spider_made_it(spider, states, case):
    made = spiders_request(spider, **MADE[case])
    expected = essence(made)
    back = states.give_back(out_of_the_scheduler(states, made))
    states.queue.seen.append(back.url)
    assert states.queue.enqueue_request(back), "the duplicate filter has seen it"
    assert states.queue.next_request() is back
    assert essence(made) == expected, "nothing is added to the request itself"
    assert essence(out_of_the_scheduler(states, back)) == expected


@pytest.mark.parametrize(("reason", "number"), [("shutdown", 1), ("finished", 0)])
def test_requests_that_wait_are_scheduled_where_a_crawl_is_stopped(spider, states, reason, number):
    waiting = redirected(spider, states, out_of_the_scheduler(states, spiders_request(spider)), "/gate")
    states.collect_unfinished = lambda: [waiting]
    assert states.queue.close(reason) == reason
    resumed = [out_of_the_scheduler(new_states(), request) for request in states.queue.requests]
    assert [request.url for request in resumed] == [GATE] * number


@pytest.mark.parametrize("jobs", [0, 1])
@pytest.mark.parametrize("resumed", [False, True], ids=["in the same run", "when the crawl resumes"])
def test_what_is_known_of_a_request_stays_known_over_a_retry_of_scrapy(spider, states, resumed, jobs):
    request = redirected(spider, states, out_of_the_scheduler(states, spiders_request(spider)), "/gate")
    pay_for(states.of(request), jobs)
    states.keep_for_retry(request)
    retry = get_retry_request(request, spider=spider, reason="test")
    before = essence(retry)
    if resumed:
        states.queue.enqueue_request(retry)
        assert json.loads(json.dumps(retry.meta)) == retry.meta
        retry, states = request_from_dict(retry.to_dict(spider=spider), spider=spider), new_states()
    assert states.of(out_of_the_scheduler(states, retry)).useless_jobs == jobs
    assert original_of(states, retry).url == PAGE
    assert essence(retry) == before


def test_jobs_are_not_counted_for_another_request_of_the_same_address(spider, states):
    request = out_of_the_scheduler(states, spiders_request(spider))
    pay_for(states.of(request))
    states.keep_for_retry(request)
    assert states.of(out_of_the_scheduler(states, spiders_request(spider))).useless_jobs == 0


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


def test_what_is_given_back_is_not_taken_for_a_retry_that_the_duplicate_filter_could_drop(spider, states):
    request = out_of_the_scheduler(states, spiders_request(spider))
    pay_for(states.of(request))
    states.keep_for_retry(request)
    states.queue.seen.append(PAGE)
    back = states.give_back(spiders_request(spider, meta={"cookiejar": "a", "retry_times": 1}))
    assert states.queue.enqueue_request(back)


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


# -- redirects -------------------------------------------------------------------------------------------------------


def test_a_request_that_is_given_back_between_two_redirects_still_knows_what_was_asked_for(spider, states):
    request = redirected(spider, states, out_of_the_scheduler(states, spiders_request(spider)), "/gate")
    request = out_of_the_scheduler(states, states.give_back(request))
    assert request.url == GATE
    assert original_of(states, redirected(spider, states, request, "/other")).url == PAGE


def test_a_redirect_that_scrapy_has_not_followed_leaves_nothing_behind(spider, states):
    request = out_of_the_scheduler(states, spiders_request(spider))
    before = essence(request)
    write_original(states, request)
    states.not_redirected(request)
    assert essence(request) == before


# -- meta that is passed on ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["https://shop.example/other", GATE])
@pytest.mark.parametrize("redirect", ["none", "one", "one that nobody followed", "one, then one that nobody followed"])
def test_another_request_with_the_meta_of_the_first_starts_anew(spider, states, redirect, url):
    first = out_of_the_scheduler(states, spiders_request(spider))
    if redirect in ("one", "one, then one that nobody followed"):
        first = redirected(spider, states, first, "/gate")
    if redirect.endswith("followed"):
        # As with handle_httpstatus_list: the callback gets the redirect, and may copy its meta.
        write_original(states, first)
    pay_for(states.of(first))
    second = out_of_the_scheduler(states, Request(url, meta=first.meta))
    assert states.of(second) == RequestState()
    assert states.of(first).useless_jobs == 1, "the first is left as it was"
    assert original_of(states, redirected(spider, states, second, "/login")).url == url


# -- queues ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [pickle, marshal], ids=lambda module: module.__name__)
@pytest.mark.parametrize("way", ["redirected", "given back"])
def test_a_request_survives_the_queues_of_scrapy_with_what_is_known_of_it(spider, states, module, way):
    made = spiders_request(spider, method="POST", body=b"\xff", cookies={"s": "1"}, headers={"Referer": "https://a/"})
    expected = essence(made)
    request = out_of_the_scheduler(states, made)
    pay_for(states.of(request))
    request = redirect(spider, states, request, "/gate")
    if way == "given back":
        request = states.give_back(out_of_the_scheduler(states, request))
    text = module.loads(module.dumps(request.to_dict(spider=spider)))
    # Another process takes it out of the queue.
    states = new_states()
    loaded = request_from_dict(text, spider=spider)
    assert states.of(out_of_the_scheduler(states, loaded)).useless_jobs == 1
    assert essence(original_of(states, loaded)) == expected
