"""Judge what the form of a widget is for: it withholds the page that was asked for, or it does something else.

Three questions are asked. Does the page say that it withholds something or, at status 403, 429 or 503, that it checks
its visitor, and nothing else? Does its button only go on? Does nothing in the form or beside the widget say a deed? In
doubt, a page is left alone: the words of walls are listed in ``phrases`` and ``words``, those of other pages cannot be.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain, filterfalse, islice, repeat
from urllib.parse import SplitResult, parse_qsl, unquote, unquote_plus, urlsplit

from scrapy_omocaptcha.challenge import Judgement
from scrapy_omocaptcha.detection.content import count_words, shortened
from scrapy_omocaptcha.detection.marks import WALL_STATUSES, wall_word
from scrapy_omocaptcha.detection.phrases import find_check, find_withholding, is_about_check
from scrapy_omocaptcha.detection.words import (
    find_deed,
    find_deed_of_button,
    find_deed_of_field,
    find_price,
    goes_on,
    only_goes_on,
    split_name,
)

_MAX_DOUBTS = 10
_MAX_WORDS = 12
_MAX_OTHER_WORDS = 5
"""Longest sentences about the check alone, in words: with a phrase of a wall, and without one ("Tick the box")."""
_LONGEST_ADDRESS = 500
_CLOUDFLARE = re.compile(r"/cdn-cgi/l/chk_captcha|__cf_chl_")
_NO_WORD = re.compile(r"(?!\d+[.,]\d\d$)(?![^\W\d_A-Z]{2,}$)\S+")
_RANDOM = re.compile(r"(?=.*\d)[\w+/=.:-]{16,}")
"""Match values that are neither a word nor a sum, and random ones, such as signatures."""
_CALL = re.compile(r"(?<![\w.])(?:window\.)?(?!if\b|function\b)([\w$]+)\s*\(")
_SPOKEN = re.compile(r"(?:alt|aria-label|title)=.|data-[^=]*=.* ", re.DOTALL)
"""Matches an attribute whose value is read out or shown to a visitor."""

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
    """The headings of the content and of the page's header, and the name of the form."""
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
    attributes: Sequence[tuple[str, str]]
    """Names and values of attributes of the form, of what it has, and of what its widget is in."""
    field: str | None
    """The first field that a visitor would fill in, in words."""
    target: str
    """Address that the form is sent to; empty if there is no form."""
    fields: Sequence[tuple[str, str]]
    """Names and values of the form's fields."""
    asked: Collection[tuple[str, str]] = ()
    """The fields of the request that the page answers. A wall of a POST repeats them."""
    is_whole: bool = True
    """Whether the page was read to its end."""

    @cached_property
    def own_words(self) -> frozenset[str]:
        """Return the words of the page's own address if another page is withheld, which they are about."""
        if not self.withholding:
            return frozenset()
        parts = _parts_of(self.url)
        return frozenset(split_name(" ".join((parts.path, *dict(parse_qsl(parts.query, keep_blank_values=True))))))

    @cached_property
    def site_words(self) -> frozenset[str]:
        """Return the words of the page's host, which may be those of the site's name, and of its own address."""
        return self.own_words.union(split_name(_parts_of(self.url).netloc.lower()))

    @cached_property
    def target_words(self) -> list[str]:
        """Return the words of the last segments of the form's address that are not those of the page's own."""
        query = self.target.partition("#")[0].partition("?")[2]
        words = split_name(f"{_last_segments(self.target, 2)} {unquote_plus(query)}"[:_LONGEST_ADDRESS])
        return list(filterfalse(self.own_words.__contains__, words))

    @cached_property
    def choices(self) -> list[tuple[str, str]]:
        """Return what the form sends, without what was asked for by address or by POST."""
        return list(filterfalse(self._is_asked, self.fields))

    @cached_property
    def below(self) -> str | None:
        """Return the path of the form's address below the page's own; empty if it is the same, None if it is not."""
        own, path = map(_path_of, (self.url, self.target))
        is_below = self.target and f"{path}/".startswith(f"{own}/") and (own or not path)
        return path[len(own) :] if is_below else None

    @property
    def is_cloudflare(self) -> bool:
        """Tell whether it is Cloudflare's captcha page, which says in any language what a site wants it to say."""
        return _CLOUDFLARE.search(self.target) is not None

    @cached_property
    def withholding(self) -> tuple[str, ...]:
        """Return what says that the page withholds the one that was asked for."""
        said = []
        if self.is_cloudflare:
            said.append("it is Cloudflare's captcha page")
        # Gates that ask for an age or for consent return to the page, too.
        signs = (self.status in WALL_STATUSES, bool(self.checks), self.asks_elsewhere)
        if self._returns and signs.count(True) >= 2:
            said.append("the form returns to the page")
        if address := wall_word(self.url):
            said.append(f"the address says '{address}'")
        return (*said, *self._find(find_withholding))

    @cached_property
    def checks(self) -> tuple[str, ...]:
        """Return what says that the page checks its visitor."""
        return tuple(self._find(find_check))

    @property
    def asks_elsewhere(self) -> bool:
        """Tell whether the form is sent to an address about the check."""
        return _names_check(_last_segments(self.target, 2))

    @property
    def _returns(self) -> bool:
        """Tell whether the form sends the address of its page, to go on to."""
        netloc, path, query = _parts_of(unquote(self.url))[1:4]
        sent = (*self.fields, *parse_qsl(_parts_of(self.target).query))
        addresses = {_parts_of(unquote(value))[1:4] for _, value in sent}
        is_front_page = (path, query) == ("/", "")
        return not is_front_page and not addresses.isdisjoint((("", path, query), (netloc, path, query)))

    def is_name(self, text: str) -> bool:
        """Tell whether a text may be the name of the site or of the page that was asked for."""
        return text in self.title or self.site_words.issuperset(split_name(text))

    def find_deed(self, text: str) -> str | None:
        """Return a word by which a text says that something is done, unless it may be the name of the site, or None."""
        deed = find_deed(text)
        return deed if deed and self.site_words.isdisjoint(split_name(deed)) else None

    def _is_asked(self, field: tuple[str, str]) -> bool:
        return field in self.asked or self.own_words.issuperset(split_name(field[0]))

    def _find(self, find: Callable[[str], str | None]) -> Iterator[str]:
        """Yield where on the page ``find`` finds a phrase, and which."""
        texts = (("title", self.title), *zip(repeat("heading"), self.headings), ("page", self.near))
        return (f"the {where} says '{phrase}'" for where, text in texts if (phrase := find(text)))


def judge(case: Case) -> tuple[Judgement, tuple[str, ...], str]:
    """Return what the form of a widget is for, the evidence, and what it seems to do, as in a ``Challenge``."""
    whole = "form" if case.target else "page"
    if case.field is not None:
        return "acts", (f"the {whole} also asks for {case.field}",), ""
    if case.is_cloudflare:
        # Cloudflare's page shows a text of the site.
        case = replace(case, inside=(), beside="")
    status = [f"status {case.status}"] if case.status in WALL_STATUSES else []
    says = (*status, *case.withholding, *case.checks)
    if deed := next(_deeds(case), None):
        return "acts", (*says, deed[1]), shortened(deed[0])
    if doubts := tuple(islice(_doubts(case), _MAX_DOUBTS)):
        seems, reasons = zip(*doubts, strict=True)
        return "doubtful", (*says, *reasons), shortened(next(filter(None, seems), ""))
    return "withholds", (*says, f"the {whole} asks for nothing but the captcha"), ""


def _deeds(case: Case) -> Reasons:
    """Yield what says that the form does something."""
    for label in filter(find_deed_of_button, case.labels):
        yield label, f"its button says '{label}'"
    if deed := _deed_in(case.target_words):
        yield deed, f"the form posts to {_parts_of(case.target).path}"
    for name, value in case.choices:
        if deed := find_deed_of_field(name):
            yield deed, f"the form sends the field '{name[:40]}'"
        # A return address is about the page that was asked for.
        elif not _is_address(value) and (deed := _deed_in(split_name(value[:100]))):
            yield deed, f"the form sends {name[:40]}={value[:40]}"
    for name, value in case.attributes:
        if deed := _deed_in(split_name(value)):
            yield deed, f"its {name} says '{shortened(value)}'"
    for heading in filter(case.find_deed, (*case.headings, case.title)):
        yield heading, f"it says '{heading}'"


def _doubts(case: Case) -> Reasons:
    """Yield what may be something else than a wall's."""
    if not case.is_whole:
        yield "", "the page is too long to be read"
    yield from _doubts_of_buttons(case)
    yield from _doubts_of_target(case)
    texts = (*case.labels, *case.headings, *case.inside, case.beside)
    for deed in islice(filter(None, chain(map(case.find_deed, texts), map(find_price, texts))), 1):
        yield deed, f"the page says '{deed}' beside the widget"
    yield from _doubts_of_form(case)
    if case.withholding:
        if case.beside.strip() and not is_about_check(case.beside):
            yield "", "the text beside the widget is not about that"
    elif case.status in WALL_STATUSES:
        yield from _doubts_of_check(case)
    else:
        yield "", "the page does not say that it withholds another one"


def _doubts_of_buttons(case: Case) -> Reasons:
    """Yield what the buttons say, and the functions that they call, where these do not just go on."""
    # At a wall's status one word will do, where the page says that it withholds something.
    is_sure = case.withholding and case.status in WALL_STATUSES
    says_enough = goes_on if is_sure else partial(only_goes_on, own=case.own_words)
    for label in filterfalse(says_enough, case.labels):
        yield label, f"its button says '{label}'"
    for name, value in case.attributes:
        if name.startswith("on"):
            for called in filterfalse(_names_check, _CALL.findall(value)):
                yield "", f"its {name} calls {called[:40]}"


def _doubts_of_target(case: Case) -> Reasons:
    """Yield what the address of the form says, if it is that of the page itself, or below it."""
    if case.below and not any(map(_is_about_check, split_name(case.below))):
        # A wall stands in the place of any page.
        yield case.below, f"the form posts to {case.below} below its own page"
    # The word "download", alone, may be about the page that was asked for; the slash keeps it from being alone.
    own_name = f"/ {' '.join(split_name(_last_segments(case.url, 1)))}"
    if case.below == "" and (deed := find_deed(own_name)):
        yield deed, f"the form posts to its own page, whose address says '{deed}'"


def _doubts_of_form(case: Case) -> Reasons:
    """Yield what the form says and sends that is not about the check."""
    for name, value in case.attributes:
        is_expected = not _SPOKEN.match(f"{name}={value}") or _is_about_check(value) or case.is_name(value)
        if not is_expected:
            yield shortened(value), f"its {name} says '{shortened(value)}'"
    for text in islice(filterfalse(case.is_name, filterfalse(is_about_check, case.inside)), 1):
        yield "", f"the form also says '{shortened(text)}'"
    for name, value in case.choices:
        if not _says_nothing(name, value, case):
            yield f"{name}={value[:40]}", f"the form sends {name[:40]}={value[:40]}"


def _doubts_of_check(case: Case) -> Reasons:
    """Yield what is not about the check on a page that has the status of a wall, and does not say that it withholds.

    A page without any text says nothing else, either.
    """
    texts = list(filterfalse(case.is_name, (*case.headings, *case.sentences)))
    says_more = texts or not case.site_words.issuperset(split_name(case.title))
    if says_more and not case.checks:
        yield "", "nothing but the status says that it is a wall"
    for text in islice(filterfalse(_is_about_check, texts), 1):
        yield shortened(text), f"the page also says '{shortened(text)}'"
    if case.target and case.below != "" and not case.asks_elsewhere:
        yield "", f"the form posts to {_parts_of(case.target).path}"


def _says_nothing(name: str, value: str, case: Case) -> bool:
    """Tell whether a field of a form chooses nothing: it is its button, a return address, a random number, or a verb.

    Where the page says that it is withheld, its number may be sent as well, but no word, sentence or sum.
    """
    if value in ("", *case.labels) or _is_address(value) or only_goes_on(value):
        return True
    numbers = _NO_WORD if case.withholding else _RANDOM
    return numbers.fullmatch(value) is not None or _names_check(name)


def _is_about_check(text: str) -> bool:
    """Tell whether a text is about the check and about nothing else, as long ones may be."""
    most = _MAX_WORDS if find_check(text) or find_withholding(text) else _MAX_OTHER_WORDS
    return only_goes_on(text) or (is_about_check(text) and count_words(text) <= most)


def _names_check(name: str) -> bool:
    """Tell whether a word of a name is about the check."""
    return any(map(is_about_check, split_name(name)))


def _is_address(value: str) -> bool:
    return "/" in value or value.startswith("?")


def _deed_in(words: Sequence[str]) -> str | None:
    return next(filter(None, map(find_deed, (" ".join(words), *words))), None)


def _last_segments(url: str, segments: int) -> str:
    return "/".join(_path_of(url).split("/")[-segments:])


def _path_of(url: str) -> str:
    return _parts_of(url).path.rstrip("/")


def _parts_of(url: str) -> SplitResult:
    """Return the parts of an address; those of one that is invalid are empty."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
