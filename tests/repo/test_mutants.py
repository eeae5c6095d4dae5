"""The command that changes the code to see which tests notice."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.helpers.commands import ROOT

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a source distribution is no clone")


@pytest.fixture
def clone(tmp_path):
    """Return a clone of the repository with the command as it is now, which may not be committed."""
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), tmp_path / "clone"], check=True)
    shutil.copytree(ROOT / "tests" / "mutants", tmp_path / "clone" / "tests" / "mutants", dirs_exist_ok=True)
    return tmp_path / "clone"


@pytest.mark.parametrize(
    ("folder", "said"), [("nowhere", "invalid choice: 'nowhere'"), ("walls", "commit or stash what has changed first")]
)
def test_a_folder_that_is_none_and_a_tree_with_changes_are_refused_and_nothing_is_changed(clone, folder, said):
    (clone / "new.txt").touch()
    status = ["git", "status", "--porcelain"]
    before = subprocess.run(status, cwd=clone, capture_output=True, text=True, check=True).stdout
    command = [sys.executable, "-m", "tests.mutants", folder]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert subprocess.run(status, cwd=clone, capture_output=True, text=True, check=True).stdout == before
