"""docs/before-you-pay: its commands print what the page shows."""

import re
import shlex

import pytest
from docutils import nodes

from tests.helpers.commands import NO_CONSOLE, options_of, scrapy
from tests.helpers.docs import code, consoles, page, plain


def pattern(line):
    """Return what a line of the page matches, where "…" stands for anything."""
    return ".*".join(map(re.escape, plain(line).split("…")))


@pytest.fixture
def follow(fresh, walled, service, installed, monkeypatch):
    """``follow(wall)`` → what each command of the page prints, in the site and with the options of its box."""
    box, *others = page("before-you-pay").findall(nodes.admonition)
    assert others == []
    literals = [node.astext() for node in box.findall(nodes.literal)]
    options = [word for literal in literals if literal.startswith("-s ") for word in literal.split()]
    token = literals[literals.index("OMOCAPTCHA_API_TOKEN") + 1]
    monkeypatch.setenv("OMOCAPTCHA_API_TOKEN", token)

    def follow(wall):
        assert f"--wall {wall}" in " ".join(literals[0].split())
        site = walled(wall)
        spider = code(page("quickstart"), "quickstart-spider").replace("http://127.0.0.1:6081", site.url)
        (fresh / "fresh/spiders/before_you_pay.py").write_text(spider, encoding="utf-8")
        for command, *lines in consoles(page("before-you-pay")):
            words = shlex.split(command.removeprefix("$ ").replace("https://shop.example", site.url))
            assert words[0] == "scrapy"
            if "OMOCAPTCHA_MAX_JOBS=1" in words:
                words += [word.replace("http://127.0.0.1:6080/api", service.url) for word in options]
            done = scrapy(*words[1:], *options_of(NO_CONSOLE), cwd=fresh, PYTHONPATH=installed)
            assert done.returncode == 0, done.stdout
            said = done.stdout.replace(site.url, "https://shop.example").replace("127.0.0.2", "shop.example")
            yield lines, re.sub(r"\[scrapy_omocaptcha\S*\] |\[scrapy\.\S*\] ", "", said)

    return follow


def test_each_step_prints_what_the_page_shows(follow, service):
    for lines, said in follow("session"):
        for line in lines:
            assert re.search(pattern(line), "\n".join(map(plain, said.splitlines()))), (line, said)
    assert len(service.jobs) == 1


def test_the_other_site_of_the_box_asks_on_each_page(follow, service):
    *_, (_, said) = follow("per_page")
    assert "'omocaptcha/tokens/accepted': 1," in said
    assert "'omocaptcha/skipped/max_jobs': 1," in said
    assert len(service.jobs) == 1
