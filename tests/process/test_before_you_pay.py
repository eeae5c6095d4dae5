"""docs/before-you-pay, and docs/challenges: their commands print what the pages show."""

from __future__ import annotations

import re
import shlex

from tests.helpers.commands import NO_CONSOLE, python
from tests.helpers.docs import code, consoles, page, plain


def pattern(line):
    """Return what a line of the page matches, where "…" stands for anything."""
    return ".*".join(map(re.escape, plain(line).split("…")))


def test_each_step_prints_what_the_page_shows(fresh, walled, service, installed, tmp_path):
    site = walled("session")
    spider = code(page("quickstart"), "quickstart-spider").replace("http://127.0.0.1:6081", site.url)
    (fresh / "fresh/spiders/before_you_pay.py").write_text(spider, encoding="utf-8")
    (fresh / "saved.html").write_text("<title>Attention</title>", encoding="utf-8")
    given = [word for name, value in {**service.settings, **NO_CONSOLE}.items() for word in ("-s", f"{name}={value}")]
    for command, *lines in consoles(page("before-you-pay")):
        words = shlex.split(command.removeprefix("$ ").replace("https://shop.example", site.url))
        assert words[0] == "scrapy"
        done = python("-m", *words, *given, cwd=fresh, PYTHONPATH=installed)
        assert done.returncode == 0, done.stdout
        said = done.stdout.replace(site.url, "https://shop.example").replace("127.0.0.2", "shop.example")
        said = re.sub(r"\[scrapy_omocaptcha\S*\] ", "", said)
        for line in lines:
            assert re.search(pattern(line), "\n".join(map(plain, said.splitlines()))), (line, said)
    assert len(service.jobs) == 1


def test_another_page_shows_the_first_step_alike():
    assert consoles(page("challenges")) == consoles(page("before-you-pay"))[:1]
