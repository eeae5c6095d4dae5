"""When to ask the service whether a job is done, learnt from the solve times seen so far in this crawl.

Asking late costs waiting, asking often costs calls. ``Polling`` guesses how long the service takes, and asks at the
times that make ``seconds from solved to asked + 0.2 s for each question`` least on average.
It is pure: it must know no network, setting or clock. All times are seconds since the creation of the job in question.
"""

from __future__ import annotations

import math
import random as _random
from collections import deque
from itertools import accumulate, pairwise

QUESTION = 0.2
"""What one question costs, in seconds of waiting."""
STEP = 0.25
"""Solve times are guessed in cells of so many seconds; a power of two, so that an interval is never cut short."""
CELLS = 960
"""The last cell, which ends after four minutes, also stands for everything later."""
LEAST_REAL_INTERVAL = 0.5
"""Seconds between two questions, below which they are not for a service on the internet."""
LATE = 10.0
"""Seconds between questions after the last cell."""

WIDTHS = (0.0, 0.03, 0.1, 0.3)
"""The guesses, by how unlike each other they take solve times to be: relative width of what one solve tells."""
MEMORY = 40
"""Solves that a guess remembers, about."""
CHANGEABLE = 0.05
"""How readily belief goes over from one guess to another."""
SURPRISE = 3.5
"""Log odds against all that was learnt, upon which it is forgotten: the service's speed has changed."""
PATIENCE = 300.0
"""After so many seconds of not asking, one question is asked early, lest a service grown faster go unnoticed."""
INDIFFERENT = 0.005
"""Expected seconds that do not matter: jitter is a choice among the times that are as good but for these."""


def _lognormal(median: float, sigma: float) -> list[float]:
    scale = sigma * math.sqrt(2)
    below = [(1 + math.erf(math.log(i * STEP / median) / scale)) / 2 for i in range(1, CELLS + 1)]
    return [b - a for a, b in pairwise([0.0, *below])]


# OMOcaptcha advertised an average of 15 s in 2024 and of 60 s in 2026; a little for everything else.
_PRIOR = [
    0.53 * fast + 0.4 * slow + 0.07 / CELLS for fast, slow in zip(_lognormal(14, 0.4), _lognormal(56, 0.4), strict=True)
]

_Cells = list[tuple[int, float]]
"""What was seen of a solve: the cells in which it may have ended, and how much of each."""


class _Guess:
    """How likely the service is to need so long, by cell; each solve leaves a mark of a certain width."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.density = list(_PRIOR)

    def saw(self, cells: _Cells, weight: float) -> float:
        """Learn from a solve, and say how likely it was held to be."""
        share = [self.density[i] * part for i, part in cells]
        likely = sum(share)
        if self.width:
            kept, start, mark = self.density, *self._bump(cells, share, likely)
        else:  # takes all solves to need the same time: what is left is what no solve has ruled out
            kept, weight, start, mark = _PRIOR, 0.999, cells[0][0], share
        trace = 1e-9  # of the prior: a guess rules nothing out for good, however many solves it has seen
        self.density = [(1 - weight) * old + trace * p for old, p in zip(kept, _PRIOR, strict=True)]
        scale = weight / sum(mark)
        for i, new in enumerate(mark, start):
            self.density[i] += scale * new
        return likely

    def _bump(self, cells: _Cells, share: list[float], total: float) -> tuple[int, list[float]]:
        """A normal curve over where the guess itself would place the solve between the two questions."""
        mean = sum((i + 0.5) * part for (i, _), part in zip(cells, share, strict=True)) / total
        variance = sum((i + 0.5 - mean) ** 2 * part for (i, _), part in zip(cells, share, strict=True)) / total
        sigma = math.sqrt(variance + (self.width * mean) ** 2)
        start, stop = max(0, int(mean - 3 * sigma)), min(CELLS, int(mean + 3 * sigma) + 1)
        return start, [math.exp(-(((i + 0.5 - mean) / sigma) ** 2) / 2) for i in range(start, stop)]


class Polling:
    """Says when to ask; one for the crawl, told of every solve. ``interval`` seconds are kept between questions."""

    def __init__(self, interval: float = 2.0, *, random: _random.Random | None = None) -> None:
        # An interval that no real service would like is one for the offline service, whose jobs take as little: all of
        # time is scaled with it.
        self._second = 1.0 if interval >= LEAST_REAL_INTERVAL else interval / 2.0
        self._interval = interval / self._second
        self._random = random or _random.Random()
        self._forget()

    def _forget(self) -> None:
        self._seen = self._plan_until = 0
        self._guesses = [_Guess(width) for width in WIDTHS]
        self._beliefs = [0.02, *(0.98 / (len(WIDTHS) - 1) for _ in WIDTHS[1:])]
        self._surprise = 0.0  # by how much better the prior would have foretold what was seen of late
        self._surprising: list[_Cells] = []

    def next_question(self, waited: float, asked: int) -> float:
        """Seconds from the job's creation at which to ask next.

        ``waited`` are those at which its last question was asked, ``asked`` the number of questions so far; both are
        0 at first.
        """
        at = self._second * self._question_after(waited / self._second, asked)
        # Scaled, it may fall short by a rounding.
        return max(at, waited + self._second * self._interval) if asked else at

    def _question_after(self, waited: float, asked: int) -> float:
        if self._seen >= self._plan_until:
            self._plan()
        now = int(waited / STEP)
        soonest = max(now + 1, math.ceil((waited + self._interval) / STEP) if asked else 0)
        if soonest > CELLS:
            return waited + max(self._interval, LATE) * self._random.uniform(1, 1.1)
        when = (self._choice(now, soonest) + self._random.uniform(0, 0.5)) * STEP
        if not asked and self._random.random() < when / PATIENCE:
            return when * self._random.uniform(0.2, 1)
        return when

    def saw(self, not_ready: float, ready: float) -> None:
        """Learn from a solve: last seen unfinished at ``not_ready`` (0 if never asked before), done at ``ready``.

        Jobs that failed or were given up tell nothing of solve times; they are not for this.
        """
        step = STEP * self._second
        first, last = min(not_ready / step, CELLS - 1), min(ready / step, CELLS)
        if last <= first:
            return
        cells = [(i, min(i + 1, last) - max(i, first)) for i in range(int(first), math.ceil(last))]
        likely = self._learn(cells)
        self._surprise += math.log(sum(_PRIOR[i] * part for i, part in cells) / likely)
        if self._surprise <= 0:
            self._surprise = 0.0
            self._surprising.clear()
            return
        self._surprising.append(cells)
        if self._surprise > SURPRISE:
            again = self._surprising
            self._forget()
            for cells in again:
                self._learn(cells)

    def _learn(self, cells: _Cells) -> float:
        self._seen += 1
        weight = 1 / min(self._seen + 1, MEMORY)
        told = [belief * guess.saw(cells, weight) for belief, guess in zip(self._beliefs, self._guesses, strict=True)]
        likely = sum(told)
        self._beliefs = [(1 - CHANGEABLE) * t / likely + CHANGEABLE / len(told) for t in told]
        return likely

    def _plan(self) -> None:
        """Reckon the least cost still to come after a "not ready" in each cell, from the last cell to the first."""
        self._plan_until = self._seen + min(8, 1 + self._seen // 6)
        density = [0.002 * p for p in _PRIOR]
        for belief, guess in zip(self._beliefs, self._guesses, strict=True):
            if guess.width:
                density = [old + belief * new for old, new in zip(density, guess.density, strict=True)]
            else:  # one time at random, as likely as it is thought true: the way to find out which it is
                density[self._random.choices(range(CELLS), guess.density)[0]] += belief
        self._done = done = [0.0, *accumulate(density)]
        self._area = area = [0.0, *accumulate((a + b) / 2 * STEP for a, b in pairwise(done))]
        self._cost = cost = [0.0] * (CELLS + 1)
        # Asking at `then` after `now` costs area[then] + cost[then] - slope * then, but for what does not depend on
        # `then`: least where a line of that slope touches the lower hull of the points (then, area + cost) from
        # below. The slope falls as `now` goes back, so that a point once passed is never needed again.
        gap = max(1, math.ceil(self._interval / STEP))
        hull: deque[tuple[int, float]] = deque()
        for now in range(CELLS - gap, -1, -1):
            x, y = now + gap, area[now + gap] + cost[now + gap]
            while len(hull) > 1 and (hull[-1][1] - y) * (hull[-2][0] - x) >= (hull[-2][1] - y) * (hull[-1][0] - x):
                hull.pop()
            hull.append((x, y))
            slope = done[now] * STEP
            while len(hull) > 1 and hull[1][1] - slope * hull[1][0] <= hull[0][1] - slope * hull[0][0]:
                hull.popleft()
            x, y = hull[0]
            cost[now] = y - area[now] - slope * (x - now) + QUESTION * (done[-1] - done[now])

    def _choice(self, now: int, soonest: int) -> int:
        """A cell at whose end to ask after a "not ready" in cell ``now``: any of those that are nearly the best."""
        least, costs = math.inf, []
        for then in range(soonest, CELLS + 1):
            late = self._area[then] - self._area[now] - self._done[now] * STEP * (then - now)
            if late > least:
                break
            costs.append(late + self._cost[then])
            least = min(least, costs[-1])
        enough = least + INDIFFERENT * (self._done[-1] - self._done[now])
        return self._random.choice([then for then, cost in enumerate(costs, soonest) if cost <= enough])
