"""Find out what a widget's callback does with the token, as far as the page's inline scripts show it.

A callback that submits the form, or lets the user press its button, results in the request that a submission builds,
also if it copies the token into a field of the form before. A callback that sends the token itself, keeps it in a
cookie or opens another address does not; what it does cannot be told from the form.
"""

import re
from collections.abc import Iterator
from enum import Enum
from itertools import islice
from typing import NamedTuple

from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.detection.scripts import Scripts, block

_MAX_FUNCTIONS = 10
"""Maximum number of functions of one name in a script, and of those that a callback calls, that are looked at."""

_SUBMITS = re.compile(
    r"\.(?:submit\s?\(\s*\)|submit\s?\.\s?(?:call|apply)\b|requestSubmit\s?\(|trigger\s?\(\s?[\"']submit)"
)
_PRESSES = re.compile(r"\.(?:click\s?\(\s*\)|trigger\s?\(\s?[\"']click)")
_SENDS = re.compile(
    r"\bfetch\s?\(|\bXMLHttpRequest\b|\bActiveXObject\b|\bsendBeacon\s?\(|\b__doPostBack\s?\(|\baxios\s?[.(]"
    r"|(?:\$|\bjQuery|\$http)\s?\.\s?(?:ajax|post|get|getJSON|put)\s?\("
    r"|\bdocument\s?\.\s?cookie\s?=(?!=)|\blocation\s?(?:\.\s?href\s?)?=(?!=)"
    r"|\blocation\s?\.\s?(?:assign|replace)\s?\("
)
_FUNCTION = re.compile(
    r"\s*(?:async\b\s*)?(?:function\b\s*[\w$]*\s*)?(?:\(\s*(?P<first>[\w$]*)[^()]{0,200}\)|(?P<only>[\w$]+)\s*(?==>))"
    r"\s*(?P<arrow>=>)?\s*(?P<brace>\{)?"
)
"""Matches a function up to its body, from its parameters or the word before them on."""
_EXPRESSION = re.compile(r"[^;\n]+")
_MAX_EXPRESSION = 500
_REFERENCE = re.compile(r"[\s\"'`]*([\w$.]{1,200})")
_CALLED = re.compile(r"(?<![\w$.])(?!(?:if|for|while|switch|catch|return|function|typeof)\b)([\w$]+)\s?\(")
_NAME = re.compile(r"[\w-]+")


class Effect(Enum):
    """What a callback does with the token."""

    UNKNOWN = "its code is not on the page"
    NONE = "it does not send the token: it enables a button, or writes to the console"
    SUBMITS = "it submits the form"
    PRESSES = "it presses a button"
    SCRIPTED = "it does something with the token that submitting the form does not do"


class Callback(NamedTuple):
    """What the functions of a callback do with the token."""

    effect: Effect
    filled: tuple[str, ...]
    """Ids or names of the fields, other than the token's own, into which they write it."""


NO_CALLBACK = Callback(Effect.UNKNOWN, ())


def read_callback(scripts: Scripts, name: str, code: str = "") -> Callback:
    """Return what a callback does, its functions being itself and those that it calls.

    :param name: the function's name, as in ``data-callback``.
    :param code: what a script passes as the callback instead, a function or a name, and what follows.
    """
    functions = list(_functions(scripts, name, code))
    effects = filter(None, map(_effect_of, (body for body, _ in functions)))
    filled = (name for function in functions for name in _filled_by(*function))
    effect = next(effects, Effect.NONE if functions else Effect.UNKNOWN)
    return Callback(effect, tuple(dict.fromkeys(filled)))


def _functions(scripts: Scripts, name: str, code: str) -> Iterator[tuple[str, str]]:
    """Yield body and first parameter of each function of a callback, and then of those that they call."""
    given = _read_function(code)
    named = _REFERENCE.match(code)
    bodies = [given] if given else list(_named(scripts, named[1] if named else name))
    yield from bodies
    called = dict.fromkeys(name for body, _ in bodies for name in _CALLED.findall(body))
    for name in islice(called, _MAX_FUNCTIONS):
        yield from _named(scripts, name)


def _named(scripts: Scripts, name: str) -> Iterator[tuple[str, str]]:
    """Yield body and first parameter of the functions of a name."""
    name = name.rpartition(".")[2].strip()
    word = re.escape(name)
    definition = re.compile(
        rf"(?<![\w$])(?:function\s+{word}\s?(?=\()|{word}[\"']?\s?[:=](?!=)|{word}\s?(?=\([\w$,\s]{{0,99}}\)\s?\{{))"
    )
    for text in scripts.containing(name) if name else ():
        found = islice(definition.finditer(text), _MAX_FUNCTIONS)
        yield from filter(None, (_read_function(text, each.end()) for each in found))


def _read_function(text: str, at: int = 0) -> tuple[str, str] | None:
    """Return the body and the first parameter of the function in a script from ``at`` on; None if it is none."""
    head = _FUNCTION.match(text, at, at + 500)
    if head is None:
        return None
    body: str | None = None
    if head["brace"]:
        body = block(text, head.end() - 1)
    elif head["arrow"]:
        body = "".join(_EXPRESSION.findall(text, head.end(), head.end() + _MAX_EXPRESSION)[:1])
    return None if body is None else (body, head["first"] or head["only"] or "")


def _effect_of(body: str) -> Effect | None:
    ways = ((_SUBMITS, Effect.SUBMITS), (_PRESSES, Effect.PRESSES), (_SENDS, Effect.SCRIPTED))
    return next((effect for pattern, effect in ways if pattern.search(body)), None)


def _filled_by(body: str, parameter: str) -> Iterator[str]:
    """Yield the last name before each ``.value =`` or ``.val(`` by which a function writes its parameter, the token."""
    if not parameter or ".val" not in body:
        return
    word = re.escape(parameter)
    for write in re.finditer(rf"\.value\s?=\s?{word}\b|\.val\s?\(\s?{word}\b", body):
        place = re.split(r"[;{}]", body[max(0, write.start() - 200) : write.start()])[-1]
        names = _NAME.findall(place)
        if TOKEN_FIELD not in place:
            yield names[-1] if names else ""
