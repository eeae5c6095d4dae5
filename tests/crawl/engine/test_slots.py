"""Held requests take nothing from the rest of the crawl, and the site never gets more than the settings allow."""

from contextlib import ExitStack

import pytest
import scrapy
from scrapy.utils.defer import maybe_deferred_to_future

from scrapy_omocaptcha.engine.slots import HoldState
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


# -- let go ----------------------------------------------------------------------------------------------------------


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
