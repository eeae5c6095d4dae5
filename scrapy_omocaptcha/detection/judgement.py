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
from itertools import islice
from unicodedata import combining, normalize
from urllib.parse import SplitResult, parse_qsl, unquote_plus, urlsplit

from scrapy_omocaptcha.challenge import TOKEN_FIELD, Form, Judgement
from scrapy_omocaptcha.detection.content import count_words, shortened
from scrapy_omocaptcha.detection.marks import WALL_STATUSES, wall_word
from scrapy_omocaptcha.detection.phrases import find_check, find_firewall, find_withholding, is_about_check
from scrapy_omocaptcha.detection.words import (
    LANGUAGES,
    VERB_FIELDS,
    find_deed,
    find_deed_of_button,
    find_deed_of_field,
    goes_on,
    is_unknown_field,
    only_goes_on,
    split_name,
    unknown_address_word,
)

_MAX_DOUBTS = 10
_MAX_OTHER_WORDS = 4
"""Words that a wall may have in sentences which do not speak of the check."""
_LONG_SENTENCE = 300
"""Characters from which on a sentence is not read to its end: a wall has none."""
_SEGMENTS = 2
"""Last segments of the path of a form's address that say what it is for."""
_LONGEST_ADDRESS = 500
_KNOWN_WALLS: tuple[tuple[str, re.Pattern[str], frozenset[str]], ...] = (
    ("Google's 'unusual traffic' page", re.compile(r"^captcha-form "), frozenset()),
    ("Google's 'unusual traffic' page", re.compile(r" (?:\S*/sorry/)?index$"), frozenset(("q", "continue"))),
    ("Cloudflare's captcha page", re.compile(r"/cdn-cgi/l/chk_captcha|__cf_chl_"), frozenset()),
    ("a hosting firewall's page", re.compile(""), frozenset(("origin_url",))),
)
_DEMO = re.compile(
    r"\b(?:demo|(?<!\.)example|sample|test|tutorial|beispiel|ejemplo|exemple)\b|示[範范]例|サンプル", re.IGNORECASE
)

Reasons = Iterator[tuple[str, str]]
"""What a form seems to do, in the page's words, and the phrase that says so. The former is empty if nothing tells."""


@dataclass(frozen=True)
class Case:
    """What a page says of the form that holds one of its widgets."""

    url: str
    """Address of the page."""
    status: int
    title: str
    headings: Sequence[str]
    above: Sequence[str]
    """The headings before the widget, and the name of its form."""
    in_header: Sequence[str]
    """The headings of the page's header, such as the name of the site."""
    near: str
    """The text around the widget."""
    beside: str
    """The text right before and after the widget."""
    sentences: Sequence[str]
    """All sentences of the page's content."""
    inside: Sequence[str]
    """The sentences within the form, before its button."""
    labels: Sequence[str]
    """What the button that sends the form says, or all buttons where a script sends it."""
    field: str | None
    """The first field that a visitor would fill in, in words."""
    language: str
    """What the page says that it is written in, such as ``"en"``; empty if it does not."""
    form: Form | None
    marks: str
    """The form's id and action, separated by a space."""
    is_whole: bool = True
    """Whether the page was read to its end or, at the status of a wall, to the widget."""

    @cached_property
    def own_words(self) -> frozenset[str]:
        """Return the words of the page's own address, which are about the page that was asked for."""
        return frozenset(split_name(f"{_parts_of(self.url).path} {' '.join(self.own_names)}"))

    @cached_property
    def own_names(self) -> frozenset[str]:
        """Return the names in the query of the page's own address."""
        return frozenset(name for name, _ in parse_qsl(_parts_of(self.url).query, keep_blank_values=True))

    @cached_property
    def site_words(self) -> frozenset[str]:
        """Return the words of the page's address and of its host, which may be those of the site's name."""
        return self.own_words.union(map(_plain, split_name(_parts_of(self.url).hostname or "")))

    @cached_property
    def target(self) -> list[str]:
        """Return the words of the last segments of the form's address that are not those of the page's own."""
        if self.form is None:
            return []
        query = self.form.url.partition("#")[0].partition("?")[2]
        words = split_name(f"{_last_segments(self.form.url)} {unquote_plus(query)}"[:_LONGEST_ADDRESS])
        return [word for word in words if word not in self.own_words]

    @cached_property
    def fields(self) -> list[tuple[str, str]]:
        """Return what the form sends besides the token, without the names that the page's own address has, too."""
        fields = () if self.form is None else self.form.fields
        return [(name, value) for name, value in fields if name != TOKEN_FIELD and name not in self.own_names]

    @cached_property
    def known_wall(self) -> str | None:
        """Return whose page it is if it is a well-known wall."""
        if self.form is None:
            return None
        names = set(self.form.names)
        return next((wall for wall, mark, fields in _KNOWN_WALLS if mark.search(self.marks) and fields <= names), None)


def judge(case: Case) -> tuple[Judgement, tuple[str, ...], str]:
    """Return what the form of a widget is for, the evidence, and what it seems to do, as in a ``Challenge``."""
    if case.field is not None:
        where = "page" if case.form is None else "form"
        return "acts", (f"the {where} also asks for {case.field}",), ""
    withheld = tuple(_withholding(case))
    deed = next(_deeds(case), None)
    if deed is not None:
        return "acts", (*withheld, deed[1]), shortened(deed[0])
    doubts = tuple(islice(_doubts(case, is_withheld=bool(withheld)), _MAX_DOUBTS))
    if doubts:
        does = next((does for does, _ in doubts if does), "")
        return "doubtful", (*withheld, *(reason for _, reason in doubts)), shortened(does)
    return "withholds", (*withheld, *_checks(case)), ""


def _withholding(case: Case) -> Iterator[str]:
    """Yield what says that the page withholds the one that was asked for."""
    if case.status in WALL_STATUSES:
        yield f"status {case.status}"
    if case.known_wall:
        yield f"it is {case.known_wall}"
    with suppress(ValueError):  # The address may be invalid.
        if address := wall_word(case.url):
            yield f"the address says '{address}'"
    for where, text in _texts(case):
        if phrase := find_withholding(text):
            yield f"the {where} says '{phrase}'"
        if name := find_firewall(text):
            yield f"the {where} names '{name}'"


def _checks(case: Case) -> Iterator[str]:
    """Yield what says that the page checks its visitor."""
    for where, text in _texts(case):
        if phrase := find_check(text):
            yield f"the {where} says '{phrase}'"
    yield f"the {'page' if case.form is None else 'form'} asks for nothing but the captcha"


def _texts(case: Case) -> list[tuple[str, str]]:
    return [("title", case.title), *(("heading", text) for text in case.headings), ("page", case.near)]


def _deeds(case: Case) -> Reasons:
    """Yield what says that the form does something."""
    for label in case.labels:
        if find_deed_of_button(label):
            yield label, f"its button says '{label}'"
    if case.form is not None:
        if deed := find_deed(" ".join(case.target)) or next(filter(None, map(find_deed, case.target)), None):
            yield deed, f"the form posts to {_parts_of(case.form.url).path}"
        for name, value in case.fields:
            deed = find_deed_of_field(name)
            if deed is None and _is_verb(name):
                deed = find_deed(" ".join(split_name(value[:100])))
            if deed is not None:
                yield deed, f"the form sends {_pair(name, value)}"
    # The status of a wall says enough; only what stands above the widget can speak against it.
    headings = case.above if case.status in WALL_STATUSES else dict.fromkeys((*case.headings, *case.above, case.title))
    for heading in headings:
        if _find_deed(heading, case):
            yield heading, f"it says '{heading}'"


def _doubts(case: Case, *, is_withheld: bool) -> Reasons:
    """Yield what a wall would not say: less is expected of a page the more it says that it withholds something."""
    if not case.is_whole:
        yield "", "the page is too long to be read"
    is_sure = case.status in WALL_STATUSES or case.known_wall is not None
    for label in case.labels:
        if not (_may_go_on(label, case) if is_sure else only_goes_on(label, case.own_words)):
            yield label, f"its button says '{label}'"
    if case.form is not None and _parts_of(case.form.url).path == _parts_of(case.url).path:
        # Not "download", alone: it may be about the page that was asked for.
        last = _last_segments(case.url, 1 if is_sure or is_withheld else _SEGMENTS)
        if deed := find_deed(f"/ {' '.join(split_name(last))}"):
            yield deed, f"the form posts to its own page, whose address says '{deed}'"
    if is_sure:
        return
    if word := _DEMO.search(case.title):
        yield word[0], f"the title says '{word[0]}'"
    for text in case.in_header:
        if _find_deed(text, case):
            yield text, f"it says '{shortened(text)}'"
    words = 0
    for sentence in case.inside if is_withheld else case.sentences:
        is_long = len(sentence) > _LONG_SENTENCE
        if is_long or find_deed(sentence) or not is_about_check(sentence):
            words += count_words(sentence)
        if words > _MAX_OTHER_WORDS:
            yield shortened(sentence), f"the {'form' if is_withheld else 'page'} also says '{shortened(sentence)}'"
            break
    if is_withheld:
        if deed := _find_deed(case.beside, case):
            yield deed, f"the page says '{deed}' beside the widget"
    else:
        yield from _doubts_of_silence(case)


def _doubts_of_silence(case: Case) -> Reasons:
    """Yield what a page says besides the check that does not say that it withholds anything."""
    for text in case.in_header:
        if count_words(text) > _MAX_OTHER_WORDS and not find_check(text):
            yield text, f"it says '{shortened(text)}'"
    if case.form is not None and (word := unknown_address_word(case.target)) is not None:
        yield word, f"the form posts to {_parts_of(case.form.url).path}"
    for name, value in case.fields:
        if is_unknown_field(name) or (_is_verb(name) and unknown_address_word(split_name(value)) is not None):
            yield name, f"the form sends {_pair(name, value)}"
    for heading in case.headings:
        # One that repeats the title, such as the name of the site, says no more than that.
        if not is_about_check(heading) and not only_goes_on(heading) and heading not in case.title:
            yield heading, f"a heading says '{heading}'"
    if not case.labels:
        yield "", "no button says what it does"
    if not any(map(find_check, (case.title, *case.headings, *case.in_header))):
        yield "", "neither the title nor a heading asks for a check"


def _may_go_on(label: str, case: Case) -> bool:
    """Tell whether a button may go on: by one of its words, or since it is in a language whose words are not listed.

    Only the status of a wall makes up for the latter. The page names its language, or shows it by a phrase of a wall.
    """
    if goes_on(label) or case.status not in WALL_STATUSES:
        return goes_on(label)
    if case.language:
        return case.language not in LANGUAGES
    return not any(find_check(text) or find_withholding(text) for _, text in _texts(case))


def _find_deed(text: str, case: Case) -> str | None:
    """Return a word by which a text says that something is done, unless it may be the name of the site, or None."""
    deed = find_deed(text)
    return deed if deed and case.site_words.isdisjoint(map(_plain, split_name(deed))) else None


def _is_verb(name: str) -> bool:
    """Tell whether the value of a field says what the form does, as that of ``action`` does."""
    return not VERB_FIELDS.isdisjoint(split_name(name))


def _pair(name: str, value: str) -> str:
    return f"{name}={value[:40]}" if _is_verb(name) else f"the field '{name[:40]}'"


def _plain(word: str) -> str:
    """Return a word without accents, as it stands in names of hosts."""
    return "".join(letter for letter in normalize("NFKD", word) if not combining(letter))


def _last_segments(url: str, segments: int = _SEGMENTS) -> str:
    """Return the last segments of the path of an address."""
    return "/".join(_parts_of(url).path.rstrip("/").split("/")[-segments:])


def _parts_of(url: str) -> SplitResult:
    """Return the parts of an address; those of one that is invalid are empty."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
