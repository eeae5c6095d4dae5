"""Find out what a page's inline scripts do with reCAPTCHA: which widgets they render, which site keys they name.

A key that cannot be told is None, never a guess among several.
"""

import re
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Literal

from scrapy_omocaptcha.detection.javascript import MAX_BLOCK, MAX_CALLS, Code

KEY = re.compile(r"(?<![\w-])6L[\w-]{38}(?![\w-])")
"""Matches a site key within a text."""
_QUOTED_KEY = re.compile(r"(?<=[\"'`])6L[\w-]{38}(?![\w-])")

_G = r"(?<![\w$])grecaptcha\s?\??\.\s?(?P<enterprise>enterprise\s?\??\.\s?)?"
_RENDER = re.compile(_G + r"render\s?\(")
_EXECUTE = re.compile(_G + r"execute\s?\(")
_SCORE_SCRIPT = re.compile(r"recaptcha\\?/(?:api|enterprise)\.js\?[^\"'`\s<>]{0,200}?\brender=(6L[\w-]{38})(?![\w-])")
_NAME = re.compile(r"[\w$]+")
_NAME_BEFORE = re.compile(r"([\w$-]{1,60})\\?[\"'`]?\]?\s{0,5}[:=]\s{0,5}\\?[\"'`]\Z")
_SAYS_SCORE = re.compile(r"\\?[\"']?(?:version|type)\\?[\"']?\s?[:=]\s?\\?[\"']?(?:recaptcha_?)?v?_?3", re.IGNORECASE)
_SCORE_NAME = re.compile(r"v_?3(?!\d)", re.IGNORECASE)
_SCORE_OBJECT = re.compile(r"v_?3[\w-]{0,60}\\?[\"'`]?\s?[:=]\s?\{[^{]{0,200}\Z", re.IGNORECASE)
_BRACE = re.compile("[{}]")
_NOTHING = slice(0, 0)
_LOOKUP = re.compile(
    r"(?:\b(getElementById|getElementsByClassName|querySelectorAll|querySelector)|(?<![\w.])(?:\$|jQuery))"
    r"\s?\(\s?([\"'`])((?:(?!\2)[^\\\n]){1,200})\2"
)
_LAST_NAME = re.compile(r"([#.])([\w-]+)[^#.\s]*\Z")
"""Matches the id or the class at the end of a CSS selector."""
_BEFORE = 400
"""Characters before a call in which a loop around it looks up elements."""

Mark = tuple[Literal["id", "class"], str]
"""An id, or a class, by which a script looks elements up."""


@dataclass(frozen=True, slots=True)
class RenderCall:
    """A call of ``grecaptcha.render`` or ``grecaptcha.enterprise.render``."""

    target: Mark | None
    """By what its container is looked up, if the script tells that."""
    creates_container: bool
    """The script creates the container, so that it is not in the page's HTML."""
    sitekey: str | None
    invisible: bool
    enterprise: bool
    callback: tuple[Code, slice] | None
    """The script and the expression that it passes as the callback."""


class InlineScripts:
    """The inline scripts of a page that a browser runs."""

    def __init__(self, running: Sequence[str]) -> None:
        self.running = [Code(source) for source in running]

    @cached_property
    def renders(self) -> list[RenderCall]:
        """Return the calls that render a widget."""
        return [self._read_render(code, call, arguments) for code, call, arguments in self._calls(_RENDER)]

    @cached_property
    def score_keys(self) -> frozenset[str]:
        """Return the site keys of reCAPTCHA v3, which has no widget."""
        executed = (self._key(code, arguments[0]) for code, _, arguments in self._calls(_EXECUTE))
        loaded = (_SCORE_SCRIPT.findall(code.text) for code in self._with_word("render="))
        return frozenset(filter(None, executed)).union(*loaded)

    @cached_property
    def keys(self) -> list[tuple[str, str]]:
        """Return the names and values of all site keys in strings, except those that are marked as v3's."""
        return [pair for code in self._with_word("6L") for pair in _named_keys(code.text)]

    def _calls(self, callee: re.Pattern[str]) -> Iterator[tuple[Code, re.Match[str], list[slice]]]:
        """Yield the first calls that ``callee`` matches and that have arguments."""
        codes = self._with_word("grecaptcha")
        found = ((code, call, arguments) for code in codes for call, arguments in code.calls(callee) if arguments)
        return islice(found, MAX_CALLS)

    def _with_word(self, word: str) -> Iterator[Code]:
        """Yield the running scripts that contain a word. The others need not be read."""
        return (code for code in self.running if word in code.source)

    def _read_render(self, code: Code, call: re.Match[str], arguments: list[slice]) -> RenderCall:
        target, second, *_ = (*arguments, _NOTHING)
        options = code.properties(second)
        return RenderCall(
            target=_target(code, target, call.start()),
            creates_container=self._creates(code, target, call.start()),
            sitekey=self._key(code, options.get("sitekey", _NOTHING)),
            invisible=code.literal(options.get("size", _NOTHING)) == "invisible",
            enterprise=call["enterprise"] is not None,
            callback=(code, options["callback"]) if "callback" in options else None,
        )

    def _creates(self, code: Code, target: slice, before: int) -> bool:
        """Tell whether a script creates the element ``target``: by ``createElement``, or as HTML with its id."""
        identity = code.literal(target)
        if identity is None:
            return "createElement" in _assigned(code, target, before)
        html = re.compile(rf"\bid\\?[\"']?\s?[=,:]\s?\\?[\"']{re.escape(identity[:100])}\\?[\"']")
        return any(html.search(other.text) for other in self._with_word(identity))

    def _key(self, code: Code, part: slice) -> str | None:
        """Return the site key in ``part``: a string, or a name that stands for one value on this page."""
        literal = code.literal(part)
        if literal is not None:
            return literal.strip() if KEY.fullmatch(literal.strip()) else None
        names = _NAME.findall(code.text[part][-200:])
        return only({key for name, key in self.keys if name in names[-1:]})


def only(keys: Collection[str]) -> str | None:
    """Return the site key in ``keys`` if there is exactly one."""
    return next(iter(keys)) if len(keys) == 1 else None


def _named_keys(text: str) -> Iterator[tuple[str, str]]:
    """Yield the names and values of the site keys in strings of a text, except those that are marked as v3's."""
    for key in _QUOTED_KEY.finditer(text):
        # An object that is closed is about another key.
        before = text[max(0, key.start() - 200) : key.start()].rpartition("}")[2]
        after = _BRACE.split(text[key.end() : key.end() + 200])[0]
        name = "".join(_NAME_BEFORE.findall(before))
        says_score = any(map(_SAYS_SCORE.search, (before, after)))
        if not (says_score or _SCORE_NAME.search(name) or _SCORE_OBJECT.search(before)):
            yield name, key[0]


def _target(code: Code, target: slice, before: int) -> Mark | None:
    """Return by what the element ``target`` of a call is looked up, there or where its variable gets its value."""
    identity = code.literal(target)
    if identity is not None:
        return "id", identity
    # For the variable of a loop, or a parameter, take the last lookup.
    loop = list(_lookups(code.text[max(0, before - _BEFORE) : before]))[-1:]
    return next(chain(_lookups(code.text[target]), _lookups(_assigned(code, target, before)), loop), None)


def _assigned(code: Code, target: slice, before: int) -> str:
    """Return the statement that has last given a value to the variable at the beginning of ``target``, if any has."""
    name = _NAME.search(code.bare[target])
    if name is None:
        return ""
    assignment = re.compile(rf"(?<![\w$.]){re.escape(name[0])}\s?=(?!=)")
    last = deque(assignment.finditer(code.bare, max(0, before - MAX_BLOCK), before), maxlen=1)
    return code.text[last[0].end() : before].partition(";")[0][:_BEFORE] if last else ""


def _lookups(text: str) -> Iterator[Mark]:
    """Yield by what elements are looked up in a script."""
    for function, _, value in _LOOKUP.findall(text):
        if function == "getElementById":
            yield "id", value
        elif function == "getElementsByClassName":
            yield "class", value.split()[-1] if value.split() else ""
        elif name := _LAST_NAME.search(value):
            yield "id" if name[1] == "#" else "class", name[2]
