"""Judge whether a page is the challenge or merely contains a widget.

Evidence is weighed: the page's status, its address, its words, how much else there is to read, to follow and to fill
in, and whether it is a known wall. The weights are chosen so that no single piece decides: a status of 403 needs a bare
page, a bare page needs words or an address that speak of a check, and a form that asks for more than the widget is
hardly ever a wall.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from lxml.html import HtmlElement
from scrapy.http import TextResponse

from scrapy_omocaptcha.detection.content import PageContent, describe_fields
from scrapy_omocaptcha.detection.marks import WALL_STATUSES, wall_word
from scrapy_omocaptcha.detection.phrases import find_wall_phrase

BLOCKING_WEIGHT = 5
"""Least total weight at which a page counts as the challenge."""
MAX_TEXT_WEIGHT = 6
"""Maximum weight that the page's text can add."""

_WALL_FORMS: tuple[tuple[str, re.Pattern[str], frozenset[str]], ...] = (
    ("Google's 'unusual traffic' page", re.compile(r"^captcha-form "), frozenset()),
    ("Google's 'unusual traffic' page", re.compile(r" (?:\S*/sorry/)?index$"), frozenset(("q", "continue"))),
    ("Cloudflare's captcha page", re.compile(r"/cdn-cgi/l/chk_captcha|__cf_chl_"), frozenset()),
    ("Distil's captcha page", re.compile(r"distil_r_captcha|^distilCaptchaForm "), frozenset()),
    ("a hosting firewall's page", re.compile(""), frozenset(("origin_url",))),
)
_WALL_WORDS = re.compile(
    r"sucuri website firewall|cidram|incapsula incident|imunify360|bitninja|perimeterx|distil networks|shieldon",
    re.IGNORECASE,
)
_DEMO = re.compile(
    r"\b(?:demo|example|sample|test|tutorial|beispiel|ejemplo|exemple)\b|示[範范例]|サンプル", re.IGNORECASE
)


class Verdict(NamedTuple):
    """How much a page is the challenge of one of its widgets."""

    weight: int
    evidence: tuple[str, ...]
    """Phrases for a person."""


def judge(response: TextResponse, content: PageContent, form: HtmlElement | None) -> Verdict:
    """Judge how much the page is the challenge of a widget, which is in ``form`` if in any."""
    evidence = list(_weigh_page(response, content, form))
    # The text is read only if it can decide, because reading it is expensive.
    if sum(weight for weight, _ in evidence) + MAX_TEXT_WEIGHT >= BLOCKING_WEIGHT:
        evidence += _weigh_text(content)
    return Verdict(sum(weight for weight, _ in evidence), tuple(phrase for _, phrase in evidence))


def _weigh_page(response: TextResponse, content: PageContent, form: HtmlElement | None) -> Iterator[tuple[int, str]]:
    if response.status in WALL_STATUSES:
        yield 3, f"status {response.status}"
    elif response.status >= 400 and response.status not in (404, 410):
        yield 1, f"status {response.status}"
    with suppress(ValueError):  # The address may be invalid.
        if address := wall_word(response.url):
            yield 2, f"the address says '{address}'"
    if word := _DEMO.search(content.title):
        yield -2, f"the title says '{word[0]}'"
    if phrase := find_wall_phrase(content.title):
        yield 2, f"the title says '{phrase}'"
    where = "page" if form is None else "form"
    if field := next(describe_fields(content.root if form is None else form), None):
        yield -4, f"the {where} also asks for {field}"
    else:
        yield 1, f"the {where} asks for nothing but the captcha"
        if wall := "PerimeterX's captcha page" if "px-captcha" in response.text else _known_wall(form):
            yield 5, f"it is {wall}"
    if content.links > 60:
        yield -4, f"much else to follow: {content.links} links"


def _weigh_text(content: PageContent) -> Iterator[tuple[int, str]]:
    if phrase := find_wall_phrase(content.text[:4000]):
        yield 2, f"the page says '{phrase}'"
    if name := _WALL_WORDS.search(content.text):
        yield 2, f"the page names '{name[0]}'"
    count = f"{_count(content.words, 'word')}, {_count(content.links, 'link')}"
    if content.words <= 300 and content.links <= 15:
        yield 2, f"nothing else to read: {count}"
    elif content.words > 800:
        yield -4, f"much else to read: {count}"
    elif content.words > 450 or content.links > 30:
        yield -2, f"something else to read: {count}"


def _known_wall(form: HtmlElement | None) -> str | None:
    if form is None:
        return None
    marks = f"{form.get('id') or ''} {form.get('action') or ''}"
    hidden = {field.get("name") for field in form.iter("input") if field.get("type") == "hidden"}
    return next((name for name, mark, fields in _WALL_FORMS if mark.search(marks) and fields <= hidden), None)


def _count(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
