"""Read what a page's inline scripts say of its widgets: what they render, with which key and callback, and for v3.

Scripts are searched by regular expressions, without their comments. A key that cannot be told is None, never a guess
among several.
"""

import re
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Literal

MAX_CALLS = 30
"""Maximum number of calls of one function that are read."""
MAX_BLOCK = 20_000
"""Maximum length in characters of the arguments of a call, or of the body of a function."""

KEY = re.compile(r"(?<![\w-])6L[\w-]{38}(?![\w-])")
"""Matches a site key within a text."""
_QUOTED_KEY = re.compile(r"(?<=[\"'`])6L[\w-]{38}(?![\w-])")

# An alternative that has begun to match never fails, so nothing is read twice and matching takes linear time. Therefore
# strings and regular expression literals, and the classes in them, need not be closed.
_LITERAL = (
    r"\"[^\"\\\n]*(?:\\.[^\"\\\n]*)*\"?"
    r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'?"
    r"|`[^`\\]*(?:\\.[^`\\]*)*`?"
    r"|(?:(?<=[(,=:\[!&|?{};\n])|(?<=[(,=:\[!&|?{};] )|(?<=return ))"
    r"/(?![*/\n])[^/\\\[\n]*(?:(?:\\[^\n]|\[[^\]\\\n]*(?:\\[^\n][^\]\\\n]*)*\]?)[^/\\\[\n]*)*/?"
)
_TOKEN = re.compile(rf"(?P<comment>//[^\n]*|/\*[^*]*(?:\*(?!/)[^*]*)*(?:\*/)?|<!--[^\n]*)|{_LITERAL}", re.DOTALL)
_BRACKET = re.compile(rf"(?P<opening>[(\[{{])|(?P<closing>[)\]}}])|{_LITERAL}", re.DOTALL)

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

_STRING = re.compile(r"\s*([\"'`])((?:(?!\1)[^\\\n]){1,200})\1")
_KEY_OPTION = re.compile(r"(?<![\w$.-])sitekey[\"'`]?(?:\s*:\s*[^,}\n]{0,200})?")
_INVISIBLE = re.compile(r"(?<![\w$.-])size[\"'`]?\s*:\s*[\"'`]invisible\b")
_CALLBACK = re.compile(r"(?<![\w$.-])callback[\"'`]?\s*(?::|(?=\())")
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
    sitekey: str | None
    invisible: bool
    enterprise: bool
    callback: str
    """What it passes as the callback and what follows, empty if it passes none."""


class Scripts:
    """The inline scripts of a page that a browser runs."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = sources
        self._texts: dict[str, str] = {}

    def containing(self, word: str) -> Iterator[str]:
        """Yield the scripts that contain a word, without their comments. The others need not be read."""
        for source in self._sources:
            if word in source:
                if source not in self._texts:
                    self._texts[source] = _TOKEN.sub(lambda token: " " if token["comment"] else token[0], source)
                yield self._texts[source]

    @cached_property
    def renders(self) -> list[RenderCall]:
        """Return the calls that render a widget."""
        return [self._read_render(text, call, arguments) for text, call, arguments in self._calls(_RENDER)]

    @cached_property
    def score_keys(self) -> frozenset[str]:
        """Return the site keys of reCAPTCHA v3, which has no widget."""
        executed = (self._key(arguments.partition(",")[0]) for _, _, arguments in self._calls(_EXECUTE))
        loaded = map(_SCORE_SCRIPT.findall, self.containing("render="))
        return frozenset(filter(None, executed)).union(*loaded)

    @cached_property
    def keys(self) -> list[tuple[str, str]]:
        """Return the names and values of all site keys in strings, except those that are marked as v3's."""
        return [pair for text in self.containing("6L") for pair in _named_keys(text)]

    def _calls(self, callee: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str], str]]:
        """Yield the first calls that ``callee`` matches and that have arguments, with these."""
        found = ((text, call) for text in self.containing("grecaptcha") for call in callee.finditer(text))
        for text, call in islice(found, MAX_CALLS):
            if (arguments := block(text, call.end() - 1) or "").strip():
                yield text, call, arguments

    def _read_render(self, text: str, call: re.Match[str], arguments: str) -> RenderCall:
        target, _, options = arguments.partition("{")
        key, callback = _KEY_OPTION.search(options), _CALLBACK.search(options)
        return RenderCall(
            target=_target(text, target, call.start()),
            # In the shorthand {sitekey}, the value is the variable of that name.
            sitekey=None if key is None else self._key(key[0]),
            invisible=_INVISIBLE.search(options) is not None,
            enterprise=call["enterprise"] is not None,
            callback="" if callback is None else options[callback.end() :],
        )

    def _key(self, value: str) -> str | None:
        """Return the site key in an expression: a string, or a name that stands for one value on this page."""
        if literals := set(KEY.findall(value)):
            return only(literals)
        names = _NAME.findall(value)
        return only({key for name, key in self.keys if name in names[-1:]})


def block(text: str, opening: int) -> str | None:
    """Return what is between the bracket at ``opening`` and its partner, or None if that is too far away."""
    depth = 0
    for token in _BRACKET.finditer(text, opening, opening + MAX_BLOCK):
        depth += (token["opening"] is not None) - (token["closing"] is not None)
        if depth == 0:
            return text[opening + 1 : token.start()]
    return None


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


def _target(text: str, target: str, before: int) -> Mark | None:
    """Return by what the element ``target`` of a call is looked up, there or where its variable gets its value."""
    if identity := _STRING.match(target):
        return "id", identity[2]
    # For the variable of a loop, or a parameter, take the last lookup.
    loop = list(_lookups(text[max(0, before - _BEFORE) : before]))[-1:]
    return next(chain(_lookups(target), _lookups(_assigned(text, target, before)), loop), None)


def _assigned(text: str, target: str, before: int) -> str:
    """Return the statement that has last given a value to the variable at the beginning of ``target``, if any has."""
    name = _NAME.search(target)
    if name is None:
        return ""
    assignment = re.compile(rf"(?<![\w$.]){re.escape(name[0])}\s?=(?!=)")
    last = deque(assignment.finditer(text, max(0, before - MAX_BLOCK), before), maxlen=1)
    return text[last[0].end() : before].partition(";")[0][:_BEFORE] if last else ""


def _lookups(text: str) -> Iterator[Mark]:
    """Yield by what elements are looked up in a script."""
    for function, _, value in _LOOKUP.findall(text):
        if function == "getElementById":
            yield "id", value
        elif function == "getElementsByClassName":
            yield "class", value.split()[-1] if value.split() else ""
        elif name := _LAST_NAME.search(value):
            yield "id" if name[1] == "#" else "class", name[2]
