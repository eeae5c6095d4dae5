"""What a dry run would have bought. One job opens a wall for a session, or it takes one for each page: which of them,
only buying tells.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple


class Jobs(NamedTuple):
    """How many jobs a host would have cost."""

    least: int
    """If one job opens the wall for a session."""
    most: int
    """If each page wants a token."""


class Estimate:
    """Counts what was not bought."""

    def __init__(self) -> None:
        self._sessions: defaultdict[str, set[object]] = defaultdict(set)
        self._challenges: Counter[str] = Counter()

    def challenge(self, host: str, session: object) -> None:
        """A challenge that would have been solved, for a request of ``session``."""
        self._sessions[host].add(session)
        self._challenges[host] += 1

    @property
    def jobs(self) -> dict[str, Jobs]:
        """By host."""
        return {host: Jobs(len(self._sessions[host]), number) for host, number in self._challenges.items()}
