"""Judge what the form of a widget is for: it withholds the page that was asked for, or it does something else.

A status of 403, 429 or 503 says that the page is withheld, unless the form says that it does something. At any other
status the page has to say that it withholds something, or nothing but that it checks its visitor. In doubt, a page is
left alone: what a wall may say is listed in ``phrases`` and ``words``, what other pages say is not.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from unicodedata import combining, normalize
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from scrapy_omocaptcha.challenge import TOKEN_FIELD, Form, Judgement
from scrapy_omocaptcha.detection.content import count_words, shortened
from scrapy_omocaptcha.detection.marks import WALL_STATUSES, wall_word
from scrapy_omocaptcha.detection.phrases import find_check, find_firewall, find_withholding, is_about_check
from scrapy_omocaptcha.detection.words import (
    VERB_FIELDS,
    find_deed,
    find_deed_of_button,
    find_deed_of_field,
    is_unknown_field,
    only_goes_on,
    split_name,
    unknown_address_word,
)

_SEGMENTS = 2
"""Last segments of the path of a form's address that say what it is for."""
_MAX_OTHER_WORDS = 4
"""Words in sentences that do not speak of the check: in the form, or in the whole page if it does not say that it
withholds anything."""
_KNOWN_WALLS: tuple[tuple[str, re.Pattern[str], frozenset[str]], ...] = (
    ("Google's 'unusual traffic' page", re.compile(r"^captcha-form "), frozenset()),
    ("Google's 'unusual traffic' page", re.compile(r" (?:\S*/sorry/)?index$"), frozenset(("q", "continue"))),
    ("Cloudflare's captcha page", re.compile(r"/cdn-cgi/l/chk_captcha|__cf_chl_"), frozenset()),
    ("Distil's captcha page", re.compile(r"distil_r_captcha|^distilCaptchaForm "), frozenset()),
    ("a hosting firewall's page", re.compile(""), frozenset(("origin_url",))),
)
_DEMO = re.compile(
    r"\b(?:demo|(?<!\.)example|sample|test|tutorial|beispiel|ejemplo|exemple)\b|示[範范]例|サンプル", re.IGNORECASE
)


@dataclass(frozen=True)
class Case:
    """What a page says of the form that holds one of its widgets."""

    url: str
    """Address of the page."""
    status: int
    title: str
    headings: Sequence[str]
    heading: str
    """The heading that the widget stands under."""
    in_header: Sequence[str]
    """The headings of the page's header, such as the name of the site."""
    near: str
    """The text beside the widget."""
    sentences: Sequence[str]
    """All sentences of the page's content."""
    inside: Sequence[str]
    """The sentences within the form, before its button."""
    labels: Sequence[str]
    """What the button that sends the form says, or all buttons where a script sends it."""
    field: str | None
    """The first field that a visitor would fill in, in words."""
    form: Form | None
    marks: str
    """The form's id and action, separated by a space."""
    is_perimeterx: bool = False
    """Whether the page is one of PerimeterX."""

    @cached_property
    def own_words(self) -> frozenset[str]:
        """Return the words of the page's own address, which are about the page that was asked for."""
        return frozenset(split_name(_path_and_names(self.url)))

    @cached_property
    def names(self) -> frozenset[str]:
        """Return the words of the page's address and of its host, which may be the name of the site."""
        with suppress(ValueError):
            return self.own_words.union(map(_plain, split_name(urlsplit(self.url).hostname or "")))
        return self.own_words

    @cached_property
    def target(self) -> list[str]:
        """Return the words of the last segments of the form's address that are not those of the page's own."""
        if self.form is None:
            return []
        path, _, query = self.form.url.partition("#")[0].partition("?")
        last = "/".join(urlsplit(path).path.rstrip("/").split("/")[-_SEGMENTS:])
        return [word for word in split_name(f"{last} {unquote_plus(query)}") if word not in self.own_words]


class Judged(NamedTuple):
    """What a form was judged to be for."""

    judgement: Judgement
    evidence: tuple[str, ...]
    """Reasons, in phrases for a person."""
    does: str = ""
    """What the form seems to do, in the page's own words."""


def judge(case: Case) -> Judged:
    """Judge what the form of a widget is for."""
    if case.field is not None:
        where = "page" if case.form is None else "form"
        return Judged("acts", (f"the {where} also asks for {case.field}",))
    withheld = tuple(_withholding(case))
    deed = next(_deeds(case), None)
    if deed is not None:
        does, where = deed
        return Judged("acts", (*withheld, where), shortened(does))
    is_sure = case.status in WALL_STATUSES or _known_wall(case) is not None
    doubts = () if is_sure else tuple(_doubts(case, is_withheld=bool(withheld)))
    if doubts:
        does = next((deed for deed, _ in doubts if deed), "")
        return Judged("doubtful", (*withheld, *(evidence for _, evidence in doubts)), shortened(does))
    return Judged("withholds", (*withheld, *_checks(case)))


def _withholding(case: Case) -> Iterator[str]:
    """Yield what says that the page withholds the one that was asked for."""
    if case.status in WALL_STATUSES:
        yield f"status {case.status}"
    if wall := _known_wall(case):
        yield f"it is {wall}"
    with suppress(ValueError):  # The address may be invalid.
        if address := wall_word(case.url):
            yield f"the address says '{address}'"
    for where, text in (("title", case.title), *(("heading", text) for text in case.headings), ("page", case.near)):
        if phrase := find_withholding(text):
            yield f"the {where} says '{phrase}'"
        if name := find_firewall(text):
            yield f"the {where} names '{name}'"


def _deeds(case: Case) -> Iterator[tuple[str, str]]:
    """Yield what says that the form does something: its deed in the page's words, and the evidence."""
    for label in case.labels:
        if find_deed_of_button(label):
            yield label, f"its button says '{label}'"
    if case.form is not None:
        if deed := find_deed(" ".join(case.target)) or next(filter(None, map(find_deed, case.target)), None):
            yield deed, f"the form posts to {urlsplit(case.form.url).path}"
        for name, value in _fields(case):
            deed = find_deed_of_field(name)
            if deed is None and _is_verb(name):
                deed = find_deed(" ".join(split_name(value[:100])))
            if deed is not None:
                yield deed, f"the form sends {_pair(name, value)}"
    # The status of a wall says enough; only what stands right above the widget can speak against it.
    headings = (case.heading,) if case.status in WALL_STATUSES else (*case.headings, case.title)
    for heading in headings:
        deed = find_deed(heading)
        if deed and case.names.isdisjoint(map(_plain, split_name(deed))) and not find_withholding(heading):
            yield heading, f"it says '{heading}'"


def _doubts(case: Case, *, is_withheld: bool) -> Iterator[tuple[str, str]]:
    """Yield what a wall would not say, as :func:`_deeds` does; the deed is empty if nothing says what the form does.

    Less is expected of a page that says that it withholds something.
    """
    for label in case.labels:
        if not only_goes_on(label, case.own_words):
            yield label, f"its button says '{label}'"
    if word := _DEMO.search(case.title):
        yield word[0], f"the title says '{word[0]}'"
    others = [
        sentence
        for sentence in (case.inside if is_withheld else case.sentences)
        if not is_about_check(sentence) or find_deed(sentence)
    ]
    if sum(map(count_words, others)) > _MAX_OTHER_WORDS:
        yield "", f"the {'form' if is_withheld else 'page'} also says '{shortened(others[0])}'"
    if not is_withheld:
        yield from _doubts_of_silence(case)


def _doubts_of_silence(case: Case) -> Iterator[tuple[str, str]]:
    """Yield what a page says besides the check that does not say that it withholds anything."""
    for text in (*case.in_header, *case.sentences):
        if find_deed(text) or (
            text in case.in_header and count_words(text) > _MAX_OTHER_WORDS and not find_check(text)
        ):
            yield text, f"it says '{shortened(text)}'"
    if deed := find_deed(" ".join(split_name(urlsplit(case.url).path.rstrip("/").rpartition("/")[2]))):
        yield deed, f"the page's address says '{deed}'"
    if case.form is not None and (word := unknown_address_word(case.target)) is not None:
        yield word, f"the form posts to {urlsplit(case.form.url).path}"
    for name, value in _fields(case):
        if is_unknown_field(name) or (_is_verb(name) and unknown_address_word(split_name(value)) is not None):
            yield name, f"the form sends {_pair(name, value)}"
    if not case.labels:
        yield "", "no button says what it does"
    if not any(map(find_check, (case.title, *case.headings, *case.in_header))):
        yield "", "neither the title nor a heading asks for a check"
    for heading in case.headings:
        if not find_check(heading) and not only_goes_on(heading):
            yield "", f"a heading says '{heading}'"


def _checks(case: Case) -> Iterator[str]:
    """Yield what says that the page checks its visitor."""
    for where, text in (("title", case.title), *(("heading", text) for text in case.headings), ("page", case.near)):
        if phrase := find_check(text):
            yield f"the {where} says '{phrase}'"
    yield f"the {'page' if case.form is None else 'form'} asks for nothing but the captcha"


def _fields(case: Case) -> list[tuple[str, str]]:
    """Return the hidden fields of the form, without those that the page's own address has, too."""
    fields = () if case.form is None else case.form.fields
    return [(name, value) for name, value in fields if name != TOKEN_FIELD and name.lower() not in case.own_words]


def _is_verb(name: str) -> bool:
    """Tell whether the value of a field says what the form does, as that of ``action`` does."""
    return not VERB_FIELDS.isdisjoint(split_name(name))


def _pair(name: str, value: str) -> str:
    return f"{name}={value[:40]}" if _is_verb(name) else f"the field '{name[:40]}'"


def _known_wall(case: Case) -> str | None:
    if case.is_perimeterx:
        return "PerimeterX's captcha page"
    if case.form is None:
        return None
    names = {name for name, _ in case.form.fields}
    return next((wall for wall, mark, fields in _KNOWN_WALLS if mark.search(case.marks) and fields <= names), None)


def _plain(word: str) -> str:
    """Return a word without accents, as it stands in names of hosts."""
    return "".join(letter for letter in normalize("NFKD", word) if not combining(letter))


def _path_and_names(url: str) -> str:
    """Return the path of an address and the names of its query; nothing of one that is invalid."""
    with suppress(ValueError):
        parts = urlsplit(url)
        return f"{parts.path} {' '.join(name for name, _ in parse_qsl(parts.query, keep_blank_values=True))}"
    return ""
