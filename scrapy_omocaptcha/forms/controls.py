"""Read the values that a browser sends for form controls that nobody has changed.

Each function looks at one control; its form and its ancestors are left to the caller. The rules are those of the HTML
standard for "constructing the entry list". A default value is sent as it is, also one that its type of input forbids.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import filterfalse

from lxml.etree import iterwalk
from lxml.html import HtmlElement

from scrapy_omocaptcha.forms.page import iter_texts

SUBMIT_TYPES = frozenset({"submit", "image"})
BUTTON_TYPES = SUBMIT_TYPES | {"button", "reset"}
_BOX_TYPES = ("checkbox", "radio")


def input_type(control: HtmlElement) -> str:
    """Return the type of an ``input`` or ``button`` in lower case. Browsers treat a type they don't know as text."""
    word: str = control.get("type", "").lower()
    return word if control.tag != "button" or word in ("reset", "button") else "submit"


def is_input(control: HtmlElement, *types: str) -> bool:
    """Tell whether a control is an ``input`` of one of these types."""
    return control.tag == "input" and input_type(control) in types


def is_button(control: HtmlElement) -> bool:
    """Tell whether ``control`` is a button, whatever it does."""
    return control.tag == "button" or is_input(control, *BUTTON_TYPES)


def is_submit_button(control: HtmlElement) -> bool:
    """Tell whether pressing ``control`` submits its form."""
    return control.tag in ("input", "button") and input_type(control) in SUBMIT_TYPES


def values(control: HtmlElement) -> Iterator[str]:
    """Yield the values that ``control`` sends: none for an unchecked box, one per selected option of a list.

    The value of a button is yielded too; the caller decides which button is sent.
    """
    type_ = input_type(control)
    if control.tag == "select":
        yield from map(_option_value, _selected(control))
    elif control.tag == "textarea":
        # The HTML parser drops one newline after the start tag.
        yield re.sub("\r\n?", "\n", control.text_content()).removeprefix("\n")
    elif type_ not in _BOX_TYPES or control.get("checked") is not None:
        yield _VALUES.get(type_, _line)(control)


def fill(control: HtmlElement, remaining: list[str]) -> list[str]:
    """Take the values that ``control`` sends once it is filled in out of those that are ``remaining`` for its name."""
    taken, own = remaining[:1], _box_value(control)
    if is_input(control, *_BOX_TYPES):
        taken = [own] if own in remaining else []
    elif control.tag == "select" and control.get("multiple") is not None:
        order = list(map(_option_value, _options(control)))
        # A value that the list does not have comes last.
        taken = sorted(remaining, key=lambda value: [*order, value].index(value))
    for value in taken:
        remaining.remove(value)
    return taken


def _value(control: HtmlElement, default: str = "") -> str:
    return str(control.get("value", default))


def _line(control: HtmlElement) -> str:
    return re.sub("[\r\n]", "", _value(control))


_box_value = partial(_value, default="on")
_VALUES: Mapping[str, Callable[[HtmlElement], str]] = {
    **dict.fromkeys(("hidden", *BUTTON_TYPES), _value),
    **dict.fromkeys(_BOX_TYPES, _box_value),
    "color": lambda control: _value(control).lower() or "#000000",
    "file": lambda control: "",
    "range": lambda control: _line(control) or "50",
    "submit": lambda control: _value(control, "Submit" if control.tag == "input" else ""),
}
"""Readers of the value of an ``input`` or ``button``, by its type; any other type holds one line of text."""


def _selected(select: HtmlElement) -> Iterable[HtmlElement]:
    """Return the options that a list sends: a disabled one is selected, but not sent."""
    options = list(_options(select))
    selected = [option for option in options if option.get("selected") is not None]
    if select.get("multiple") is None:
        selected = selected[-1:]
        if not selected and _is_drop_down(select):
            selected = list(filterfalse(_is_disabled, options))[:1]
    return filterfalse(_is_disabled, selected)


def _options(select: HtmlElement) -> Iterator[HtmlElement]:
    """Yield the options of ``select``, without those of nested lists: a browser's parser would have moved those out."""
    walk = iterwalk(select, events=("start",), tag=("option", "select"))
    for _, element in walk:
        if element.tag == "option":
            yield element
        elif element is not select:
            walk.skip_subtree()


def _is_drop_down(select: HtmlElement) -> bool:
    """Tell whether a list of single choice shows one row, as it does without a size."""
    return re.match(r"\s*\+?0*([2-9]|1\d)", select.get("size", "")) is None


def _is_disabled(option: HtmlElement) -> bool:
    group = option.getparent()
    return option.get("disabled") is not None or (group.tag == "optgroup" and group.get("disabled") is not None)


def _option_value(option: HtmlElement) -> str:
    value: str | None = option.get("value")
    if value is not None:
        return value
    text = "".join(iter_texts(option, ("script", "option", "select")))
    return " ".join(re.findall("[^\t\n\f\r ]+", text))
