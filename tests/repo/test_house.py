"""The architecture, read from the source: which folder may import which, and what is named in one folder only."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter

from scrapy.core.downloader import Downloader
from scrapy.core.downloader.handlers import DownloadHandlers
from scrapy.core.downloader.middleware import DownloaderMiddlewareManager
from scrapy.core.engine import ExecutionEngine
from scrapy.core.scheduler import Scheduler
from scrapy.crawler import Crawler
from scrapy.signalmanager import SignalManager

from scrapy_omocaptcha.engine import private_names
from tests.helpers.docs import PACKAGE, code, page, sources

ORDER = code(page("design"), "order-of-imports")
"""The folders and single modules of the package, from the top: each may import those on the lines below its own."""

OPTIONAL = ("browser", "buying.fleet")
"""Most crawls do without these."""
NEEDS_NOTHING = (".browser.find_medium",)
"""This tells whether it is needed."""

PURE = ("detection", "forms", "tokens.reasons", "buying.polling")
"""These know neither the network nor settings nor Scrapy's engine, themselves or through what they import."""
IMPURE = ("settings", "engine", "buying.api")
NETWORK = ("aiohttp", "asyncio", "http", "requests", "scrapy.core", "scrapy.crawler", "socket", "treq", "twisted")
GIVES_SETTINGS = ("testing.service", "testing.pytest_plugin")
"""The offline service and the fixture for crawls give tests the settings for a crawl."""


@cache
def trees():
    """Return the syntax tree of each module, by its name in the package."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def full_names(tree):
    """Yield what a module imports, as ``package.module`` or ``package.name``, also in functions and for types only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def imports(module):
    """Return the modules of the package that a module of it imports."""
    found = set()
    for name in full_names(trees()[module]):
        top, _, inner = name.partition(".")
        if top == PACKAGE.name:
            # the name of a module, or of something in a module
            found.add(inner if inner in trees() else inner.rpartition(".")[0] or "__init__")
    return found - {module}


def within(module, folders):
    return any(f"{module}.".startswith(f"{folder}.") for folder in folders)


def entry(module):
    """Return the folder at the top of the package in which a module is, or the module at the top that it is."""
    return module.partition(".")[0]


def imports_between_entries():
    return [(module, other) for module in trees() for other in imports(module) if entry(module) != entry(other)]


def test_every_entry_of_the_package_stands_in_the_order():
    assert sorted(ORDER.split()) == sorted({entry(module) for module in trees()})


def test_imports_between_folders_run_downwards_only():
    line = {name: number for number, names in enumerate(ORDER.strip().splitlines()) for name in names.split()}
    upwards = [
        f"{module} imports {other}"
        for module, other in imports_between_entries()
        if line[entry(other)] <= line[entry(module)]
    ]
    assert upwards == []


def test_what_is_optional_is_imported_within_functions_only():
    at_once = [
        f"{module} imports {name}"
        for module, tree in trees().items()
        for name in full_names(ast.Module([node for node in tree.body if isinstance(node, ast.ImportFrom)], []))
        for folder in OPTIONAL
        if within(name.partition(".")[2], [folder]) and not within(module, [folder])
    ]
    assert [line for line in at_once if not line.endswith(NEEDS_NOTHING)] == []


def test_no_imports_run_in_a_circle():
    # Raises CycleError, which names the modules.
    assert set(TopologicalSorter({module: imports(module) for module in trees()}).static_order()) == set(trees())


def test_the_test_service_imports_nothing_of_the_package_but_the_values_that_travel():
    used = {other for module, other in imports_between_entries() if entry(module) == "testing"}
    assert used == {"challenge"}


def test_what_is_pure_knows_neither_network_nor_settings_nor_engine():
    for module in filter(lambda module: within(module, PURE), trees()):
        reached, front = set(), {module}
        while front:
            reached |= front
            front = {name for each in front for name in imports(each)} - reached
        assert [name for name in reached if within(name, IMPURE)] == [], module
        names = {name for each in reached for name in full_names(trees()[each])}
        assert [name for name in names if within(name, NETWORK)] == [], module


def test_what_is_remembered_of_hosts_and_addresses_is_bounded():
    assert "" not in sources(r"\bLocalCache\((\w*)\)")
    assert max(map(int, sources(r"_MAX_[A-Z]+ = ([\d_]+)"))) == 10_000


def is_private(name):
    return re.match("_(?!_)", name) and name != "_replace"  # a public method of named tuples


def private_names_in(tree):
    """Yield the private names that a module uses, also those that it takes from ``self``, and may have inherited."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr"):
            names = [word.value for word in node.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [part for alias in node.names for part in alias.name.split(".")]
        else:
            continue
        yield from filter(is_private, names)


def defined_in(tree):
    """Yield the names that a module defines."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            yield node.attr


def bases_of(module):
    """Yield the modules of the package from which a module derives classes, with theirs."""
    named = {
        node.id
        for each in ast.walk(trees()[module])
        if isinstance(each, ast.ClassDef)
        for node in each.bases
        if isinstance(node, ast.Name)
    }
    for node in ast.walk(trees()[module]):
        if isinstance(node, ast.ImportFrom) and named & {alias.asname or alias.name for alias in node.names}:
            other = str(node.module).partition(".")[2]
            if other in trees():
                yield from (other, *bases_of(other))


def foreign_private_names(module):
    """Return the private names that a module uses, and neither it nor a class of ours that it derives from defines."""
    own = {name for each in (module, *bases_of(module)) for name in defined_in(trees()[each])}
    return set(private_names_in(trees()[module])) - own


def test_private_names_of_scrapy_and_of_other_modules_are_used_in_engine_only():
    used = {module: foreign_private_names(module) for module in trees() if not within(module, ["engine"])}
    assert {module: names for module, names in used.items() if names} == {}


def test_each_private_name_of_scrapy_that_engine_uses_is_looked_for_when_a_spider_opens():
    # Each has a test in tests/crawl/engine.
    used = set().union(*(foreign_private_names(module) for module in trees() if within(module, ["engine"])))
    assert used == set(filter(is_private, ".".join(private_names.NAMES).split(".")))
    assert len([name for name in private_names.NAMES if any(map(is_private, name.split(".")))]) <= 10


SCRAPYS = (
    Crawler,
    DownloadHandlers,
    Downloader,
    DownloaderMiddlewareManager,
    ExecutionEngine,
    Scheduler,
    SignalManager,
)
METHODS = {name for each in SCRAPYS for name, value in vars(each).items() if callable(value)} | {"add_request"}


def assigned(tree):
    """Yield the names of attributes that a module sets or deletes, but for those of its own classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            if not (isinstance(node.value, ast.Name) and node.value.id == "cls"):
                yield node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("setattr", "patch.object"):
            yield ast.unparse(node.args[1]).strip("'")


def test_no_method_of_an_object_of_scrapy_is_replaced():
    replaced = {module: METHODS & set(assigned(tree)) for module, tree in trees().items()}
    assert {module: names for module, names in replaced.items() if names} == {}


def test_the_names_of_settings_are_spelled_in_settings_only():
    # A text that tells somebody which setting to change is more than the name alone.
    spelled = {
        module: [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and is_setting(node.value)]
        for module, tree in trees().items()
        if not within(module, ["settings", *GIVES_SETTINGS])
    }
    assert {module: names for module, names in spelled.items() if names} == {}


def is_setting(value):
    return isinstance(value, str) and re.fullmatch(r"OMOCAPTCHA_\w+", value)
