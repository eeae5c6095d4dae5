"""Chaos runs and kills lose nothing and overrun no limit: their short forms, in processes of their own.

A failure can be repeated with the seed that is printed: ``python -m tests.chaos --seed …``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT = 240

RUNS = {
    "a crawl": ["tests.chaos", "--seed", "7", "--requests", "250", "--crawl", "250"],
    "kills": ["tests.chaos.kills", "--seed", "7", "--requests", "80", "--crawls", "2", "--times", "2"],
}


@pytest.mark.nightly
@pytest.mark.parametrize("run", RUNS)
def test_nothing_is_lost_and_no_limit_overrun_when_everything_goes_wrong(run):
    command = [sys.executable, "-m", *RUNS[run]]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-1] == "lost: 0, twice: 0, overrun: 0, else wrong: 0"
