"""Crawls drawn from seeds: nothing is wrong with any of them, and each can be repeated.

A failure is told as a story by the command that stands in its message.
"""

import asyncio
import os
import sys
from contextlib import suppress

import pytest

from tests.helpers.commands import ROOT, python
from tests.helpers.nightly import nightly
from tests.simulation import clock, sockets
from tests.simulation.__main__ import main
from tests.simulation.clock import NeverEnds
from tests.simulation.crawl import run, warm_up
from tests.simulation.plan import plan, read_plan
from tests.simulation.shrink import kind_of, shrink
from tests.simulation.simulation import Killed, simulated

CHUNK = 12
FIRST = range(1, 120, CHUNK)
"""The first seed of each chunk, of which four are crawled with each change."""
SOCKETS = {1: "finished", 9: "stopped", 8: "killed"}
"""Seeds and how their crawls end; those of even seeds run without a reactor. The last two are run in the nights."""


@pytest.fixture(scope="module", autouse=True)
def _warm():
    warm_up()


@pytest.mark.parametrize("first", [*FIRST[:4], *map(nightly, FIRST[4:])])
def test_nothing_is_wrong_with_the_crawls_of_these_seeds(first):
    wrong = {seed: run(plan(seed)).wrong for seed in range(first, first + CHUNK)}
    failed = {f"make simulation ARGS='--seed {seed}'": sentences for seed, sentences in wrong.items() if sentences}
    assert failed == {}


@pytest.mark.parametrize("seed", [1, nightly(9), nightly(8)])
def test_nothing_is_wrong_with_a_crawl_over_real_sockets_either(seed):
    assert plan(seed).end == SOCKETS[seed]
    assert sockets.run(plan(seed)).wrong == []


def test_a_seed_has_the_same_story_in_any_process_whatever_its_hash_seed():
    command = ("-m", "tests.simulation", "--seeds", "1:3", "--digests", "--processes", "1")
    # That of this process is another one.
    told = python(*command, cwd=ROOT, PYTHONHASHSEED="2" if os.environ.get("PYTHONHASHSEED") == "1" else "1")
    digests = [line for line in told.stdout.splitlines() if line[0].isdigit() and len(line.split()) == 2]
    assert digests == [f"{seed} {run(plan(seed)).digest}" for seed in range(1, 4)]


def test_a_plan_with_which_nothing_is_wrong_is_not_made_smaller(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["simulation", "--seed", "1", "--shrink", str(tmp_path / "plan.json")])
    assert (main(), list(tmp_path.iterdir())) == (2, [])
    assert "nothing is wrong with this crawl" in capsys.readouterr().out


def test_a_plan_that_fails_is_made_smaller():
    planned = plan(3)
    small = shrink(planned, lambda other: any(wanted.kind == planned.wanted[-1].kind for wanted in other.wanted))
    assert len(small.wanted) == 1
    assert read_plan(small.as_json()) == small
    assert small.wanted[0].kind == planned.wanted[-1].kind


def test_failures_of_the_same_kind_differ_only_in_their_numbers():
    overrun = "overrun: OMOCAPTCHA_MAX_JOBS is {}; {} jobs at the service"
    assert kind_of(overrun.format(1, 2)) == kind_of(overrun.format(3, 14))
    assert kind_of("2 jobs counted; 1 at the service") != kind_of("2 jobs counted, 1 in the ledger")


async def _for_ever():
    while True:
        await asyncio.sleep(3600)


async def _for_nothing():
    await asyncio.get_running_loop().create_future()


async def _without_the_loop():
    with suppress(NeverEnds):
        while True:
            pass
    await _for_ever()


@pytest.mark.parametrize("waiting", [_for_ever, _for_nothing, _without_the_loop])
def test_a_simulation_that_never_ends_is_ended(waiting, monkeypatch):
    monkeypatch.setattr(clock, "MAX_REAL_SECONDS", 0.1 if waiting is _without_the_loop else clock.MAX_REAL_SECONDS)
    with simulated() as simulation, pytest.raises(NeverEnds):
        simulation.run(waiting())


def test_what_the_world_has_set_a_timer_for_happens_though_the_crawl_is_killed_before():
    def kill():
        raise Killed

    times = []
    with simulated() as simulation:
        simulation.call_later(2.0, lambda: times.append(round(simulation.loop.time())))
        simulation.loop.call_later(1.0, kill)
        with pytest.raises(Killed):
            simulation.run(_for_ever())
        simulation.run(asyncio.sleep(3.0))
    assert times == [2]
