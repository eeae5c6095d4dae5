"""Estimate what a dry run would have bought.

Only buying shows whether one job opens a wall for a session or whether each page needs one, so the estimate is a range.
"""

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
        self._challenges: defaultdict[str, Counter[object]] = defaultdict(Counter)
        """The number of challenges by host and session."""

    def record(self, host: str, session: object) -> None:
        """Record a challenge for a request of ``session``, which must be hashable."""
        self._challenges[host][session] += 1

    @property
    def jobs(self) -> dict[str, JobRange]:
        """Return the estimated jobs by host."""
        return {host: JobRange(len(sessions), sessions.total()) for host, sessions in self._challenges.items()}
