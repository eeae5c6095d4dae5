"""When to ask the service whether a job is done: learnt from the solve times seen so far in this crawl.

Asking late costs waiting, asking often costs calls. `Polling` keeps a distribution of the service's solve times and
asks at the times that make ``seconds between solved and asked + 0.2 s for each question`` least on average. It is
pure: it knows no network, no setting and no clock; all times are seconds since the creation of the job in question.
"""

from __future__ import annotations

import random as _random
from itertools import accumulate
from math import erf, exp, hypot, log, sqrt

QUESTION = 0.2
"""What one question costs, in seconds of waiting."""

STEP = 0.5
"""Width of a cell, in seconds: solve times are known, and questions planned, no finer than this."""
CELLS = 480

SMOOTHNESS = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Relative widths of the mark that one observation leaves; which of them foretells best is learnt as well."""
MEMORY = 40
"""After so many observations, the older ones begin to fade."""
SURPRISE = 4.0
"""Log odds against what was learnt, above which the service's speed is taken to have changed."""


def _lognormal(median: float, sigma: float) -> list[float]:
    below = [0.0] + [(1 + erf(log(i * STEP / median) / sigma / sqrt(2))) / 2 for i in range(1, CELLS + 1)]
    return [b - a for a, b in zip(below, below[1:], strict=False)]


# OMOcaptcha has advertised averages of 15 s (2024) and of 60 s (2026); a little for everything else.
_PRIOR = [
    0.45 * a + 0.45 * b + 0.1 / CELLS for a, b in zip(_lognormal(14, 0.4), _lognormal(56, 0.4), strict=True)
]


class Polling:
    """Says when to ask next; one for the crawl, told of every answer."""

    def __init__(self, interval: float = 2.0, *, random: _random.Random | None = None) -> None:
        self._interval = interval
        self._random = random or _random.Random()
        self._fresh: list[tuple[float, float]] = []
        self._forget()

    def _forget(self) -> None:
        self._seen = 0
        self._surprise = 0.0
        self._density = [list(_PRIOR) for _ in SMOOTHNESS]
        self._score = [0.0 for _ in SMOOTHNESS]
        self._plan: list[int] | None = None
        self._planned = 0

    def next_question(self, waited: float, asked: int) -> float:
        if self._plan is None or self._seen >= self._planned * 1.15 + 1 or self._seen - self._planned >= 8:
            self._plan = self._make_plan()
            self._planned = self._seen
        cell = round(waited / STEP)
        earliest = waited + self._interval if asked else 0
        if cell >= CELLS:
            return waited + max(self._interval, 10) + self._random.uniform(0, 1)
        then = (self._plan[cell] if asked else self._first) * STEP
        return max(earliest, then + self._random.uniform(-STEP / 2, STEP / 2))

    def _make_plan(self) -> list[int]:
        weights = [exp(s - max(self._score)) for s in self._score]
        density = [0.0] * CELLS
        for w, d in zip(weights, self._density, strict=True):
            w /= sum(weights) * sum(d)
            for i, p in enumerate(d):
                density[i] += w * p
        done = [0.0, *accumulate(density)]
        area = [0.0, *accumulate((a + b) / 2 * STEP for a, b in zip(done, done[1:], strict=False))]
        gap = max(1, round(self._interval / STEP))
        cost = [0.0] * (CELLS + gap + 1)
        plan = [0] * CELLS

        def best(now: int, soonest: int) -> tuple[float, int]:
            least, at = 1e9, CELLS
            a, d = area[now], done[now] * STEP
            for then in range(soonest, CELLS + 1):
                late = area[then] - a - d * (then - now)
                if late >= least:
                    break
                total = late + cost[then]
                if total < least:
                    least, at = total, then
            return (least if least < 1e9 else 0) + QUESTION * (done[-1] - done[now]), at

        for now in range(CELLS - 1, 0, -1):
            cost[now], plan[now] = best(now, now + gap)
        self._first = best(0, 1)[1]
        return plan

    def saw(self, not_ready: float, ready: float) -> None:
        """Learn that a job was last seen unfinished at `not_ready` and first seen done at `ready`."""
        lo, hi = not_ready / STEP, min(ready / STEP, CELLS)
        if lo >= CELLS - 1 or hi <= lo:
            return
        cells = [(i, min(i + 1, hi) - max(i, lo)) for i in range(int(lo), min(CELLS, int(hi) + 1))]
        prior = sum(_PRIOR[i] * w for i, w in cells)
        m = max(self._score)
        likely = total = 0.0
        grow = self._grow()
        for k, (smooth, d) in enumerate(zip(SMOOTHNESS, self._density, strict=True)):
            share = [d[i] * w for i, w in cells]
            s = sum(share)
            p = s / sum(d)
            wt = exp(self._score[k] - m)
            likely += wt * p
            total += wt
            self._score[k] = self._score[k] * 0.97 + log(p)
            mean = sum((i + 0.5) * x for (i, _), x in zip(cells, share, strict=True)) / s
            var = sum((i + 0.5 - mean) ** 2 * x for (i, _), x in zip(cells, share, strict=True)) / s
            sd = hypot(sqrt(var), smooth * mean)
            a, b = max(0, int(mean - 3 * sd)), min(CELLS, int(mean + 3 * sd) + 2)
            bump = [exp(-(((i + 0.5 - mean) / sd) ** 2) / 2) for i in range(a, b)]
            f = grow * sum(d) / sum(bump)
            for i, x in enumerate(bump, a):
                d[i] += f * x
        self._seen += 1
        self._surprise = max(0.0, self._surprise + log(prior / (likely / total)))
        if self._surprise == 0:
            self._fresh.clear()
        else:
            self._fresh.append((not_ready, ready))
            if self._surprise > SURPRISE:
                fresh, self._fresh = self._fresh, []
                self._forget()
                for f2 in fresh:
                    self.saw(*f2)

    def _grow(self) -> float:
        return max(1 / (1 + self._seen), 1 / MEMORY)
