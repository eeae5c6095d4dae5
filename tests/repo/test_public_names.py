"""What ``import scrapy_omocaptcha`` gives, and what it does not make everybody wait for."""

import pytest

import scrapy_omocaptcha
from tests.helpers.commands import python

# Scrapy's own imports are none of ours: it loads lxml before it looks for commands.
LOADED = """
import sys
import scrapy.commands
before = set(sys.modules)
import scrapy_omocaptcha.commands.omocaptcha
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
print(*sorted(name for name in sys.modules if name.startswith("scrapy_omocaptcha.")))
"""
# What reads pages and forms, makes calls and reports.
NOT_BEFORE_THE_END = "scrapy_omocaptcha.reporting.text"
NOT_BEFORE_THE_FIRST_CHALLENGE = (
    *("treq", "redis"),
    *(f"scrapy_omocaptcha.{name}" for name in ("detection.challenges", "detection.vendors", "forms.reading")),
    *(f"scrapy_omocaptcha.walls.{name}" for name in ("session", "passage", "form_passage")),
    *(f"scrapy_omocaptcha.{name}" for name in ("tokens.attempts", "tokens.verdict")),
    *(f"scrapy_omocaptcha.{name}" for name in ("upfront.token_request", "upfront.wishes")),
    *(f"scrapy_omocaptcha.buying.{name}" for name in ("api", "polling", "purchase", "solver")),
    *(f"scrapy_omocaptcha.{name}" for name in ("browser.playwright", "browser.passage", "reporting.html")),
)
PLAIN_CRAWL = """
import sys, scrapy
from scrapy.crawler import CrawlerProcess

class PlainSpider(scrapy.Spider):
    name = "plain"
    start_urls = ["data:text/html,<title>A page</title>"]

    def parse(self, response):
        print(response.css("title::text").get())
        print(*sys.modules)

settings = {"ADDONS": {"scrapy_omocaptcha.Addon": 500}, "OMOCAPTCHA_API_TOKEN": "offline", "LOG_LEVEL": "ERROR"}
process = CrawlerProcess({**settings, "TELNETCONSOLE_ENABLED": False})
process.crawl(PlainSpider)
process.start()
print(*sys.modules)
"""


def test_a_crawl_without_a_challenge_does_not_wait_for_what_only_a_challenge_needs(tmp_path):
    done = python("-c", PLAIN_CRAWL, cwd=tmp_path)
    title, at_page, *_, at_end = done.stdout.splitlines()
    assert title == "A page", done.stdout
    assert "scrapy_omocaptcha.walls.handler" in at_page.split()
    assert NOT_BEFORE_THE_END not in at_page.split()
    assert NOT_BEFORE_THE_END in at_end.split()
    assert [name for name in NOT_BEFORE_THE_FIRST_CHALLENGE if name in at_end.split()] == []


def test_a_call_of_scrapy_that_has_no_use_for_us_does_not_wait_for_what_a_crawl_needs(tmp_path):
    done = python("-c", LOADED, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    others, ours = map(str.split, done.stdout.splitlines())
    assert not {"treq", "aiohttp", "lxml", "tldextract", "parsel", "twisted"} & set(others)
    names = ("challenge", "commands", "commands.omocaptcha", "errors", "scrapy_versions", "signals")
    assert ours == [f"scrapy_omocaptcha.{name}" for name in names]


@pytest.mark.parametrize("name", scrapy_omocaptcha.__all__)
def test_a_public_name_is_listed_and_is_what_it_is_called(name):
    assert name in dir(scrapy_omocaptcha)
    value = getattr(scrapy_omocaptcha, name)
    assert getattr(value, "__name__", None) in (name, f"scrapy_omocaptcha.{name}")
    assert getattr(scrapy_omocaptcha, name) is value


def test_another_name_is_none_of_ours():
    with pytest.raises(AttributeError, match="module 'scrapy_omocaptcha' has no attribute 'find_captcha'"):
        scrapy_omocaptcha.find_captcha  # noqa: B018


@pytest.mark.parametrize("version", ["2.11.2", "2.14.1"])
def test_an_older_scrapy_is_told_in_one_line_rather_than_by_the_name_of_a_module(tmp_path, version):
    numbers = tuple(map(int, version.split(".")))
    is_older = f"import scrapy; scrapy.version_info, scrapy.__version__ = {numbers}, {version!r}\n"
    done = python("-c", f"{is_older}import scrapy_omocaptcha", cwd=tmp_path)
    assert done.returncode != 0
    assert done.stdout.splitlines()[-1] == (
        f"ImportError: scrapy-omocaptcha needs Scrapy 2.14.2 or later, and this is {version}: pip install -U scrapy"
    )
