"""Find out what a widget's callback does with the token, as far as the page's inline scripts show it.

A callback that submits the form, or lets the user press its button, results in the request that a submission builds,
also if it copies the token into a field of the form before. A callback that sends the token itself, keeps it in a
cookie or opens another address does not; what it does cannot be told from the form.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.detection.javascript import Code

MAX_DEPTH = 2
"""Maximum depth of calls up to which a callback is followed into other functions of the page."""
MAX_READ = 100_000
"""Maximum length in characters of all functions of a callback that are read."""
_LEAST = 200
"""What a function counts for besides its length, so that a script of empty ones is bounded as well."""

_SUBMITS = re.compile(r"\.(?:submit\s?\(\s*\)|submit\s?\.\s?(?:call|apply)\b|requestSubmit\s?\()")
_TRIGGERS = re.compile(r"\.trigger\s?\(\s?[\"'](submit|click)")
_PRESSES = re.compile(r"\.click\s?\(\s*\)")
_SENDS = re.compile(
    r"\bfetch\s?\(|\bXMLHttpRequest\b|\bActiveXObject\b|\bsendBeacon\s?\(|\b__doPostBack\s?\(|\baxios\s?[.(]"
    r"|(?:\$|\bjQuery|\$http)\s?\.\s?(?:ajax|post|get|getJSON|put)\s?\("
    r"|\bdocument\s?\.\s?cookie\s?=(?!=)|\blocation\s?(?:\.\s?href\s?)?=(?!=)"
    r"|\blocation\s?\.\s?(?:assign|replace)\s?\("
)
_HEAD = re.compile(r"\s*(?:async\b\s*)?(?:function\b\s*[\w$]*\s*)?(?P<parameter>[\w$]+\s*(?==>))?")
_CALLED = re.compile(r"(?<![\w$.])(?!(?:if|for|while|switch|catch|return|function|typeof)\b)([\w$]+)\s?\(")
_NAME = re.compile(r"[\w-]+")
_MAX_STATEMENT = 500
_END_OF_STATEMENT = re.compile(r"[;\n]")
_BODY = re.compile(r"\s*(?P<arrow>=>)?\s*(?P<brace>\{)?")


class Effect(Enum):
    """What a callback does with the token."""

    UNKNOWN = "its code is not on the page"
    NONE = "it does not send the token: it enables a button, or writes to the console"
    SUBMITS = "it submits the form"
    PRESSES = "it presses a button"
    SCRIPTED = "it does something with the token that submitting the form does not do"


Function = tuple[str, str, str]
"""The body of a function without and with the contents of its strings, and its first parameter."""


class Functions:
    """The functions that a callback is made of: itself and those that it calls, each name followed once."""

    def __init__(self, scripts: Sequence[Code]) -> None:
        self._scripts = scripts
        self._seen: set[str] = set()
        self._left = MAX_READ

    def named(self, name: str, depth: int = MAX_DEPTH) -> Iterator[Function]:
        """Yield the functions of a name, each with those that it calls."""
        name = name.rpartition(".")[2].strip()
        if name in self._seen:
            return
        self._seen.add(name)
        # A script without the name need not be read.
        for code in filter(lambda code: name in code.source, self._scripts):
            for end in code.definitions.get(name, []):
                yield from self.at(code, slice(end, len(code.bare)), depth)

    def at(self, code: Code, part: slice, depth: int = MAX_DEPTH) -> Iterator[Function]:
        """Yield the function that is defined or named at the beginning of ``part``, and those that it calls."""
        body, parameter = _function(code, part)
        called = [code.text[part.start : min(part.stop, part.start + 200)].strip().strip("\"'")]
        if body is not None:
            self._left -= body.stop - body.start + _LEAST
            if self._left < 0:
                return
            yield code.bare[body], code.text[body], parameter
            called = list(dict.fromkeys(_CALLED.findall(code.bare[body])))[:10]
        if depth > 0:
            for name in called:
                yield from self.named(name, depth - 1)


class Callback(NamedTuple):
    """What the functions of a callback do with the token."""

    effect: Effect
    filled: tuple[str, ...]
    """Ids or names of the fields, other than the token's own, into which they write it."""


def read_callback(functions: Iterable[Function]) -> Callback:
    """Return what a callback does, given its functions: the first effect that one of them has, and all else."""
    functions = list(functions)
    effects = filter(None, map(_effect_of, functions))
    filled = (name for function in functions for name in _filled_by(function))
    effect = next(effects, Effect.NONE if functions else Effect.UNKNOWN)
    return Callback(effect, tuple(dict.fromkeys(filled)))


def _effect_of(function: Function) -> Effect | None:
    bare, text, _ = function
    trigger = _TRIGGERS.search(text)
    if _SUBMITS.search(bare) or (trigger and trigger[1] == "submit"):
        return Effect.SUBMITS
    if _PRESSES.search(bare) or trigger:
        return Effect.PRESSES
    return Effect.SCRIPTED if _SENDS.search(bare) else None


def _filled_by(function: Function) -> Iterator[str]:
    """Yield the last name before each ``.value =`` or ``.val(`` by which a function writes its parameter, the token."""
    _, text, parameter = function
    if not parameter or ".val" not in text:
        return
    word = re.escape(parameter)
    for write in re.finditer(rf"\.value\s?=\s?{word}\b|\.val\s?\(\s?{word}\b", text):
        place = re.split(r"[;{}]", text[max(0, write.start() - 200) : write.start()])[-1]
        names = _NAME.findall(place)
        if TOKEN_FIELD not in place:
            yield names[-1] if names else ""


def _function(code: Code, part: slice) -> tuple[slice | None, str]:
    """Return the body and the first parameter of the function at the beginning of ``part``."""
    head = _HEAD.match(code.bare, part.start, min(part.stop, part.start + 500))
    assert head is not None  # All parts of the pattern are optional.
    if head["parameter"]:
        parameter, after = head["parameter"].strip(), head.end()
    else:
        parameters = code.block(head.end()) if code.bare.startswith("(", head.end()) else None
        if parameters is None:
            return None, ""
        parameter, after = code.bare[parameters].partition(",")[0].strip(), parameters.stop + 1
    opening = _BODY.match(code.bare, after)
    assert opening is not None  # All parts of the pattern are optional.
    if opening["brace"]:
        return code.block(opening.end() - 1), parameter
    if not opening["arrow"]:
        return None, ""
    end = _END_OF_STATEMENT.search(code.bare, opening.end(), min(part.stop, opening.end() + _MAX_STATEMENT))
    return slice(opening.end(), min(part.stop, len(code.bare)) if end is None else end.start()), parameter
