"""Find calls, objects and strings in JavaScript without running it.

A script has two views of equal length: in ``text`` comments are blanked out, in ``bare`` the contents of strings too.
Calls, names and brackets are searched for in ``bare``, where neither a comment nor a string can be mistaken for code.
Strings are then read from ``text`` at the same offsets. Each step is linear in the length of the script.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from itertools import islice

MAX_CALLS = 30
"""Maximum number of calls of one function that are read."""
MAX_BLOCK = 20_000
"""Maximum length in characters of the arguments of a call, or of the body of a function."""

# An alternative that has begun to match never fails, so nothing is read twice and matching takes linear time. Therefore
# strings and regular expression literals, and the classes in them, need not be closed.
_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*[^*]*(?:\*(?!/)[^*]*)*(?:\*/)?|<!--[^\n]*)"
    r"|\"[^\"\\\n]*(?:\\.[^\"\\\n]*)*\"?"
    r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'?"
    r"|`[^`\\]*(?:\\.[^`\\]*)*`?"
    r"|(?P<regex>(?:(?<=[(,=:\[!&|?{};\n])|(?<=[(,=:\[!&|?{};] )|(?<=return ))"
    r"/(?![*/\n])[^/\\\[\n]*(?:(?:\\[^\n]|\[[^\]\\\n]*(?:\\[^\n][^\]\\\n]*)*\]?)[^/\\\[\n]*)*/?)",
    re.DOTALL,
)
_OBJECT = re.compile(r"\s*\{")
_BRACKET = re.compile(r"[()\[\]{}]")
_COMMA_OR_OPENING = re.compile(r"[,(\[{]")
_DEFINITION = re.compile(
    r"(?<![\w$])(?:function\s+([\w$]+)\s?(?=\()|([\w$]+)[\"']?\s?[:=](?!=)\s?"
    r"|(?<=[{,\s])([\w$]+)\s?(?=\([\w$,\s]{0,99}\)\s?\{))"
)
_PROPERTY = re.compile(r"\s*(?:(?:async\s+)?(?P<quote>[\"'`]?)(?P<name>[\w$-]+)(?P=quote))\s*(?P<then>[:(]|\Z)")
_STRING = re.compile(r"\s*([\"'`])((?:(?!\1)[^\\]|\\.)*)\1\s*\Z", re.DOTALL)


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
        if opening is None:
            return {}
        found: dict[str, slice] = {}
        for item in self._parts(opening.end() - 1):
            if name := _PROPERTY.match(self.text, item.start, item.stop):
                # In the shorthand {sitekey}, the value is the variable of that name.
                start = {":": name.end(), "(": name.end() - 1}.get(name["then"], name.start("name"))
                found.setdefault(name["name"], slice(start, item.stop))
        return found

    def literal(self, part: slice) -> str | None:
        """Return what the string literal in ``part`` contains, escapes as they are; None for another expression."""
        string = _STRING.match(self.text[part]) if part.stop - part.start <= MAX_BLOCK else None
        return None if string is None else string[2]

    def block(self, opening: int) -> slice | None:
        """Return what is between the bracket at ``opening`` and its partner, or None if it never closes."""
        closing = self._partners.get(opening, len(self.bare) + MAX_BLOCK)
        return slice(opening + 1, closing) if closing - opening <= MAX_BLOCK else None

    @cached_property
    def definitions(self) -> dict[str, list[int]]:
        """Return where the functions begin, without their names, by these."""
        ends: dict[str, list[int]] = defaultdict(list)
        for found in _DEFINITION.finditer(self.bare):
            ends[found[found.lastindex or 0]].append(found.end())
        return ends

    @cached_property
    def _partners(self) -> dict[int, int]:
        """Return the offset of each closing bracket by that of its opening bracket."""
        partners: dict[int, int] = {}
        opened: list[int] = []
        for bracket in _BRACKET.finditer(self.bare):
            if bracket[0] in "([{":
                opened.append(bracket.start())
            elif opened:
                partners[opened.pop()] = bracket.start()
        return partners

    def _parts(self, opening: int) -> list[slice]:
        """Return the parts between the commas inside the bracket at ``opening``, none if it never closes."""
        block = self.block(opening)
        if block is None:
            return []
        parts: list[slice] = []
        start = at = block.start
        while found := _COMMA_OR_OPENING.search(self.bare, at, block.stop):
            if found[0] == ",":
                parts.append(slice(start, found.start()))
                start = at = found.end()
            else:
                # Skipped, so that all brackets of a script are read once, however deep they are nested.
                at = self._partners[found.start()] + 1
        return [*parts, slice(start, block.stop)]


def _blank(token: re.Match[str]) -> str:
    source, length = token[0], len(token[0])
    if token["regex"] and not source.endswith("/"):
        # A slash without a partner on its line is a division.
        return source
    return " " * length if token["comment"] or length == 1 else source[0] + " " * (length - 2) + source[-1]
