"""Is the page the challenge, or does it merely carry a widget?

The whole page is weighed: its status, its address, its words, how much else there is to read, to follow and to fill
in, and whether it is a wall that is known. Each thing that was weighed is told in a phrase for a person. The
weights are set so that no single thing decides: a status of 403 needs a bare page, a bare page needs words or an
address that speak of a check, and a form that asks for more than the widget is hardly ever a wall.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from lxml.html import HtmlElement

from scrapy_omocaptcha.detection.content import Reading, asked
from scrapy_omocaptcha.detection.phrases import wall_phrase

ENOUGH = 5
"""The weight from which a page is held to be the challenge."""

MOST_FROM_READING = 6
"""The most that the page's text can add to the weight."""

REFUSING = frozenset((403, 429, 503))
"""Statuses with which walls are served."""

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
    """The verdict on a page, and why."""

    blocking: bool
    evidence: tuple[str, ...]


class _Scales:
    def __init__(self) -> None:
        self.weight = 0
        self.evidence: list[str] = []

    def put(self, weight: int, phrase: str) -> None:
        self.weight += weight
        self.evidence.append(phrase)


def judge(*, status: int, url: str, root: HtmlElement, markup: str, form: HtmlElement | None) -> Judgement:
    """Whether the page at ``url`` is the challenge.

    :param markup: what ``root`` was parsed from.
    :param form: the form that holds the captcha, or None when it stands in none.
    """
    scales = _Scales()
    reading = Reading(root)
    if status in REFUSING:
        scales.put(3, f"status {status}")
    elif status >= 400 and status not in (404, 410):
        scales.put(1, f"status {status}")
    if address := _ADDRESS.search(_path(url)):
        scales.put(2, f"the address says '{address[0]}'")
    if said := _DEMO.search(reading.title):
        scales.put(-2, f"the title says '{said[0]}'")
    if phrase := wall_phrase(reading.title):
        scales.put(2, f"the title says '{phrase}'")
    where = "page" if form is None else "form"
    if fields := asked(root if form is None else form):
        scales.put(-4, f"the {where} also asks for {fields[0]}")
    else:
        scales.put(1, f"the {where} asks for nothing but the captcha")
        if wall := "PerimeterX's captcha page" if "px-captcha" in markup else _known_wall(form):
            scales.put(5, f"it is {wall}")
    if reading.links > 60:
        scales.put(-4, f"much else to follow: {reading.links} links")
    # Reading is what costs: it is left out where it could not turn the scales.
    if scales.weight + MOST_FROM_READING >= ENOUGH:
        _read(scales, reading)
    return Judgement(scales.weight >= ENOUGH, tuple(scales.evidence))


def _read(scales: _Scales, reading: Reading) -> None:
    if phrase := wall_phrase(reading.text[:4000]):
        scales.put(2, f"the page says '{phrase}'")
    if said := _WALL_WORDS.search(reading.text):
        scales.put(2, f"the page names '{said[0]}'")
    count = f"{_number(reading.words, 'word')}, {_number(reading.links, 'link')}"
    if reading.words <= 300 and reading.links <= 15:
        scales.put(2, f"nothing else to read: {count}")
    elif reading.words > 800:
        scales.put(-4, f"much else to read: {count}")
    elif reading.words > 450 or reading.links > 30:
        scales.put(-2, f"something else to read: {count}")


def _known_wall(form: HtmlElement | None) -> str | None:
    if form is None:
        return None
    marks = f"{form.get('id') or ''} {form.get('action') or ''}"
    hidden = {field.get("name") for field in form.iter("input") if field.get("type") == "hidden"}
    for name, mark, fields in _WALL_FORMS:
        if mark.search(marks) and (fields is None or fields <= hidden):
            return name
    return None


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _number(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
