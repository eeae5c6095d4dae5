"""The names that engine/ uses and Scrapy does not promise, inside real crawls; those of the chain are in test_chain.

Where a test fails after an update of Scrapy, engine/ has to be adapted before anything else.
"""

import warnings
from types import SimpleNamespace

import pytest
import scrapy
from scrapy import signals, version_info
from scrapy.core.downloader import Downloader
from scrapy.core.scheduler import Scheduler
from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.downloadermiddlewares.httpproxy import HttpProxyMiddleware
from scrapy.utils.defer import maybe_deferred_to_future

from scrapy_omocaptcha.engine.components import proxy_of
from scrapy_omocaptcha.engine.private_names import AUTH_PROXY, SCHEME_PROXY
from tests.helpers.components import hears
from tests.helpers.crawling import RecordingSpider
from tests.helpers.probing import (
    Inner,
    begin,
    chain,
    download,
    downloader,
    in_a_crawl,
    lifetime,
    slots,
    until,
)


@in_a_crawl()
async def test_the_engines_slot_is_closing_as_soon_as_the_spider_is_to_be_closed(spider, walled):
    site = walled(free_delay=0.2)
    engine = spider.crawler.engine
    under_way = download(spider, f"{site.url}/free/1")
    await until(lambda: downloader(spider).active)
    before = engine._slot.closing
    begin(engine.close_spider_async(reason="enough"))
    await until(lambda: lifetime(spider).closing)
    assert not under_way.called
    assert engine.running
    assert before is None
    assert engine._slot.closing is not None


def test_the_engine_is_starting_before_it_says_that_it_has_started_and_no_longer_when_it_is_stopped(crawl):
    seen = []

    @hears(started=signals.engine_started)
    class Watching(RecordingSpider):
        def started(self):
            seen.append((self.crawler.engine._starting, self.crawler.engine.running))

    crawled = crawl(Watching)
    assert seen == [(True, False)]
    assert not crawled.spider.crawler.engine._starting


def test_the_engine_asks_its_scheduler_which_drops_what_its_duplicate_filter_was_asked_about(during):
    enqueued = []

    class Noting(Scheduler):
        def enqueue_request(self, request):
            enqueued.append(super().enqueue_request(request))
            return enqueued[-1]

    async def probe(spider):
        request = scrapy.Request("http://127.0.0.1/")
        assert not spider.crawler.engine._slot.scheduler.df.request_seen(request)
        spider.crawler.engine.crawl(request)

    during(probe, {"SCHEDULER": Noting})
    assert enqueued == [False]


@in_a_crawl()
async def test_nextcall_has_the_engine_ask_its_scheduler_at_once(spider, walled):
    site = walled()
    # In two halves: it takes far less than the engine's heartbeat of 5 s, and far more than the other page.
    site.fault("/free/1", "slow", seconds=1.0)
    engine = spider.crawler.engine
    slow = download(spider, f"{site.url}/free/1")
    await until(lambda: downloader(spider).active)
    engine._slot.scheduler.enqueue_request(scrapy.Request(f"{site.url}/free/2", callback=spider.page))
    engine._slot.nextcall.schedule()
    await until(lambda: spider.pages or slow.called)
    assert (slow.called, [page.url for page in spider.pages]) == (False, [f"{site.url}/free/2"])


@in_a_crawl()
async def test_get_slot_gives_the_slot_that_a_request_will_be_sent_through(spider, walled):
    site = walled()
    request = scrapy.Request(f"{site.url}/free/1")
    key, slot = downloader(spider)._get_slot(request)
    assert downloader(spider).slots == {key: slot}
    through = []
    spider.crawler.signals.connect(
        lambda request: through.append(request in slot.active), signals.request_reached_downloader, weak=False
    )
    await spider.crawler.engine.download_async(request)
    assert downloader(spider)._get_slot(request) == (key, slot)
    assert slot.active == set()
    assert through == [True]


@in_a_crawl(DOWNLOAD_SLOTS={"127.0.0.2": {"concurrency": 3, "delay": 0.5, "jitter": 0.25}})
async def test_a_slot_tells_how_many_requests_its_site_is_sent_at_once_and_its_delay(spider):
    slot = slots(spider).order.slot(request := scrapy.Request("http://127.0.0.2/"))
    assert slot.concurrency == 3
    assert slot.delay == 0.5
    # There is no jitter before Scrapy 2.19.
    assert slots(spider).delay(request) == 0.5 * (1 + (0.25 if version_info >= (2, 19) else 0.5))


@in_a_crawl()
async def test_the_cookies_middleware_keeps_a_jar_for_each_cookiejar_and_sends_what_is_in_it(spider, walled):
    site = walled()

    async def download_in(jar, spider):
        meta = {"cookiejar": jar, "omocaptcha": False}
        await maybe_deferred_to_future(download(spider, f"{site.url}/page/1", meta=meta))

    jars = spider.crawler.get_downloader_middleware(CookiesMiddleware).jars
    await download_in("a", spider)
    (cookie,) = jars["a"]
    assert jars["a"]._cookies == {cookie.domain: {cookie.path: {cookie.name: cookie}}}
    assert list(jars["b"]) == []
    jars["b"].set_cookie(cookie)
    await download_in("b", spider)
    assert [visit.cookies for visit in site.requests] == [{}, {"session": cookie.value}]


@in_a_crawl()
async def test_the_handlers_send_a_request_behind_all_middlewares_and_their_answer_is_seen_before_any(spider, walled):
    site = walled()
    told = []
    download = downloader(spider).handlers.download_request_async

    async def downloading(request):
        told.append(request.headers.get("Cookie"))
        request.headers["Cookie"] = "a=1; b=2"
        response = await download(request)
        told.append("Set-Cookie" in response.headers and [cookie.name for cookie in jars[None]])
        return response.replace(url=response.url.replace("q=1", "q=2"))

    jars = spider.crawler.get_downloader_middleware(CookiesMiddleware).jars
    downloader(spider).handlers = SimpleNamespace(download_request_async=downloading)
    request = scrapy.Request(f"{site.url}/page/1?q=1", cookies={"a": "1"}, meta={"omocaptcha": False})
    response = await spider.crawler.engine.download_async(request)
    assert told == [b"a=1", ["a"]]
    assert site.requests[0].cookies == {"a": "1", "b": "2"}
    assert response.url == f"{site.url}/page/1?q=2"


# -- the downloader and its middlewares ------------------------------------------------------------------------------


def test_the_engine_asks_the_downloader_takes_a_request_out_of_the_scheduler_and_begins_with_it(during, walled):
    site = walled()
    told = []

    class Asked(Downloader):
        def needs_backout(self):
            told.append("asked")
            return super().needs_backout()

        def fetch(self, request):
            told.append(("begun", request))
            return super().fetch(request)

    class Taking(Scheduler):
        def next_request(self):
            request = super().next_request()
            told.append(("taken", request))
            return request

    async def probe(spider):
        spider.crawler.signals.connect(lambda: told.append("done"), signals.response_received, weak=False)
        awaited = scrapy.Request(f"{site.url}/free/1")
        await spider.crawler.engine.download_async(awaited)
        for number in (2, 3, 4):
            spider.crawler.engine.crawl(scrapy.Request(f"{site.url}/free/{number}", callback=spider.page))
        await until(lambda: len(spider.pages) == 3)
        assert told.count(("begun", awaited)) == 1
        assert ("taken", awaited) not in told
        for page in spider.pages:
            taken = told.index(("taken", page.request))
            assert (told[taken - 1], told[taken + 1]) == ("asked", ("begun", page.request))
        assert "asked" in told[len(told) - told[::-1].index("done") :]

    during(probe, {"CONCURRENT_REQUESTS": 1, "DOWNLOADER": Asked, "SCHEDULER": Taking})


def test_a_request_is_active_until_its_response_has_passed_all_middlewares(during, walled):
    site = walled()
    seen = []

    class Outermost:
        def process_request(self, request):
            seen.append(request in self.active)

        def process_response(self, request, response):
            seen.append(request in self.active)
            return response

    async def probe(spider):
        request = scrapy.Request(f"{site.url}/free/1")
        Outermost.active = downloader(spider).active
        await spider.crawler.engine.download_async(request)
        return request in downloader(spider).active

    assert during(probe, {"DOWNLOADER_MIDDLEWARES": {Outermost: 1}}) is False
    assert seen == [True, True]


def test_enqueue_request_sends_a_request_through_its_slot_and_no_middleware(during, walled):
    site = walled()
    passed = []

    class Inner:
        def process_request(self, request):
            passed.append(request)

    async def probe(spider):
        request = scrapy.Request(f"{site.url}/free/1", cookies={"a": "1"})
        slot, queued = slots(spider).order.slot(request), []

        def reached(request):
            # The signal comes just before the request is queued, in the same turn of the event loop.
            queued.append((request in slot.active, [entry[0] for entry in slot.queue]))

        spider.crawler.signals.connect(reached, signals.request_reached_downloader)
        response = await downloader(spider)._enqueue_request(request)
        assert queued == [(True, [])]
        assert request not in slot.active
        assert request.meta["download_slot"] == "127.0.0.2"
        return response.status, len(downloader(spider).active)

    assert during(probe, {"DOWNLOADER_MIDDLEWARES": {Inner: 999}}) == (200, 0)
    assert passed == []
    assert [visit.cookies for visit in site.requests] == [{}]


class Old:
    """A middleware of the times when methods had a parameter ``spider``."""

    def process_exception(self, request, exception, spider):
        return scrapy.http.Response(request.url, headers={"Spider": spider.name})


@pytest.mark.filterwarnings("ignore:.*spider.*:scrapy.exceptions.ScrapyDeprecationWarning")
@in_a_crawl()
async def test_a_manager_calls_the_methods_of_its_objects_with_the_spider_where_they_want_one(spider, calls):
    manager = type(downloader(spider).middleware)(Old(), Inner(), crawler=spider.crawler)
    request = scrapy.Request("http://127.0.0.1/")

    async def fails(request):
        raise ValueError

    answer = await manager.download_async(fails, request)
    assert answer.headers["Spider"] == b"recording"
    assert calls == [("Inner", "request", request), ("Inner", "exception", request), ("Inner", "response", request)]


@pytest.mark.filterwarnings("ignore:.*spider.*:scrapy.exceptions.ScrapyDeprecationWarning")
@in_a_crawl(DOWNLOADER_MIDDLEWARES={Old: 700})
async def test_the_inner_chain_does_not_repeat_scrapys_warning_of_an_old_method(spider, walled):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await chain(spider).send(scrapy.Request(f"{walled().url}/free/1"))


@pytest.mark.parametrize(
    ("environment", "proxy", "key"),
    [
        ({}, "http://user:pass%40word@127.0.0.9:1", AUTH_PROXY),
        ({}, "http://us%40er:@127.0.0.9:1/", AUTH_PROXY),
        ({"http_proxy": "http://127.0.0.9:1"}, None, SCHEME_PROXY),
    ],
)
def test_http_proxy_writes_down_in_meta_whose_proxy_it_has_set(during, monkeypatch, environment, proxy, key):
    for name in ("http_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    async def probe(spider):
        request = scrapy.Request("http://shop.example/", meta={} if proxy is None else {"proxy": proxy})
        before = proxy_of(request)
        spider.crawler.get_downloader_middleware(HttpProxyMiddleware).process_request(request)
        assert (proxy_of(request), before is None) == (before, proxy is None), "the session is the same"
        if proxy is not None:
            others = (proxy.removeprefix("http://"), proxy.replace("er:", "er:other"))
            same = [proxy_of(request.replace(meta={"proxy": other})) == before for other in others]
            assert same == [True, False], "without a scheme, and with another password"
        return request

    request = during(probe)
    written = {AUTH_PROXY, SCHEME_PROXY} & request.meta.keys()
    assert (written, request.meta["proxy"]) == ({key}, "http://127.0.0.9:1")
