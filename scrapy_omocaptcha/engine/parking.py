"""Keep requests that have not begun beside Scrapy's queue, while the wall that they would run into is being solved."""

import time
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from scrapy import Request

from scrapy_omocaptcha.engine.slots import Slots

_AT_ONCE = 500
"""How many requests are taken out of the queue before anything else has its turn."""


class Wall(Protocol):
    """What keeps requests from beginning."""

    @property
    def is_closed(self) -> bool: ...

    def begin(self) -> Callable[[], None]:
        """Count a request that begins; return what is to be called once it is back."""


class Parking:
    """The requests of a crawl that came out of Scrapy's queue and have not begun: they take no place anywhere.

    :param closed_wall: returns the wall that a request would have to wait for, or None if it may begin.
    :param most: how many requests may be kept from going on. Beyond that, nothing more is taken out of the queue.
    """

    def __init__(self, slots: Slots, closed_wall: Callable[[Request], Wall | None], most: int) -> None:
        self._slots, self._closed_wall, self._most = slots, closed_wall, most
        self._next_number = count().__next__
        self._parked: dict[Wall, list[tuple[int, int, float, Request]]] = {}
        """Heaps of what is parked: by priority, then in the order in which it came, with the time."""
        self._has_given = False
        """Whether the last request that began had been parked."""

    def __len__(self) -> int:
        return sum(map(len, self._parked.values()))

    def next(self, take: Callable[[], Request | None]) -> Request | None:
        """Return the request that begins next, if any: a parked one and one out of the queue take turns.

        :param take: takes a request out of the queue.
        """
        given = None if self._has_given else self._give()
        request = given or self._take(take) or self._give()
        self._has_given = request is not None and request in self._slots.let_go
        return request

    def empty(self) -> list[Request]:
        """Return all that is parked, for the queue: what is put in last comes out first, unless that is set otherwise.

        Nothing is parked from then on.
        """
        self._most = 0
        entries = sorted((entry for heap in self._parked.values() for entry in heap), reverse=True)
        self._parked.clear()
        return [self._leave(entry) for entry in entries]

    def _take(self, take: Callable[[], Request | None]) -> Request | None:
        room = self._most - self._slots.waiting
        for _ in range(min(room, _AT_ONCE)):
            request = take()
            wall = None if request is None else self._closed_wall(request)
            if request is None or wall is None:
                return request
            entry = (-request.priority, self._next_number(), time.monotonic(), request)
            heappush(self._parked.setdefault(wall, []), entry)
            self._slots.count_waiting(1)
        if room > _AT_ONCE:
            self._slots.wake()
        return None

    def _give(self) -> Request | None:
        """Return the first of the requests that need not wait any more."""
        self._slots.find_returned()
        wall = min((wall for wall in self._parked if not wall.is_closed), key=self._parked.__getitem__, default=None)
        if wall is None:
            return None
        request = self._leave(heappop(self._parked[wall]))
        if not self._parked[wall]:
            del self._parked[wall]
        self._slots.on_return(request, wall.begin())
        return request

    def _leave(self, entry: tuple[int, int, float, Request]) -> Request:
        _, _, since, request = entry
        self._slots.count_waiting(-1, since)
        return request
