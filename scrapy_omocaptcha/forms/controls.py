"""Read the values that a browser sends for form controls that nobody has changed.

Each function looks at one control; its form and its ancestors are left to the caller. The rules are those of the HTML
standard for "constructing the entry list". A default value is sent as it is, also one that its type of input forbids.
"""

import re
from collections.abc import Iterator
from contextlib import suppress

from lxml.etree import iterwalk
from lxml.html import HtmlElement

from scrapy_omocaptcha.forms.page import iter_texts

SUBMIT_TYPES = frozenset({"submit", "image"})
BUTTON_TYPES = SUBMIT_TYPES | {"button", "reset"}


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
        yield re.sub("\r\n?", "\n", control.text_content()).removeprefix("\n")
    elif type_ in ("checkbox", "radio"):
        if control.get("checked") is not None:
            yield "on" if value is None else value
    elif type_ == "file":
        yield ""
    elif is_input(control, "submit") and value is None:
        yield "Submit"
    elif type_ == "range" and not value:
        yield _middle(control)
    elif type_ == "color":
        yield (value or "#000000").lower()
    elif type_ == "hidden" or type_ in BUTTON_TYPES:
        yield value or ""
    else:
        # An input of one line has no line breaks in its value.
        yield re.sub("[\r\n]", "", value or "")


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


def _middle(slider: HtmlElement) -> str:
    """Return the value of a slider that the page gives none: the middle of its limits. Steps are ignored."""
    low, high = 0.0, 100.0
    with suppress(ValueError):
        low = float(slider.get("min") or low)
    with suppress(ValueError):
        high = float(slider.get("max") or high)
    return f"{max(low, (low + high) / 2):.12g}"


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
    return " ".join(re.findall("[^\t\n\f\r ]+", text))
