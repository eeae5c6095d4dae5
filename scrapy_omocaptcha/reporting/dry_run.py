"""Estimate what a dry run would have bought.

Only buying shows whether one job opens a wall for a session or whether each page needs one, so the estimate is a range.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple


class JobRange(NamedTuple):
    """Estimated number of jobs for one host."""

    least: int
    """Jobs if one opens the wall for a session."""
    most: int
    """Jobs if each page needs one."""


class DryRun:
    """Records the challenges that a dry run did not solve."""

    def __init__(self) -> None:
        self._sessions: defaultdict[str, set[object]] = defaultdict(set)
        self._challenges: Counter[str] = Counter()

    def record(self, host: str, session: object) -> None:
        """Record a challenge for a request of ``session``, which must be hashable."""
        self._sessions[host].add(session)
        self._challenges[host] += 1

    @property
    def jobs(self) -> dict[str, JobRange]:
        """Estimated jobs by host."""
        return {host: JobRange(len(self._sessions[host]), number) for host, number in self._challenges.items()}
