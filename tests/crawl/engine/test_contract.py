"""The names that engine/ uses and Scrapy does not promise, a test for each, inside real crawls.

Where a test fails after an update of Scrapy, engine/ has to be adapted before anything else.
"""

from __future__ import annotations

import pytest
import scrapy
from scrapy import signals
from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.downloadermiddlewares.httpcache import HttpCacheMiddleware
from scrapy.downloadermiddlewares.httpproxy import HttpProxyMiddleware
from scrapy.downloadermiddlewares.redirect import RedirectMiddleware
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.exceptions import _InvalidOutput
from scrapy.utils.defer import maybe_deferred_to_future

from scrapy_omocaptcha import OmoCaptchaMiddleware
from scrapy_omocaptcha.engine.private_names import AUTH_PROXY, SCHEME_PROXY
from tests.helpers.components import hears
from tests.helpers.crawling import RecordingSpider
from tests.helpers.probing import (
    RECORDERS,
    Inner,
    Outer,
    Recorder,
    begin,
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


def test_the_scheduler_makes_its_folder_in_the_jobdir_after_the_middlewares_were_made(crawl, service, tmp_path):
    seen = []

    @hears(opened=signals.spider_opened)
    class Watching(RecordingSpider):
        def opened(self):
            middleware = self.crawler.get_downloader_middleware(OmoCaptchaMiddleware)
            was_resumed = middleware._walls._redirects._has_foreign_duplicates
            seen.append((was_resumed, (tmp_path / "requests.queue").is_dir()))

    for _ in range(2):
        crawl(Watching, {**service.settings, "JOBDIR": str(tmp_path)})
    assert seen == [(False, True), (True, True)]


@in_a_crawl()
async def test_the_engine_asks_the_scheduler_at_hand_which_drops_what_its_duplicate_filter_was_asked_about(spider):
    scheduler, request = spider.crawler.engine._slot.scheduler, scrapy.Request("http://127.0.0.1/")
    enqueued, enqueue = [], scheduler.enqueue_request
    scheduler.enqueue_request = lambda one: enqueued.append(enqueue(one))
    assert not scheduler.df.request_seen(request)
    spider.crawler.engine.crawl(request)
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


@in_a_crawl(CONCURRENT_REQUESTS=1)
async def test_total_concurrency_is_looked_at_anew_before_each_request(spider, walled):
    site = walled(free_delay=0.05)
    most = []

    def reached(request, spider):
        most[-1] = max(most[-1], len(downloader(spider).active))

    spider.crawler.signals.connect(reached, signals.request_reached_downloader, weak=False)
    for number, change in enumerate((0, 2, -2)):
        most.append(0)
        downloader(spider).total_concurrency += change
        for page in range(6):
            spider.crawler.engine.crawl(scrapy.Request(f"{site.url}/free/{10 * number + page + 1}", spider.page))
        await until(lambda number=number: len(spider.pages) == 6 * (number + 1))
    assert most == [1, 3, 1]


@pytest.mark.parametrize(("places", "under_way", "full"), [(2, 1, False), (2, 2, True), (3, 2, False), (0, 99, False)])
@in_a_crawl()
async def test_the_downloader_is_full_when_as_many_requests_are_active_as_there_are_places(
    spider, places, under_way, full
):
    requests = {scrapy.Request(f"http://127.0.0.1/{number}") for number in range(under_way)}
    downloader(spider).active |= requests
    downloader(spider).total_concurrency = places
    try:
        assert downloader(spider).needs_backout() is full
    finally:
        downloader(spider).active -= requests


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


@in_a_crawl(CONCURRENT_REQUESTS=1)
async def test_the_scheduler_turns_to_the_host_with_fewer_requests_in_its_slots_active(spider, walled):
    busy, idle = walled(), walled()
    engine = spider.crawler.engine
    slot = slots(spider).order.slot(scrapy.Request(busy.url))
    held = {scrapy.Request(f"{busy.url}/{number}") for number in range(9)}
    slot.active |= held
    engine.pause()
    for number in range(1, 6):
        for site in (busy, idle):
            engine.crawl(scrapy.Request(f"{site.url}/free/{number}", callback=spider.page))
    engine.unpause()
    await until(lambda: len(spider.pages) == 10)
    slot.active -= held
    assert [page.url.startswith(idle.url) for page in spider.pages] == [True] * 5 + [False] * 5


@in_a_crawl(DOWNLOAD_DELAY=0.2)
async def test_requests_that_wait_for_the_delay_stand_in_the_slots_queue_and_go_out_as_it_is_processed(spider, walled):
    site = walled()
    requests = [scrapy.Request(f"{site.url}/free/{number}") for number in (1, 2, 3, 4)]
    slot = slots(spider).order.slot(requests[0])
    pages = [begin(spider.crawler.engine.download_async(request)) for request in requests]
    await until(lambda: len(slot.queue) == 3)
    assert [entry[0] for entry in slot.queue] == requests[1:]
    waiting = [slot.queue.pop() for _ in range(3)]
    await maybe_deferred_to_future(pages[0])
    slot.queue.extend((waiting[0], *waiting[:0:-1]))
    downloader(spider)._process_queue(slot)
    for page in pages[1:]:
        await maybe_deferred_to_future(page)
    assert [visit.path for visit in site.requests] == ["/free/1", "/free/4", "/free/2", "/free/3"]


@in_a_crawl(CONCURRENT_REQUESTS_PER_DOMAIN=5, DOWNLOAD_SLOTS={"127.0.0.3": {"concurrency": 2}})
async def test_a_slot_tells_how_many_requests_its_site_is_sent_at_once(spider):
    hosts = ("127.0.0.2", "127.0.0.3")
    assert [slots(spider).order.slot(scrapy.Request(f"http://{host}/")).concurrency for host in hosts] == [5, 2]


@in_a_crawl(DOWNLOAD_SLOTS={"127.0.0.2": {"delay": 0.5, "jitter": 0.25}})
async def test_a_slot_tells_its_delay_how_much_that_varies_and_when_it_was_last_used(spider, walled):
    site = walled()
    request = scrapy.Request(f"{site.url}/free/1")
    slot = slots(spider).order.slot(request)
    before = slot.lastseen
    await spider.crawler.engine.download_async(request)
    assert slot.delay == 0.5
    # Not before Scrapy 2.19.
    assert getattr(slot, "jitter", 0.25) == 0.25
    assert before == 0
    assert slot.lastseen > 0


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
    handlers = downloader(spider).handlers
    download = handlers.download_request_async

    async def downloading(request):
        told.append(request.headers.get("Cookie"))
        request.headers["Cookie"] = "a=1; b=2"
        response = await download(request)
        told.append("Set-Cookie" in response.headers and [cookie.name for cookie in jars[None]])
        response._set_url(response.url.replace("q=1", "q=2"))
        return response

    jars = spider.crawler.get_downloader_middleware(CookiesMiddleware).jars
    # Set on the object: this is how the add-on watches it.
    handlers.download_request_async = downloading
    request = scrapy.Request(f"{site.url}/page/1?q=1", cookies={"a": "1"}, meta={"omocaptcha": False})
    response = await spider.crawler.engine.download_async(request)
    assert told == [b"a=1", ["a"]]
    assert site.requests[0].cookies == {"a": "1", "b": "2"}
    assert response.url == f"{site.url}/page/1?q=2"


# -- the downloader and its middlewares ------------------------------------------------------------------------------


def test_the_engine_asks_the_downloader_before_each_request_it_takes_and_after_each_that_is_done(during, walled):
    site = walled()
    told = []

    async def probe(spider):
        engine, scheduler = spider.crawler.engine, spider.crawler.engine._slot.scheduler
        needs_backout, next_request = downloader(spider).needs_backout, scheduler.next_request

        # Set on the objects: this is how the add-on takes the place of the method.
        downloader(spider).needs_backout = lambda: (told.append("asked"), needs_backout())[1]
        scheduler.next_request = lambda: (told.append("taken"), next_request())[1]
        spider.crawler.signals.connect(lambda: told.append("done"), signals.response_received, weak=False)
        engine.pause()
        for number in range(1, 4):
            engine.crawl(scrapy.Request(f"{site.url}/free/{number}", callback=spider.page))
        told.clear()
        engine.unpause()
        await until(lambda: len(spider.pages) == 3)

    during(probe, {"CONCURRENT_REQUESTS": 1})
    assert (told.count("done"), told.count("taken") >= 3) == (3, True)
    for number, word in enumerate(told):
        if word == "taken":
            assert told[number - 1] == "asked"
        if word == "done":
            assert "asked" in told[number:]


@in_a_crawl()
async def test_the_engine_begins_with_a_request_as_soon_as_it_has_taken_it_out_of_the_scheduler(spider, walled):
    site = walled()
    told = []
    slot = spider.crawler.engine._slot
    next_request, add_request = slot.scheduler.next_request, slot.add_request

    def take_out():
        request = next_request()
        told.append(("taken", request))
        return request

    # Set on the objects: this is how the add-on watches both.
    slot.scheduler.next_request = take_out
    slot.add_request = lambda request: (told.append(("begun", request)), add_request(request))[1]
    for number in range(1, 4):
        spider.crawler.engine.crawl(scrapy.Request(f"{site.url}/free/{number}", callback=spider.page))
    awaited = scrapy.Request(f"{site.url}/free/4")
    await spider.crawler.engine.download_async(awaited)
    await until(lambda: len(spider.pages) == 3)
    begun = [number for number, (word, request) in enumerate(told) if word == "begun" and request is not awaited]
    assert len(begun) == 3
    assert all(told[number - 1] == ("taken", told[number][1]) for number in begun)
    assert told.count(("begun", awaited)) == 1
    assert ("taken", awaited) not in told


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


def recorders(spider):
    """Return the manager of all middlewares, and the outer and the inner recorder among these."""
    whole = downloader(spider).middleware
    return whole, *(next(one for one in whole.middlewares if type(one) is kind) for kind in (Outer, Inner))


async def answer(request):
    return scrapy.http.Response(request.url)


@in_a_crawl(**RECORDERS)
async def test_a_manager_of_some_middlewares_sends_a_request_through_these_alone(spider, calls):
    async def download(request):
        calls.append(("download",))
        return await answer(request)

    whole, outer, inner = recorders(spider)
    # From the engine to the site.
    assert whole.middlewares.index(outer) < whole.middlewares.index(inner)
    manager = type(whole)(inner, crawler=spider.crawler)
    assert manager.middlewares == (inner,)
    await manager.download_async(download, scrapy.Request("http://127.0.0.1/"))
    assert [call[:2] for call in calls] == [("Inner", "request"), ("download",), ("Inner", "response")]


@in_a_crawl(**RECORDERS)
async def test_a_method_that_is_removed_from_a_manager_is_not_called_and_the_others_are(spider, calls):
    whole, outer, inner = recorders(spider)
    manager = type(whole)(outer, inner, crawler=spider.crawler)
    manager.methods["process_request"].remove(inner.process_request)
    await manager.download_async(answer, scrapy.Request("http://127.0.0.1/"))
    assert [call[:2] for call in calls] == [("Outer", "request"), ("Inner", "response"), ("Outer", "response")]


@in_a_crawl(**RECORDERS)
async def test_the_methods_for_exceptions_stand_in_the_order_in_which_they_are_called_from_the_site_on(spider, calls):
    owners = [method.__self__ for method in downloader(spider).middleware.methods["process_exception"] if method]
    order = [type(owner) for owner in owners if isinstance(owner, (Recorder, RetryMiddleware))]
    assert order == [Inner, RetryMiddleware, Outer]


class Old:
    """A middleware of the times when methods had a parameter ``spider``."""

    def process_exception(self, request, exception, spider):
        return scrapy.http.Response(request.url, headers={"Spider": spider.name})


@pytest.mark.filterwarnings("ignore:.*spider.*:scrapy.exceptions.ScrapyDeprecationWarning")
@in_a_crawl(DOWNLOADER_MIDDLEWARES={Old: 100})
async def test_handle_mw_method_calls_a_method_with_the_spider_where_it_wants_one(spider):
    manager = downloader(spider).middleware
    (old,) = [method for method in manager.methods["process_exception"] if type(method.__self__) is Old]
    answer = manager._handle_mw_method(old, request=scrapy.Request("http://127.0.0.1/"), exception=ValueError())
    assert answer.headers["Spider"] == b"recording"


def test_invalid_output_names_the_middleware_and_not_what_it_returned(during):
    class Wrong:
        def process_request(self, request):
            return "secret-token"

    async def probe(spider):
        with pytest.raises(_InvalidOutput) as raised:
            await spider.crawler.engine.download_async(scrapy.Request("http://127.0.0.1/"))
        return str(raised.value)

    text = during(probe, {"DOWNLOADER_MIDDLEWARES": {Wrong: 100}})
    assert "Wrong.process_request must return" in text
    assert "secret-token" not in text


@pytest.mark.parametrize(
    ("kind", "settings"),
    [(CookiesMiddleware, {}), (RedirectMiddleware, {}), (HttpCacheMiddleware, {"HTTPCACHE_ENABLED": True})],
)
def test_a_middleware_of_scrapy_is_found_by_its_class(during, kind, settings, tmp_path):
    async def probe(spider):
        found = spider.crawler.get_downloader_middleware(kind)
        return found in downloader(spider).middleware.middlewares

    assert during(probe, {"HTTPCACHE_DIR": str(tmp_path), **settings})


@pytest.mark.parametrize(
    ("environment", "proxy", "key"),
    [
        ({}, "http://user:password@127.0.0.9:1", AUTH_PROXY),
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
        spider.crawler.get_downloader_middleware(HttpProxyMiddleware).process_request(request)
        return request

    request = during(probe)
    written = {AUTH_PROXY, SCHEME_PROXY} & request.meta.keys()
    assert (written, request.meta["proxy"]) == ({key}, "http://127.0.0.9:1")
