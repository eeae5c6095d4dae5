"""Limit how many coroutines do something at once: API calls, jobs, requests for the balance.

A coroutine that waits has not begun: no timeout of its API call runs, and nothing of it has been sent.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet.defer import Deferred


class CapacityLimiter:
    """Lets ``limit`` coroutines through at once, in the order in which they asked."""

    def __init__(self, limit: int) -> None:
        self.limit, self.taken = limit, 0
        """How many may be in their blocks, which takes effect when the next one leaves it, and how many are."""
        self._waiting: OrderedDict[Deferred[None], None] = OrderedDict()
        self._granting = False

    @contextmanager
    def acquire(self) -> Iterator[Deferred[None]]:
        """Yield a Deferred that fires when there is room; leaving the block makes room again."""
        granted: Deferred[None] = Deferred()
        self._waiting[granted] = None
        self._grant()
        try:
            yield granted
        finally:
            if granted in self._waiting:
                del self._waiting[granted]
            else:
                self.taken -= 1
                self._grant()

    def _grant(self) -> None:
        # A callback may leave its block at once and call this again. The outer loop then goes on in place of a nested
        # one: when a crawl closes, thousands leave one after the other.
        if self._granting:
            return
        self._granting = True
        while self.taken < self.limit and self._waiting:
            self.taken += 1
            self._waiting.popitem(last=False)[0].callback(None)
        self._granting = False
