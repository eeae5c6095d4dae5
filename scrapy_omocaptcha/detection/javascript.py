"""Find calls, objects and strings in JavaScript without running it.

A script has two views of equal length: in ``text`` comments are blanked out, in ``bare`` the contents of strings too.
Calls, names and brackets are searched for in ``bare``, where neither a comment nor a string can be mistaken for code.
Strings are then read from ``text`` at the same offsets. Each step is linear in the length of the script.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice

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


class Code:
    """One inline script. Its parts are slices of either view."""

    def __init__(self, source: str) -> None:
        self.source = source

    @cached_property
    def text(self) -> str:
        """Return the script with its comments blanked out."""
        return _TOKEN.sub(lambda token: " " * len(token[0]) if token["comment"] else token[0], self.source)

    @cached_property
    def bare(self) -> str:
        """Return the script with its comments and the contents of its strings blanked out."""
        return _TOKEN.sub(_blank, self.source)

    def calls(self, callee: re.Pattern[str]) -> Iterator[tuple[re.Match[str], list[slice]]]:
        """Yield the calls that ``callee`` matches up to the opening parenthesis, with their arguments."""
        for call in islice(callee.finditer(self.bare), MAX_CALLS):
            yield call, [part for part in self._parts(call.end() - 1) if self.text[part].strip()]

    def properties(self, part: slice) -> dict[str, slice]:
        """Return the properties of the object literal in ``part`` by name. A method begins at its parameters."""
        opening = _OBJECT.match(self.bare, part.start, part.stop)
        found: dict[str, slice] = {}
        for item in self._parts(opening.end() - 1) if opening else ():
            if name := _PROPERTY.match(self.text, item.start, item.stop):
                # In the shorthand {sitekey}, the value is the variable of that name.
                start = {":": name.end(), "(": name.end() - 1}.get(name["then"], name.start("name"))
                found.setdefault(name["name"], slice(start, item.stop))
        return found

    def literal(self, part: slice) -> str | None:
        """Return the value of the string literal in ``part``, or None if it is another expression."""
        string = _STRING.match(self.text[part]) if part.stop - part.start <= MAX_BLOCK else None
        return None if string is None else _ESCAPE.sub(_unescape, string[2])

    def block(self, opening: int) -> slice | None:
        """Return what is between the bracket at ``opening`` and its partner, or None if it never closes."""
        parts = self._parts(opening)
        return slice(opening + 1, parts[-1].stop) if parts else None

    def statement(self, start: int, end: int) -> slice:
        """Return the part from ``start`` to the end of the statement or line, at most to ``end``."""
        bare = self.bare[start : min(end, start + MAX_STATEMENT)]
        return slice(start, start + len(re.split(r"[;\n]", bare, maxsplit=1)[0]))

    def assigned(self, name: str, before: int) -> slice | None:
        """Return the expression that was last assigned to the variable ``name`` before that offset, if any."""
        assignment = re.compile(rf"(?<![\w$.]){re.escape(name)}\s?=(?![=>])")
        ends = [found.end() for found in assignment.finditer(self.bare, 0, before)]
        if not ends:
            return None
        opening = _OBJECT.match(self.bare, ends[-1])
        if opening is None:
            return self.statement(ends[-1], len(self.bare))
        block = self.block(opening.end() - 1)
        return slice(opening.end() - 1, block.stop + 1) if block else None

    def _parts(self, opening: int) -> list[slice]:
        """Return the parts between the commas inside the bracket at ``opening``, none if it never closes."""
        depth, start = 0, opening + 1
        parts: list[slice] = []
        for bracket in _BRACKET.finditer(self.bare, opening, opening + MAX_BLOCK):
            if bracket[0] in "([{":
                depth += 1
            elif bracket[0] != ",":
                depth -= 1
            if depth == 0 or (depth == 1 and bracket[0] == ","):
                parts.append(slice(start, bracket.start()))
                start = bracket.end()
            if depth == 0:
                return parts
        return []


def _blank(token: re.Match[str]) -> str:
    source, length = token[0], len(token[0])
    return " " * length if token["comment"] or length == 1 else source[0] + " " * (length - 2) + source[-1]


def _unescape(escape: re.Match[str]) -> str:
    if code := escape[1] or escape[2]:
        return chr(int(code, 16))
    return {"n": "\n", "t": "\t", "r": "\r"}.get(escape[3], escape[3])
