"""What polling costs: ours as it learns, beside the best possible schedule and those of other packages.

The cost of a schedule is the mean number of seconds from "solved at the service" to "token in hand", plus 0.2 s for
each question asked. Everything is simulated, with a seed; ``--short`` takes a few seconds instead of a minute.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from statistics import NormalDist

from scrapy_omocaptcha.buying.polling import Polling

QUESTION = 0.2
INTERVAL = 2.0
AT = (1, 10, 30, 100)
"""The solves at which our cost is measured; 1 is before anything was learnt."""


@dataclass(frozen=True)
class Times:
    """Solve times: a mixture of lognormal humps, each ``(share, mean, sigma)``; a sigma of 0 is a constant."""

    name: str
    humps: tuple[tuple[float, float, float], ...]
    before: Times | None = None
    """What the service was like for the sixty solves before these."""
    at_once: int = 1
    """Jobs under way at once: what is seen comes so much later, and out of order."""

    def draw(self, rng: random.Random) -> float:
        (_, mean, sigma) = rng.choices(self.humps, [share for share, _, _ in self.humps])[0]
        return _quantile(rng.random(), mean, sigma)

    def draw_many(self, size: int) -> list[float]:
        rng = random.Random(size)
        return [self.draw(rng) for _ in range(size)]

    def sample(self, size: int) -> list[float]:
        """About ``size`` evenly spread quantiles of each hump together."""
        return [
            _quantile((i + 0.5) / n, mean, sigma)
            for share, mean, sigma in self.humps
            for n in [max(1, round(share * size))]
            for i in range(n)
        ]

    def below(self, seconds: float) -> float:
        return sum(share * _below(seconds, mean, sigma) for share, mean, sigma in self.humps)


def _quantile(p: float, mean: float, sigma: float) -> float:
    return mean * math.exp(sigma * NormalDist().inv_cdf(p) - sigma**2 / 2) if 0 < p < 1 else mean


def _below(seconds: float, mean: float, sigma: float) -> float:
    if seconds <= 0:
        return 0.0
    if sigma == 0:
        return float(seconds >= mean)
    return NormalDist().cdf((math.log(seconds / mean) + sigma**2 / 2) / sigma)


FAST = Times("one hump, 15 s", ((1.0, 15.0, 0.45),))
SLOW = Times("one hump, 60 s", ((1.0, 60.0, 0.38),))
STEADY = Times("constant, 37.1 s", ((1.0, 37.1, 0.0),))
MINUTE = Times("constant, 60 s", ((1.0, 60.0, 0.0),))
CASES = (
    FAST,
    SLOW,
    Times("two humps, 10 and 60 s", ((0.5, 10.0, 0.25), (0.5, 60.0, 0.25))),
    Times("two humps, 12 and 35 s", ((0.6, 12.0, 0.2), (0.4, 35.0, 0.2))),
    Times("constant, 12.3 s", ((1.0, 12.3, 0.0),)),
    STEADY,
    MINUTE,
    Times("15 s, was 60 s", FAST.humps, before=SLOW),
    Times("60 s, was 15 s", SLOW.humps, before=FAST),
    Times("15 s, was constant 60 s", FAST.humps, before=MINUTE),
    Times("15 s, 16 jobs at once", FAST.humps, at_once=16),
    Times("60 s, 16 jobs at once", SLOW.humps, at_once=16),
)

PEERS = {
    "every 2 s (OMOcaptcha's page, puppeteer-extra)": (2, 2),
    "OMOCaptcha.py, captchatools": (0, 3),
    "OMO JS client": (2, 2, 1.5, 10),
    "scrapyx-mw": (0, 4, 1.6, 45),
    "2captcha-solver, captcha-router": (5, 5),
    "2captcha-python": (0, 10),
    "anticaptchaofficial": (4, 1),
    "capmonstercloudclient": (1, 3),
    "capsolver": (1, 1),
    "capsolver-core": (0, 5),
    "python3-anticaptcha": (15, 15),
    "multicaps, 2captcha": (20, 5),
    "multicaps, anti-captcha": (10, 2),
}
"""Seconds to the first question, seconds to the next, growth of these, and their most."""


def peer_asks(schedule: Sequence[float], solved: float) -> tuple[float, int]:
    """Seconds from solved to asked, and the number of questions, for one job."""
    first, gap, growth, most = (*schedule, 1.0, math.inf)[:4]
    now, delay = first, gap
    for asked in count(1):
        if now >= solved:
            return now - solved, asked
        now, delay = now + delay, min(delay * growth, most)
    raise AssertionError


def peer_cost(schedule: Sequence[float], sample: Sequence[float]) -> float:
    return sum(late + QUESTION * asked for late, asked in (peer_asks(schedule, solved) for solved in sample)) / len(
        sample
    )


def best_cost(times: Times, step: float = 0.25, horizon: float = 400.0) -> float:
    """The least cost there is for one who knows the distribution, by dynamic programming, plainly."""
    if all(sigma == 0 for _, _, sigma in times.humps) and len(times.humps) == 1:
        return QUESTION
    cells, gap = int(horizon / step), round(INTERVAL / step)
    done = [times.below(i * step) for i in range(cells + 1)]
    area = [0.0]
    for i in range(cells):
        area.append(area[-1] + (done[i] + done[i + 1]) / 2 * step)
    rest = [0.0] * (cells + 1)
    for now in range(cells - gap, -1, -1):
        least = math.inf
        for then in range(now + gap if now else 1, cells + 1):
            late = area[then] - area[now] - done[now] * (then - now) * step
            if late >= least:
                break
            least = min(least, late + rest[then])
        rest[now] = least + QUESTION * (1 - done[now])
    return rest[0]


def ask(polling: Polling, solved: float) -> tuple[float, tuple[float, float]]:
    """One job that is solved so many seconds after its creation: its cost, and what is seen of it."""
    waited, asked = 0.0, 0
    while True:
        now = polling.next_poll(waited, asked)
        asked += 1
        if now >= solved:
            return now - solved + QUESTION * asked, (waited, now)
        waited = now


def our_costs(times: Times, crawls: int, sample: Sequence[float], at: Sequence[int] = AT) -> dict[int, float]:
    """Mean cost of a solve at each of the solves ``at``, over so many crawls."""
    costs = dict.fromkeys(at, 0.0)
    for crawl in range(crawls):
        rng = random.Random(crawl)
        polling = Polling(INTERVAL, random=random.Random(1000 + crawl))
        for _ in range(60 if times.before else 0):
            polling.record(*ask(polling, times.before.draw(rng))[1])  # type: ignore[union-attr]
        under_way: list[tuple[float, float]] = []
        for seen in _solves(polling, times, rng, under_way, max(at)):
            if seen + 1 in costs:
                costs[seen + 1] += sum(ask(polling, solved)[0] for solved in sample) / len(sample) / crawls
    return costs


def _solves(
    polling: Polling, times: Times, rng: random.Random, under_way: list[tuple[float, float]], most: int
) -> Iterator[int]:
    """Solve one after the other, yielding how many were learnt from before each."""
    for seen in range(most):
        yield seen
        while len(under_way) < times.at_once:
            under_way.append(ask(polling, times.draw(rng))[1])
        polling.record(*under_way.pop(rng.randrange(len(under_way))))


def cpu(times: Times, solves: int = 300) -> tuple[float, float]:
    """Microseconds of CPU for a ``next_poll`` and for a ``record``, plans included."""
    rng, polling = random.Random(1), Polling(INTERVAL, random=random.Random(2))
    asking = learning = 0.0
    questions = 0
    for _ in range(solves):
        solved, waited, now, asked = times.draw(rng), 0.0, 0.0, 0
        start = time.process_time()
        while now < solved:
            waited, now, asked = now, polling.next_poll(now, asked), asked + 1
        middle = time.process_time()
        polling.record(waited, now)
        asking, learning, questions = (
            asking + middle - start,
            learning + time.process_time() - middle,
            questions + asked,
        )
    return asking / questions * 1e6, learning / solves * 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer crawls: seconds instead of a minute")
    short = parser.parse_args(arguments).short
    crawls, points = (2, 30) if short else (16, 100)
    print("Seconds from solved to token in hand, plus 0.2 a question; in brackets the ratio to the best possible.\n")
    for times in CASES:
        sample, best = times.sample(points), best_cost(times)
        ours = our_costs(times, crawls, sample)
        peers = {name: peer_cost(schedule, sample) for name, schedule in PEERS.items()}
        print(f"{times.name}: best possible {best:.2f}")
        print("  ours, at solve  " + "   ".join(f"{n}: {c:.2f} ({c / best:.2f})" for n, c in ours.items()))
        if times.before is None and times.at_once == 1:
            for name, cost in sorted(peers.items(), key=lambda item: item[1]):
                print(f"  {name:48} {cost:6.2f} ({cost / best:.2f})")
        print()
    for times in (FAST, SLOW, STEADY):
        question, saw = cpu(times, 100 if short else 300)
        print(f"CPU, {times.name}: {question:.0f} us a question, {saw:.0f} us a solve learnt from")


if __name__ == "__main__":
    main()
