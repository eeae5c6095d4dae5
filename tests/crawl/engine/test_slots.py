"""Held requests take nothing from the rest of the crawl, and the site never gets more than the settings allow."""

from contextlib import ExitStack

import pytest
import scrapy
from scrapy import signals
from scrapy.core.downloader import Downloader, Slot
from scrapy.utils.defer import maybe_deferred_to_future

from scrapy_omocaptcha.engine.slots import HoldState
from scrapy_omocaptcha.errors import CrawlClosing
from tests.helpers.probing import begin, downloader, in_a_crawl, slots, until
from tests.helpers.scrapy_versions import sleep, zero_is_no_limit


class Held:
    """Requests that are held in the middle of a crawl, and are at the downloader for Scrapy."""

    def __init__(self, spider, most_uncounted=255):
        self._spider = spider
        slots(spider).most_uncounted = most_uncounted
        self._stack = ExitStack()
        self.others = set()

    def hold(self, url, *, scheduled=True):
        request = scrapy.Request(url)
        states = slots(self._spider).states
        states.taken_out = request if scheduled else None
        states.begin(request)
        downloader(self._spider).active.add(request)
        self._stack.callback(downloader(self._spider).active.discard, request)
        return self._stack.enter_context(slots(self._spider).hold(request))

    def enter(self, context):
        """Leave a context as soon as the requests are held no more."""
        self._stack.enter_context(context)

    def add_others(self, number):
        """Let ``number`` other requests be under way."""
        self.others = {scrapy.Request(f"http://127.0.0.9/{n}") for n in range(number)}
        downloader(self._spider).active |= self.others

    def end_others(self):
        downloader(self._spider).active -= self.others

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end_others()
        self._stack.close()


async def sending(hold, log, name, seconds=0.05):
    """Send something for a held request that takes ``seconds``."""
    async with hold.sending():
        log.append(name)
        await sleep(seconds)
        log.append(-name)


# -- held ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("concurrency", "most_uncounted", "held", "others", "full"),
    [
        (2, 255, 5, 1, False),
        (2, 255, 5, 2, True),
        (2, 2, 2, 1, False),
        (2, 2, 3, 1, True),
        (2, 0, 1, 0, False),
        (2, 0, 2, 0, True),
        (2, 255, 255, 1, False),
        (2, 255, 256, 1, True),
        pytest.param(0, 255, 9, 9, False, marks=zero_is_no_limit),
    ],
)
def test_held_requests_do_not_count_up_to_a_number(during, concurrency, most_uncounted, held, others, full):
    async def probe(spider):
        with Held(spider, most_uncounted) as waiting:
            for number in range(held):
                waiting.hold(f"http://127.0.0.1/{number}")
            waiting.add_others(others)
            return downloader(spider).needs_backout(), downloader(spider).total_concurrency

    assert during(probe, {"CONCURRENT_REQUESTS": concurrency}) == (full, concurrency)


@pytest.mark.parametrize(("concurrency", "most"), [(1, 0), (2, 255)])
def test_where_one_request_is_allowed_a_held_one_counts(during, concurrency, most):
    async def probe(spider):
        return slots(spider).most_uncounted

    assert during(probe, {"CONCURRENT_REQUESTS": concurrency}) == most


@in_a_crawl()
async def test_a_components_change_of_the_concurrency_holds_whatever_is_held(spider):
    with Held(spider) as waiting:
        hold = waiting.hold("http://127.0.0.1/")
        downloader(spider).total_concurrency = 1
        waiting.add_others(1)
        full = [downloader(spider).needs_backout()]
        downloader(spider).total_concurrency = 2
        full.append(downloader(spider).needs_backout())
        waiting.end_others()
        await sending(hold, [], 1)
    assert (full, downloader(spider).total_concurrency) == ([True, False], 2)


class Careful(Downloader):
    """Takes no request at some times, for a reason of its own."""

    takes_none = False

    def needs_backout(self):
        return self.takes_none or super().needs_backout()


@in_a_crawl(DOWNLOADER=Careful)
async def test_a_projects_own_downloader_has_its_say_while_requests_are_held(spider):
    with Held(spider) as waiting:
        waiting.hold("http://127.0.0.1/")
        room = downloader(spider).needs_backout()
        downloader(spider).takes_none = True
        assert room is False
        assert downloader(spider).needs_backout() is True


@in_a_crawl()
async def test_until_a_first_request_is_held_the_downloader_is_as_scrapy_made_it(spider):
    assert downloader(spider).omocaptcha_make_room is None


@in_a_crawl()
async def test_held_requests_are_counted_and_their_time_is_added_up(spider):
    with Held(spider) as waiting:
        waiting.hold("http://127.0.0.1/1")
        waiting.hold("http://127.0.0.1/2")
        await sleep(0.05)
    stats = spider.crawler.stats.get_stats()
    assert stats["omocaptcha/held"] == 2
    assert stats["omocaptcha/held/max"] == 2
    assert stats["omocaptcha/seconds/held"] == 0.1


# -- let go ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_held_requests_are_let_go_at_once_than_the_settings_allow_in_their_order(during, most):
    log = []

    async def probe(spider):
        with Held(spider) as waiting:
            holds = [waiting.hold(f"http://127.0.0.{number}/") for number in range(1, 8)]
            tasks = [begin(sending(hold, log, number)) for number, hold in enumerate(holds, 1)]
            for task in tasks:
                await maybe_deferred_to_future(task)

    during(probe, {"CONCURRENT_REQUESTS": most})
    under_way = [sum(1 if name > 0 else -1 for name in log[: end + 1]) for end in range(len(log))]
    assert max(under_way) == most
    assert [name for name in log if name > 0] == list(range(1, 8))


@in_a_crawl(CONCURRENT_REQUESTS=1)
async def test_hundreds_go_on_at_once_without_filling_pythons_stack(spider):
    log = []
    with Held(spider) as waiting:
        waiting.add_others(1)
        holds = [waiting.hold("http://127.0.0.1/") for _ in range(300)]
        tasks = [begin(sending(hold, log, 1)) for hold in holds]
        await until(lambda: all(hold.state is HoldState.WAITING for hold in holds))
        for hold in holds:
            # As without asyncio, where a coroutine goes on within the callback.
            hold.allowed.addCallback(lambda _: slots(spider).serve())
        downloader(spider).total_concurrency = 0
        slots(spider).serve()
        for task in tasks:
            await maybe_deferred_to_future(task)
    assert log.count(-1) == 300


@in_a_crawl(CONCURRENT_REQUESTS=1)
async def test_a_request_that_waits_is_let_go_before_a_new_one_is_taken_from_the_scheduler(spider):
    log = []
    with Held(spider) as waiting:
        hold = waiting.hold("http://127.0.0.1/")
        waiting.add_others(1)
        task = begin(sending(hold, log, 1))
        await sleep(0.02)
        seen = [list(log), downloader(spider).needs_backout()]
        # Its end is what the engine asks after.
        waiting.end_others()
        seen.append(downloader(spider).needs_backout())
        await maybe_deferred_to_future(task)
        assert [*seen, log, downloader(spider).needs_backout()] == [[], True, True, [1, -1], False]


@in_a_crawl(CONCURRENT_REQUESTS=1)
async def test_a_request_that_did_not_come_out_of_the_scheduler_is_let_go_at_once_though_all_places_are_taken(spider):
    log = []
    with Held(spider) as waiting:
        first = waiting.hold("http://127.0.0.1/")
        nested = waiting.hold("http://127.0.0.1/nested", scheduled=False)
        waiting.add_others(1)
        task = begin(sending(first, log, 1))
        # It goes before one that waits for a place, which may be waiting for it.
        await sending(nested, log, 2)
        before = list(log)
        waiting.end_others()
        downloader(spider).needs_backout()
        await maybe_deferred_to_future(task)
    assert (before, log) == ([2, -2], [2, -2, 1, -1])


@in_a_crawl(CONCURRENT_REQUESTS=1)
async def test_beyond_that_number_a_held_request_that_is_let_go_still_counts_once(spider):
    log = []
    with Held(spider, 1) as waiting:
        holds = [waiting.hold(f"http://127.0.0.1/{number}") for number in (1, 2)]
        assert downloader(spider).needs_backout()
        # It counts already, so that nothing more is under way than before.
        await sending(holds[0], log, 1)
    assert log == [1, -1]


@in_a_crawl(CONCURRENT_REQUESTS=1)
async def test_no_new_request_is_taken_while_more_wait_to_go_on_than_may_be_sent_at_once(spider):
    with Held(spider, 0) as waiting:
        waiting.add_others(1)
        tasks = [begin(sending(waiting.hold("http://127.0.0.1/"), [], number)) for number in range(4)]
        await sleep(0.02)
        assert downloader(spider).needs_backout()
        waiting.end_others()
        downloader(spider).needs_backout()
        for task in tasks:
            await maybe_deferred_to_future(task)


@in_a_crawl(CONCURRENT_REQUESTS=3, DOWNLOAD_DELAY=100)
async def test_requests_whose_site_has_a_delay_are_let_go_one_at_a_time_and_keep_no_other_site_waiting(spider):
    log = []
    with Held(spider) as waiting:
        slow = [waiting.hold("http://127.0.0.3/") for _ in range(3)]
        other = waiting.hold("http://127.0.0.4/")
        tasks = [begin(sending(hold, log, number)) for number, hold in enumerate(slow, 1)]
        tasks.append(begin(sending(other, log, 4)))
        await sleep(0.02)
        # The two that wait for the delay keep no place free for themselves.
        full = downloader(spider).needs_backout()
        for task in tasks:
            await maybe_deferred_to_future(task)
    assert not full
    assert log[:2] == [1, 4]
    of_slow = [name for name in log if abs(name) != 4]
    assert of_slow == [1, -1, 2, -2, 3, -3]


@in_a_crawl(DOWNLOAD_DELAY=100)
async def test_requests_with_a_token_wait_for_the_delay_of_their_site_after_others_with_one_only(spider):
    log = []
    with Held(spider) as waiting:
        holds = [waiting.hold("http://127.0.0.3/") for _ in range(4)]
        for hold in holds[2:]:
            waiting.enter(slots(spider).order.urgently(hold.request))
        for task in [begin(sending(hold, log, number)) for number, hold in enumerate(holds, 1)]:
            await maybe_deferred_to_future(task)
    assert log == [1, 3, -1, -3, 4, -4, 2, -2]


@in_a_crawl(CONCURRENT_REQUESTS=3)
async def test_requests_whose_site_has_no_delay_are_let_go_together(spider):
    log = []
    with Held(spider) as waiting:
        tasks = [begin(sending(waiting.hold("http://127.0.0.1/"), log, number)) for number in (1, 2, 3)]
        await sleep(0.02)
        assert log == [1, 2, 3]
        for task in tasks:
            await maybe_deferred_to_future(task)


@in_a_crawl(CONCURRENT_REQUESTS=3, DOWNLOAD_SLOTS={"127.0.0.3": {"delay": 100}})
async def test_the_end_of_a_hold_lets_the_next_one_of_a_site_with_a_delay_go_at_once(spider):
    with Held(spider) as waiting:
        waiting.add_others(3)
        ends = [begin(waiting.hold("http://127.0.0.3/").end(lambda: None)) for _ in range(3)]
        await sleep(0.02)
        waiting.end_others()
        downloader(spider).needs_backout()
        await sleep(0.02)
        assert [end.called for end in ends] == [True, True, True]


@in_a_crawl()
async def test_a_request_that_was_let_go_and_then_replaced_by_a_middleware_is_known_to_be_back(spider):
    with Held(spider) as waiting:
        back = []
        hold = waiting.hold("http://127.0.0.1/1")
        await hold.end(lambda: back.append(hold))
        waiting.hold("http://127.0.0.1/2")
        seen = []
        for _ in range(2):
            downloader(spider).needs_backout()
            seen.append(list(back))
            downloader(spider).active.discard(hold.request)
    assert seen == [[], [hold]]


@in_a_crawl(CONCURRENT_REQUESTS=1)
async def test_a_hold_that_ends_counts_as_any_request_from_then_on(spider):
    with Held(spider) as waiting:
        hold, back = waiting.hold("http://127.0.0.1/"), []
        before = downloader(spider).needs_backout()
        waiting.add_others(1)
        ending = begin(hold.end(lambda: back.append(hold)))
        await sleep(0.02)
        assert not ending.called, "there is no place for it"
        waiting.end_others()
        assert downloader(spider).needs_backout()
        await maybe_deferred_to_future(ending)
        assert before is False
        assert downloader(spider).needs_backout() is True
        assert slots(spider).idle == 0
        for _ in range(2):
            with slots(spider).hold(hold.request):
                assert back == [hold], "it is told once that the request is held again"


@in_a_crawl(CONCURRENT_REQUESTS=1)
async def test_a_request_that_waits_to_be_let_go_gives_up_when_the_crawl_closes(spider):
    engine = spider.crawler.engine
    engine._slot.add_request(request := scrapy.Request("http://127.0.0.1/"))
    try:
        with Held(spider) as waiting:
            hold = waiting.hold("http://127.0.0.1/")
            waiting.add_others(1)
            task = begin(sending(hold, log := [], 1))
            begin(engine.close_spider_async(reason="enough"))
            with pytest.raises(CrawlClosing):
                await maybe_deferred_to_future(task)
            assert (log, hold.state) == ([], HoldState.IDLE)
    finally:
        engine._slot.remove_request(request)


@in_a_crawl(CONCURRENT_REQUESTS=1)
async def test_who_waits_until_all_is_used_takes_no_place_from_those_who_are(spider):
    log = []
    with Held(spider) as waiting:
        hold = waiting.hold("http://127.0.0.1/")
        waiting.add_others(1)
        (other,) = waiting.others
        closing = begin(slots(spider).until_all_is_used(other))
        await sending(hold, log, 1)
        before = closing.called
    await maybe_deferred_to_future(closing)
    assert (log, before, slots(spider).idle) == ([1, -1], False, 0)


@in_a_crawl()
async def test_who_waits_until_all_is_used_waits_for_each_token_that_a_callback_wants(spider):
    with ExitStack() as tokens:
        tokens.enter_context(slots(spider).buying())
        with slots(spider).buying():
            pass
        closing = begin(slots(spider).until_all_is_used(None))
        await sleep(1)
        before = closing.called
    await maybe_deferred_to_future(closing)
    assert not before


@in_a_crawl(CONCURRENT_REQUESTS=1)
async def test_the_scheduler_is_asked_as_soon_as_nothing_is_sent_any_more_for_a_held_request(spider, walled):
    site = walled()
    with Held(spider) as waiting:
        async with waiting.hold("http://127.0.0.1/").sending():
            spider.crawler.engine.crawl(scrapy.Request(f"{site.url}/free/1", callback=spider.page))
            await sleep(0.5)
            before = list(spider.pages)
        # Far sooner than the engine's heartbeat.
        await sleep(0.5)
        assert (before, len(spider.pages)) == ([], 1)


# -- what a slot tells -----------------------------------------------------------------------------------------------


@in_a_crawl(CONCURRENT_REQUESTS_PER_DOMAIN=1)
async def test_a_slot_tells_which_of_its_requests_wait_to_be_sent(spider, walled):
    site = walled(free_delay=0.2)
    left = []
    first, second = (scrapy.Request(f"{site.url}/free/{number}") for number in (1, 2))
    slot = slots(spider).order.slot(first)

    def leaves(request):
        # No longer transferred, its cookies not yet kept: it must not look as if it were still to be sent.
        left.append((request in slot.transferring, slots(spider).order.is_queued(request)))

    spider.crawler.signals.connect(leaves, signals.request_left_downloader)
    pages = [begin(spider.crawler.engine.download_async(first))]
    await until(lambda: slot.transferring)
    pages.append(begin(spider.crawler.engine.download_async(second)))
    await until(lambda: slot.queue)
    assert slots(spider).order.is_queued(first) is False
    assert slots(spider).order.is_queued(second) is True
    assert slot.active == {first, second}
    for page in pages:
        await maybe_deferred_to_future(page)
    assert left == [(False, False)] * 2


@pytest.mark.parametrize("slot", [Slot(0, 0, 0), Slot(8, 5, 0)], ids=["nothing is known of it", "it has a delay"])
@in_a_crawl()
async def test_a_site_that_has_a_delay_or_that_nothing_is_known_of_is_sent_one_request_at_a_time(spider, slot):
    assert slots(spider).concurrency(slot) == 1
