"""The house's rules, read from the source: which file may import which, and what is spelled in one file alone."""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import scrapy_omocaptcha

PACKAGE = Path(scrapy_omocaptcha.__file__).parent

ORDER = """
    __init__ command
    verbs.*
    explain
    addon
    middleware
    beforehand ending progress
    walls
    held passage
    look
    means
    handover policy telling
    solver
    account fleet
    engine put
    submission
    limits referrer
    api.* checkup detection.* fleet_link
    astray clearance errors forms ledger redis_script report.* settings testing.* verdict
    addresses around asked breaker challenge controls estimate formdata journal masking neighbours polling
    secret setting_values signals stats terminal turns
"""
"""Who imports whom: a module those of the lines below its own, no others. ``api.*`` is a package, whose modules import
each other as they like, but not in a circle. A new module goes as far down as it can."""

SETTINGS = "settings"
ENGINE = "engine"
PURE = ("detection.*", "verdict", "submission", "polling")
"""What knows neither network nor settings nor Scrapy's engine, itself or by what it imports."""
NETWORK = {"aiohttp", "asyncio", "http", "requests", "scrapy.core", "scrapy.crawler", "socket", "treq", "twisted"}
# Whoever uses the offline service is handed settings for a crawl: it is not part of what reads them.
HANDS_SETTINGS_OUT = "testing.service"


@cache
def trees():
    """The syntax tree of each module, under its name in the package."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def full_names(tree):
    """What a module imports, ``package.module`` or ``package.name``: for the type checker or in a function, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def imports(module):
    """The modules of ours that a module of ours imports."""
    found = set()
    for name in full_names(trees()[module]):
        top, _, inner = name.partition(".")
        if top == PACKAGE.name:
            # the name of a module, or of something in a module
            found.add(inner if inner in trees() else inner.rpartition(".")[0] or "__init__")
    return found - {module}


def belongs(module, entry):
    package = entry.removesuffix(".*")
    return module == entry or (entry != package and (module == package or module.startswith(f"{package}.")))


def place(module):
    """The line of ``ORDER`` that a module stands in, and its entry there."""
    found = [
        (number, entry)
        for number, line in enumerate(ORDER.strip().splitlines())
        for entry in line.split()
        if belongs(module, entry)
    ]
    assert len(found) == 1, f"{module} must stand in ORDER once: it says who may import it"
    return found[0]


@pytest.mark.parametrize("module", sorted(trees()))
def test_imports_run_downwards_only(module):
    line, entry = place(module)
    for other in sorted(imports(module)):
        below, its_entry = place(other)
        assert below > line or its_entry == entry, f"{module} imports {other}, which is not below it in the house"


def test_nothing_is_in_the_order_that_is_not_there():
    for entry in ORDER.split():
        assert any(belongs(module, entry) for module in trees()), entry


def test_imports_run_in_no_circle():
    assert set(TopologicalSorter({module: imports(module) for module in trees()}).static_order()) == set(trees())


@pytest.mark.parametrize("module", sorted(name for name in trees() if any(belongs(name, entry) for entry in PURE)))
def test_what_is_pure_knows_neither_network_nor_settings_nor_engine(module):
    reached, front = set(), {module}
    while front:
        reached |= front
        front = {name for each in front for name in imports(each)} - reached
    assert not reached & {SETTINGS, ENGINE}
    assert not [name for name in reached if name == "api" or name.startswith("api.")]
    names = {name for each in reached for name in full_names(trees()[each])}
    assert not [name for name in names if any(f"{name}.".startswith(f"{root}.") for root in NETWORK)]


def private(name):
    return re.match("_(?!_)", name) and name != "_replace"  # a public method of named tuples


def taken_from_others(tree):
    """The private names that a module takes from anything but ``self`` and ``cls``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            names = [] if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls") else [node.attr]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr"):
            names = [word.value for word in node.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [part for alias in node.names for part in alias.name.split(".")]
        else:
            continue
        yield from filter(private, names)


def defined_in(tree):
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            yield node.attr


@pytest.mark.parametrize("module", sorted(set(trees()) - {ENGINE}))
def test_private_names_of_scrapy_and_of_each_other_are_used_in_no_other_module_than_engine(module):
    tree = trees()[module]
    assert not set(taken_from_others(tree)) - set(defined_in(tree))


def test_the_private_names_of_scrapy_that_engine_uses_are_few_and_known():
    # Each has a contract test in test_engine.py.
    assert set(taken_from_others(trees()[ENGINE])) == {"_get_slot", "_set_url", "_slot", "_starting"}


@pytest.mark.parametrize("module", sorted(set(trees()) - {SETTINGS, HANDS_SETTINGS_OUT}))
def test_the_names_of_settings_are_spelled_in_no_other_module_than_settings(module):
    # A text that tells somebody which setting to change is more than the name alone.
    words = [node.value for node in ast.walk(trees()[module]) if isinstance(node, ast.Constant)]
    assert not [word for word in words if isinstance(word, str) and re.fullmatch(r"OMOCAPTCHA_\w+", word)]
