"""README.rst: it renders, its tables tell the truth, and its code runs as a stranger would run it."""

from __future__ import annotations

import ast
import json
import re
import shutil
import textwrap
from dataclasses import fields
from io import StringIO

import pytest
from docutils import nodes
from docutils.core import publish_doctree
from scrapy.settings import Settings as ScrapySettings

from scrapy_omocaptcha import errors, signals, verdict
from scrapy_omocaptcha.settings import Settings
from tests.commands import ROOT, python, scrapy_crawl

README = ROOT / "README.rst"
PACKAGE = ROOT / "scrapy_omocaptcha"
SITE = "https://shop.example"


def rendered(warnings=None):
    return publish_doctree(
        README.read_text(encoding="utf-8"),
        settings_overrides={"report_level": 1, "warning_stream": warnings, "_disable_config": True},
    )


@pytest.fixture(scope="module")
def readme():
    return rendered()


def table(readme, heading):
    """The rows of the table whose first column is called ``heading``, as lists of nodes."""
    found = [
        [list(row.findall(nodes.entry)) for row in table.findall(nodes.row)] for table in readme.findall(nodes.table)
    ]
    (rows,) = [rows for rows in found if rows[0][0].astext() == heading]
    return rows[1:]


def code(readme, name):
    """The code block of that name."""
    (block,) = [block for block in readme.findall(nodes.literal_block) if name in block["ids"]]
    return block.astext() + "\n"


def sources(pattern):
    """What a pattern finds in the package, ``{reason}`` in the place of whatever is filled in."""
    found = {match for path in PACKAGE.glob("*.py") for match in re.findall(pattern, path.read_text(encoding="utf-8"))}
    return {re.sub(r"\{.*?\}", "{reason}", match) for match in found}


def test_it_renders_without_a_word_of_complaint():
    warnings = StringIO()
    rendered(warnings)
    assert warnings.getvalue() == ""


# Tables


def test_success_is_within_the_first_forty_lines():
    top = "\n".join(README.read_text(encoding="utf-8").splitlines()[:40])
    for word in ("pip install", "ADDONS", "OMOCAPTCHA_API_TOKEN", "scrapy.Spider", "INFO: Through", "cost_usd"):
        assert word in top


def test_every_setting_is_in_the_table_and_no_other(readme):
    rows = table(readme, "setting")
    assert sorted(row[0].astext() for row in rows) == sorted(sources(r'"(OMOCAPTCHA_[A-Z_]+)"'))


def test_the_defaults_of_the_table_are_those_of_the_code(readme):
    rows = table(readme, "setting")
    literal = {row[0].astext(): row[1].astext() for row in rows if list(row[1].findall(nodes.literal))}
    assert {row[0].astext() for row in rows} - set(literal) == {"OMOCAPTCHA_API_TOKEN", "OMOCAPTCHA_ALLOWED_DOMAINS"}
    set_so = {name: ast.literal_eval(default) for name, default in literal.items()}
    assert _read(set_so) == _read({})


def _read(values):
    settings = Settings.from_settings(ScrapySettings({"OMOCAPTCHA_API_TOKEN": "offline-token", **values}))
    return {field.name: getattr(settings, field.name) for field in fields(settings) if field.name != "api_token"}


def test_every_refusal_is_in_the_table_with_its_reason(readme):
    rows = {row[0].astext(): row[1].astext() for row in table(readme, "reason")}
    assert set(rows) == set(verdict.REASONS)
    for reason, sentence in verdict.REASONS.items():
        assert sentence in _plain(rows[reason])
    later = sources(r'Refusal\("(\w+)"') - set(verdict.REASONS)
    text = _plain(readme.astext())
    assert later
    assert all(f"{reason} (" in text for reason in later)


def _plain(text):
    return " ".join(text.split())


def test_every_stat_is_in_the_table_and_no_other(readme):
    told = {row[0].astext() for row in table(readme, "stat")}
    counted = {"omocaptcha/" + name for name in sources(r'stats\.(?:inc|add|max)\(f?"([^"]+)"')}
    assert told == {re.sub("/skipped/.*", "/skipped/{reason}", name) for name in counted}


def test_every_signal_is_in_the_table_and_no_other(readme):
    told = {row[0].astext() for row in table(readme, "signal")}
    assert told == {name for name in vars(signals) if name.startswith("challenge_")}


def test_every_error_that_is_named_exists(readme):
    section = next(s for s in readme.findall(nodes.section) if "errors" in s["names"])
    named = {literal.astext().rpartition(".")[2] for literal in section.findall(nodes.literal)}
    classes = {name for name in named if name[0].isupper()} - {"IgnoreRequest"}
    assert len(classes) > 5
    assert all(issubclass(getattr(errors, name), errors.OmoCaptchaError) for name in classes)


# Code


@pytest.fixture
def project(readme, tmp_path):
    """What a stranger has after ``scrapy startproject`` and the README's line of settings."""
    made = python("-m", "scrapy", "startproject", "fresh", ".", cwd=tmp_path)
    assert made.returncode == 0, made.stdout
    with (tmp_path / "fresh/settings.py").open("a", encoding="utf-8") as settings:
        settings.write(code(readme, "settings-py"))
    return tmp_path


@pytest.fixture
def run(project, service):
    """``run(source, name, site)`` → the items and the log of the spider in ``source``, whose shop is ``site``."""

    def run(source, name, site):
        here = source.replace(SITE, site.url).replace("6L…", site.sitekey)
        (project / "fresh/spiders/theirs.py").write_text(here, encoding="utf-8")
        done = scrapy_crawl(project, name, "-O", "items.jsonl", service=service)
        assert done.returncode == 0, done.stdout
        items = [json.loads(line) for line in (project / "items.jsonl").read_text().splitlines()]
        return items, done.stdout

    return run


def test_the_first_spider_gets_its_pages_and_the_log_is_as_shown(readme, run, walled, service):
    site = walled("session")
    items, log = run(code(readme, "spider"), "shop", site)
    assert [item["name"] for item in items] == [f"Thing {number}" for number in range(1, 51)]
    assert items[0]["price"] == "1.50"
    assert (len(service.jobs), site.accepted) == (1, 1)
    seen = log.replace(site.url, SITE).replace(service.url.split("/")[2], "omocaptcha.com")
    seen = re.sub(r"\[scrapy_omocaptcha\S*\] ", "", seen)
    (shown,) = [b.astext() for b in readme.findall(nodes.literal_block) if "INFO: Through" in b.astext()]
    for line in shown.splitlines():
        seconds_aside = re.sub(r"in [\d\\.]+ s", r"in [\\d.]+ s", re.escape(line).replace(r"\ ", " "))
        assert re.search(seconds_aside, seen), line


def test_the_request_that_wants_a_token_is_sent_with_one(readme, run, walled, service):
    lines = [
        "import scrapy",
        "class SignupSpider(scrapy.Spider):",
        "    name = 'signup'",
        "    async def start(self):",
        textwrap.indent(code(readme, "meta"), " " * 8),
        "    def parse(self, response):",
        "        yield {'welcome': response.css('.name::text').get()}",
    ]
    items, _ = run("\n".join(lines), "signup", walled("session"))
    assert items == [{"welcome": "Ada"}]
    assert [job.used for job in service.jobs] == [True]


def test_the_hooks_open_a_page_whose_script_takes_the_token(readme, run, walled, service):
    items, _ = run(code(readme, "hooks"), "scripted", walled("callback_only"))
    assert items == [{"title": "Catalogue, page 1 of 5"}]
    assert [job.used for job in service.jobs] == [True]


def test_the_verbs_do_it_by_hand(readme, run, walled, service):
    items, _ = run(code(readme, "verbs"), "by_hand", walled("same_url"))
    assert items == [{"name": "Thing 7"}]
    assert [job.used for job in service.jobs] == [True]


def test_the_test_passes_in_the_example_project(readme, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(ROOT / "example_project", project)
    (project / "conftest.py").write_text(code(readme, "conftest"))
    # "scrapy" is where this Python is, whatever the PATH says.
    test = code(readme, "test-shop").replace('["scrapy",', '[__import__("sys").executable, "-m", "scrapy",')
    (project / "test_shop.py").write_text(test)
    # One request a second is for real sites.
    with (project / "shop/settings.py").open("a") as settings:
        settings.write("DOWNLOAD_DELAY = 0.01\n")
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
