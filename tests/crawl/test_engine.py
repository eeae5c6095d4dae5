"""engine/: the names that it uses and Scrapy does not promise, a test for each; and what it does with them.

Everything is checked inside real crawls. Where a test of the first part fails after an update of Scrapy, engine/ has to
be adapted before anything else.
"""

from __future__ import annotations

import pytest
import scrapy
from scrapy import signals
from scrapy.core.downloader import Slot
from scrapy.core.downloader.handlers import DownloadHandlers
from scrapy.core.downloader.middleware import DownloaderMiddlewareManager
from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.utils.asyncio import sleep
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future
from twisted.internet.defer import Deferred

from scrapy_omocaptcha import OmoCaptchaMiddleware
from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.errors import CrawlClosing
from tests.helpers.crawling import RecordingSpider


@pytest.fixture
def during(crawl, service):
    """``during(probe, settings)`` → what ``await probe(spider)`` returns in the middle of a crawl with the add-on."""

    def run(probe, settings=None):
        class Probing(RecordingSpider):
            result = error = None

            async def start(self):
                try:
                    self.result = await probe(self)
                except Exception as error:
                    self.error = error
                return
                yield

        crawled = crawl(Probing, {**service.settings, **(settings or {})})
        if crawled.spider.error is not None:
            raise crawled.spider.error
        assert crawled.bugs == []
        return crawled.spider.result

    return run


def lifetime(spider):
    return spider.crawler.get_downloader_middleware(OmoCaptchaMiddleware)._lifetime


def slots(spider):
    return spider.crawler.get_downloader_middleware(OmoCaptchaMiddleware)._slots


def downloader(spider):
    return spider.crawler.engine.downloader


def begin(coroutine):
    """Have a coroutine run beside the probe."""
    return deferred_from_coro(coroutine)


def download(spider, url, **options):
    return begin(spider.crawler.engine.download_async(scrapy.Request(url, **options)))


async def until(condition):
    while not condition():
        await sleep(0.01)


# -- what Scrapy does not promise ----------------------------------------------------------------------------------


def test_the_engines_slot_is_closing_as_soon_as_the_spider_is_to_be_closed(during, walled):
    site = walled(free_delay=0.5)

    async def probe(spider):
        engine = spider.crawler.engine
        under_way = download(spider, f"{site.url}/free/1")
        await until(lambda: downloader(spider).active)
        before = engine._slot.closing
        begin(engine.close_spider_async(reason="enough"))
        await until(lambda: lifetime(spider).closing)
        assert not under_way.called
        assert engine.running
        return before, engine._slot.closing

    before, after = during(probe)
    assert before is None
    assert after is not None


def test_the_engine_is_starting_before_it_says_that_it_has_started_and_no_longer_when_it_is_stopped(crawl):
    seen = []

    class Watching(RecordingSpider):
        @classmethod
        def from_crawler(cls, crawler, *args, **kwargs):
            spider = super().from_crawler(crawler, *args, **kwargs)
            crawler.signals.connect(spider.started, signals.engine_started)
            return spider

        def started(self):
            seen.append((self.crawler.engine._starting, self.crawler.engine.running))

    crawled = crawl(Watching)
    assert seen == [(True, False)]
    assert not crawled.spider.crawler.engine._starting


def test_nextcall_has_the_engine_ask_its_scheduler_at_once(during, walled):
    site = walled()
    # In two halves: it takes far less than the engine's heartbeat of 5 s, and far more than the other page.
    site.fault("/free/1", "slow", seconds=2.0)

    async def probe(spider):
        engine = spider.crawler.engine
        slow = download(spider, f"{site.url}/free/1")
        await until(lambda: downloader(spider).active)
        engine._slot.scheduler.enqueue_request(scrapy.Request(f"{site.url}/free/2", callback=spider.page))
        engine._slot.nextcall.schedule()
        await until(lambda: spider.pages or slow.called)
        return slow.called, [page.url for page in spider.pages]

    assert during(probe) == (False, [f"{site.url}/free/2"])


def test_total_concurrency_is_looked_at_anew_before_each_request(during, walled):
    site = walled(free_delay=0.05)
    most = []

    async def probe(spider):
        spider.crawler.signals.connect(reached, signals.request_reached_downloader, weak=False)
        for number, change in enumerate((0, 2, -2)):
            most.append(0)
            slots(spider).add_concurrency(change)
            for page in range(6):
                spider.crawler.engine.crawl(scrapy.Request(f"{site.url}/free/{10 * number + page + 1}", spider.page))
            await until(lambda number=number: len(spider.pages) == 6 * (number + 1))

    def reached(request, spider):
        most[-1] = max(most[-1], len(downloader(spider).active))

    during(probe, {"CONCURRENT_REQUESTS": 1})
    assert most == [1, 3, 1]


@pytest.mark.parametrize(("places", "under_way", "full"), [(2, 1, False), (2, 2, True), (3, 2, False), (0, 99, False)])
def test_the_downloader_is_full_when_as_many_requests_are_active_as_there_are_places(during, places, under_way, full):
    async def probe(spider):
        requests = {scrapy.Request(f"http://127.0.0.1/{number}") for number in range(under_way)}
        downloader(spider).active |= requests
        downloader(spider).total_concurrency = places
        try:
            return downloader(spider).needs_backout()
        finally:
            downloader(spider).active -= requests

    assert during(probe) is full


def test_get_slot_gives_the_slot_that_a_request_will_be_sent_through(during, walled):
    site = walled()

    async def probe(spider):
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
        return through

    assert during(probe) == [True]


def test_the_scheduler_turns_to_the_host_with_fewer_requests_in_its_slots_active(during, walled):
    busy, idle = walled(), walled()

    async def probe(spider):
        engine = spider.crawler.engine
        slot = slots(spider).slot(scrapy.Request(busy.url))
        held = {scrapy.Request(f"{busy.url}/{number}") for number in range(9)}
        slot.active |= held
        engine.pause()
        for number in range(1, 6):
            for site in (busy, idle):
                engine.crawl(scrapy.Request(f"{site.url}/free/{number}", callback=spider.page))
        engine.unpause()
        await until(lambda: len(spider.pages) == 10)
        slot.active -= held
        return [page.url.startswith(idle.url) for page in spider.pages]

    assert during(probe, {"CONCURRENT_REQUESTS": 1}) == [True] * 5 + [False] * 5


def test_requests_that_wait_for_the_delay_stand_in_the_slots_queue_first_come_first_served(during, walled):
    site = walled()

    async def probe(spider):
        requests = [scrapy.Request(f"{site.url}/free/{number}") for number in (1, 2, 3, 4)]
        slot = slots(spider).slot(requests[0])
        pages = [begin(spider.crawler.engine.download_async(request)) for request in requests]
        await until(lambda: len(slot.queue) == 3)
        assert [entry[0] for entry in slot.queue] == requests[1:]
        last = slot.queue.pop()
        slot.queue.appendleft(last)
        for page in pages:
            await maybe_deferred_to_future(page)

    during(probe, {"DOWNLOAD_DELAY": 0.5})
    assert [visit.path for visit in site.requests] == ["/free/1", "/free/4", "/free/2", "/free/3"]


def test_a_slot_tells_which_of_its_requests_wait_to_be_sent(during, walled):
    site = walled(free_delay=0.5)
    left = []

    async def probe(spider):
        first, second = (scrapy.Request(f"{site.url}/free/{number}") for number in (1, 2))
        slot = slots(spider).slot(first)

        def leaves(request):
            # No longer transferred, its cookies not yet kept: it must not look as if it were still to be sent.
            left.append((request in slot.transferring, slots(spider).is_queued(request)))

        spider.crawler.signals.connect(leaves, signals.request_left_downloader)
        pages = [begin(spider.crawler.engine.download_async(first))]
        await until(lambda: slot.transferring)
        pages.append(begin(spider.crawler.engine.download_async(second)))
        await until(lambda: slot.queue)
        assert (slots(spider).is_queued(first), slots(spider).is_queued(second)) == (False, True)
        assert slot.active == {first, second}
        for page in pages:
            await maybe_deferred_to_future(page)

    during(probe, {"CONCURRENT_REQUESTS_PER_DOMAIN": 1})
    assert left == [(False, False)] * 2


def test_a_slot_tells_how_many_requests_its_site_is_sent_at_once(during):
    async def probe(spider):
        hosts = ("127.0.0.2", "127.0.0.3")
        return [slots(spider).slot(scrapy.Request(f"http://{host}/")).concurrency for host in hosts]

    settings = {"CONCURRENT_REQUESTS_PER_DOMAIN": 5, "DOWNLOAD_SLOTS": {"127.0.0.3": {"concurrency": 2}}}
    assert during(probe, settings) == [5, 2]


def test_a_slot_tells_its_delay_how_much_that_varies_and_when_it_was_last_used(during, walled):
    site = walled()

    async def probe(spider):
        request = scrapy.Request(f"{site.url}/free/1")
        slot = slots(spider).slot(request)
        before = slot.lastseen
        await spider.crawler.engine.download_async(request)
        return slot, before

    settings = {"DOWNLOAD_SLOTS": {"127.0.0.2": {"delay": 0.5, "jitter": 0.25}}}
    slot, before = during(probe, settings)
    assert slot.delay == 0.5
    # Not before Scrapy 2.19.
    assert getattr(slot, "jitter", 0.25) == 0.25
    assert before == 0
    assert slot.lastseen > 0


def test_the_cookies_middleware_keeps_a_jar_for_each_cookiejar_and_sends_what_is_in_it(during, walled):
    site = walled()

    async def probe(spider):
        jars = spider.crawler.get_downloader_middleware(CookiesMiddleware).jars
        await download_in("a", spider)
        (cookie,) = jars["a"]
        assert list(jars["b"]) == []
        jars["b"].set_cookie(cookie)
        await download_in("b", spider)
        return cookie.value

    async def download_in(jar, spider):
        meta = {"cookiejar": jar, "omocaptcha": False}
        await maybe_deferred_to_future(download(spider, f"{site.url}/page/1", meta=meta))

    session = during(probe)
    assert [visit.cookies for visit in site.requests] == [{}, {"session": session}]


def test_a_request_reaches_the_downloader_behind_all_middlewares_and_its_answer_is_told_before_any(during, walled):
    site = walled()

    async def probe(spider):
        told = []

        def reached(request):
            told.append(request.headers.get("Cookie"))
            request.headers["Cookie"] = "a=1; b=2"

        def downloaded(response):
            told.append("Set-Cookie" in response.headers and list(jars[None]))
            response._set_url(response.url.replace("q=1", "q=2"))

        jars = spider.crawler.get_downloader_middleware(CookiesMiddleware).jars
        spider.crawler.signals.connect(reached, signals.request_reached_downloader)
        spider.crawler.signals.connect(downloaded, signals.response_downloaded)
        request = scrapy.Request(f"{site.url}/page/1?q=1", cookies={"a": "1"}, meta={"omocaptcha": False})
        response = await spider.crawler.engine.download_async(request)
        return told, response.url

    told, url = during(probe)
    assert [told[0], [cookie.name for cookie in told[1]]] == [b"a=1", ["a"]]
    assert site.requests[0].cookies == {"a": "1", "b": "2"}
    assert url == f"{site.url}/page/1?q=2"


# -- a crawl in which such names are gone --------------------------------------------------------------------------


class OtherDownloader:
    """A downloader with what Scrapy promises of one, and none of the names that engine.py uses."""

    def __init__(self, crawler):
        self.active = set()
        self._crawler = crawler
        self._most = crawler.settings.getint("CONCURRENT_REQUESTS")
        self._handlers = DownloadHandlers(crawler)
        self.middleware = DownloaderMiddlewareManager.from_crawler(crawler)

    def fetch(self, request):
        self.active.add(request)
        return deferred_from_coro(self.middleware.download_async(self._download, request)).addBoth(self._done, request)

    def _done(self, result, request):
        self.active.remove(request)
        return result

    async def _download(self, request):
        self._tell(signals.request_reached_downloader, request)
        try:
            return await self._handlers.download_request_async(request)
        finally:
            self._tell(signals.request_left_downloader, request)

    def _tell(self, signal, request):
        self._crawler.signals.send_catch_log(signal, request=request, spider=self._crawler.spider)

    def needs_backout(self):
        return len(self.active) >= self._most

    def close(self):
        pass


OTHER = {"DOWNLOADER": OtherDownloader, "SCHEDULER_PRIORITY_QUEUE": "scrapy.pqueues.ScrapyPriorityQueue"}


@pytest.mark.parametrize("wall", ["session", "redirect"])
@pytest.mark.parametrize("at_once", [1, 16])
def test_a_crawl_with_another_downloader_gets_all_its_pages_for_one_job(crawl, service, walled, wall, at_once):
    site = walled(wall, catalogue_pages=30)
    urls = tuple(f"{site.url}/page/{number}" for number in range(1, 31))
    spider = type("Spider", (RecordingSpider,), {"urls": urls})
    crawled = crawl(spider, {**service.settings, **OTHER, "CONCURRENT_REQUESTS": at_once})
    assert sorted(page.url for page in crawled.pages) == sorted(urls)
    assert (len(service.jobs), site.accepted) == (1, 1)
    assert crawled.bugs == []


# -- waiting -------------------------------------------------------------------------------------------------------


def closing_probe(wait):
    """A probe that closes the spider while ``wait(ours, never)`` goes on; → cancelled?, error, still waited for."""

    async def probe(spider):
        cancelled = []
        never = Deferred(cancelled.append)
        # Something under way keeps the crawl from ending before the probe.
        request = scrapy.Request("http://127.0.0.1/")
        spider.crawler.engine._slot.add_request(request)
        waiting = begin(wait(lifetime(spider), never))
        await until(lambda: lifetime(spider)._waits)
        begin(spider.crawler.engine.close_spider_async(reason="enough"))
        try:
            await maybe_deferred_to_future(waiting)
        except CrawlClosing as error:
            return cancelled == [never], error, set(lifetime(spider)._waits)
        finally:
            spider.crawler.engine._slot.remove_request(request)

    return probe


def test_waiting_ends_when_the_spider_is_closed_and_cancels_what_it_waited_for(during):
    cancelled, error, left = during(closing_probe(lambda lifetime, never: lifetime.wait(never)))
    assert cancelled
    assert isinstance(error, CrawlClosing)
    assert left == set()


def test_what_is_worth_a_moment_longer_may_still_come_when_all_else_has_ended(during):
    async def probe(spider):
        spider.crawler.engine._slot.add_request(request := scrapy.Request("http://127.0.0.1/"))
        patient, hopeless = Deferred(), Deferred()
        others = begin(lifetime(spider).wait(Deferred()))
        first, second = (begin(lifetime(spider).wait(each, grace_checks=2)) for each in (patient, hopeless))
        await until(lambda: len(lifetime(spider)._waits) == 3)
        begin(spider.crawler.engine.close_spider_async(reason="enough"))
        try:
            with pytest.raises(CrawlClosing):
                await maybe_deferred_to_future(others)
            patient.callback("it has come")
            value = await maybe_deferred_to_future(first)
            with pytest.raises(CrawlClosing):
                await maybe_deferred_to_future(second)
            return value, lifetime(spider)._waits
        finally:
            spider.crawler.engine._slot.remove_request(request)

    assert during(probe) == ("it has come", {})


def test_sleeping_ends_when_the_spider_is_closed(during):
    _, error, left = during(closing_probe(lambda lifetime, never: lifetime.sleep(3600)))
    assert isinstance(error, CrawlClosing)
    assert left == set()


def test_what_is_waited_for_comes_back_with_its_value_or_its_error(during):
    async def value():
        return 1

    async def error():
        raise KeyError("two")

    async def probe(spider):
        with pytest.raises(KeyError, match="two"):
            await lifetime(spider).wait(error())
        later = Deferred()
        waiting = begin(lifetime(spider).wait(later))
        await until(lambda: lifetime(spider)._waits)
        later.callback(3)
        found = [await lifetime(spider).wait(value()), await maybe_deferred_to_future(waiting)]
        return found, set(lifetime(spider)._waits)

    assert during(probe) == ([1, 3], set())


def test_nothing_is_begun_any_more_once_the_spider_is_being_closed(during):
    begun = []

    async def call():
        begun.append(True)

    async def probe(spider):
        begin(spider.crawler.engine.close_spider_async(reason="enough"))
        await until(lambda: lifetime(spider).closing)
        with pytest.raises(CrawlClosing):
            await lifetime(spider).wait(call())

    during(probe)
    assert begun == []


# -- places --------------------------------------------------------------------------------------------------------


def held_probe(number):
    async def probe(spider):
        places = [downloader(spider).total_concurrency]
        requests = [scrapy.Request(f"http://127.0.0.1/{number}") for number in range(number)]
        holds = [slots(spider).hold(request) for request in requests]
        places.append(downloader(spider).total_concurrency)
        slot = slots(spider).slot(requests[0])
        assert slot.active == set(requests)
        # The order in which the site answers is its own; one is released twice, as when it also fails.
        for hold in [*reversed(holds), holds[0]]:
            hold.release()
        assert slot.active == slots(spider).holds == set()
        return [*places, downloader(spider).total_concurrency]

    return probe


@pytest.mark.parametrize(
    ("settings", "places"),
    [
        ({}, [16, 21, 16]),
        ({"OMOCAPTCHA_MAX_WAITING": 2}, [16, 18, 16]),
        ({"OMOCAPTCHA_MAX_WAITING": 0}, [16, 16, 16]),
        ({"CONCURRENT_REQUESTS": 0}, [0, 0, 0]),
    ],
    ids=["within", "beyond", "none may wait", "unlimited"],
)
def test_held_requests_have_places_of_their_own_up_to_max_waiting_and_give_them_back(during, settings, places):
    assert during(held_probe(5), settings) == places


def test_a_place_that_comes_back_goes_to_a_request_that_is_held_without_one(during):
    async def probe(spider):
        places = [downloader(spider).total_concurrency]
        holds = [slots(spider).hold(scrapy.Request(f"http://127.0.0.1/{number}")) for number in range(3)]
        for hold in holds:
            places.append(downloader(spider).total_concurrency)
            hold.release()
        return [*places, downloader(spider).total_concurrency]

    assert during(probe, {"OMOCAPTCHA_MAX_WAITING": 2}) == [16, 18, 18, 17, 16]


@pytest.mark.parametrize("wall", ["session", "redirect", "per_page", "never"])
@pytest.mark.parametrize("settings", [{}, {"OMOCAPTCHA_MAX_WAITING": 1}, {"OMOCAPTCHA_MAX_JOBS": 1}])
def test_nothing_is_held_and_all_places_are_back_when_a_crawl_ends(crawl, service, walled, wall, settings):
    site = walled(wall, catalogue_pages=12)
    left = {}

    class Spider(RecordingSpider):
        urls = tuple(f"{site.url}/page/{number}" for number in range(1, 13))

        def closed(self, reason):
            left.update(
                holds=slots(self).holds, waiting=lifetime(self)._waits, places=downloader(self).total_concurrency
            )
            left.update(active=[slot.active for slot in downloader(self).slots.values()])

    crawled = crawl(Spider, {**service.settings, **settings})
    assert len(crawled.pages) + len(crawled.failures) == 12
    assert left == {"holds": set(), "waiting": {}, "places": 16, "active": [set()]}


# -- sending -------------------------------------------------------------------------------------------------------


def test_a_request_of_our_own_is_sent_before_all_that_wait_for_the_delay_of_its_site(during, walled):
    site = walled()

    async def probe(spider):
        slot = slots(spider).slot(scrapy.Request(site.url))
        pages = [download(spider, f"{site.url}/free/{number}") for number in range(1, 5)]
        await until(lambda: len(slot.queue) == 3)
        own = scrapy.Request(f"{site.url}/free/99", meta=request_state.own_meta(scrapy.Request(site.url)))
        answer = await slots(spider).send(own)
        left = len(slot.queue)
        for page in pages:
            await maybe_deferred_to_future(page)
        return answer.url, left

    assert during(probe, {"DOWNLOAD_DELAY": 0.5}) == (f"{site.url}/free/99", 3)
    visits = site.requests
    # Next, and no sooner than the delay lets it: it varies by half.
    assert [visit.path for visit in visits] == ["/free/1", "/free/99", "/free/2", "/free/3", "/free/4"]
    assert visits[1].at - visits[0].at > 0.1


def test_a_token_is_handed_in_before_the_requests_of_its_wall_that_wait_for_the_delay(crawl, service, walled):
    site = walled("session", catalogue_pages=8)
    spider = type("Spider", (RecordingSpider,), {"urls": tuple(f"{site.url}/page/{n}" for n in range(1, 9))})
    crawled = crawl(spider, {**service.settings, "DOWNLOAD_DELAY": 0.4})
    assert len(crawled.pages) == 8
    before = [visit.shown for visit in site.requests][: [visit.token for visit in site.requests].index("accepted")]
    # The leader's own, perhaps once more afresh, and what was at the site meanwhile: not all eight.
    assert len(before) < 5


def test_sending_takes_no_place_from_the_crawl(during, walled):
    site = walled(free_delay=0.5)

    async def probe(spider):
        own = scrapy.Request(f"{site.url}/free/1", meta=request_state.own_meta(scrapy.Request(site.url)))
        sending = begin(slots(spider).send(own))
        await until(lambda: downloader(spider).active)
        full = downloader(spider).needs_backout()
        await maybe_deferred_to_future(sending)
        return full, downloader(spider).total_concurrency

    assert during(probe, {"CONCURRENT_REQUESTS": 1}) == (False, 1)


def test_the_delay_that_is_still_ahead_is_reckoned_with_the_most_by_which_it_varies(during, walled):
    site = walled()

    async def probe(spider):
        request = scrapy.Request(f"{site.url}/free/1")
        await spider.crawler.engine.download_async(request)
        return slots(spider).delay_ahead(request)

    # By half, so that it is 150 s less what has passed.
    assert 100 < during(probe, {"DOWNLOAD_SLOTS": {"127.0.0.2": {"delay": 100}}}) <= 150


def test_a_site_that_nothing_is_known_of_is_sent_one_request_at_a_time(during):
    async def probe(spider):
        request = scrapy.Request("http://127.0.0.1/")
        downloader(spider).slots["127.0.0.1"] = Slot(0, 0, 0)
        return slots(spider).concurrency(request)

    assert during(probe) == 1
