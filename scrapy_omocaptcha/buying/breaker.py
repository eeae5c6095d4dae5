"""Stop buying for a host after several useless jobs in a row.

It counts failures for a host and a sitekey, and failed sitekeys for a host, since a wall may change its sitekey with
each page. The breaker is pure state with an injected clock.
"""

from collections import Counter, defaultdict
from collections.abc import Callable

_Circuit = tuple[str, "str | None"]
"""A host with a sitekey, or with None for all of its sitekeys."""


class Breaker:
    """The circuit breakers of one crawl.

    :param failures: useless jobs in a row for a host and sitekey, or failed sitekeys in a row for a host, that open
        its circuit.
    :param pause: seconds until an open circuit lets one job through again.
    """

    def __init__(self, failures: int, pause: float, clock: Callable[[], float]) -> None:
        self._threshold = failures
        self._pause = pause
        self._clock = clock
        self._failures: Counter[_Circuit] = Counter()
        self._failed_keys: defaultdict[str, set[str]] = defaultdict(set)
        self._open_until: dict[_Circuit, float] = {}

    def is_open(self, host: str, sitekey: str) -> bool:
        """Return whether nothing may be bought for this host and sitekey now."""
        now = self._clock()
        return any(now < self._open_until.get(circuit, 0.0) for circuit in _circuits(host, sitekey))

    def begin_trial(self, host: str, sitekey: str) -> Callable[[], None]:
        """Let one job through after a pause and hold back the next ones; return a function that undoes this."""
        until = self._clock() + self._pause
        before = {
            circuit: at for circuit in _circuits(host, sitekey) if (at := self._open_until.get(circuit)) is not None
        }
        self._open_until.update(dict.fromkeys(before, until))

        def cancel() -> None:
            for circuit, at in before.items():
                # A later failure has begun a pause of its own, and a success has ended it.
                if self._open_until.get(circuit) == until:
                    self._open_until[circuit] = at

        return cancel

    def record_success(self, host: str, sitekey: str) -> None:
        """Close the circuits of a host and sitekey after the site accepted a token."""
        self._failed_keys.pop(host, None)
        for circuit in _circuits(host, sitekey):
            self._failures.pop(circuit, None)
            self._open_until.pop(circuit, None)

    def record_failure(self, host: str, sitekey: str) -> None:
        """Count a job without a token or a rejected token, and open each circuit that has reached the threshold."""
        self._failures[host, sitekey] += 1
        self._failed_keys[host].add(sitekey)
        self._failures[host, None] = len(self._failed_keys[host])
        for circuit in _circuits(host, sitekey):
            if self._failures[circuit] >= self._threshold:
                self._open_until[circuit] = self._clock() + self._pause


def _circuits(host: str, sitekey: str) -> tuple[_Circuit, _Circuit]:
    return (host, sitekey), (host, None)
