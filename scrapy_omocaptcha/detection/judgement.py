"""Judge what the form of a widget is for: it withholds the page that was asked for, or it does something else.

Where the site says by its status that it has refused the request, a form that asks for nothing to fill in and names no
deed withholds the page, whatever else that says. Anywhere else, two independent signs must say so as well. In doubt, a
page is left alone.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from scrapy_omocaptcha.challenge import Judgement
from scrapy_omocaptcha.detection.content import shortened
from scrapy_omocaptcha.detection.deeds import find_deeds, find_deeds_of_name
from scrapy_omocaptcha.detection.lexicon import split_words
from scrapy_omocaptcha.detection.marks import WALL_STATUSES, wall_word
from scrapy_omocaptcha.detection.phrases import CHECK, PRODUCTS, WITHHOLDING
from scrapy_omocaptcha.urls import same_site

_MAX_FIELDS = 1000
"""How many fields of a form are looked at. No wall has more."""
_LONGEST = 200
_MAX_SEGMENTS = 10
"""How many characters of a value or of an address's segments, and how many of these, are looked at."""
_LONGEST_QUERY = 50_000
_MARKS = {
    "/cdn-cgi/l/chk_captcha": "Cloudflare",
    "__cf_chl_": "Cloudflare",
    "/_Incapsula_Resource": "Incapsula",
    "/.lsrecap/": "LiteSpeed",
    "crowdsec_captcha": "CrowdSec",
}
"""Products that do nothing but withhold pages, by what is in the address of their page or form, or a field's name."""


@dataclass(frozen=True)
class Surroundings:
    """What a page says of the form that holds one of its widgets."""

    url: str
    """Address of the page."""
    asked_url: str
    """Address that was asked for, before any redirect."""
    status: int
    title: str
    headings: Sequence[str]
    """The headings of the content and of the page's header, and the name of the form."""
    near: str
    """The text around the widget, without headings."""
    beside: str
    """The text in the form before its button, and right before and after the widget."""
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
    asked_fields: Collection[tuple[str, str]] = ()
    """The fields of the request that the page answers. A wall of a POST repeats them."""
    is_read: bool = True
    """Whether the page was read to its end."""

    @property
    def is_whole(self) -> bool:
        """Tell whether the page and its form were looked at to their ends."""
        return self.is_read and len(self._all_fields) <= _MAX_FIELDS and len(self.target) <= _LONGEST_QUERY

    @cached_property
    def product(self) -> str | None:
        """Return what names the product whose page this is, if that does nothing but withhold pages."""
        marked = " ".join((self.url, self.target, *(name for name, _ in self._all_fields)))
        by_mark = (name for mark, name in _MARKS.items() if mark in marked and mark not in self.asked_url)
        return next(chain(by_mark, _found(PRODUCTS.find, (self.title, *self.headings, self.near))), None)

    @cached_property
    def signs(self) -> tuple[str, ...]:
        """Return what says, each by itself, that the page withholds the one that was asked for."""
        return tuple(self._signs())

    def _signs(self) -> Iterator[str]:
        texts = list(dict.fromkeys(map(str.lower, (self.title, *self.headings))))
        # A title often repeats a heading.
        texts = [text for text in texts if not any(text in other for other in texts if other != text)]
        about = [text for text in texts if CHECK.find(text) or WITHHOLDING.find(text)]
        withheld = list(filter(WITHHOLDING.find, (*texts, self.near)))
        if about:
            yield f"its title or heading says '{(WITHHOLDING.find(about[0]) or CHECK.find(about[0]))[0]}'"
        # One text that says both is one sign.
        if withheld and {*about, *withheld} != {*about[:1]}:
            yield f"the page says '{WITHHOLDING.find(withheld[-1])[0]}'"
        if address := next(filter(None, map(wall_word, (self.url, self.target))), None):
            yield f"the address of the page or of its form says '{address}'"
        if self._was_led_here:
            yield "the request was redirected to it"
        elif self._leads_back:
            yield "the form leads back to the page that was asked for"

    @property
    def _was_led_here(self) -> bool:
        """Tell whether the site has redirected the request to a page that is not another spelling of the same one."""
        paths = [_page_of(url)[1].strip("/").lower() for url in (self.url, self.asked_url)]
        shorter, longer = sorted(paths, key=len)
        # Front pages redirect to another language, and are where visitors are sent who are lost.
        return shorter != "" and shorter not in longer and same_site(self.asked_url, self.url)

    @property
    def _leads_back(self) -> bool:
        """Tell whether the form sends the address that was asked for, to go on to."""
        host, path, query = _page_of(self.asked_url)
        sent = (_page_of(value) for _, value in self._all_fields if _is_address(value))
        return (path, query) != ("", "") and any(page in ((host, path, query), ("", path, query)) for page in sent)

    @cached_property
    def choices(self) -> list[tuple[str, str]]:
        """Return what the form sends, without what the request has asked for by its address or its body."""
        asked = {*self.asked_fields, *_pairs_of(self.asked_url)}
        return [field for field in self._all_fields if field not in asked]

    @cached_property
    def _all_fields(self) -> list[tuple[str, str]]:
        """Return the first fields of the form, and those in the address that it is sent to."""
        return [*self.fields[: _MAX_FIELDS + 1], *_pairs_of(self.target)][: _MAX_FIELDS + 1]

    @property
    def deeds_of_target(self) -> Sequence[str]:
        """Return the words by which the address that the form is sent to says a deed.

        A wall in the place of a page may send its form to that page's address, in which nouns say what is there.
        """
        page = _page_of(self.target)[:2]
        is_own = page in (_page_of(self.url)[:2], _page_of(self.asked_url)[:2])
        segments = [segment[:_LONGEST] for segment in page[1].split("/")[-_MAX_SEGMENTS:]]
        return find_deeds(" ".join(segments)) or (() if is_own else find_deeds_of_name(" ".join(segments[-2:])))


def judge(around: Surroundings) -> tuple[Judgement, tuple[str, ...], str]:
    """Return what the form of a widget is for, the evidence, and what it seems to do, as in a ``Challenge``."""
    whole = "form" if around.target else "page"
    if around.field is not None:
        return "acts", (f"the {whole} also asks for {around.field}",), ""
    is_refused = around.status in WALL_STATUSES
    says = [f"status {around.status}"] if is_refused else []
    says += [f"it is a page of {around.product}"] if around.product else []
    says += around.signs
    if deed := next(_deeds(around), None):
        return "acts", (*says, deed[1]), shortened(deed[0])
    if not around.is_whole:
        return "acts", (*says, "the page is too long to be read"), ""
    if is_refused or around.product or len(around.signs) > 1:
        return "withholds", (*says, f"the {whole} asks for nothing but the captcha"), ""
    return "doubtful", (*says, "fewer than two signs say that it withholds another page"), ""


def _deeds(around: Surroundings) -> Iterator[tuple[str, str]]:
    """Yield what the form does, in the page's words, and the phrase that says where they stand."""
    for label in filter(find_deeds_of_name, around.labels):
        yield label, f"its button says '{label}'"
    for deed in around.deeds_of_target:
        yield deed, f"the form posts to {_parts_of(around.target).path[:_LONGEST]}"
    for name, value in around.choices:
        # A return address is about the page that was asked for.
        if find_deeds_of_name(name if _is_address(value) else f"{name} {value[:_LONGEST]}"):
            field = f"{name[:40]}={value[:40]}"
            yield field, f"the form sends {field}"
    for name, value in around.attributes:
        for deed in find_deeds(value):
            yield deed, f"its {name} says '{shortened(value)}'"
    host, path = _page_of(around.asked_url)[:2]
    # The site may be called so, and its title may name the page that was asked for.
    for text, names in (*((heading, host) for heading in around.headings), (around.title, f"{host} {path}")):
        if not set(split_words(names)).issuperset(split_words(" ".join(find_deeds(text)))):
            yield text, f"it says '{text}'"
    # Cloudflare's page shows a text of the site.
    for deed in () if around.product == "Cloudflare" else find_deeds(around.beside):
        yield deed, f"the page says '{deed}' beside the widget"


def _found(find: Callable[[str], Sequence[str]], texts: Iterable[str]) -> Iterator[str]:
    return (found[0] for found in map(find, texts) if found)


def _is_address(value: str) -> bool:
    return value.startswith(("http://", "https://", "/", "?"))


def _page_of(url: str) -> tuple[str, str, str]:
    """Return host, path and query of an address; they are the same with ``www.``, a last slash, or percent-encoded."""
    parts = _parts_of(unquote(url))
    return parts.netloc.removeprefix("www."), parts.path.rstrip("/"), parts.query


def _pairs_of(url: str) -> list[tuple[str, str]]:
    """Return names and values in the query of an address."""
    return parse_qsl(_parts_of(url).query[:_LONGEST_QUERY], keep_blank_values=True)


def _parts_of(url: str) -> SplitResult:
    """Return the parts of an address; those of one that is invalid are empty."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
