"""Let the held requests of a session go on in their order, and no more of them side by side than the site is sent.

Nothing is sent or scheduled here.
"""

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred


class Turns:
    """The turns of requests that wait while the wall of their session is being solved."""

    def __init__(self, may_go_on: Callable[[], bool]) -> None:
        self._may_go_on = may_go_on
        self._held: deque[tuple[Deferred[None], bool]] = deque()
        """Held requests: what fires when it is their turn, and whether they have met the wall themselves."""
        self._released = 0
        self._is_releasing = False
        self.concurrency: Callable[[], int] = lambda: 1
        """Returns how many released requests may be under way side by side."""

    @property
    def has_room(self) -> bool:
        """Tell whether a request that waited here from now on would be released at once."""
        return self._may_go_on() and not self._held and self._released < self.concurrency()

    def wait(self, *, challenged: bool) -> Deferred[None]:
        """Hold a request, which may have been ``challenged`` itself; the Deferred fires when it is its turn."""
        turn: Deferred[None] = Deferred(lambda _: self._held.remove(entry) if entry in self._held else None)
        entry = (turn, challenged)
        self._held.append(entry)
        return turn

    def begin(self) -> None:
        """Begin the turn of a request that has waited elsewhere."""
        self._released += 1

    def end(self) -> None:
        """End the turn of a released request: its response is back, or never will be."""
        self._released -= 1
        self.go_on()

    def go_on(self) -> None:
        """Release those whose turn it is."""
        # Without asyncio, a released request goes on before this call returns, and may end its turn here. The loop then
        # goes on, rather than one within it: hundreds of them would be more than Python's stack can hold.
        if self._is_releasing:
            return
        self._is_releasing = True
        try:
            while self._held and self._may_go_on() and self._released < self.concurrency():
                self._release(self._held[0])
        finally:
            self._is_releasing = False

    def release_all(self, *, challenged: bool) -> None:
        """Release the requests that have met the wall themselves, or those that have not, whatever the limit."""
        # A released request may go on, and wait again, before this call returns.
        for entry in [entry for entry in self._held if entry[1] is challenged]:
            if entry in self._held:
                self._release(entry)

    def _release(self, entry: tuple[Deferred[None], bool]) -> None:
        self._held.remove(entry)
        self._released += 1
        entry[0].callback(None)
