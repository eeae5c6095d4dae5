"""Stop buying for a host, or a whole domain, where most of the last jobs were of no use.

A circuit has the last jobs of a host and site key, in the order in which they were created. Another one has those of
the whole host, since a wall may change its key; there a key counts only once more than all others together, so that one
bad form does not stop the others. A job that runs is taken to be of use: failures are often known before successes.

A domain may have any number of hosts, so it has a circuit, too, until a token is accepted at one of them. There a host
counts only once more than all others together. The breaker is pure state with an injected clock.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field

from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.urls import domain_of

_MAX_CIRCUITS = 10_000
_MAX_JOBS = 1_000
"""Jobs that a circuit remembers, the latest ones; more than may be under way."""
_SHARE = 0.8
"""Share of useless jobs among the last ones that opens a circuit of a host."""
_SHARE_OF_DOMAIN = 0.5
"""The same for a domain, where the others may only be running: once one was of use, no circuit is left."""


@dataclass
class _Circuit:
    useless: LocalCache[Hashable, Hashable] = field(default_factory=lambda: LocalCache(_MAX_JOBS))
    """The kind that a job of no use counts as, by job; None for a job that may be of use."""
    open_until: float = 0.0
    """Time at which the pause ends. The circuit counts as open until a job was of use."""

    def fails(self, job: Hashable, kind: Hashable, threshold: int, share: float) -> bool:
        """Record a useless job; return whether it is one too many, and forget what led to that.

        :param kind: what it counts as: of one kind, only one more counts than of all others together.
        """
        self.useless[job] = kind
        kinds = list(self.useless.values())
        for end in range(list(self.useless).index(job) + 1, len(kinds) + 1):
            last = Counter(kinds[max(0, end - 2 * threshold) : end])
            of_use = last.pop(None, 0)
            others = last.total() - max(last.values(), default=0)
            useless = min(last.total(), 2 * others + 1)
            if useless >= max(threshold, share * (useless + of_use)):
                for _ in range(end):
                    self.useless.popitem(last=False)
                return True
        return False


class Breaker:
    """The circuit breakers of one crawl.

    :param failures: the fewest useless jobs that open a circuit, and half the number of jobs that are looked at.
    :param pause: seconds until an open circuit lets one job through again.
    """

    def __init__(self, failures: int, pause: float, clock: Callable[[], float]) -> None:
        self._threshold = failures
        self._pause = pause
        self._clock = clock
        self._circuits: LocalCache[tuple[str, str | None], _Circuit] = LocalCache(_MAX_CIRCUITS)
        self._accepting: LocalCache[str, bool] = LocalCache(_MAX_CIRCUITS)
        """Domains at which a token was accepted."""

    def _names(self, host: str, sitekey: str) -> Iterator[tuple[str, str | None]]:
        yield from ((host, sitekey), (host, None))
        if (domain := domain_of(host)) not in self._accepting:
            yield domain, None

    def _of(self, host: str, sitekey: str) -> Iterator[_Circuit]:
        return (self._circuits.get(name, _Circuit()) for name in self._names(host, sitekey))

    def find_open(self, host: str, sitekey: str) -> str | None:
        """Return the host, or its domain, for which nothing may be bought now with this sitekey; None if it may be."""
        circuits = zip(self._names(host, sitekey), self._of(host, sitekey), strict=True)
        return next((name for (name, _), circuit in circuits if self._clock() < circuit.open_until), None)

    def doubts(self, host: str) -> bool:
        """Tell whether jobs for other hosts of a host's domain were of no use, none for it, and none of use at all."""
        hosts = {*self._circuits.get((domain_of(host), None), _Circuit()).useless.values()} - {None}
        return bool(hosts) and host not in hosts

    def begin_trial(self, host: str, sitekey: str) -> Callable[[], None]:
        """Let one job through after a pause and hold back the next ones; return a function that undoes this."""
        end = self._clock() + self._pause
        before = [(circuit, circuit.open_until) for circuit in self._of(host, sitekey) if circuit.open_until]
        for circuit, _ in before:
            circuit.open_until = end

        def cancel() -> None:
            for circuit, at in before:
                # A later failure or trial has begun a pause of its own, and a success has ended it.
                if circuit.open_until == end:
                    circuit.open_until = at

        return cancel

    def created(self, job: Hashable, host: str, sitekey: str) -> None:
        """Record that the service has taken a job."""
        for name in self._names(host, sitekey):
            # The circuit whose last job is the oldest is forgotten first.
            self._circuits[name] = circuit = self._circuits.pop(name, _Circuit())
            circuit.useless[job] = None

    def record_success(self, job: Hashable, host: str, sitekey: str) -> None:
        """Close the circuits of a job whose token the site accepted, unless it is older than what has opened them."""
        for circuit in self._of(host, sitekey):
            if job in circuit.useless:
                circuit.open_until = 0.0
        self._accepting[domain_of(host)] = True
        self._circuits.pop((domain_of(host), None), None)

    def record_failure(self, job: Hashable, host: str, sitekey: str) -> None:
        """Record a job that gave no token, or whose token the site rejected, and open the circuits that this is for."""
        counts = ((job, _SHARE), (sitekey, _SHARE), (host, _SHARE_OF_DOMAIN))
        for circuit, (kind, share) in zip(self._of(host, sitekey), counts, strict=False):
            if job in circuit.useless and (circuit.fails(job, kind, self._threshold, share) or circuit.open_until):
                circuit.open_until = self._clock() + self._pause
