"""The benchmarks run: in their short forms, in processes of their own, and without a look at the figures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.waiting import MEASURES

ROOT = Path(__file__).parent.parent
PATIENCE = 120


def run(*arguments):
    """The lines that a Python process prints, which must end well and complain of nothing."""
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    return ended.stdout.splitlines()


@pytest.mark.parametrize("measure", MEASURES)
def test_the_benchmark_of_waiting_measures(measure):
    assert len(run("-m", "benchmarks.waiting", "--short", measure)) >= 2


def test_the_benchmark_of_polling_runs():
    assert run("-m", "benchmarks.polling", "--short")


def test_the_benchmark_of_detection_runs():
    # It has no short form but this.
    assert run("-c", "from benchmarks import detection; detection.ROUNDS = 1; detection.main()")


def test_the_benchmark_of_importing_runs():
    assert len(run("-m", "benchmarks.importing", "--short")) == 5
