"""What a widget's callback does with the token, as far as the page's inline scripts show it.

A callback that submits the form, or only lets the user press its button, ends in the request that a submission
builds. One that sends the token by script, copies it into a field of another name, keeps it in a cookie or goes to
another address does not: what it does cannot be told from the form.
"""

from __future__ import annotations

import re
from enum import Enum
from itertools import islice

from scrapy_omocaptcha.detection.inline_scripts import Inline
from scrapy_omocaptcha.detection.javascript import Code, Span

DEPTH = 2
"""How many calls deep a callback is followed into other functions of the page."""

MAX_LOOKUPS = 50
"""How many functions of a page are looked up."""

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
_TOKEN_FIELD = re.compile(r"g-recaptcha-response")


class Deed(Enum):
    """What a callback does."""

    UNSEEN = "unseen"
    """Its code is not on the page."""
    NOTHING = "nothing"
    """Nothing that sends the token: it enables a button, writes a log."""
    SUBMITS = "submits"
    """It submits the form by script."""
    PRESSES = "presses"
    """It presses a button."""
    SCRIPTED = "scripted"
    """It does something with the token that no submission of the form does."""


class Callbacks:
    """The callbacks of one page, each looked up once."""

    def __init__(self, inline: Inline) -> None:
        self._inline = inline
        self._known: dict[str, Deed] = {}

    def named(self, name: str, depth: int = DEPTH) -> Deed:
        """What the page's function ``name`` does."""
        name = name.rpartition(".")[2].strip()
        if name not in self._known:
            if len(self._known) >= MAX_LOOKUPS or not re.fullmatch(r"[\w$]{1,100}", name):
                return Deed.UNSEEN
            self._known[name] = Deed.UNSEEN  # what a function that calls itself finds
            self._known[name] = self._look_up(name, depth)
        return self._known[name]

    def written(self, code: Code, span: Span, depth: int = DEPTH) -> Deed:
        """What the function does that is written, or named, at the beginning of ``span``."""
        body, parameter = _body(code, span)
        if body is None:
            name = code.text[span.start : span.end][:200].strip().strip("\"'")
            return self.named(name, depth - 1) if depth and re.fullmatch(r"[\w$.]{1,100}", name) else Deed.UNSEEN
        bare, text = code.bare[body.start : body.end], code.text[body.start : body.end]
        trigger = _TRIGGERS.search(text)
        if parameter and _copies(text, parameter):
            return Deed.SCRIPTED
        if _SUBMITS.search(bare) or (trigger and trigger[1] == "submit"):
            return Deed.SUBMITS
        if _PRESSES.search(bare) or trigger:
            return Deed.PRESSES
        if _SENDS.search(bare):
            return Deed.SCRIPTED
        for name in list(dict.fromkeys(_CALLED.findall(bare)))[:10] if depth else ():
            deed = self.named(name, depth - 1)
            if deed not in (Deed.UNSEEN, Deed.NOTHING):
                return deed
        return Deed.NOTHING

    def _look_up(self, name: str, depth: int) -> Deed:
        word = re.escape(name)
        definition = re.compile(
            rf"(?<![\w$])(?:function\s+{word}\s?(?=\()|{word}[\"']?\s?[:=](?!=)\s?"
            rf"|(?<=[{{,\s]){word}\s?(?=\([\w$,\s]{{0,99}}\)\s?\{{))"
        )
        for code in self._inline.running:
            if name in code.source:
                for found in islice(definition.finditer(code.bare), 20):
                    deed = self.written(code, Span(found.end(), len(code.bare)), depth)
                    if deed is not Deed.UNSEEN:
                        return deed
        return Deed.UNSEEN


def _body(code: Code, span: Span) -> tuple[Span | None, str]:
    """The body of the function that ``span`` begins with, and its first parameter."""
    head = _HEAD.match(code.bare, span.start, min(span.end, span.start + 500))
    if head is None or head.end() >= len(code.bare):
        return None, ""
    if head["parameter"]:
        parameter, after = head["parameter"].strip(), head.end()
    else:
        parameters = code.block(head.end()) if code.bare[head.end()] == "(" else None
        if parameters is None:
            return None, ""
        parameter = code.bare[parameters.start : parameters.end].partition(",")[0].strip()
        after = parameters.end + 1
    opening = re.compile(r"\s*(?P<arrow>=>)?\s*(?P<brace>\{)?").match(code.bare, after)
    assert opening is not None  # every part of it may be missing
    if opening["brace"]:
        return code.block(opening.end() - 1), parameter
    if opening["arrow"]:
        end = re.compile(r"[;\n]|\Z").search(code.bare, opening.end(), min(span.end, opening.end() + 500))
        return Span(opening.end(), end.start() if end else min(span.end, opening.end() + 500)), parameter
    return None, ""


def _copies(text: str, parameter: str) -> bool:
    """The token, known as ``parameter``, is written into a field that is not the token's own."""
    word = re.escape(parameter)
    copy = re.compile(rf"[^;{{}}]{{0,200}}(?:\.value\s?=\s?{word}\b|\.val\s?\(\s?{word}\b)")
    return any(not _TOKEN_FIELD.search(found[0]) for found in copy.finditer(text))
