"""Hold what a page says of the form of a widget, and what follows from that alone: its own words, a well-known wall."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from unicodedata import combining, normalize
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from scrapy_omocaptcha.challenge import TOKEN_FIELD, Form
from scrapy_omocaptcha.detection.words import split_name

SEGMENTS = 2
"""Last segments of the path of a form's address that say what it is for."""
_LONGEST_ADDRESS = 500
_KNOWN_WALLS: tuple[tuple[str, re.Pattern[str], frozenset[str]], ...] = (
    ("Google's 'unusual traffic' page", re.compile(r"^captcha-form "), frozenset()),
    ("Google's 'unusual traffic' page", re.compile(r" (?:\S*/sorry/)?index$"), frozenset(("q", "continue"))),
    ("Cloudflare's captcha page", re.compile(r"/cdn-cgi/l/chk_captcha|__cf_chl_"), frozenset()),
    ("a hosting firewall's page", re.compile(""), frozenset(("origin_url",))),
)


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
        return frozenset(split_name(f"{path_of(self.url)} {' '.join(self.own_names)}"))

    @cached_property
    def own_names(self) -> frozenset[str]:
        """Return the names in the query of the page's own address."""
        with suppress(ValueError):
            return frozenset(name for name, _ in parse_qsl(urlsplit(self.url).query, keep_blank_values=True))
        return frozenset()

    @cached_property
    def site_words(self) -> frozenset[str]:
        """Return the words of the page's address and of its host, which may be those of the site's name."""
        with suppress(ValueError):
            return self.own_words.union(map(plain, split_name(urlsplit(self.url).hostname or "")))
        return self.own_words

    @cached_property
    def target(self) -> list[str]:
        """Return the words of the last segments of the form's address that are not those of the page's own."""
        if self.form is None:
            return []
        query = self.form.url.partition("#")[0].partition("?")[2]
        words = split_name(f"{last_segments(self.form.url)} {unquote_plus(query)}"[:_LONGEST_ADDRESS])
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


def plain(word: str) -> str:
    """Return a word without accents, as it stands in names of hosts."""
    return "".join(letter for letter in normalize("NFKD", word) if not combining(letter))


def last_segments(url: str, segments: int = SEGMENTS) -> str:
    """Return the last segments of the path of an address."""
    return "/".join(path_of(url).rstrip("/").split("/")[-segments:])


def path_of(url: str) -> str:
    """Return the path of an address; nothing of one that is invalid."""
    with suppress(ValueError):
        return urlsplit(url).path
    return ""
