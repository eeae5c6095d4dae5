"""Pages that were built against one step of the detection: the work is bounded in proportion to the size of a page.

They are read in a process of its own, with a limit so wide that only a step which is more than linear can reach it.
``OMOCAPTCHA_HOSTILE_BYTES=10000000`` makes the pages as large as pages get.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.helpers.commands import ROOT

SIZE = int(os.environ.get("OMOCAPTCHA_HOSTILE_BYTES", "500000"))
SECONDS = 120 + SIZE // 5_000


def test_hostile_pages_are_read_in_bounded_time():
    command = [sys.executable, "-W", "error", "-m", "tests.helpers.hostile", str(SIZE)]
    try:
        done = subprocess.run(command, cwd=ROOT, check=True, timeout=SECONDS, capture_output=True, text=True)
    except subprocess.TimeoutExpired as stopped:
        pytest.fail(f"more than {SECONDS} s; it was reading the last of: {(stopped.stdout or b'').decode()}")
    assert done.stdout.endswith("done\n")
