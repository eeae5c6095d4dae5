"""The types of the public names, as a type checker of the package's users sees them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.commands import ROOT, TIMEOUT

FILES = sorted(Path(__file__).with_name("typing").glob("*.py"))


def marked(path):
    """(line, code) of each error that the file says it has."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for code in line.partition("# E: ")[2].split():
            yield number, code


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_mypy_finds_the_errors_that_are_there_and_no_others(path):
    pytest.importorskip("mypy", reason="mypy is not installed here: run `make check`")
    command = [sys.executable, "-m", "mypy", "--hide-error-context", "--no-error-summary", "--no-pretty", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    found = [re.fullmatch(r"(.+):(\d+): error: .*\[([a-z-]+)\]", line) for line in errors]
    assert done.stderr == ""
    assert sorted((int(match[2]), match[3]) for match in found) == sorted(marked(path)), done.stdout
