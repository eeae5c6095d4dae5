"""Simulate what polling costs: this project beside the best possible schedule, fixed intervals and other clients.

The cost is the mean number of seconds from "solved at the service" to "token received", plus 0.2 s for each poll.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count, pairwise
from statistics import NormalDist, mean
from typing import NamedTuple

from benchmarks.tables import OURS, Column, Table
from scrapy_omocaptcha.buying.polling import Polling

POLL_COST = 0.2
INTERVAL = 2.0
SOLVES = (31, 1)
"""The solves at which our cost is measured; at the first one nothing is known yet."""
BEST = "best possible schedule"


@dataclass(frozen=True)
class Scale:
    crawls: int = 16
    sample: int = 100


SHORT = Scale(crawls=2, sample=30)


@dataclass(frozen=True)
class SolveTimes:
    """A mixture of lognormal distributions of solve times.

    :param humps: the share, mean and sigma of each; a sigma of 0 is a constant.
    :param previous: the distribution of the sixty solves before.
    """

    name: str
    humps: tuple[tuple[float, float, float], ...]
    previous: SolveTimes | None = None

    def draw(self, rng: random.Random) -> float:
        (_, mean, sigma) = rng.choices(self.humps, [share for share, _, _ in self.humps])[0]
        return _quantile(rng.random(), mean, sigma)

    def sample(self, size: int) -> list[float]:
        """Return about ``size`` evenly spread quantiles of all humps together."""
        return [
            _quantile((i + 0.5) / n, mean, sigma)
            for share, mean, sigma in self.humps
            for n in [max(1, round(share * size))]
            for i in range(n)
        ]

    def share_below(self, seconds: float) -> float:
        return sum(share * _share_below(seconds, mean, sigma) for share, mean, sigma in self.humps)


def _quantile(p: float, mean: float, sigma: float) -> float:
    return mean * math.exp(sigma * NormalDist().inv_cdf(p) - sigma**2 / 2) if 0 < p < 1 else mean


def _share_below(seconds: float, mean: float, sigma: float) -> float:
    if seconds <= 0 or sigma == 0:
        return float(seconds >= mean)
    return NormalDist().cdf((math.log(seconds / mean) + sigma**2 / 2) / sigma)


FAST = SolveTimes("15 s", ((1.0, 15.0, 0.45),))
SLOW = SolveTimes("60 s", ((1.0, 60.0, 0.38),))
CASES = (
    FAST,
    SLOW,
    SolveTimes("15 s after 60 s", FAST.humps, previous=SLOW),
    SolveTimes("60 s after 15 s", SLOW.humps, previous=FAST),
    SolveTimes("10 and 60 s", ((0.5, 10.0, 0.25), (0.5, 60.0, 0.25))),
    SolveTimes("always 37.1 s", ((1.0, 37.1, 0.0),)),
)


class Schedule(NamedTuple):
    """Fixed times at which a client polls.

    :param first: seconds to the first poll.
    :param gap: seconds to the next one, which grow by the factor ``growth`` up to ``longest``.
    :param give_up: seconds after which the client polls no more.
    """

    first: float
    gap: float
    growth: float = 1.0
    longest: float = math.inf
    give_up: float = math.inf


SCHEDULES = {
    "every 2 s (OMOcaptcha's page, puppeteer-extra)": Schedule(2, 2),
    "every 5 s (2captcha-solver)": Schedule(5, 5),
    "OMO JS client": Schedule(2, 2, 1.5, 10),
    "anticaptchaofficial 1.0.72": Schedule(4, 1, give_up=300),
    "capmonstercloudclient 4.3.1": Schedule(1, 3, give_up=180),
    "capsolver 1.0.7": Schedule(1, 1, give_up=60),
    "scrapyx-mw 0.2.2": Schedule(0, 6.4, 1.6, 45, give_up=180),
}
"""Intervals that documentation recommends, and those in the code of clients."""

LUCK = "their fixed schedules happen to fit these solve times."
LEARNING = "their fixed schedules happen to fit these solve times, and they have no others to unlearn."


def tables(scale: Scale) -> Iterator[Table]:
    samples = [times.sample(scale.sample) for times in CASES]
    ours = [costs_at(times, scale.crawls, sample) for times, sample in zip(CASES, samples, strict=True)]
    yield Table(
        title="Polling: what schedules cost",
        about=(
            "Simulated seconds from “solved” to “token received”, plus 0.2 s for each poll, by mean solve time. “15 s "
            "after 60 s”: sixty solves around 60 s came before. Other clients poll as their code says."
        ),
        columns=[Column(times.name, ".2f", better="less") for times in CASES],
        rows=[
            *([f"{OURS}, after {at - 1} solves", *(costs[at] for costs in ours)] for at in SOLVES),
            *([name, *(schedule_cost(schedule, sample) for sample in samples)] for name, schedule in SCHEDULES.items()),
            [BEST, *(best_cost(times) for times in CASES)],
        ],
        notes=["“-”: the client gives up before some of the jobs are solved, which are paid for all the same."],
        reasons={times.name: LEARNING if times.previous else LUCK for times in CASES},
        baselines=[BEST],
    )


def poll_until_solved(polling: Polling, solved: float) -> tuple[float, tuple[float, float]]:
    """Return the cost of a job that takes ``solved`` seconds, and its last two polls."""
    last_poll, polls = 0.0, 0
    while (poll := polling.next_poll(last_poll, polls)) < solved:
        last_poll, polls = poll, polls + 1
    return poll - solved + POLL_COST * (polls + 1), (last_poll, poll)


def costs_at(times: SolveTimes, crawls: int, sample: Sequence[float], at: Sequence[int] = SOLVES) -> dict[int, float]:
    """Return the mean cost that :class:`Polling` has at each of the solves ``at``; 1 is before anything is learnt."""
    costs = dict.fromkeys(at, 0.0)
    for seed in range(crawls):
        random.seed(1000 + seed)
        rng, polling = random.Random(seed), Polling(INTERVAL)
        if times.previous:
            for _ in range(60):
                polling.record(*poll_until_solved(polling, times.previous.draw(rng))[1])
        for solve in range(1, max(at) + 1):
            if solve in costs:
                costs[solve] += mean(poll_until_solved(polling, solved)[0] for solved in sample) / crawls
            polling.record(*poll_until_solved(polling, times.draw(rng))[1])
    return costs


def schedule_cost(schedule: Schedule, sample: Sequence[float]) -> float | None:
    """Return the mean cost of ``schedule``; None if it gives up before all jobs of ``sample`` are solved."""
    if max(sample) > schedule.give_up:
        return None
    return mean(_cost(schedule, solved) for solved in sample)


def _cost(schedule: Schedule, solved: float) -> float:
    poll, gap = schedule.first, schedule.gap
    for polls in count(1):
        if poll >= solved:
            return poll - solved + POLL_COST * polls
        poll, gap = poll + gap, min(gap * schedule.growth, schedule.longest)
    raise AssertionError


def best_cost(times: SolveTimes, step: float = 0.25, horizon: float = 400.0) -> float:
    """Return the least cost for a schedule that knows the distribution, by dynamic programming."""
    if len(times.humps) == 1 and times.humps[0][2] == 0:
        return POLL_COST
    cells, gap = int(horizon / step), round(INTERVAL / step)
    solved = [times.share_below(i * step) for i in range(cells + 1)]
    area = [0.0, *accumulate((a + b) / 2 * step for a, b in pairwise(solved))]
    rest = [0.0] * (cells + 1)
    for now in range(cells - gap, -1, -1):
        least = math.inf
        for then in range(now + gap if now else 1, cells + 1):
            late = area[then] - area[now] - solved[now] * (then - now) * step
            if late >= least:
                break
            least = min(least, late + rest[then])
        rest[now] = least + POLL_COST * (1 - solved[now])
    return rest[0]
