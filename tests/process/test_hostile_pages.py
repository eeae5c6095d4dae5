"""Pages that were built against one step of the detection: the work is bounded in proportion to the size of a page.

They are read in a process of its own, which ends itself when a page takes so long that only a step which is more than
linear can be the reason. ``OMOCAPTCHA_HOSTILE_BYTES=10000000`` makes the pages as large as pages get.
"""

import os
import subprocess
import sys

import pytest

from tests.helpers.commands import ROOT

SIZE = os.environ.get("OMOCAPTCHA_HOSTILE_BYTES", "500000")


@pytest.mark.nightly
def test_hostile_pages_are_read_in_bounded_time():
    command = [sys.executable, "-W", "error", "-m", "tests.helpers.hostile", SIZE]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr}it was reading the last of: {done.stdout}"
    assert done.stdout.endswith("done\n")
