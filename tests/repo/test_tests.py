"""The house of the tests: what each folder may use."""

from __future__ import annotations

import ast
from pathlib import Path

import scrapy_omocaptcha
from tests.helpers.commands import ROOT

PACKAGE = Path(scrapy_omocaptcha.__file__).parent
TESTS = ROOT / "tests"
MODULES = sorted(TESTS.rglob("test_*.py"))


def imported(path):
    """Return the full names that a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_a_test_module_imports_no_other():
    allowed = ("tests.helpers.", "tests.simulation.")
    others = [
        (path.relative_to(TESTS).as_posix(), name)
        for path in MODULES
        for name in imported(path)
        if name.startswith("tests.") and not name.startswith(allowed)
    ]
    assert others == []


def test_the_folders_of_unit_are_those_of_the_package():
    folders = {path.parent.relative_to(TESTS / "unit").as_posix() for path in (TESTS / "unit").rglob("test_*.py")}
    assert [folder for folder in sorted(folders) if not (PACKAGE / folder).is_dir()] == []


def test_each_test_module_is_in_a_folder_that_says_what_its_tests_need():
    folders = {path.relative_to(TESTS).parts[0] for path in MODULES}
    assert folders == {"browser", "crawl", "fleet", "process", "repo", "service", "simulation", "unit"}
