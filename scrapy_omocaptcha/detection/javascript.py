"""A reader of JavaScript that finds calls, objects and strings in a script without running it.

A script has two views of equal length: in ``text`` comments are blanked out, in ``bare`` the contents of strings too.
Calls, names and brackets are searched for in ``bare``, where neither a comment nor a string can be mistaken for code.
Strings are then read from ``text`` at the same offsets. Each step is linear in the length of the script.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import NamedTuple

MAX_CALLS = 30
"""Maximum number of calls of one function that are read."""

MAX_BLOCK = 20_000
"""Maximum length in characters of the arguments of a call, or of the body of a function."""

MAX_STATEMENT = 500
"""Maximum length in characters of a statement."""

# No alternative backtracks over what it has matched, so that matching takes linear time. The exception is a regular
# expression literal, which may turn out to be a division; therefore its length is limited.
_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*[^*]*(?:\*(?!/)[^*]*)*(?:\*/)?|<!--[^\n]*)"
    r"|\"[^\"\\\n]*(?:\\.[^\"\\\n]*)*\"?"
    r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'?"
    r"|`[^`\\]*(?:\\.[^`\\]*)*`?"
    r"|(?:(?<=[(,=:\[!&|?{};\n])|(?<=[(,=:\[!&|?{};] )|(?<=return ))"
    r"/(?![*/])(?:[^/\\\[\n]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n]){0,100}\]){1,100}/",
    re.DOTALL,
)
_OBJECT = re.compile(r"\s*\{")
_BRACKET = re.compile(r"[()\[\]{},]")
_PROPERTY = re.compile(r"\s*(?:(?:async\s+)?(?P<quote>[\"'`]?)(?P<name>[\w$-]+)(?P=quote))\s*(?P<then>[:(]|\Z)")
_STRING = re.compile(r"\s*([\"'`])((?:(?!\1)[^\\]|\\.)*)\1\s*\Z", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)


class Span(NamedTuple):
    """A piece of a script: ``text[start:end]``."""

    start: int
    end: int


class Code:
    """One inline script."""

    def __init__(self, source: str) -> None:
        self.source = source

    @cached_property
    def _views(self) -> tuple[str, str]:
        source, copied = self.source, 0
        text, bare = [], []
        for token in _TOKEN.finditer(source):
            start, end = token.span()
            text.append(source[copied:start])
            bare.append(source[copied:start])
            if token["comment"] is not None:
                text.append(" " * (end - start))
                bare.append(" " * (end - start))
            else:
                text.append(source[start:end])
                bare.append(source[start] + " " * (end - start - 2) + source[end - 1] if end - start > 1 else " ")
            copied = end
        return "".join((*text, source[copied:])), "".join((*bare, source[copied:]))

    @property
    def text(self) -> str:
        """Return the script with its comments blanked out."""
        return self._views[0]

    @property
    def bare(self) -> str:
        """Return the script with its comments and the contents of its strings blanked out."""
        return self._views[1]

    def arguments(self, opening: int) -> list[Span]:
        """Return the arguments of the call whose parenthesis opens at ``opening``, none if it never closes."""
        return [part for part in self._parts(opening) if self.text[part.start : part.end].strip()]

    def properties(self, span: Span) -> dict[str, Span]:
        """Return the properties of the object literal in ``span`` by name. A method begins at its parameters."""
        opening = _OBJECT.match(self.bare, span.start, span.end)
        found: dict[str, Span] = {}
        for part in self._parts(opening.end() - 1) if opening else ():
            name = _PROPERTY.match(self.text, part.start, part.end)
            if name is not None:
                # In the shorthand {sitekey}, the value is the variable of that name.
                start = {":": name.end(), "(": name.end() - 1}.get(name["then"], name.start("name"))
                found.setdefault(name["name"], Span(start, part.end))
        return found

    def literal(self, span: Span) -> str | None:
        """Return the value of the string literal in ``span``, or None if it is another expression."""
        if span.end - span.start > MAX_BLOCK:
            return None
        string = _STRING.match(self.text[span.start : span.end])
        return None if string is None else _ESCAPE.sub(_unescape, string[2])

    def block(self, opening: int) -> Span | None:
        """Return the span between the bracket at ``opening`` and its partner, or None if it never closes."""
        parts = self._parts(opening)
        return Span(opening + 1, parts[-1].end) if parts else None

    def statement(self, start: int, end: int) -> Span:
        """Return the span from ``start`` to the end of the statement or line, at most to ``end``."""
        bare = self.bare[start : min(end, start + MAX_STATEMENT)]
        return Span(start, start + len(re.split(r"[;\n]", bare, maxsplit=1)[0]))

    def assigned(self, name: str, before: int) -> Span | None:
        """Return the expression that was last assigned to the variable ``name`` before that offset, if any."""
        assignment = re.compile(rf"(?<![\w$.]){re.escape(name)}\s?=(?![=>])")
        ends = [found.end() for found in assignment.finditer(self.bare, 0, before)]
        if not ends:
            return None
        opening = _OBJECT.match(self.bare, ends[-1])
        if opening is None:
            return self.statement(ends[-1], len(self.bare))
        block = self.block(opening.end() - 1)
        return Span(opening.end() - 1, block.end + 1) if block else None

    def _parts(self, opening: int) -> list[Span]:
        """Return the spans between the commas inside the bracket at ``opening``, none if it never closes."""
        depth, start = 0, opening + 1
        parts: list[Span] = []
        for bracket in _BRACKET.finditer(self.bare, opening, opening + MAX_BLOCK):
            if bracket[0] in "([{":
                depth += 1
            elif bracket[0] != ",":
                depth -= 1
            if depth == 0 or (depth == 1 and bracket[0] == ","):
                parts.append(Span(start, bracket.start()))
                start = bracket.end()
            if depth == 0:
                return parts
        return []


def calls(code: Code, callee: re.Pattern[str]) -> Iterator[tuple[re.Match[str], list[Span]]]:
    """Yield the calls in ``code`` that ``callee`` matches up to the opening parenthesis, with their arguments."""
    for call in islice(callee.finditer(code.bare), MAX_CALLS):
        yield call, code.arguments(call.end() - 1)


def _unescape(escape: re.Match[str]) -> str:
    if code := escape[1] or escape[2]:
        return chr(int(code, 16))
    return {"n": "\n", "t": "\t", "r": "\r"}.get(escape[3], escape[3])
