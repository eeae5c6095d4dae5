"""docs/recipes/shell: Scrapy's own commands on walled pages, as a user types them: with a reactor, and without one."""

import re
import shlex

import pytest

from tests.helpers.commands import NO_CONSOLE, options_of, scrapy
from tests.helpers.docs import code, page

PAGE = page("recipes/shell")
URL = "https://shop.example/page/1"
SHOWN = [shlex.split(line.removeprefix("$ ")) for line in code(PAGE, "shell-commands").splitlines()]
COMMANDS = {
    **{words[1]: words[1:] for words in SHOWN},
    "shell, fetch again": [
        "shell",
        "-c",
        f"fetch('{URL}') or fetch(response.request.replace(dont_filter=True)) or response.css('title::text').get()",
    ],
    "crawl": ["crawl", "shop", "-O", "-:json"],
    "runspider": ["runspider", "shop/spiders/walled.py", "-O", "-:json"],
}


@pytest.fixture
def project(tmp_path):
    """``project(url)`` → the folder of a project whose only spider crawls that page."""

    def write(url):
        spiders = tmp_path / "shop" / "spiders"
        spiders.mkdir(parents=True)
        (tmp_path / "scrapy.cfg").write_text("[settings]\ndefault = shop.settings\n")
        (tmp_path / "shop" / "__init__.py").touch()
        (tmp_path / "shop" / "settings.py").write_text('SPIDER_MODULES = ["shop.spiders"]\n')
        (spiders / "__init__.py").touch()
        (spiders / "walled.py").write_text(code(PAGE, "shell-spider").replace(URL, url))
        return tmp_path

    return write


def commands_and_reactors():
    """Run each command with a reactor, and without one those that start a crawl each in a way of its own."""
    for command in COMMANDS:
        yield pytest.param(command, True, id=f"{command}-reactor")
        alike = command not in ("shell", "fetch", "crawl")
        yield pytest.param(command, False, marks=pytest.mark.nightly if alike else [], id=f"{command}-no reactor")


@pytest.mark.parametrize(("command", "reactor_enabled"), list(commands_and_reactors()))
def test_a_walled_page_comes_through_by_hand_too(service, walled, project, command, reactor_enabled):
    site = walled("session")
    url = f"{site.url}/page/1"
    ours = {"ADDONS": {"scrapy_omocaptcha.Addon": 500}, "OMOCAPTCHA_PRICE": "0.00055"}
    settings = {**service.settings, **NO_CONSOLE, **ours, "TWISTED_REACTOR_ENABLED": reactor_enabled}
    name, *rest = (word.replace(URL, url) for word in COMMANDS[command])
    # "parse" wraps callbacks in a way that Scrapy itself warns of.
    lenient = {"PYTHONWARNINGS": "default"} if name == "parse" else {}
    result = scrapy(name, *options_of(settings), *rest, cwd=project(url), **lenient)
    assert result.returncode == 0, result.stdout
    assert len(service.jobs) == 1, result.stdout
    assert re.search(r"\bOK\b" if command == "check" else "page 1", result.stdout, re.IGNORECASE), result.stdout
    assert "Traceback" not in result.stdout, result.stdout
    assert len(site.requests) < 10
