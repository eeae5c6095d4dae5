"""The names that engine/ uses and Scrapy does not promise, inside real crawls; those of the chain are in test_chain.

Where a test fails after an update of Scrapy, engine/ has to be adapted before anything else.
"""

import warnings

import pytest
import scrapy
from scrapy import signals
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


# -- the downloader and its middlewares ------------------------------------------------------------------------------


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
