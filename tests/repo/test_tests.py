"""The house of the tests: what each folder may use."""

from __future__ import annotations

import ast

from tests.helpers.docs import PACKAGE, ROOT, first_column, page

TESTS = ROOT / "tests"
MODULES = sorted(TESTS.rglob("test_*.py"))
SOURCES = {path.relative_to(TESTS).as_posix(): path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py")}


def imported(source):
    """Return the full names that a module imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def owner(name):
    """Return the folder of a module of the tests, as the beginning of the paths of those that may import it."""
    _, *folders = name.split(".")
    return "/".join(folders[:-2] or folders[:1])


def test_a_module_imports_only_what_is_shared_or_in_its_own_folders():
    foreign = [
        (path, name)
        for path, source in SOURCES.items()
        for name in imported(source)
        if name.startswith("tests.") and not name.startswith(("tests.helpers.", "tests.simulation."))
        if "test_" in name or not path.startswith(owner(name))
    ]
    assert foreign == []


def test_the_folders_of_unit_are_those_of_the_package():
    folders = {path.parent.relative_to(TESTS / "unit").as_posix() for path in (TESTS / "unit").rglob("test_*.py")}
    assert [folder for folder in sorted(folders) if not (PACKAGE / folder).is_dir()] == []


def test_contributing_says_of_each_folder_what_its_tests_need():
    folders = {path.relative_to(TESTS).parts[0] for path in MODULES}
    assert folders == set(first_column(page(ROOT / "CONTRIBUTING.rst"), "folder"))
