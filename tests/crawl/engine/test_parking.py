"""What is parked is bounded, and comes back."""

import scrapy

from scrapy_omocaptcha.engine.parking import Parking
from tests.helpers.probing import in_a_crawl, slots


class Wall:
    is_closed = True

    def begin(self):
        return lambda: None


@in_a_crawl()
async def test_no_more_is_taken_out_of_the_queue_than_may_wait(spider):
    wall, queue = Wall(), [scrapy.Request(f"http://127.0.0.1/{number}", priority=number % 2) for number in range(40)]
    first = list(queue)
    parking = Parking(slots(spider), lambda request: wall, 32)
    with slots(spider).hold(scrapy.Request("http://127.0.0.2/")):
        for _ in range(3):
            assert parking.next(lambda: queue.pop(0) if queue else None) is None
        assert (len(parking), len(queue), slots(spider).waiting) == (31, 9, 32)
    wall.is_closed = False
    given = parking.next(lambda: None)
    assert given is first[1]
    # What is put in last comes out first.
    waited = sorted(set(first[:31]) - {given}, key=lambda request: (-request.priority, first.index(request)))
    assert parking.empty() == waited[::-1]
    assert (len(parking), slots(spider).waiting) == (0, 0)
    assert parking.next(lambda: queue.pop(0)) is None


@in_a_crawl()
async def test_what_is_parked_and_what_is_in_the_queue_take_turns(spider):
    wall, parked = Wall(), [scrapy.Request(f"http://127.0.0.1/{number}") for number in range(3)]
    free = [scrapy.Request(f"http://127.0.0.2/{number}") for number in range(3)]
    parking = Parking(slots(spider), lambda request: wall if request in parked and wall.is_closed else None, 99)
    queue = list(parked)
    assert parking.next(lambda: queue.pop(0) if queue else None) is None
    wall.is_closed, queue = False, list(free)
    slots(spider).concurrency = lambda slot: 9
    slots(spider).is_active = lambda request: True
    given = [parking.next(lambda: queue.pop(0) if queue else None) for _ in range(6)]
    slots(spider).let_go.clear()
    assert given == [parked[0], free[0], parked[1], free[1], parked[2], free[2]]
