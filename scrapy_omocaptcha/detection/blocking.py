"""Judging whether a page is the challenge or merely carries a widget.

Evidence is weighed: the page's status, its address, its words, how much else there is to read, to follow and to fill
in, and whether it is a known wall. The weights are chosen so that no single piece decides: a status of 403 needs a bare
page, a bare page needs words or an address that speak of a check, and a form that asks for more than the widget is
hardly ever a wall.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from lxml.html import HtmlElement

from scrapy_omocaptcha.detection.content import PageContent, describe_fields
from scrapy_omocaptcha.detection.phrases import find_wall_phrase

BLOCKING_WEIGHT = 5
"""Weight of the evidence from which on a page is judged to be the challenge."""

MAX_TEXT_WEIGHT = 6
"""Maximum weight that the page's text can add."""

WALL_STATUSES = frozenset((403, 429, 503))
"""Statuses of walls."""

_ADDRESS = re.compile(
    r"/(?:sorry|challenge|blocked|unblock"
    r"|(?:show|get|check|verify|solve|visit|distil)?[_-]?captcha(?:[_-]?(?:check|page|verify|challenge|required))?"
    r"|are[_-]?you[_-]?(?:a[_-]?)?(?:human|robot)"
    r"|verify[_-]?(?:human|visitor|browser|you)"
    r"|(?:human|robot|bot)[_-]?(?:check|verification)"
    r"|access[_-]?denied|security[_-]?check)"
    r"(?:\.\w{2,5})?(?=[/?]|$)",
    re.IGNORECASE,
)
_WALL_FORMS = (
    ("Google's 'unusual traffic' page", re.compile(r"^captcha-form "), None),
    ("Google's 'unusual traffic' page", re.compile(r" (?:\S*/sorry/)?index$"), frozenset(("q", "continue"))),
    ("Cloudflare's captcha page", re.compile(r"/cdn-cgi/l/chk_captcha|__cf_chl_"), None),
    ("Distil's captcha page", re.compile(r"distil_r_captcha|^distilCaptchaForm "), None),
    ("a hosting firewall's page", re.compile(""), frozenset(("origin_url",))),
)
_WALL_WORDS = re.compile(
    r"sucuri website firewall|cidram|incapsula incident|imunify360|bitninja|perimeterx|distil networks|shieldon",
    re.IGNORECASE,
)
_DEMO = re.compile(
    r"\b(?:demo|example|sample|test|tutorial|beispiel|ejemplo|exemple)\b|示[範范例]|サンプル", re.IGNORECASE
)


class Judgement(NamedTuple):
    """Whether a page is the challenge, and the evidence in short phrases for a person."""

    blocking: bool
    evidence: tuple[str, ...]


class _Evidence:
    def __init__(self) -> None:
        self.weight = 0
        self.phrases: list[str] = []

    def add(self, weight: int, phrase: str) -> None:
        self.weight += weight
        self.phrases.append(phrase)


def judge(*, status: int, url: str, root: HtmlElement, markup: str, form: HtmlElement | None) -> Judgement:
    """Judge whether the page at ``url`` is the challenge.

    :param markup: the text that ``root`` was parsed from.
    :param form: the form that holds the captcha, if any.
    """
    evidence = _Evidence()
    content = PageContent(root)
    if status in WALL_STATUSES:
        evidence.add(3, f"status {status}")
    elif status >= 400 and status not in (404, 410):
        evidence.add(1, f"status {status}")
    if address := _ADDRESS.search(_path(url)):
        evidence.add(2, f"the address says '{address[0]}'")
    if word := _DEMO.search(content.title):
        evidence.add(-2, f"the title says '{word[0]}'")
    if phrase := find_wall_phrase(content.title):
        evidence.add(2, f"the title says '{phrase}'")
    where = "page" if form is None else "form"
    if fields := describe_fields(root if form is None else form):
        evidence.add(-4, f"the {where} also asks for {fields[0]}")
    else:
        evidence.add(1, f"the {where} asks for nothing but the captcha")
        if wall := "PerimeterX's captcha page" if "px-captcha" in markup else _known_wall(form):
            evidence.add(5, f"it is {wall}")
    if content.links > 60:
        evidence.add(-4, f"much else to follow: {content.links} links")
    # The text is read only if it can decide, because reading it is expensive.
    if evidence.weight + MAX_TEXT_WEIGHT >= BLOCKING_WEIGHT:
        _weigh_text(evidence, content)
    return Judgement(evidence.weight >= BLOCKING_WEIGHT, tuple(evidence.phrases))


def _weigh_text(evidence: _Evidence, content: PageContent) -> None:
    if phrase := find_wall_phrase(content.text[:4000]):
        evidence.add(2, f"the page says '{phrase}'")
    if name := _WALL_WORDS.search(content.text):
        evidence.add(2, f"the page names '{name[0]}'")
    count = f"{_count(content.words, 'word')}, {_count(content.links, 'link')}"
    if content.words <= 300 and content.links <= 15:
        evidence.add(2, f"nothing else to read: {count}")
    elif content.words > 800:
        evidence.add(-4, f"much else to read: {count}")
    elif content.words > 450 or content.links > 30:
        evidence.add(-2, f"something else to read: {count}")


def _known_wall(form: HtmlElement | None) -> str | None:
    if form is None:
        return None
    marks = f"{form.get('id') or ''} {form.get('action') or ''}"
    hidden = {field.get("name") for field in form.iter("input") if field.get("type") == "hidden"}
    for name, mark, fields in _WALL_FORMS:
        if mark.search(marks) and (fields is None or fields <= hidden):
            return name
    return None


def is_wall_address(url: str) -> bool:
    """Tell whether the path of an address says that it is a wall, as ``/captcha`` does."""
    return _ADDRESS.search(_path(url)) is not None


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _count(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
