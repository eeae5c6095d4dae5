"""Polling: what it promises whatever it has seen, and what it costs beside the best possible schedule.

The benchmark simulates the costs with fixed seeds, so each bound holds, or does not, on every machine.
"""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.polling import FAST, SLOW, SolveTimes, best_cost, costs_at, poll_until_solved
from scrapy_omocaptcha.buying.polling import Polling

LEARNT, LATER = 31, 61
"""The solve after thirty, and the one after sixty."""
TWO_HUMPS = [
    SolveTimes("10 and 60 s", ((0.5, 10.0, 0.25), (0.5, 60.0, 0.25))),
    SolveTimes("12 and 35 s", ((0.6, 12.0, 0.2), (0.4, 35.0, 0.2))),
]
CONSTANT = [SolveTimes(f"always {seconds} s", ((1.0, seconds, 0.0),)) for seconds in (12.3, 37.1, 60.0)]
CHANGED = [
    SolveTimes("15 s after 60 s", FAST.humps, previous=SLOW),
    SolveTimes("60 s after 15 s", SLOW.humps, previous=FAST),
    SolveTimes("15 s after always 60 s", FAST.humps, previous=CONSTANT[-1]),
]
seconds = st.floats(0, 1000, allow_subnormal=False)


def cost(times: SolveTimes, at: int) -> float:
    return costs_at(times, 10, times.sample(40), (at,))[at]


def names(value: SolveTimes | float) -> str | None:
    return value.name if isinstance(value, SolveTimes) else None


def polling(min_interval: float = 2.0, *solves: tuple[float, float]) -> Polling:
    """A policy that has learnt from each of ``solves``."""
    policy = Polling(min_interval)
    for solve in solves:
        policy.record(*solve)
    return policy


def first_polls(policy: Polling) -> list[float]:
    random.seed(1)
    return [policy.next_poll(0.0, 0) for _ in range(20)]


# -- promises -----------------------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(seconds, seconds), max_size=30),
    st.lists(seconds, min_size=1, max_size=5),
    st.sampled_from([0.01, 0.1, 2.0, 5.0, 30.0]),
)
def test_polls_are_the_interval_apart_and_at_most_12_seconds_whatever_was_learnt(seen, polls, interval):
    policy = polling(interval, *((min(solve), max(solve)) for solve in seen))
    longest = max(min(12.0, 6 * interval), interval)
    for last_poll in polls:
        assert last_poll + interval <= policy.next_poll(last_poll, 1) <= last_poll + longest
    assert 0 < policy.next_poll(0.0, 0) < 1100


@pytest.mark.parametrize("max_gap", [5.0, 55.0])
def test_a_token_is_never_older_than_the_maximum_gap_when_it_is_found(max_gap):
    policy = Polling(2.0, max_gap)
    for seed in range(60):
        _, (not_ready, ready) = poll_until_solved(policy, random.Random(seed).uniform(115, 125))
        assert ready - not_ready <= 1.05 * max_gap, "with what is random"
        policy.record(not_ready, ready)
    assert max(first_polls(policy)) <= 1.05 * max_gap


def test_the_interval_is_kept_above_the_maximum_gap():
    assert Polling(8.0, 5.0).next_poll(20.0, 1) == 28.0


@pytest.mark.parametrize("last_poll", [2.75, 5.5, 11.0])
def test_polls_are_as_far_apart_as_is_cheapest_for_how_likely_the_end_is_right_then(last_poll):
    times = NormalDist(math.log(5.5), 0.55)
    running, ended_soon = (1 - times.cdf(math.log(at)) for at in (last_poll, last_poll + 0.001))
    gaps = [polling(0.5).next_poll(last_poll, 1) - last_poll for _ in range(200)]
    assert max(gaps) == pytest.approx(math.sqrt(2 * 0.05 * 0.001 * running / (running - ended_soon)), rel=0.01)


@pytest.mark.parametrize("factor", [0.5, 0.01])
def test_an_interval_below_the_default_scales_all_time(factor):
    usual, quick = polling(2.0, (14.0, 16.0)), polling(2.0 * factor, (14.0 * factor, 16.0 * factor))
    for last_poll, polls in ((0.0, 0), (8.0, 1), (30.0, 2), (600.0, 3)):
        random.seed(1)
        expected = usual.next_poll(last_poll, polls) * factor
        random.seed(1)
        assert quick.next_poll(last_poll * factor, polls) == pytest.approx(expected)


def test_jobs_created_together_are_not_polled_together():
    assert len(set(first_polls(polling()))) == 20


def test_a_solve_that_took_longer_than_was_expected_is_learnt_from():
    assert min(first_polls(polling(2.0, *[(500.0, 510.0)] * 20))) > 60


def test_a_service_that_has_become_faster_is_found_out_though_each_first_poll_finds_a_token():
    policy = polling(2.0, *[(58.0, 60.0)] * 60)
    slow = min(first_polls(policy))
    for _ in range(20):
        policy.record(0.0, policy.next_poll(0.0, 0))
    assert max(first_polls(policy)) < slow / 4


def test_a_solve_without_an_interval_changes_nothing():
    assert first_polls(polling(2.0, (20.0, 20.0))) == first_polls(polling())
    usual = [polling(2.0, solve).usual_seconds for solve in ((20.0, 20.0), (14.0, 16.0))]
    assert usual == [None, pytest.approx(18.2, abs=0.1)], "which was 22 s before any solve"


def test_it_learns_from_the_whole_interval_and_not_from_its_end():
    """Found finished at 60 each time, but last seen unfinished just before or long before: not the same."""
    sharp, vague = polling(2.0, *[(58.0, 60.0)] * 20), polling(2.0, *[(0.0, 60.0)] * 20)
    assert min(first_polls(sharp)) > max(first_polls(vague))


# -- costs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "most"), [*((times, 1.1) for times in (FAST, SLOW)), *((times, 1.35) for times in TWO_HUMPS)], ids=names
)
def test_after_thirty_solves_one_hump_costs_at_most_1_1_of_the_best_possible_and_two_humps_1_35(times, most):
    assert cost(times, LEARNT) <= most * best_cost(times)


@pytest.mark.parametrize("times", CHANGED, ids=names)
def test_sixty_solves_after_the_service_has_changed_it_costs_at_most_1_1_of_the_best_possible(times):
    assert cost(times, LEARNT) <= 1.25 * best_cost(times), "thirty after"
    assert cost(times, LATER) <= 1.1 * best_cost(times)


@pytest.mark.parametrize("times", CONSTANT, ids=names)
def test_after_thirty_solves_a_constant_time_costs_at_most_two_and_a_half_seconds(times):
    assert cost(times, LEARNT) <= 2.5
