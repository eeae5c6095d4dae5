"""Just enough of JavaScript to read what a page's inline scripts say, without running them.

A script is seen in two views of equal length: ``text``, in which comments are blanked out, and ``bare``, in which the
contents of strings are blanked out too. What is searched for (calls, names, brackets) is searched for in ``bare``,
so that neither a comment nor a string can pass for code; what is then read (literals) is read from ``text``
at the same place.

It knows nothing of captchas, and each of its steps is linear in the length of the script.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import NamedTuple

MAX_CALLS = 30
"""How many calls of one kind are read in a script."""

MAX_ARGUMENTS = 20_000
"""Length in characters up to which the arguments of one call, or one function's body, are read."""

# Every alternative takes what it can and never fails late, so that no input makes the search start over and over.
# A regular expression literal is the exception (it may turn out to be a division), which is why it is kept short.
_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*[^*]*(?:\*(?!/)[^*]*)*(?:\*/)?|<!--[^\n]*)"
    r"|\"[^\"\\\n]*(?:\\.[^\"\\\n]*)*\"?"
    r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'?"
    r"|`[^`\\]*(?:\\.[^`\\]*)*`?"
    r"|(?:(?<=[(,=:\[!&|?{};\n])|(?<=[(,=:\[!&|?{};] )|(?<=return ))"
    r"/(?![*/])(?:[^/\\\[\n]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n]){0,100}\]){1,100}/",
    re.DOTALL,
)
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
        source, at = self.source, 0
        text, bare = [], []
        for token in _TOKEN.finditer(source):
            start, end = token.span()
            text.append(source[at:start])
            bare.append(source[at:start])
            if token["comment"] is not None:
                text.append(" " * (end - start))
                bare.append(" " * (end - start))
            else:
                text.append(source[start:end])
                bare.append(source[start] + " " * (end - start - 2) + source[end - 1] if end - start > 1 else " ")
            at = end
        return "".join((*text, source[at:])), "".join((*bare, source[at:]))

    @property
    def text(self) -> str:
        """The script with its comments blanked out."""
        return self._views[0]

    @property
    def bare(self) -> str:
        """The script with its comments and the contents of its strings blanked out."""
        return self._views[1]

    def arguments(self, opening: int) -> list[Span]:
        """The arguments of the call whose parenthesis opens at ``opening``; empty when it never closes."""
        return self._parts(opening) or []

    def properties(self, span: Span) -> dict[str, Span]:
        """The properties of the object literal in ``span``, by name; a method's value begins at its parameters."""
        opening = span.start + len(self.bare[span.start : span.end]) - len(self.bare[span.start : span.end].lstrip())
        found: dict[str, Span] = {}
        if not self.bare.startswith("{", opening):
            return found
        for part in self._parts(opening) or ():
            name = _PROPERTY.match(self.text, part.start, part.end)
            if name is None:
                continue
            if name["then"] == ":":
                found.setdefault(name["name"], Span(name.end(), part.end))
            elif name["then"] == "(":
                found.setdefault(name["name"], Span(name.end() - 1, part.end))
            else:  # {sitekey}: the value is the variable of that name
                found.setdefault(name["name"], Span(name.start("name"), name.end("name")))
        return found

    def literal(self, span: Span) -> str | None:
        """The value of the string literal that fills ``span``, or None when it is something else."""
        if span.end - span.start > MAX_ARGUMENTS:
            return None
        string = _STRING.match(self.text[span.start : span.end])
        return None if string is None else _ESCAPE.sub(_unescape, string[2])

    def block(self, opening: int) -> Span | None:
        """What stands between the bracket at ``opening`` and its partner; None when it never closes."""
        depth = 0
        for bracket in _BRACKET.finditer(self.bare, opening, opening + MAX_ARGUMENTS):
            if bracket[0] in "([{":
                depth += 1
            elif bracket[0] != ",":
                depth -= 1
                if depth == 0:
                    return Span(opening + 1, bracket.start())
        return None

    def _parts(self, opening: int) -> list[Span] | None:
        depth, at = 0, opening + 1
        parts: list[Span] = []
        for bracket in _BRACKET.finditer(self.bare, opening, opening + MAX_ARGUMENTS):
            if bracket[0] in "([{":
                depth += 1
            elif bracket[0] == ",":
                if depth == 1:
                    parts.append(Span(at, bracket.start()))
                    at = bracket.end()
            else:
                depth -= 1
                if depth == 0:
                    parts.append(Span(at, bracket.start()))
                    return [part for part in parts if self.text[part.start : part.end].strip()]
        return None


def calls(code: Code, callee: re.Pattern[str]) -> Iterator[tuple[re.Match[str], list[Span]]]:
    """The calls in ``code`` whose callee, opening parenthesis included, ``callee`` matches, with their arguments."""
    for call in islice(callee.finditer(code.bare), MAX_CALLS):
        yield call, code.arguments(call.end() - 1)


def _unescape(escape: re.Match[str]) -> str:
    if code := escape[1] or escape[2]:
        return chr(int(code, 16))
    return {"n": "\n", "t": "\t", "r": "\r"}.get(escape[3], escape[3])
