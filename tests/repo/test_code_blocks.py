"""Every code block of the documentation is run by a test, or checked here as far as it can be without running it."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from argparse import ArgumentParser
from importlib.metadata import distribution, entry_points
from importlib.util import find_spec

import pytest
from docutils import nodes
from packaging.requirements import Requirement
from scrapy.commands import ScrapyCommand
from scrapy.settings import Settings as ScrapySettings
from scrapy.settings import default_settings

from tests.helpers.docs import MAKE_TARGETS, ROOT, page, pages, settings_told

PAGES = [*(ROOT / name for name in ("README.rst", "CONTRIBUTING.rst", "SECURITY.rst")), *pages()]
TESTS = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
del TESTS["tests/repo/test_code_blocks.py"]

ALL_BLOCKS_OF = {
    ("README", ""): "tests/repo/test_readme.py",
    ("before-you-pay", "console"): "tests/process/test_before_you_pay.py",
    ("quickstart", "console"): "tests/process/test_recipe_offline.py",
    ("recipes/offline", "console"): "tests/process/test_recipe_offline.py",
    ("reference/ledger", "sql"): "tests/repo/test_docs.py",
}
"""The tests that take all blocks of a page in a language, so that these need no names."""
OF_SCRAPY_REDIS = {"REDIS_URL", "SCHEDULER_PERSIST"}
BUILTINS = {"cd", "export"}


def page_name(path):
    return path.relative_to(ROOT).with_suffix("").as_posix().removeprefix("docs/")


def language(block):
    return " ".join(name for name in block["classes"] if name != "code")


def blocks(path):
    return list(page(path).findall(nodes.literal_block))


def is_run(name, block):
    """Tell whether a test uses this block, so that its module has the names of the page and of the block."""
    if test := ALL_BLOCKS_OF.get((name, language(block))):
        return f'"{name}"' in TESTS[test] or name == "README"
    of_page = [test for test in TESTS.values() if ("README" if name == "README" else f'"{name}"') in test]
    return any(f'"{each}"' in test for test in of_page for each in block["names"])


each_page = pytest.mark.parametrize("path", PAGES, ids=page_name)


@each_page
def test_each_block_is_run_by_a_test_or_checked(path):
    for block in blocks(path):
        check_block(block, language(block), is_run=is_run(page_name(path), block))


@each_page
def test_each_command_within_the_text_exists(path):
    for literal in page(path).findall(nodes.literal):
        command = " ".join(literal.astext().split())
        if re.match(r"(scrapy|make|pip install) \S", command):
            check_command(shlex.split(command))


def check_block(block, kind, *, is_run):
    if kind == "python":
        tree = ast.parse(block.astext())
        check_imports(tree)
        assert is_run or is_settings(tree), block.astext()
    elif kind in ("sh", "console"):
        for command in [] if is_run else commands(block.astext(), kind):
            check_command(command)
    else:
        assert is_run, block.astext()


# Python


def check_imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert all(find_spec(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            taken = importlib.import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(taken, alias.name)] == []


def assigned(tree):
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def is_settings(tree):
    """Tell whether a module does nothing but to assign settings that exist."""
    return all(isinstance(node, ast.Assign) for node in tree.body) and all(map(is_setting, assigned(tree)))


def is_setting(name):
    return name in OF_SCRAPY_REDIS or name in settings_told() or hasattr(default_settings, name)


# Commands


def commands(text, kind):
    """Yield the words of each command: of a console, each line after ``$``."""
    for line in text.replace("\\\n", " ").splitlines():
        if kind == "console":
            assert line.startswith("$ "), f"what is printed needs a test: {line}"
        if words := shlex.split(line.removeprefix("$ "), comments=True):
            yield words


def check_command(words):
    """Check that a command and its options exist, by what the program itself says of them."""
    while re.match(r"[A-Z_]+=", words[0]):
        assert is_setting(words.pop(0).partition("=")[0])
        if not words:
            return
    program, *arguments = words
    if program == "scrapy":
        check_scrapy(*arguments)
    elif program == "make":
        assert {word for word in arguments if not word.startswith("ARGS=")} <= MAKE_TARGETS
    elif program == "pip":
        check_pip(*arguments)
    elif program == "export":
        assert is_setting(arguments[0].partition("=")[0])
    elif program not in BUILTINS:
        scripts = {script.name for script in entry_points(group="console_scripts")}
        assert program in scripts, f"name the block, and run it in a test: {words}"


def check_scrapy(name, *arguments):
    command = scrapy_command(name)
    command.settings = ScrapySettings()
    parser = ArgumentParser(conflict_handler="resolve")
    command.add_options(parser)
    words = ["200" if word == "…" else word for word in arguments] or ["check"]
    if words[-1] in ("detect", "report"):
        words.append("FILE")
    # argparse exits with a message if it does not know an option or a subcommand.
    options, rest = parser.parse_known_args(words)
    assert [word for word in rest if word.startswith("-")] == []
    assert [pair for pair in options.set if not is_setting(pair.partition("=")[0])] == []


def scrapy_command(name) -> ScrapyCommand:
    if name == "omocaptcha":
        (entry,) = entry_points(group="scrapy.commands", name=name)
        return entry.load()()
    return importlib.import_module(f"scrapy.commands.{name}").Command()


def check_pip(install, *requirements):
    """Check that a package is this one, with extras that it has, or one that an extra of it installs."""
    assert install == "install"
    ours = distribution("scrapy-omocaptcha")
    known = {ours.name, *(Requirement(line).name for line in ours.requires)}
    for given in requirements:
        # The folder is a checkout of this package.
        wanted = Requirement(re.sub(r"^\.", ours.name, given))
        assert wanted.name in known
        assert wanted.extras <= set(ours.metadata.get_all("Provides-Extra"))
