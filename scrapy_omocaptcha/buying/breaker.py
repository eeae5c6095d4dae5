"""Stop buying for a host, or a whole domain, where most of the last jobs were of no use.

A circuit has the last results of a host. A domain may have any number of hosts, so it has a circuit, too, until a token
is accepted at one of them.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.urls import domain_of

_MAX_CIRCUITS = 10_000
_MOST = 0.8
"""Share of useless jobs among the last ones that opens a circuit: one in five may be of use."""


@dataclass
class _Circuit:
    useless: deque[bool]
    """Whether each of the last jobs was of no use."""
    open_until: float = 0.0
    """Time at which the pause ends; 0 if none has begun since a job was of use."""


class Breaker:
    """The circuit breakers of one crawl.

    :param failures: the fewest useless jobs that open a circuit, and half the number of jobs that are looked at.
    :param pause: seconds until an open circuit lets one job through again.
    """

    def __init__(self, failures: int, pause: float, clock: Callable[[], float]) -> None:
        self._failures = failures
        self._pause = pause
        self._clock = clock
        self._circuits: LocalCache[str, _Circuit] = LocalCache(_MAX_CIRCUITS)
        self._accepting_domains: LocalCache[str, bool] = LocalCache(_MAX_CIRCUITS)

    def _names(self, host: str) -> Iterator[str]:
        yield host
        if (domain := domain_of(host)) not in self._accepting_domains:
            yield domain

    def find_open(self, host: str) -> str | None:
        """Return the host, or its domain, for which nothing may be bought now; None if it may be."""
        known = ((name, self._circuits.get(name)) for name in self._names(host))
        return next((name for name, circuit in known if circuit and self._clock() < circuit.open_until), None)

    def let_through(self, host: str) -> None:
        """Hold back further jobs where this one comes after a pause, until its result is known or for another pause."""
        for name in self._names(host):
            if (circuit := self._circuits.get(name)) and circuit.open_until:
                circuit.open_until = self._clock() + self._pause

    def record_success(self, host: str) -> None:
        """Record a job whose token the site accepted, and end the pause of its host and domain."""
        for name in self._names(host):
            circuit = self._circuit(name)
            if circuit.open_until:  # What led to the pause is over.
                circuit.useless.clear()
            circuit.useless.append(False)
            circuit.open_until = 0.0
        self._accepting_domains[domain_of(host)] = True

    def record_failure(self, host: str) -> None:
        """Record a job that gave no token, or whose token the site rejected; open the circuits for which it is."""
        for name in self._names(host):
            circuit = self._circuit(name)
            circuit.useless.append(True)
            useless = sum(circuit.useless)
            if useless >= max(self._failures, _MOST * len(circuit.useless)) or circuit.open_until:
                circuit.open_until = self._clock() + self._pause

    def _circuit(self, name: str) -> _Circuit:
        # The circuit whose last result is the oldest is forgotten first.
        self._circuits[name] = circuit = self._circuits.pop(name, _Circuit(deque(maxlen=2 * self._failures)))
        return circuit
