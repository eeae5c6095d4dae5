"""What a page's inline scripts say about reCAPTCHA: which widgets they render where, and which keys they name.

Reads :class:`~scrapy_omocaptcha.detection.javascript.Code`; knows no elements. A key that cannot be told is None,
never a guess among several.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from scrapy_omocaptcha.detection.javascript import MAX_CALLS, Code, Span, calls

KEY = re.compile(r"(?<![\w-])6L[\w-]{38}(?![\w-])")
"""A reCAPTCHA site key."""


_G = r"(?<![\w$.])(?:window\s?\.\s?)?grecaptcha\s?\??\.\s?(?P<enterprise>enterprise\s?\??\.\s?)?"
_RENDER = re.compile(_G + r"render\s?\(")
_EXECUTE = re.compile(_G + r"execute\s?\(")
_SCORE_SCRIPT = re.compile(r"recaptcha\\?/(?:api|enterprise)\.js\?[^\"'`\s<>]{0,200}?\brender=(6L[\w-]{38})(?![\w-])")
_NAME = re.compile(r"[\w$]+")
_FIRST_NAME = re.compile(r"\s*([\w$]+)")
_NAME_BEFORE = re.compile(r"([\w$-]{1,60})\\?[\"'`]?\]?\s{0,5}[:=]\s{0,5}\\?[\"'`]\Z")
_SAYS_SCORE = re.compile(r"\\?[\"']?(?:version|type)\\?[\"']?\s?[:=]\s?\\?[\"']?(?:recaptcha_?)?v?_?3", re.IGNORECASE)
_LOOKUP = re.compile(
    r"(?:\b(getElementById|getElementsByClassName|querySelectorAll|querySelector)|(?<![\w.])(?:\$|jQuery))"
    r"\s?\(\s?([\"'`])((?:(?!\2)[^\\\n]){1,200})\2"
)


@dataclass(frozen=True, slots=True)
class Render:
    """One call of ``grecaptcha.render`` (or of ``grecaptcha.enterprise.render``)."""

    selectors: tuple[str, ...]
    """CSS selectors of the container; several where the script does not say which of them it is."""
    created: bool
    """The container is made by the script, so that the page as it was sent does not hold it."""
    sitekey: str | None
    invisible: bool
    enterprise: bool
    callback: tuple[Code, Span] | None
    """Where the callback stands: an expression in a script."""


class Inline:
    """The page's inline scripts, those that run and those that only hold data."""

    def __init__(self, running: Sequence[str], data: Sequence[str] = ()) -> None:
        self.running = [Code(source) for source in running]
        self._data = data

    @cached_property
    def _relevant(self) -> list[Code]:
        return [code for code in self.running if "grecaptcha" in code.source]

    @cached_property
    def renders(self) -> list[Render]:
        """The calls that render a widget."""
        found: list[Render] = []
        for code in self._relevant:
            for call, arguments in calls(code, _RENDER):
                if len(found) == MAX_CALLS:
                    return found
                if arguments:
                    options = self._options(code, arguments[1]) if len(arguments) > 1 else {}
                    size = options.get("size")
                    found.append(
                        Render(
                            selectors=_selectors(code, arguments[0], call.start()),
                            created=self._creates(code, arguments[0], call.start()),
                            sitekey=self._key(*options["sitekey"]) if "sitekey" in options else None,
                            invisible=size is not None and size[0].literal(size[1]) == "invisible",
                            enterprise=call["enterprise"] is not None,
                            callback=options.get("callback"),
                        )
                    )
        return found

    @cached_property
    def runs_widget(self) -> bool:
        """``grecaptcha.execute()`` is called as for an invisible widget: with its number, or with nothing."""
        return any(key is None for key in self._executed)

    @cached_property
    def score_keys(self) -> frozenset[str]:
        """Keys of reCAPTCHA v3, which has no widget."""
        keys = {key for key in self._executed if key}
        for code in self.running:
            if "render=" in code.source:
                keys.update(_SCORE_SCRIPT.findall(code.text))
        return frozenset(keys)

    @cached_property
    def keys(self) -> list[tuple[str, str]]:
        """Every site key that stands in a string, with the name that it is given; keys said to be v3's left out."""
        texts = [code.text for code in self.running if "6L" in code.source]
        texts += [source for source in self._data if "6L" in source]
        return [pair for text in texts for pair in _named_keys(text)]

    @cached_property
    def _values(self) -> dict[str, set[str]]:
        """The site keys by the name that they are given."""
        values: dict[str, set[str]] = {}
        for name, key in self.keys:
            values.setdefault(name, set()).add(key)
        return values

    @cached_property
    def _executed(self) -> list[str | None]:
        found: list[str | None] = []
        for code in self._relevant:
            for _, arguments in calls(code, _EXECUTE):
                if len(found) == MAX_CALLS:
                    return found
                found.append(self._key(code, arguments[0]) if arguments else None)
        return found

    def _creates(self, code: Code, target: Span, before: int) -> bool:
        """The scripts make an element for ``target``: by ``createElement``, or as markup with its id."""
        identity = code.literal(target)
        if identity is None:
            name = _FIRST_NAME.match(code.text, target.start, target.end)
            made = _last_assignment(code, name[1], before) if name else None
            return made is not None and "createElement" in code.bare[made.start : made.end]
        mark = re.compile(rf"\bid\\?[\"']?\s?[=,:]\s?\\?[\"']{re.escape(identity[:100])}\\?[\"']")
        return any(identity in c.source and mark.search(c.text) for c in self.running)

    def _options(self, code: Code, span: Span) -> dict[str, tuple[Code, Span]]:
        """The options object in ``span``, or in the variable that ``span`` names."""
        properties = code.properties(span)
        if not properties:
            name = code.text[span.start : span.end].strip()
            if _NAME.fullmatch(name):
                declared = _last_assignment(code, name, len(code.bare))
                properties = code.properties(declared) if declared else {}
        return {name: (code, value) for name, value in properties.items()}

    def _key(self, code: Code, span: Span) -> str | None:
        """The site key that an expression stands for: a literal, or a name that has one value on this page."""
        literal = code.literal(span)
        if literal is not None:
            literal = literal.strip()
            return literal if KEY.fullmatch(literal) else None
        name = next(iter(_NAME.findall(code.text[span.start : span.end][-200:])[-1:]), None)
        values = self._values.get(name or "", set())
        return next(iter(values)) if len(values) == 1 else None


def _named_keys(text: str) -> Iterator[tuple[str, str]]:
    for key in KEY.finditer(text):
        if text[key.start() - 1 : key.start()] not in ("'", '"', "`"):
            continue
        around = text[max(0, key.start() - 200) : key.end() + 200]
        if _SAYS_SCORE.search(around):
            continue
        name = _NAME_BEFORE.search(text[max(0, key.start() - 80) : key.start()])
        yield (name[1] if name else ""), key[0]


def _selectors(code: Code, target: Span, before: int) -> tuple[str, ...]:
    """CSS selectors of what ``target`` stands for: an id, a look-up, or a variable that was looked up."""
    literal = code.literal(target)
    if literal is not None:
        return _by_id(literal)
    looked_up = _lookups(code.text[target.start : target.end])
    if looked_up:
        return looked_up
    name = _FIRST_NAME.match(code.text, target.start, target.end)
    if name:
        declared = _last_assignment(code, name[1], before)
        if declared:
            literal = code.literal(declared)
            if literal is not None:
                return _by_id(literal)
            looked_up = _lookups(code.text[declared.start : declared.end])
            if looked_up:
                return looked_up
    # An element of a loop or a function's parameter: what the script looks up and calls a captcha, else what it
    # looked up last.
    captchas = [selector for selector in _lookups(code.text) if "captcha" in selector.lower()]
    return tuple(captchas[:20]) or _lookups(code.text[max(0, before - 400) : before])[-1:]


def _by_id(identity: str) -> tuple[str, ...]:
    if re.fullmatch(r"[\w-]+", identity):
        return (f"#{identity}",)
    return (f'[id="{identity}"]',) if '"' not in identity else ()


def _last_assignment(code: Code, name: str, before: int) -> Span | None:
    """What was last assigned to ``name`` before that place, as far as the end of the statement's line or block."""
    assignment = re.compile(rf"(?<![\w$.]){re.escape(name)}\s?=(?![=>])")
    every = list(assignment.finditer(code.bare, 0, before))
    if not every:
        return None
    last = every[-1]
    opening = re.compile(r"\s*\{").match(code.bare, last.end())
    if opening:
        block = code.block(opening.end() - 1)
        return Span(opening.end() - 1, block.end + 1) if block else None
    end = re.compile(r"[;\n]|\Z").search(code.bare, last.end(), last.end() + 500)
    return Span(last.end(), end.start()) if end else None


def _lookups(text: str) -> tuple[str, ...]:
    found: list[str] = []
    for function, _, value in _LOOKUP.findall(text):
        if function == "getElementById":
            found += _by_id(value)
        elif function == "getElementsByClassName":
            found.append("".join(f".{name}" for name in value.split()))
        elif not value.startswith("<"):
            found.append(value)
    return tuple(dict.fromkeys(found))
