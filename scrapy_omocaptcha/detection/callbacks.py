"""Find out what a widget's callback does with the token, as far as the page's inline scripts show it.

A callback that submits the form, or lets the user press its button, results in the request that a submission builds. A
callback that sends the token itself, copies it into another field, keeps it in a cookie or opens another address does
not; what it does cannot be told from the form.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum

from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.detection.javascript import Code

MAX_DEPTH = 2
"""Maximum depth of calls up to which a callback is followed into other functions of the page."""
MAX_READ = 100_000
"""Maximum length in characters of all functions of a page that are read."""

_SUBMITS = re.compile(r"\.(?:submit\s?\(\s*\)|submit\s?\.\s?(?:call|apply)\b|requestSubmit\s?\()")
_TRIGGERS = re.compile(r"\.trigger\s?\(\s?[\"'](submit|click)")
_PRESSES = re.compile(r"\.click\s?\(\s*\)")
_SENDS = re.compile(
    r"\bfetch\s?\(|\bXMLHttpRequest\b|\bActiveXObject\b|\bsendBeacon\s?\(|\b__doPostBack\s?\(|\baxios\s?[.(]"
    r"|(?:\$|\bjQuery|\$http)\s?\.\s?(?:ajax|post|get|getJSON|put)\s?\("
    r"|\bdocument\s?\.\s?cookie\s?=(?!=)|\blocation\s?(?:\.\s?href\s?)?=(?!=)"
    r"|\blocation\s?\.\s?(?:assign|replace)\s?\("
)
_ADDRESS = re.compile(
    r"(?:\b(?:fetch|sendBeacon|ajax|post|get|getJSON|put|assign|replace)\s?\(\s?|\blocation\s?(?:\.\s?href\s?)?=\s?|\burl\s?:\s?"
    r"|\.open\s?\(\s?[\"']\w{3,6}[\"']\s?,\s?)[\"'`]([^\s\"'`<>]{1,300})"
    r"|[\"'`](?!(?:application|text|multipart)/)([^\s\"'`<>/?=]{0,200}[/?=][^\s\"'`<>]{0,300})"
)
"""Matches a string that may be the address, or the body, of what a function sends."""
_HEAD = re.compile(r"\s*(?:async\b\s*)?(?:function\b\s*[\w$]*\s*)?(?P<parameter>[\w$]+\s*(?==>))?")
_CALLED = re.compile(r"(?<![\w$.])(?!(?:if|for|while|switch|catch|return|function|typeof)\b)([\w$]+)\s?\(")
_END_OF_STATEMENT = re.compile(r"[;{}]")
_BODY = re.compile(r"\s*(?P<arrow>=>)?\s*(?P<brace>\{)?")


class Effect(Enum):
    """What a callback does with the token."""

    UNKNOWN = "its code is not on the page"
    NONE = "it does not send the token: it enables a button, or writes to the console"
    SUBMITS = "it submits the form"
    PRESSES = "it presses a button"
    SCRIPTED = "it does something with the token that submitting the form does not do"


class Callbacks:
    """The effects of a page's callbacks, each determined once."""

    def __init__(self, scripts: Sequence[Code]) -> None:
        self._scripts = scripts
        self._effects: dict[str, Effect] = {}
        self._left = MAX_READ

    def effect_of(self, name: str, depth: int = MAX_DEPTH) -> Effect:
        name = name.rpartition(".")[2].strip()
        if name not in self._effects:
            self._effects[name] = Effect.UNKNOWN  # The function may call itself.
            self._effects[name] = self._look_up(name, depth)
        return self._effects[name]

    def effect_at(self, code: Code, part: slice, depth: int = MAX_DEPTH) -> Effect:
        """Return the effect of the function that is defined or named at the beginning of ``part``."""
        body, parameter = _function(code, part)
        if body is None:
            name = code.text[part.start : min(part.stop, part.start + 200)].strip().strip("\"'")
            known = depth and re.fullmatch(r"[\w$.]{1,100}", name)
            return self.effect_of(name, depth - 1) if known else Effect.UNKNOWN
        self._left -= body.stop - body.start
        if self._left < 0:
            return Effect.UNKNOWN
        bare, text = code.bare[body], code.text[body]
        trigger = _TRIGGERS.search(text)
        if parameter and _copies(text, parameter):
            return Effect.SCRIPTED
        if _SUBMITS.search(bare) or (trigger and trigger[1] == "submit"):
            return Effect.SUBMITS
        if _PRESSES.search(bare) or trigger:
            return Effect.PRESSES
        if _SENDS.search(bare):
            return Effect.SCRIPTED
        for name in list(dict.fromkeys(_CALLED.findall(bare)))[:10] if depth else ():
            effect = self.effect_of(name, depth - 1)
            if effect not in (Effect.UNKNOWN, Effect.NONE):
                return effect
        return Effect.NONE

    def addresses_of(self, name: str, depth: int = MAX_DEPTH) -> Iterator[str]:
        """Yield the addresses to which the function of that name, or one that it calls, may send something."""
        name = name.rpartition(".")[2].strip()
        for code in self._scripts if name else ():
            if name in code.source:
                for end in code.definitions.get(name, []):
                    yield from self.addresses_at(code, slice(end, len(code.bare)), depth)

    def addresses_at(self, code: Code, part: slice, depth: int = MAX_DEPTH) -> Iterator[str]:
        """Yield the addresses to which the function at the beginning of ``part``, or one that it calls, may send."""
        body, _ = _function(code, part)
        if body is None:
            if depth:
                yield from self.addresses_of(code.text[part.start : min(part.stop, part.start + 200)], depth - 1)
            return
        self._left -= body.stop - body.start
        if self._left < 0:
            return
        if _SENDS.search(code.bare[body]):
            yield from (direct or other for direct, other in _ADDRESS.findall(code.text[body]))
        for name in list(dict.fromkeys(_CALLED.findall(code.bare[body])))[:10] if depth else ():
            yield from self.addresses_of(name, depth - 1)

    def _look_up(self, name: str, depth: int) -> Effect:
        for code in self._scripts:
            if name in code.source:
                for end in code.definitions.get(name, []):
                    effect = self.effect_at(code, slice(end, len(code.bare)), depth)
                    if effect is not Effect.UNKNOWN:
                        return effect
        return Effect.UNKNOWN


def _function(code: Code, part: slice) -> tuple[slice | None, str]:
    """Return the body and the first parameter of the function at the beginning of ``part``."""
    head = _HEAD.match(code.bare, part.start, min(part.stop, part.start + 500))
    if head is None or head.end() >= len(code.bare):
        return None, ""
    if head["parameter"]:
        parameter, after = head["parameter"].strip(), head.end()
    else:
        parameters = code.block(head.end()) if code.bare[head.end()] == "(" else None
        if parameters is None:
            return None, ""
        parameter, after = code.bare[parameters].partition(",")[0].strip(), parameters.stop + 1
    opening = _BODY.match(code.bare, after)
    assert opening is not None  # All parts of the pattern are optional.
    if opening["brace"]:
        return code.block(opening.end() - 1), parameter
    return (code.statement(opening.end(), part.stop), parameter) if opening["arrow"] else (None, "")


def _copies(text: str, parameter: str) -> bool:
    """Return whether ``parameter``, which holds the token, is written into another field than the token's own."""
    word = re.escape(parameter)
    copies = re.finditer(rf"\.value\s?=\s?{word}\b|\.val\s?\(\s?{word}\b", text)
    return any(TOKEN_FIELD not in _END_OF_STATEMENT.split(text[max(0, c.start() - 200) : c.end()])[-1] for c in copies)
