"""docs/quickstart and docs/recipes/offline: their commands work, and so do the tests of the latter in a project."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.helpers.commands import ROOT, STRICT, scrapy
from tests.helpers.docs import code, consoles, offline_box, page, set_addons, written_instead

SCRAPY = f'"{sys.executable}" -m scrapy'
"""The command "scrapy" of this Python, whatever the PATH says."""
CONTACT_SPIDER = """
import scrapy
from scrapy_playwright.page import PageMethod


class ContactSpider(scrapy.Spider):
    name = "contact"

    async def start(self):
        rendered = PageMethod("wait_for_selector", "iframe[title=reCAPTCHA]")
        meta = {"playwright": True, "playwright_page_methods": [rendered]}
        yield scrapy.Request(f"{self.site}/contact", meta=meta)

    def parse(self, response):
        yield {"title": response.css("h1::text").get(), "widgets": len(response.css("iframe[title=reCAPTCHA]"))}
"""
CONTACT_TEST = """
def test_the_contact_form_has_a_widget(omocaptcha_crawl, omocaptcha_service, omocaptcha_site, omocaptcha_browser):
    crawl = omocaptcha_crawl("contact", site=omocaptcha_site().url, **omocaptcha_browser)
    assert crawl.items == [{"title": "How to reach us", "widgets": 1}]
    assert omocaptcha_service.jobs == ()
"""


@contextmanager
def simulated(command, options):
    """Run the command that starts a service and a site; yield where site and service are, and the lines it prints."""
    # The ports of the pages may be taken here, so any two free ones take their place.
    command = command.replace("--port 6080", "--port 0")
    with subprocess.Popen(f"exec {command}", stdout=subprocess.PIPE, **options) as sites:
        printed = [sites.stdout.readline() for _ in range(2)]
        site, service = (line.split("/")[2] for line in printed)
        try:
            yield site, service, printed
        finally:
            sites.terminate()
            printed += sites.communicate()[0].splitlines(keepends=True)


@pytest.fixture
def options(tmp_path, installed):
    """Return the options with which the commands of a page are run in the folder of the test."""
    environment = {**os.environ, **STRICT, "PYTHONPATH": installed}
    return {"shell": True, "cwd": tmp_path, "env": environment, "text": True}


def test_the_quick_start_works_as_it_stands(tmp_path, options):
    start = page("quickstart")
    (simulate, *sites), told = consoles(start)
    dots = told.index("…")
    commands, log = "\n".join(told[:dots]).replace("$ scrapy ", f"{SCRAPY} ").replace("$ ", ""), told[dots:]
    assert scrapy("startproject", "shop", cwd=tmp_path).returncode == 0
    # One request a second is for real sites.
    settings = f"{code(start, 'quickstart-settings')}DOWNLOAD_DELAY = 0.01\nTELNETCONSOLE_ENABLED = False\n"
    set_addons(tmp_path / "shop/shop/settings.py", settings)
    with simulated(simulate.replace("$ scrapy ", f"{SCRAPY} "), options) as (site, service, printed):
        spider = code(start, "quickstart-spider").replace("127.0.0.1:6081", site)
        (tmp_path / "shop/shop/spiders/shop.py").write_text(spider)
        commands = commands.replace("127.0.0.1:6080", service)
        done = subprocess.run(commands, capture_output=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    assert len(json.loads((tmp_path / "shop/items.json").read_text())) == 50
    for shown, seen in (sites, "".join(printed)), (log, done.stderr):
        seen = seen.replace(site, "127.0.0.1:6081").replace(service, "127.0.0.1:6080")
        for line in shown:
            # The page has "…" where it leaves something out, and another time.
            pattern = ".*".join(map(re.escape, re.sub(r"\d+\.\d s", "… s", line).split("…")))
            assert re.search(pattern, re.sub(r"\[scrapy_omocaptcha\S*\] ", "", seen)), (line, seen)


def test_a_recipe_runs_with_the_commands_of_the_page(tmp_path, options):
    commands = ("\n".join(lines).replace("$ ", "") for lines in consoles(page("recipes/offline")))
    simulate, crawl = (command.replace("scrapy ", f"{SCRAPY} ", 1) for command in commands)
    spider = code(page("recipes/form"), "form")
    for old, new in written_instead(offline_box(page("recipes/form"), "form")).items():
        spider = spider.replace(old, new)
    with simulated(simulate, options) as (site, service, printed):
        (tmp_path / "recipe.py").write_text(spider.replace("127.0.0.1:6081", site))
        done = subprocess.run(crawl.replace("127.0.0.1:6080", service), capture_output=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "items.json").read_text()) == [{"welcome": "Ada"}]
    assert "Jobs: 1 for 0.00055 USD." in printed[-1]


@pytest.fixture
def project(tmp_path):
    """Return a copy of the example project, with the fixtures."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "example_project", project)
    (project / "conftest.py").write_text(code(page("recipes/offline"), "conftest"))
    return project


def run(project, test):
    """Run tests in the project."""
    (project / "test_recipe.py").write_text(test)
    done = scrapy("-q", "-p", "no:cacheprovider", cwd=project, module="pytest")
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_tests_of_the_page_pass_in_the_example_project(project):
    assert "3 passed" in run(project, code(page("recipes/offline"), "test-shop"))


def test_the_test_of_a_rendered_page_passes_in_the_example_project(project, chromium):
    (project / "shop/spiders/contact.py").write_text(CONTACT_SPIDER)
    assert "1 passed" in run(project, CONTACT_TEST)
