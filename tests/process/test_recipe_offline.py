"""docs/quickstart and docs/recipes/offline: their commands work, and so do the tests of the latter in a project."""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest
from werkzeug.serving import make_server

from scrapy_omocaptcha.testing import OmoCaptchaService
from tests.helpers.commands import STRICT, options_of, scrapy
from tests.helpers.docs import code, consoles, module, offline_box, page, set_addons, written_instead
from tests.helpers.forked_scrapy import started_scrapy

START = page("quickstart")
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


@pytest.fixture
def project(tmp_path):
    """Return the project that the quick start makes, in the folder of the test."""
    assert scrapy("startproject", "shop", cwd=tmp_path).returncode == 0
    settings = tmp_path / "shop/shop/settings.py"
    set_addons(settings, code(START, "quickstart-settings"))
    with settings.open("a", encoding="utf-8") as file:
        # One request a second, which the template sets, is for real sites.
        file.write("DOWNLOAD_DELAY = 0.01\nTELNETCONSOLE_ENABLED = False\n")
    (tmp_path / "shop/shop/spiders/shop.py").write_text(code(START, "quickstart-spider"))
    return tmp_path / "shop"


def test_the_quick_start_works_as_it_stands(project, tmp_path, installed):
    """In processes of their own, as users start them."""
    environment = {**os.environ, **STRICT, "PYTHONPATH": installed}
    options = {"shell": True, "cwd": tmp_path, "env": environment, "text": True}
    (simulate, *sites), told = consoles(START)
    dots = told.index("…")
    commands, log = "\n".join(told[:dots]).replace("$ scrapy ", f"{SCRAPY} ").replace("$ ", ""), told[dots:]
    # The ports of the pages may be taken here, so any two free ones take their place.
    simulate = simulate.replace("$ scrapy ", f"exec {SCRAPY} ").replace("--port 6080", "--port 0")
    with subprocess.Popen(simulate, stdout=subprocess.PIPE, **options) as process:
        try:
            site, service, printed = listening(process.stdout)
            spider = code(START, "quickstart-spider").replace("127.0.0.1:6081", site)
            (project / "shop/spiders/shop.py").write_text(spider)
            commands = commands.replace("127.0.0.1:6080", service)
            done = subprocess.run(commands, capture_output=True, check=False, **options)
        finally:
            process.terminate()
        printed += process.stdout.readlines()
    assert done.returncode == 0, done.stderr
    assert len(json.loads((project / "items.json").read_text())) == 50
    for shown, seen in (sites, "".join(printed)), (log, done.stderr):
        seen = seen.replace(site, "127.0.0.1:6081").replace(service, "127.0.0.1:6080")
        for line in shown:
            # The page has "…" where it leaves something out, and another time.
            pattern = ".*".join(map(re.escape, re.sub(r"\d+\.\d s", "… s", line).split("…")))
            assert re.search(pattern, re.sub(r"\[scrapy_omocaptcha\S*\] ", "", seen)), (line, seen)


def test_a_recipe_runs_with_the_commands_of_the_page(tmp_path, installed):
    (simulate,), (export, *crawl) = consoles(page("recipes/offline"))
    name, token = export.removeprefix("$ export ").split("=")
    environment = {**os.environ, "PYTHONPATH": installed, name: token}
    spider = code(page("recipes/form"), "form")
    for old, new in written_instead(offline_box(page("recipes/form"), "form")).items():
        spider = spider.replace(old, new)
    started = started_scrapy(words([simulate], "--port 6080", "--port 0"), cwd=tmp_path, environment=environment)
    with started as (sites, stdout, _):
        site, service, _ = listening(stdout)
        (tmp_path / "recipe.py").write_text(spider.replace("127.0.0.1:6081", site))
        done = scrapy(*words(crawl, "127.0.0.1:6080", service), cwd=tmp_path, **environment)
        sites.terminate()
        printed = stdout.read()
    assert done.returncode == 0, done.stdout
    assert json.loads((tmp_path / "items.json").read_text()) == [{"boats": ["Albatross 1", "Albatross 2"]}]
    assert "Jobs: 1 for 0.00055 USD." in printed


def listening(stdout):
    """Return where the first site and the service of ``simulate`` listen, and the lines that say so."""
    printed = [stdout.readline()]
    while " is the service." not in printed[-1]:
        printed.append(stdout.readline())
        assert printed[-1], printed
    return *(printed[place].split("/")[2] for place in (0, -1)), printed


def words(lines, old, new):
    """Return the words after ``$ scrapy`` in the lines of a command, of which one is another here."""
    command = "".join(line.rstrip("\\") for line in lines)
    assert command.startswith("$ scrapy ")
    assert old in command
    return tuple(shlex.split(command.replace(old, new))[2:])


def run(project, test):
    """Run tests in the project, with the fixtures."""
    (project / "conftest.py").write_text(code(page("recipes/offline"), "conftest"))
    (project / "test_shop.py").write_text(test)
    done = scrapy("-q", "-p", "no:cacheprovider", cwd=project, module="pytest")
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_tests_of_the_page_pass_in_the_project_of_the_quick_start(project):
    assert "3 passed" in run(project, code(page("recipes/offline"), "test-shop"))


def test_the_sites_run_without_pytest_too(project):
    (project / "offline.py").write_text(code(page("recipes/offline"), "service-and-site"))
    done = scrapy(cwd=project, module="offline")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "5 jobs"), done.stdout


def test_a_site_of_ones_own_is_behind_a_wall_that_opens(project):
    with OmoCaptchaService() as service:
        text = code(page("recipes/offline"), "own-site")
        assert urlsplit(service.siteverify_url)._replace(netloc="127.0.0.1:6080").geturl() in text
        walled = module(text.replace("http://127.0.0.1:6080", service.origin), project)
        server = make_server("127.0.0.1", 0, walled["app"], threaded=True)
        threading.Thread(target=server.serve_forever).start()
        try:
            start = f"start_urls = ['http://127.0.0.1:{server.port}/catalogue/']"
            spider = re.sub("start_urls = .*", start, code(START, "quickstart-spider"))
            (project / "shop/spiders/shop.py").write_text(spider)
            done = scrapy("crawl", "shop", "-O", "items.json", *options_of(service.settings), cwd=project)
        finally:
            server.shutdown()
            server.server_close()
    assert done.returncode == 0, done.stdout
    assert json.loads((project / "items.json").read_text()) == [{"name": "Lamp", "price": "9.90"}]
    assert len(service.jobs) == 1


def test_the_test_of_a_rendered_page_passes_in_the_project_of_the_quick_start(project, chromium):
    (project / "shop/spiders/contact.py").write_text(CONTACT_SPIDER)
    assert "1 passed" in run(project, CONTACT_TEST)
