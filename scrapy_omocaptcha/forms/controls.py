"""Read the values that a browser sends for form controls that nobody has changed.

Each function looks at one control; its form and its ancestors are left to the caller. The rules are those of the HTML
standard: "constructing the entry list", and the value sanitization algorithm of each type of input.
"""

import re
from collections.abc import Iterator
from math import isfinite

from lxml.etree import iterwalk
from lxml.html import HtmlElement

from scrapy_omocaptcha.forms.page import iter_texts

SUBMIT_TYPES = frozenset({"submit", "image"})
BUTTON_TYPES = SUBMIT_TYPES | {"button", "reset"}

_DATE = r"\d{4,}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,3})?)?"
_WHITESPACE = "\t\n\f\r "
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?")
_DATES = {
    "date": re.compile(_DATE),
    "month": re.compile(r"\d{4,}-(?:0[1-9]|1[0-2])"),
    "week": re.compile(r"\d{4,}-W(?:0[1-9]|[1-4]\d|5[0-3])"),
    "time": re.compile(_TIME),
    "datetime-local": re.compile(f"{_DATE}[T ]{_TIME}"),
}


def input_type(control: HtmlElement) -> str:
    """Return the type of an ``input`` or ``button`` in lower case. Any that browsers don't know is as good as text."""
    word = (control.get("type") or "").lower()
    return "submit" if control.tag == "button" and word not in ("reset", "button") else word


def is_input(control: HtmlElement, *types: str) -> bool:
    return control.tag == "input" and input_type(control) in types


def values(control: HtmlElement) -> Iterator[str]:
    """Yield the values that ``control`` sends: none for an unchecked box, one per selected option of a list.

    The value of a button is yielded too; the caller decides which button is sent.
    """
    type_, value = input_type(control), control.get("value")
    if control.tag == "select":
        yield from _selected(control)
    elif control.tag == "textarea":
        # The HTML parser drops one newline after the start tag.
        yield _newlines(control.text_content()).removeprefix("\n")
    elif control.tag == "button":
        yield value or ""
    elif type_ in ("checkbox", "radio"):
        if control.get("checked") is not None:
            yield "on" if value is None else value
    elif type_ == "file":
        yield ""
    elif type_ == "submit" and value is None:
        yield "Submit"
    else:
        yield _sanitise(type_, _newlines(value or ""), control)


def fill(control: HtmlElement, left: list[str]) -> list[str]:
    """Take the values that ``control`` sends once it is filled in out of those that are ``left`` for its name."""
    if is_input(control, "checkbox", "radio"):
        own = control.get("value")
        taken = [value for value in left if value == ("on" if own is None else own)][:1]
    elif control.tag == "select" and control.get("multiple") is not None:
        order = {value: number for number, value in reversed(list(enumerate(map(_option_value, _options(control)))))}
        taken = sorted(left, key=lambda value: order.get(value, len(order)))
    else:
        taken = left[:1]
    for value in taken:
        left.remove(value)
    return taken


def _sanitise(type_: str, value: str, control: HtmlElement) -> str:
    if type_ in BUTTON_TYPES or type_ == "hidden":
        return value
    if type_ == "number":
        return value if _NUMBER.fullmatch(value) else ""
    if type_ == "range":
        return _in_range(value, control)
    if type_ == "color":
        return value.lower() if re.fullmatch(r"#[0-9A-Fa-f]{6}", value) else "#000000"
    if type_ in _DATES:
        return value.replace(" ", "T") if _DATES[type_].fullmatch(value) else ""
    value = value.replace("\n", "")
    if type_ == "email" and control.get("multiple") is not None:
        return ",".join(address.strip(_WHITESPACE) for address in value.split(","))
    return value.strip(_WHITESPACE) if type_ in ("email", "url") else value


def _in_range(value: str, control: HtmlElement) -> str:
    """Return the value of a slider: within its limits, and in their middle where none is given. Steps are ignored."""
    low, high = _float(control.get("min"), 0.0), _float(control.get("max"), 100.0)
    number = _float(value, low + (high - low) / 2)
    return f"{max(low, min(number, high)):.12g}"


def _float(text: str | None, default: float) -> float:
    number = float(text) if text and _NUMBER.fullmatch(text) else default
    return number if isfinite(number) else default


def _selected(select: HtmlElement) -> Iterator[str]:
    options = list(_options(select))
    chosen = [option for option in options if option.get("selected") is not None]
    if select.get("multiple") is None:
        chosen = chosen[-1:]
        if not chosen and _rows(select) == 1:
            chosen = [option for option in options if not _is_disabled(option)][:1]
    for option in chosen:
        if not _is_disabled(option):
            yield _option_value(option)


def _options(select: HtmlElement) -> Iterator[HtmlElement]:
    """Yield the options of ``select``, without those of nested lists: a browser's parser would have moved those out."""
    walk = iterwalk(select, events=("start",), tag=("option", "select"))
    for _, element in walk:
        if element.tag == "option":
            yield element
        elif element is not select:
            walk.skip_subtree()


def _rows(select: HtmlElement) -> int:
    size = re.match(r"\s*\+?(\d+)", select.get("size") or "")
    return int(size[1]) or 1 if size else 1


def _is_disabled(option: HtmlElement) -> bool:
    if option.get("disabled") is not None:
        return True
    group = option.getparent()
    return group is not None and group.tag == "optgroup" and group.get("disabled") is not None


def _option_value(option: HtmlElement) -> str:
    value: str | None = option.get("value")
    if value is not None:
        return value
    text = "".join(iter_texts(option, ("script", "option", "select")))
    return " ".join(re.split(f"[{_WHITESPACE}]+", text.strip(_WHITESPACE)))


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
