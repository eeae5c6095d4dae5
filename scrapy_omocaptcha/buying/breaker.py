"""Stop buying for a host after several useless jobs in a row.

It counts failures for a host and a sitekey, and failed sitekeys for a host, since a wall may change its sitekey with
each page. The breaker is pure state with an injected clock.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from scrapy.utils.datatypes import LocalCache

_MAX_HOSTS = 10_000
"""Hosts with useless jobs that are remembered, the latest ones."""


@dataclass
class _Host:
    """The useless jobs of one host."""

    failures: Counter[str] = field(default_factory=Counter)
    """The number of useless jobs in a row, by sitekey."""
    failed_keys: set[str] = field(default_factory=set)
    """The sitekeys of the useless jobs since the last one that was of use."""
    open_until: dict[str | None, float] = field(default_factory=dict)
    """When the pause of an open circuit ends, by sitekey; None stands for all sitekeys."""


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
        self._hosts: LocalCache[str, _Host] = LocalCache(_MAX_HOSTS)

    def is_open(self, host: str, sitekey: str) -> bool:
        """Return whether nothing may be bought for this host and sitekey now."""
        now, until = self._clock(), self._hosts.get(host, _Host()).open_until
        return any(now < until.get(key, 0.0) for key in (sitekey, None))

    def begin_trial(self, host: str, sitekey: str) -> Callable[[], None]:
        """Let one job through after a pause and hold back the next ones; return a function that undoes this."""
        end, until = self._clock() + self._pause, self._hosts.get(host, _Host()).open_until
        before = {key: until[key] for key in (sitekey, None) if key in until}
        until.update(dict.fromkeys(before, end))

        def cancel() -> None:
            for key, at in before.items():
                # A later failure has begun a pause of its own, and a success has ended it.
                if until.get(key) == end:
                    until[key] = at

        return cancel

    def record_success(self, host: str, sitekey: str) -> None:
        """Close the circuits of a host and sitekey after the site accepted a token."""
        known = self._hosts.get(host, _Host())
        known.failed_keys.clear()
        known.failures.pop(sitekey, None)
        for key in (sitekey, None):
            known.open_until.pop(key, None)
        if not (known.failures or known.open_until):
            self._hosts.pop(host, None)

    def record_failure(self, host: str, sitekey: str) -> None:
        """Count a job without a token or a rejected token, and open each circuit that has reached the threshold."""
        known = self._hosts.pop(host, None) or _Host()
        self._hosts[host] = known
        known.failures[sitekey] += 1
        known.failed_keys.add(sitekey)
        for key, failures in ((sitekey, known.failures[sitekey]), (None, len(known.failed_keys))):
            if failures >= self._threshold:
                known.open_until[key] = self._clock() + self._pause
