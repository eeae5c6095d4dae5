"""Whoever may not all go at once takes turns: calls to the service, jobs, questions about the account.

Who waits has not begun: no time-out of a call runs meanwhile, and nothing of it has left this machine.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from collections.abc import Iterator


class Turns:
    """First come, first served; but those who may not wait for the others go ahead of them.

    :param at_once: how many have their turn at the same time, at the most.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._ahead: OrderedDict[Deferred[None], None] = OrderedDict()
        self._others: OrderedDict[Deferred[None], None] = OrderedDict()
        self._handing_out = False

    @contextmanager
    def turn(self, *, ahead: bool = False) -> Iterator[Deferred[None]]:
        """A Deferred that fires when the turn comes; it lasts until the block is left, which may be before it comes.

        :param ahead: go ahead of those who come without this.
        """
        come: Deferred[None] = Deferred()
        queue = self._ahead if ahead else self._others
        queue[come] = None
        self._hand_out()
        try:
            yield come
        finally:
            if come in queue:
                del queue[come]
            else:
                self._free += 1
                self._hand_out()

    def _hand_out(self) -> None:
        # Who gets a turn may leave it at once and come here again. This loop then goes on, rather than one within it:
        # when a crawl closes, thousands leave one after the other.
        if self._handing_out:
            return
        self._handing_out = True
        while self._free and (queue := self._ahead or self._others):
            self._free -= 1
            queue.popitem(last=False)[0].callback(None)
        self._handing_out = False
