"""A request that is kept waiting, and what it takes up meanwhile. It decides nothing."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request

    from scrapy_omocaptcha.engine.slots import Hold
    from scrapy_omocaptcha.engine.stats import Stats
    from scrapy_omocaptcha.walls.sessions import Session


class Held:
    """A request that is kept waiting, or has been; what it takes up is given back once."""

    def __init__(self, hold: Hold, stats: Stats, clock: Callable[[], float]) -> None:
        self.hold = hold
        self.session: Session | None = None
        """The session in which it has been let go, and has a turn to give back."""
        self._stats = stats
        self._clock = clock
        self._since = clock()
        self._ended = False
        self._dropped: weakref.finalize[[], Request] | None = None

    def end_with(self, request: Request) -> None:
        """Should the request be dropped where nobody tells us, its place must not be lost with it."""
        self._dropped = weakref.finalize(request, self.end)
        self._dropped.atexit = False

    def end(self) -> None:
        """Its response is back, or it never will be."""
        if self._ended:
            return
        self._ended = True
        if self._dropped is not None:
            # It keeps us, our session and so its last leader: where that is the request itself, for ever.
            self._dropped.detach()
        self.hold.release()
        self._stats.add("seconds/held", round(self._clock() - self._since, 3))
        if self.session is not None:
            self.session.back()
