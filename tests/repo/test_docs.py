"""docs/: what the pages say of settings, stats, reasons, names, options, modules and log lines is what the code has."""

import ast
import re
import sqlite3
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields
from datetime import datetime, timezone
from types import UnionType
from typing import Union, get_args, get_origin, get_type_hints

import pytest
import scrapy
from docutils import nodes
from scrapy.settings import Settings as ScrapySettings
from scrapy.settings import default_settings

import scrapy_omocaptcha
from scrapy_omocaptcha import errors, signals, testing
from scrapy_omocaptcha.buying.records import OUTCOMES
from scrapy_omocaptcha.commands.omocaptcha import OmoCaptchaCommand
from scrapy_omocaptcha.detection import find_challenge
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.settings.limits import LIMITS
from scrapy_omocaptcha.tokens import reasons
from scrapy_omocaptcha.tokens.medium import META_KEYS
from scrapy_omocaptcha.upfront.wishes import Wish
from tests.helpers.docs import (
    DOCS,
    PACKAGE,
    README,
    ROOT,
    code,
    filled_in,
    first_column,
    module,
    page,
    pages,
    plain,
    settings_told,
    sources,
    tables,
)
from tests.helpers.ledgers import business, job, write
from tests.helpers.sites import spider


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(DOCS)))
def test_a_page_is_well_formed_and_in_the_contents(path):
    page(path)
    contents = (DOCS / "index.rst").read_text(encoding="utf-8")
    name = path.relative_to(DOCS).with_suffix("").as_posix()
    assert name == "index" or re.search(rf"^   {name}$", contents, re.MULTILINE)


def words_of(path):
    """Return how many words a page has besides code and the names of tests."""
    return sum(
        len(node.astext().split())
        for node in page(path).findall(nodes.TextElement)
        if not isinstance(node, (nodes.Inline, nodes.literal_block, nodes.comment))
    )


def test_the_pages_have_at_most_19_000_words_besides_code_and_those_for_users_11_600():
    for_developers = (DOCS / "index.rst").read_text(encoding="utf-8").partition(":caption: For developers")[2].split()
    words = {path.stem: words_of(path) for path in pages() if path.stem != "changes"}
    for_users = [count for name, count in words.items() if name not in for_developers]
    assert len(words) - len(for_users) == 4
    assert 9_000 < sum(for_users) <= 11_600
    assert sum(words.values()) <= 19_000
    assert words["waiting"] <= 600
    assert words["internals"] <= 1_500


# Reference


def test_every_setting_has_an_entry_and_no_other_has():
    assert sorted(settings_told()) == sorted(sources(r'"(OMOCAPTCHA_[A-Z_]+)"'))


def test_the_defaults_that_are_told_are_those_of_the_code():
    defaults = {name: node["default"] for name, node in settings_told().items()}
    literal = {name: told.strip("`") for name, told in defaults.items() if told.startswith("``")}
    assert set(settings_told()) - set(literal) == {
        "OMOCAPTCHA_API_TOKEN",
        "OMOCAPTCHA_ALLOWED_DOMAINS",
        "OMOCAPTCHA_FLEET",
        "OMOCAPTCHA_REDIS_URL",
    }
    assert read({name: ast.literal_eval(default) for name, default in literal.items()}) == read({})


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_the_type_that_is_told_is_that_of_the_field(field):
    told = settings_told()[f"OMOCAPTCHA_{field.name.upper()}"]["type"]
    assert told == f"``{_as_users_write(get_type_hints(Settings)[field.name])}``"


def _as_users_write(hint):
    """Return the name of a type as the reference tells it: a tuple is written as a list, and a secret is a text."""
    (hint,) = set(get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)) - {type(None)}
    reveals = get_type_hints(hint.reveal)["return"] if hasattr(hint, "reveal") else get_origin(hint) or hint
    return {tuple: "list", Callable: "function"}.get(reveals, reveals.__name__)


def test_the_settings_of_scrapy_that_are_linked_exist():
    literals = [node for path in pages() for node in page(path).findall(nodes.literal)]
    linked = {node["target"] for node in literals if "setting" in node["classes"]}
    assert linked
    assert linked <= set(vars(default_settings))


def read(values):
    settings = Settings.from_settings(ScrapySettings({"OMOCAPTCHA_API_TOKEN": "offline-token", **values}))
    return {field.name: getattr(settings, field.name) for field in fields(settings) if field.name != "api_token"}


@pytest.mark.parametrize("path", [README, *pages()], ids=lambda path: path.stem)
def test_no_page_names_a_setting_that_there_is_not(path):
    named = set(re.findall(r"OMOCAPTCHA_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8")))
    assert named <= set(settings_told())


def test_every_key_of_meta_is_told_with_all_that_its_dictionary_may_have():
    tree = page("reference/meta")
    told = {re.fullmatch(r'request\.meta\["(\w+)"\]', node.astext()) for node in tree.findall(nodes.literal)} - {None}
    assert {match[1] for match in told} == set(META_KEYS)
    assert set(first_column(tree, "key")) == {field.name for field in fields(Wish)}


def test_every_reason_is_told_with_its_sentence():
    tree = page("reference/reasons")
    (rows,) = tables(tree, "reason")
    told = {row[0].astext(): plain(row[1].astext()) for row in rows}
    bought = sources(r'NotBought\(\s*"(\w+)"')
    assert set(told) == {*reasons.REASONS, *LIMITS, *bought}
    for reason, sentence in reasons.REASONS.items():
        assert sentence in told[reason]
    # Those that are counted after trying are made elsewhere.
    later = sources(r'Refusal\(\s*"(\w+)"') - set(reasons.REASONS)
    assert set(first_column(tree, "later")) == later


def test_every_stat_is_told_and_no_other():
    counted = sources(r'stats\.(?:inc|add|max)\(f?"([^"]+)"') - {"tokens/{reason}"}
    counted |= {f"tokens/{outcome}" for outcome in sources(r'Verdict\("(\w+)"')}
    assert set(first_column(page("reference/stats"), "stat")) == {f"omocaptcha/{name}" for name in counted}


def test_every_error_is_in_the_tree_and_has_a_sentence_of_its_own():
    # Sphinx makes the page of the module itself.
    assert filled_in(page("reference/errors"), "automodule") == {"scrapy_omocaptcha.errors"}
    for name, error in vars(errors).items():
        if isinstance(error, type) and issubclass(error, errors.OmoCaptchaError):
            assert name in errors.__doc__
            assert error.__doc__


TERMS_OF_NAMES = {term.astext() for term in page("reference/names").findall(nodes.term)}
NAMES = {
    "signals": ("signals", ["autodata"], {name for name, value in vars(signals).items() if type(value) is object}),
    "public names": ("names", ["autoclass", "autofunction", "class"], set(scrapy_omocaptcha.__all__) - TERMS_OF_NAMES),
    "methods of a spider": ("names", ["method"], sources(r'_hook\("(\w+)"')),
    "testing": ("testing", ["autoclass", "autofunction", "autodata", "data"], set(testing.__all__)),
}
"""Pages of the reference, the directives that tell of names there, and the names that there are."""


@pytest.mark.parametrize(("name", "directives", "names"), NAMES.values(), ids=NAMES)
def test_every_name_is_told_and_no_other(name, directives, names):
    told = set().union(*(filled_in(page(f"reference/{name}"), directive) for directive in directives))
    assert {re.sub(r"^(scrapy_omocaptcha\.testing|Spider)\.", "", each) for each in told} == names
    assert set(scrapy_omocaptcha.__all__) >= TERMS_OF_NAMES


def test_every_wall_is_told_in_its_own_words():
    # Sphinx makes the table of these.
    assert filled_in(page("reference/testing"), "wall-table") == {""}
    assert all(re.fullmatch(r".{20,}\.", wall.about) for wall in testing.WALLS.values())


def test_every_verb_of_the_command_is_told_with_its_options_and_no_other():
    parser = ArgumentParser()
    command = OmoCaptchaCommand()
    command.settings = ScrapySettings()
    command.add_options(parser)
    (verbs,) = [action.choices for action in parser._actions if action.choices]
    # Sphinx makes the options of a verb from its help.
    sections = page("reference/command").findall(nodes.section)
    told = {section["names"][0]: filled_in(section, "subcommand-options") for section in sections}
    assert told == {name: {name} for name in verbs}
    assert all(action.help for verb in verbs.values() for action in verb._actions)


# Waiting and internals


@pytest.mark.parametrize("name", ["waiting", "internals"])
def test_each_paragraph_of_waiting_and_internals_names_the_tests_that_hold_what_it_says(name):
    told = (nodes.section, nodes.list_item)
    paragraphs = [node for node in page(name).findall(nodes.paragraph) if isinstance(node.parent, told)]
    assert paragraphs
    for paragraph in paragraphs:
        comment = paragraph.next_node(descend=False, siblings=True)
        assert isinstance(comment, nodes.comment), paragraph.astext()
        heading, names = comment.astext().split(":", 1)
        assert (heading, "::" in names) == ("tested by", True), paragraph.astext()
        for path, test in re.findall(r"(\S+)::\s*(\S+)", names):
            assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), test


# Design


def test_contributing_says_of_each_folder_what_its_tests_need():
    folders = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
    assert folders == set(first_column(page(ROOT / "CONTRIBUTING.rst"), "folder"))


def test_the_modules_that_the_picture_names_exist():
    named = set(re.findall(r"[a-z_]+\.[a-z_]+", code(page("design"), "way-of-a-response")))
    modules = {".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py")}
    assert named - {"middleware.process_response"} <= modules
    assert hasattr(scrapy_omocaptcha.OmoCaptchaMiddleware, "process_response")


def test_the_places_of_an_outcome_exist_and_are_four():
    lines = code(page("design"), "places-of-an-outcome").splitlines()
    assert len({line.split()[0] for line in lines}) == 4
    for place in (ROOT / line.split()[0] for line in lines):
        text = place.read_text(encoding="utf-8")
        assert re.search(rf"\b({'|'.join(OUTCOMES)})\b", text), place


# Log lines


def _pieces(line):
    """The words of a line between what differs, and between its marks."""
    return [piece for part in re.split(r"[…:;,.?()]", line) if len(piece := part.strip()) > 3]


def _strings(tree):
    """Every string of a module, "…" in the place of what is filled in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(value.value if isinstance(value, ast.Constant) else "…" for value in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%(?:\.\d+)?[sdrfg]", "…", node.value)


MODULES = [ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")]


def told_lines():
    for term in page("troubleshooting").findall(nodes.term):
        yield from (literal.astext() for literal in term.findall(nodes.literal) if " " in literal.astext())


def test_every_line_of_troubleshooting_is_one_that_the_code_says():
    said = {plain(text) for tree in MODULES for text in _strings(tree)}
    lines = list(told_lines())
    assert len(lines) > 25
    for line in lines:
        for piece in _pieces(line.removeprefix("Disabled ").removeprefix("OMOcaptcha: ")):
            assert any(piece in text for text in said), (line, piece)


def test_each_line_of_troubleshooting_has_one_line_that_says_what_to_do():
    found = list(page("troubleshooting").findall(nodes.definition_list_item))
    assert len(found) > 50
    assert [item.rawsource for item in found if "\n" in item[-1].astext() or len(item[-1]) != 1] == []


_ALOUD = ("logger.info", "logger.warning", "logger.error", "logger.log")


def _logged(path):
    """The strings that are logged from INFO up, or said by the checks."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _ALOUD:
            yield from _strings(node.args[ast.unparse(node.func) == "logger.log"])
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_MESSAGES":
            yield from _strings(ast.Tuple(node.value.values))
        elif isinstance(node, ast.Yield) and node.value is not None and path.name == "checks.py":
            yield from _strings(node.value)


def test_every_line_that_is_logged_aloud_is_in_troubleshooting():
    told = plain(" ".join(told_lines()))
    logged = [text for path in PACKAGE.rglob("*.py") for text in _logged(path)]
    assert len(logged) > 20
    for text in logged:
        for piece in _pieces(text):
            assert piece in told, text


# Code


def test_the_settings_of_the_pages_are_valid(tmp_path):
    blocks = {"money-settings": "money", "limit-per-day": "questions", "only-these-hosts": "questions"}
    told = [module(code(page(name), label), tmp_path) for label, name in {**blocks, "fleet-settings": "fleets"}.items()]
    money, day, hosts, fleet = ({name: value for name, value in each.items() if name.isupper()} for each in told)
    assert read(money)["max_cost_per_day"] == 2.0
    assert read(day)["max_cost_per_day"] == 5
    assert read(day)["max_cost"] == 5
    assert read(hosts)["allowed_domains"] == ("shop.example", "partner.example")
    assert read(fleet)["redis_url"].reveal() == fleet["REDIS_URL"]


def test_the_signals_reach_the_extension_of_the_page(crawl, service, walled, tmp_path):
    alarm = module(code(page("reference/signals"), "alarm"), tmp_path)["Alarm"]
    site = walled("never")
    crawled = crawl(spider(f"{site.url}/page/1"), {**service.settings, "EXTENSIONS": {alarm: 0}})
    assert crawled.stats["alarm/attempts"] == 1


def test_the_ledger_of_the_page_is_read(crawl, service, walled, tmp_path, monkeypatch, capsys):
    site = walled("session")
    monkeypatch.chdir(tmp_path)
    crawl(spider(f"{site.url}/page/1"), {**service.settings, "OMOCAPTCHA_LEDGER": "omocaptcha.sqlite"})
    module(code(page("reference/ledger"), "ledger"), tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == "0.00055"


def test_the_ledger_answers_the_questions_of_the_page(tmp_path):
    queries = [
        block.astext() for block in page("reference/ledger").findall(nodes.literal_block) if "sql" in block["classes"]
    ]
    assert len(queries) == 3
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    with closing(sqlite3.connect(write(tmp_path / "jobs.sqlite", *business(300), job(time=now)))) as db:
        for query in queries:
            rows = db.execute(query).fetchall()
            assert rows, query
            assert all(None not in row for row in rows), query


def test_the_trigger_of_the_page_leaves_items_alone(tmp_path):
    spider = module(code(page("challenges"), "trigger"), tmp_path)["ShopSpider"]()
    here = scrapy.http.HtmlResponse("https://shop.example/item/7")
    assert spider.omocaptcha_trigger(here, find_challenge(here)) is False
    assert spider.omocaptcha_trigger(here.replace(url="https://shop.example/catalogue/"), None) is None


@pytest.mark.parametrize(
    "path",
    [
        *("README.rst", "CHANGES.rst", "docs/challenges.rst", "docs/design.rst", "docs/money.rst"),
        "docs/reference/errors.rst",
    ],
)
def test_what_happens_to_a_challenge_that_is_left_alone_is_told_in_the_same_words(path):
    text = plain((ROOT / path).read_text(encoding="utf-8"))
    assert "challenge for which nothing was bought passes on as without the add-on" in text
