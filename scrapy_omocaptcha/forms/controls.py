"""What a form control is worth before anybody has touched it: the value that a browser would send for it.

Knows one element at a time and nothing of the form around it, of networks or of settings. The rules are
those of the HTML standard ("constructing the entry list", and the value sanitisation of each type of input).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from math import ceil, floor, isfinite

from lxml.etree import iterwalk
from lxml.html import HtmlElement

SUBMIT_TYPES = frozenset({"submit", "image"})
BUTTON_TYPES = SUBMIT_TYPES | {"button", "reset"}

_DATE = r"\d{4,}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,3})?)?"
_ONE_LINE = frozenset({"text", "search", "tel", "url", "email", "password"})
_DIRECTED = _ONE_LINE | {"hidden"}
_KEYWORDS = (
    _ONE_LINE
    | BUTTON_TYPES
    | {"hidden", "date", "month", "week", "time", "datetime-local", "number", "range", "color"}
    | {"checkbox", "radio", "file"}
)
_WHITESPACE = "\t\n\f\r "
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?")
_DATES = {
    "date": re.compile(_DATE),
    "month": re.compile(r"\d{4,}-(?:0[1-9]|1[0-2])"),
    "week": re.compile(r"\d{4,}-W(?:0[1-9]|[1-4]\d|5[0-3])"),
    "time": re.compile(_TIME),
    "datetime-local": re.compile(f"{_DATE}[T ]{_TIME}"),
}


def kind(control: HtmlElement) -> str:
    """The type of an ``input`` or ``button`` as a browser takes it (``"text"`` for unknown words)."""
    word = (control.get("type") or "").lower()
    if control.tag == "button":
        return word if word in ("reset", "button") else "submit"
    return word if word in _KEYWORDS else "text"


def values(control: HtmlElement, charset: str) -> Iterator[str]:
    """The values that ``control`` sends; none for an unchecked box.

    ``charset`` is the name that a hidden ``_charset_`` field is filled with. Buttons are worth their value
    attribute; whether they are sent at all is for the form to say.
    """
    if control.tag == "select":
        yield from _selected(control)
    elif control.tag == "textarea":
        # The parser drops one newline after the start tag.
        yield _newlines(control.text_content()).removeprefix("\n")
    elif control.tag == "button":
        yield control.get("value") or ""
    else:
        yield from _input_values(control, charset)


def direction(control: HtmlElement, around: str) -> tuple[str, str] | None:
    """The further pair that an attribute ``dirname`` adds (its name, and ``"ltr"`` or ``"rtl"``), or None.

    ``around`` is the direction of what stands around ``control``.
    """
    name = control.get("dirname")
    if not name or not (control.tag == "textarea" or (control.tag == "input" and kind(control) in _DIRECTED)):
        return None
    if control.get("dir") is None and control.tag == "input" and kind(control) == "tel":
        return name, "ltr"
    return name, stated_direction(control) or around


def stated_direction(element: HtmlElement) -> str | None:
    """``"ltr"`` or ``"rtl"`` where the attribute ``dir`` of ``element`` says so."""
    word = (element.get("dir") or "").lower()
    return word if word in ("ltr", "rtl") else None


def _input_values(control: HtmlElement, charset: str) -> Iterator[str]:
    type_, value = kind(control), control.get("value")
    if type_ in ("checkbox", "radio"):
        if control.get("checked") is not None:
            yield "on" if value is None else value
    elif type_ == "file":
        yield ""
    elif type_ == "hidden" and (control.get("name") or "").lower() == "_charset_":
        yield charset
    elif type_ == "submit" and value is None:
        yield "Submit"
    else:
        yield _sanitised(type_, _newlines(value or ""), control)


def _sanitised(type_: str, value: str, control: HtmlElement) -> str:
    if type_ in _ONE_LINE:
        value = value.replace("\n", "")
        if type_ == "url" or (type_ == "email" and control.get("multiple") is None):
            return value.strip(_WHITESPACE)
        if type_ == "email":
            return ",".join(address.strip(_WHITESPACE) for address in value.split(","))
        return value
    if type_ == "number":
        return value if _NUMBER.fullmatch(value) else ""
    if type_ == "range":
        return _in_range(value, control)
    if type_ == "color":
        return value.lower() if re.fullmatch(r"#[0-9A-Fa-f]{6}", value) else "#000000"
    if type_ in _DATES:
        return value.replace(" ", "T") if _DATES[type_].fullmatch(value) else ""
    return value


def _in_range(value: str, control: HtmlElement) -> str:
    """A slider always has a value: the nearest one that its limits and its step allow."""
    low, high = _float(control.get("min"), 0.0), _float(control.get("max"), 100.0)
    step = _float(control.get("step"), 1.0)
    number = _float(value, low + (high - low) / 2 if high > low else low)
    number = max(low, min(number, high))
    if step > 0 and (control.get("step") or "").lower() != "any":
        base = _float(control.get("min"), _float(control.get("value"), 0.0))
        # More steps than there are numbers are as good as none.
        with suppress(OverflowError):
            number = _on_step(number, low, high, base, step)
    return f"{number:.12g}"


def _on_step(number: float, low: float, high: float, base: float, step: float) -> float:
    """:raises OverflowError: steps so small, or limits so far away, that floating point does not count them."""
    number = base + floor((number - base) / step + 0.5) * step
    if number > high >= low:
        number = base + floor((high - base) / step) * step
    if number < low:
        number = base + ceil((low - base) / step) * step
    return number


def _float(text: str | None, otherwise: float) -> float:
    number = float(text) if text and _NUMBER.fullmatch(text) else otherwise
    return number if isfinite(number) else otherwise


def _selected(select: HtmlElement) -> Iterator[str]:
    options = list(_options(select))
    chosen = [option for option in options if option.get("selected") is not None]
    if select.get("multiple") is None:
        chosen = chosen[-1:]
        if not chosen and _rows(select) == 1:
            chosen = [option for option in options if not _disabled(option)][:1]
    for option in chosen:
        if not _disabled(option):
            value = option.get("value")
            yield value if value is not None else _option_text(option)


def _options(select: HtmlElement) -> Iterator[HtmlElement]:
    """The options of ``select``; not those of a select in it, which a browser would not have let stand there."""
    walk = iterwalk(select, events=("start",), tag=("option", "select"))
    for _, element in walk:
        if element.tag == "option":
            yield element
        elif element is not select:
            walk.skip_subtree()


def _rows(select: HtmlElement) -> int:
    size = re.match(r"\s*\+?(\d+)", select.get("size") or "")
    return int(size[1]) or 1 if size else 1


def _disabled(option: HtmlElement) -> bool:
    if option.get("disabled") is not None:
        return True
    group = option.getparent()
    return group is not None and group.tag == "optgroup" and group.get("disabled") is not None


def _option_text(option: HtmlElement) -> str:
    texts = [option.text or ""]
    walk = iterwalk(option, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        if element is option:
            continue
        if event != "start":
            texts.append(element.tail or "")
        elif element.tag in ("script", "option", "select"):
            walk.skip_subtree()
        else:
            texts.append(element.text or "")
    return " ".join(re.split(f"[{_WHITESPACE}]+", "".join(texts).strip(_WHITESPACE)))


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
