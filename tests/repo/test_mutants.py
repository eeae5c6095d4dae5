"""The command that changes the code to see which tests notice."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.helpers.commands import ROOT


@pytest.fixture
def clone(tmp_path):
    """Return a repository of its own with the command in it."""
    no_bytecode = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tests" / "mutants", tmp_path / "tests" / "mutants", ignore=no_bytecode)
    (tmp_path / "tests" / "__init__.py").touch()
    who = ["-c", "user.name=test", "-c", "user.email=test@shop.example"]
    for words in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "--message", "Begin"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "said"), [("nowhere", "invalid choice: 'nowhere'"), ("walls", "commit or stash what has changed first")]
)
def test_a_folder_that_is_none_and_a_tree_with_changes_are_refused_and_nothing_is_changed(clone, folder, said):
    (clone / "new.txt").touch()
    status = ["git", "status", "--porcelain"]
    before = subprocess.run(status, cwd=clone, capture_output=True, text=True, check=True).stdout
    command = [sys.executable, "-B", "-m", "tests.mutants", folder]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert subprocess.run(status, cwd=clone, capture_output=True, text=True, check=True).stdout == before
