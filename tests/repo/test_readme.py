"""README.rst: it renders, and its code runs as a stranger would run it."""

import json
from io import StringIO

import pytest
from docutils.core import publish_doctree

from scrapy_omocaptcha.buying.database import read_ledger
from tests.helpers.commands import scrapy, scrapy_crawl
from tests.helpers.docs import README, code, page, set_addons

SITE = "https://shop.example"


def test_it_renders_without_a_word_of_complaint():
    settings = {"report_level": 1, "warning_stream": StringIO(), "_disable_config": True}
    publish_doctree(README.read_text(encoding="utf-8"), settings_overrides=settings)
    assert settings["warning_stream"].getvalue() == ""


@pytest.fixture
def crawl(tmp_path, walled, service):
    """``crawl("spider", "shop")`` → the items of a spider of the page, in a new project with its settings; its site."""

    def run(block, name):
        site = walled("session")
        made = scrapy("startproject", "fresh", ".", cwd=tmp_path)
        assert made.returncode == 0, made.stdout
        set_addons(tmp_path / "fresh/settings.py", code(page(README), "settings-py"))
        spider = code(page(README), block).replace(SITE, site.url)
        (tmp_path / "fresh/spiders/theirs.py").write_text(spider, encoding="utf-8")
        done = scrapy_crawl(tmp_path, name, "-O", "items.jsonl", service=service)
        assert done.returncode == 0, done.stdout
        return [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()], site

    return run


def test_the_first_spider_gets_its_pages_for_one_job(crawl, service, tmp_path):
    items, site = crawl("spider", "shop")
    assert [item["name"] for item in items] == [f"Thing {number}" for number in range(1, 51)]
    assert items[0]["price"] == "1.50"
    assert len(service.jobs) == 1
    assert site.accepted == 1
    assert len(read_ledger(tmp_path / "omocaptcha.sqlite")) == 1


def test_the_form_that_wants_a_token_is_sent_with_one(crawl, service):
    (item,), _ = crawl("form-spider", "search")
    assert item["boats"][0].startswith("Albatross")
    assert len(service.jobs) == 1
