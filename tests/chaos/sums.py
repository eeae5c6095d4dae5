"""Add up the figures of a run, which are printed at its end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.chaos import books

if TYPE_CHECKING:
    from tests.chaos.plan import Plan, World

_SHOWN = 20


class Sums:
    """Figures of the crawls of a run so far."""

    def __init__(self) -> None:
        self._requests = 0
        self._jobs = 0
        self._faults: Counter[str] = Counter()
        self._wrong: list[str] = []

    def add(self, planned: Plan, world: World, requests: int, told: str, wrong: list[str]) -> str:
        """Count a crawl, and return the lines to print about it.

        :param requests: how many requests were sent.
        :param wrong: a sentence for each thing that is wrong.
        """
        self._requests += requests
        self._jobs += len(world.service.jobs)
        faults = books.faults(world)
        self._faults += faults
        self._wrong += wrong
        told = f"{planned.seed}: {told}, {len(world.service.jobs)} jobs, {faults.total()} faults"
        if not wrong:
            return told
        return "\n".join([told, *(f"    WRONG {sentence}" for sentence in wrong[:_SHOWN]), f"    {planned}"])

    def lines(self, *more: str) -> str:
        """Return the summary, with ``more`` before the line about what is wrong."""
        kinds = Counter(sentence.partition(":")[0] for sentence in self._wrong)
        counted = ", ".join(f"{kind}: {kinds.pop(kind, 0)}" for kind in ("lost", "twice", "overrun"))
        return "\n".join(
            [
                f"requests driven: {self._requests}",
                f"jobs bought: {self._jobs}",
                f"faults met: {self._faults.total()}",
                *(f"    {kind}: {number}" for kind, number in sorted(self._faults.items())),
                *more,
                f"{counted}, else wrong: {kinds.total()}",
            ]
        )

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self._wrong
