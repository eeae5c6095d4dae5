"""Polling: what it promises whatever it has seen, and what it costs beside the best possible schedule.

The benchmark simulates the costs with fixed seeds, so each bound holds, or does not, on every machine.
"""

import random

import pytest

from benchmarks.polling import FAST, SLOW, SolveTimes, best_cost, costs_at, poll_until_solved
from scrapy_omocaptcha.buying.polling import Polling

LEARNT, LATER = 31, 61
"""The solve after thirty, and the one after sixty."""
CHANGED = [
    SolveTimes("15 s after 60 s", FAST.humps, previous=SLOW),
    SolveTimes("60 s after 15 s", SLOW.humps, previous=FAST),
]


def cost(times, at):
    return costs_at(times, 10, times.sample(40), (at,))[at]


def first_polls(polling):
    random.seed(1)
    return [polling.next_poll(0.0, 0) for _ in range(20)]


@pytest.mark.parametrize("max_gap", [5.0, 55.0])
def test_a_token_is_never_older_than_the_maximum_gap_when_it_is_found(max_gap):
    polling = Polling(2.0, max_gap)
    for seed in range(60):
        _, (not_ready, ready) = poll_until_solved(polling, random.Random(seed).uniform(115, 125))
        assert ready - not_ready <= 1.05 * max_gap, "with what is random"
        polling.record(not_ready, ready)
    assert max(first_polls(polling)) <= 1.05 * max_gap
    assert len(set(first_polls(polling))) == 20, "jobs created together are not polled together"


@pytest.mark.parametrize(("interval", "last_poll", "gap"), [(2.0, 6.0, 2.0), (8.0, 20.0, 8.0), (0.01, 1.2, 0.1)])
def test_polls_are_at_least_the_interval_apart_and_a_twelfth_of_the_time(interval, last_poll, gap):
    assert Polling(interval).next_poll(last_poll, 1) - last_poll == pytest.approx(gap, rel=0.05)


def test_how_long_jobs_take_is_learnt():
    polling = Polling(2.0)
    assert (polling.usual_seconds, max(first_polls(polling)) < 12) == (None, True)
    for _ in range(20):
        polling.record(58.0, 60.0)
    assert polling.usual_seconds == pytest.approx(59)
    for _ in range(60):
        polling.record(0.0, polling.next_poll(0.0, 0))
    assert max(first_polls(polling)) < 4, "though each first poll finds a token"


@pytest.mark.parametrize(("times", "most"), [(FAST, 1.1), (SLOW, 1.25)], ids=["15 s", "60 s"])
def test_after_thirty_solves_it_costs_at_most_a_quarter_more_than_the_best_possible(times, most):
    assert cost(times, LEARNT) <= most * best_cost(times)


@pytest.mark.parametrize("times", CHANGED, ids=lambda times: times.name)
def test_sixty_solves_after_the_service_has_changed_it_costs_at_most_a_quarter_more_than_the_best_possible(times):
    assert cost(times, LATER) <= 1.25 * best_cost(times)
