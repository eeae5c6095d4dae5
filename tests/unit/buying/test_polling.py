"""Polling: that it keeps its promises whatever it sees, and that it costs as little as is claimed.

The costs are simulated by the benchmark with fixed seeds, so that each bound holds or does not, on every machine.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.polling import (
    CASES,
    FAST,
    MINUTE,
    PEERS,
    SLOW,
    STEADY,
    Times,
    ask,
    best_cost,
    main,
    our_costs,
    peer_cost,
)
from scrapy_omocaptcha.buying.polling import Polling

FIRST, LEARNT = 1, 31
"""The first solve, and the one after thirty."""
seconds = st.floats(0, 1000, allow_subnormal=False)


def cost(times: Times, at: int, crawls: int = 10) -> float:
    return our_costs(times, crawls, times.sample(40), (at,))[at]


def names(times: Times) -> str:
    return times.name


# -- promises -----------------------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(seconds, seconds), max_size=30),
    st.lists(seconds, min_size=1, max_size=5),
    st.sampled_from([0.1, 2.0, 5.0, 30.0]),
)
def test_whatever_it_saw_the_interval_is_kept(seen, waits, interval):
    polling = Polling(interval, random=random.Random(1))
    for one, other in seen:
        polling.saw(min(one, other), max(one, other))
    for waited in waits:
        assert waited + interval <= polling.next_question(waited, 1) < waited + interval + 240
    assert 0 < polling.next_question(0.0, 0) < 250


def test_questions_are_no_closer_than_the_interval_even_where_closer_would_be_cheaper():
    polling = Polling(8.0, random=random.Random(1))
    for _ in range(30):
        polling.saw(14.0, 16.0)
        polling.saw(17.0, 19.0)
    assert all(polling.next_question(waited, 1) >= waited + 8.0 for waited in (7.3, 13.1, 16.0, 16.7))


def test_the_same_seed_asks_at_the_same_times():
    one, other = (Polling(random=random.Random(7)) for _ in range(2))
    for _ in range(20):
        assert ask(one, 21.0) == ask(other, 21.0)


def test_jobs_created_together_do_not_ask_together():
    polling = Polling(random=random.Random(1))
    assert len({polling.next_question(0.0, 0) for _ in range(16)}) == 16


def test_a_solve_that_took_longer_than_is_foreseen_is_learnt_from():
    polling = Polling(random=random.Random(1))
    for _ in range(20):
        polling.saw(500.0, 510.0)
    rarely = [polling.next_question(0.0, 0) > 60 for _ in range(20)]
    assert sum(rarely) >= 5, "asks as early as though jobs took a minute"


def test_a_solve_without_an_interval_changes_nothing():
    one, other = (Polling(random=random.Random(7)) for _ in range(2))
    one.saw(20.0, 20.0)
    assert one.next_question(0.0, 0) == other.next_question(0.0, 0)


def test_it_learns_from_the_whole_interval_and_not_from_its_end():
    """Seen ready at 60 each time, but last seen unfinished just before or long before: different news."""
    sharp, vague = (Polling(random=random.Random(1)) for _ in range(2))
    for _ in range(20):
        sharp.saw(58.0, 60.0)
        vague.saw(0.0, 60.0)
    assert min(sharp.next_question(0.0, 0) for _ in range(9)) > min(vague.next_question(0.0, 0) for _ in range(9))


# -- costs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [t for t in CASES if len(t.humps) == 1 and t.humps[0][2]], ids=names)
def test_after_thirty_solves_one_hump_costs_at_most_1_1_of_the_best_possible(times):
    assert cost(times, LEARNT) <= 1.1 * best_cost(times)


@pytest.mark.parametrize("times", [t for t in CASES if len(t.humps) == 2], ids=names)
def test_after_thirty_solves_two_humps_cost_at_most_1_2_of_the_best_possible(times):
    assert cost(times, LEARNT) <= 1.2 * best_cost(times)


@pytest.mark.parametrize("times", [t for t in CASES if not t.humps[0][2]], ids=names)
def test_after_thirty_solves_a_constant_time_is_met_within_half_a_second(times):
    assert cost(times, LEARNT) <= 0.5 + best_cost(times)


@pytest.mark.parametrize("times", [FAST, SLOW], ids=names)
def test_the_very_first_solve_costs_at_most_1_2_of_the_best_peers(times):
    sample = times.sample(40)
    assert cost(times, FIRST) <= 1.2 * min(peer_cost(schedule, sample) for schedule in PEERS.values())


@pytest.mark.parametrize("times", [SLOW, MINUTE, STEADY, CASES[2]], ids=names)
def test_after_thirty_solves_no_peer_is_cheaper(times):
    sample = times.sample(40)
    assert cost(times, LEARNT) < min(peer_cost(schedule, sample) for schedule in PEERS.values())


def test_after_thirty_solves_only_the_peer_made_for_fifteen_seconds_is_cheaper_there():
    """``(10, 2)`` is within 2 in 100 of the best possible there, by luck; it costs 1.6 of it at a minute."""
    sample, ours = FAST.sample(40), cost(FAST, LEARNT)
    cheaper = [name for name, schedule in PEERS.items() if peer_cost(schedule, sample) < ours]
    assert cheaper in ([], ["multicaps, anti-captcha"])


def test_the_benchmark_reports_every_case(capsys):
    main(["--short"])
    report = capsys.readouterr().out
    assert all(f"{times.name}: best possible" in report for times in CASES)
