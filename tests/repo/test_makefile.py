"""The Makefile is the one place that says how things are run: what else runs something has it do so."""

import re

import pytest

from tests.helpers.docs import MAKE_TARGETS, ROOT
from tests.mutants.__main__ import TESTS

# A source distribution has none.
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_contributing_tells_of_every_target_and_of_no_other():
    told = (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8")
    assert set(re.findall(r"^``make ([a-z-]+)``", told, re.MULTILINE)) == MAKE_TARGETS - {"help"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_targets_may_only_read_and_pins_what_it_uses(path):
    text = path.read_text(encoding="utf-8")
    called = {word for words in re.findall(r"- run: make (.+)", text) for word in words.split() if word.isascii()}
    matrix = {word for words in re.findall(r"command: \[?([a-z, -]+)", text) for word in words.split(", ")}
    assert called | matrix
    assert (called | matrix) - {"${{", "matrix.command", "}}"} <= MAKE_TARGETS
    assert "\npermissions:\n  contents: read\n\n" in text
    assert re.findall(r"^ +[a-z-]+: write\b", text, re.MULTILINE) == (
        ["      id-token: write"] if path.stem == "release" else []
    )
    used = re.findall(r"uses: (.+)", text)
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) for action in used), used


@pytest.mark.parametrize("test", sorted({test for tests in TESTS.values() for test in tests}))
def test_the_tests_that_mutants_runs_exist(test):
    path, _, name = test.partition("::")
    assert (ROOT / "tests" / path).exists()
    assert not name or f"def {name}(" in (ROOT / "tests" / path).read_text(encoding="utf-8")
