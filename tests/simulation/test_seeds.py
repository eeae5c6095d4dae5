"""Crawls drawn from seeds: nothing is wrong with any of them, and each can be repeated.

A failure is told as a story by the command that stands in its message.
"""

import asyncio
import os
from contextlib import suppress

import pytest

from tests.helpers.commands import ROOT, python
from tests.helpers.nightly import nightly
from tests.simulation import clock
from tests.simulation.clock import NeverEnds
from tests.simulation.crawl import run, warm_up
from tests.simulation.plan import plan, read_plan
from tests.simulation.simulation import Killed, simulated

CHUNK = 12
FIRST = range(1, 120, CHUNK)
"""The first seed of each chunk, of which four are crawled with each change."""


@pytest.fixture(scope="module", autouse=True)
def _warm():
    warm_up()


@pytest.mark.parametrize("first", [*FIRST[:4], *map(nightly, FIRST[4:])])
def test_nothing_is_wrong_with_the_crawls_of_these_seeds(first):
    wrong = {seed: run(plan(seed)).wrong for seed in range(first, first + CHUNK)}
    failed = {f"make simulation ARGS='--seed {seed}'": sentences for seed, sentences in wrong.items() if sentences}
    assert failed == {}


def test_a_seed_has_the_same_story_in_any_process_whatever_its_hash_seed():
    command = ("-m", "tests.simulation", "--seeds", "1:3", "--digests", "--processes", "1")
    # That of this process is another one.
    told = python(*command, cwd=ROOT, PYTHONHASHSEED="2" if os.environ.get("PYTHONHASHSEED") == "1" else "1")
    digests = [line for line in told.stdout.splitlines() if line[0].isdigit() and len(line.split()) == 2]
    assert digests == [f"{seed} {run(plan(seed)).digest}" for seed in range(1, 4)]


def test_a_plan_is_the_same_when_it_is_read_from_its_file():
    assert [read_plan(plan(seed).as_json()) for seed in range(1, 30)] == [plan(seed) for seed in range(1, 30)]


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
