"""The breaker: leaves a host alone for a while after several jobs in a row were of no use there.

It counts for a host and a key, and for a host over all keys, since a wall may change its key with each page. Pure
state with an injected clock.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_Circuit = tuple[str, "str | None"]
"""A host and a key, or a host and any key."""


class Breaker:
    """The breaker of one crawl.

    :param failures: useless jobs in a row for a host and a key, or keys in a row that were of no use on a host.
    :param pause: seconds until one job is tried again.
    """

    def __init__(self, failures: int, pause: float, clock: Callable[[], float]) -> None:
        self._most = failures
        self._pause = pause
        self._clock = clock
        self._failures: Counter[_Circuit] = Counter()
        self._keys: defaultdict[str, set[str]] = defaultdict(set)
        self._open_until: dict[_Circuit, float] = {}

    def is_open(self, host: str, key: str) -> bool:
        """The host is left alone at the moment."""
        now = self._clock()
        return any(now < self._open_until.get(circuit, 0.0) for circuit in _circuits(host, key))

    def take_turn(self, host: str, key: str) -> Callable[[], None]:
        """After a pause one job tries again, and the next waits for its outcome; how to undo that."""
        until = self._clock() + self._pause
        before = {circuit: at for circuit in _circuits(host, key) if (at := self._open_until.get(circuit)) is not None}
        self._open_until.update(dict.fromkeys(before, until))

        def give_back() -> None:
            for circuit, at in before.items():
                # A failure since then has begun a pause of its own, a success has ended it.
                if self._open_until.get(circuit) == until:
                    self._open_until[circuit] = at

        return give_back

    def succeeded(self, host: str, key: str) -> None:
        """The site has accepted a token."""
        self._keys.pop(host, None)
        for circuit in _circuits(host, key):
            self._failures.pop(circuit, None)
            self._open_until.pop(circuit, None)

    def failed(self, host: str, key: str) -> None:
        """A job failed, or the site rejected its token."""
        self._failures[host, key] += 1
        self._keys[host].add(key)
        self._failures[host, None] = len(self._keys[host])
        for circuit in _circuits(host, key):
            if self._failures[circuit] >= self._most:
                self._open_until[circuit] = self._clock() + self._pause


def _circuits(host: str, key: str) -> tuple[_Circuit, _Circuit]:
    return (host, key), (host, None)
