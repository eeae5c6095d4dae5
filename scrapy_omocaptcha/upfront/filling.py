"""Fill in the form that wants the token of a page's widget."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Literal

from cssselect import ExpressionError, SelectorError
from lxml.html import HtmlElement
from scrapy.http import Response

from scrapy_omocaptcha.challenge import TOKEN_FIELD, Challenge, Form
from scrapy_omocaptcha.detection.challenges import WidgetPage, read_page
from scrapy_omocaptcha.detection.widgets import Widget
from scrapy_omocaptcha.forms.controls import is_button, is_input, is_submit_button, values
from scrapy_omocaptcha.forms.reading import read_form

_MAX_SHOWN = 5
"""How many forms of a page an error describes."""
_MAX_NAMES = 20


def fill_form(
    response: Response,
    data: Mapping[str, Sequence[str]],
    *,
    form: str | None = None,
    click: str | Literal[False] | None = None,
) -> Challenge:
    """Return the widget of a page, with the form that its token is sent with, filled in.

    :param data: the values to send by name.
    :param form: the form, as a CSS selector; None for the one around the widget.
    :param click: the button that is pressed, likewise; None for what a browser would press, False for no button.
    :raises ValueError: when there is no such widget, form or button, or it cannot be sent; the error names the page and
        what is on it.
    """
    page = read_page(response)
    if page is None:
        raise ValueError(f"{response} is not an HTML page, so it has no form to send")
    named = None if form is None else _find(page, form, "form", page.controls.forms)
    widget = _choose_widget(page, named)
    owner = page.owner(widget) if named is None else named
    if click is None:
        button = page.button(widget, owner)
    elif click is False:
        button = None
    else:
        submitting = list(filter(is_submit_button, page.controls.of(owner)))
        button = _find(page, click, "submit button of the form", submitting)
    _check_names(page, owner, data)
    try:
        filled = read_form(owner, page.controls, button=button, data=data)
    except ValueError as error:
        raise ValueError(f"the form of {response.url} cannot be sent: {error}") from None
    challenge = page.challenge(widget)
    copies = challenge.form.copies if challenge.form is not None and owner is page.owner(widget) else frozenset()
    return replace(challenge, form=replace(_with_one_token(filled), copies=copies - data.keys()))


def _choose_widget(page: WidgetPage, form: HtmlElement | None) -> Widget:
    """Return the first widget inside ``form``, or else on the page; without ``form``, the first inside any."""
    if form is None:
        widgets = [widget for widget in page.widgets if page.owner(widget) is not None]
    else:
        # A script may copy the token of a widget elsewhere on the page into the form that was named.
        widgets = sorted(page.widgets, key=lambda widget: page.owner(widget) is not form)
    if not widgets:
        what = "no live reCAPTCHA v2 widget" if not page.widgets else "no reCAPTCHA v2 widget inside a form"
        raise ValueError(f"{page.response.url} has {what}; it has {_describe(page)}")
    return widgets[0]


def _check_names(page: WidgetPage, form: HtmlElement, data: Mapping[str, Sequence[str]]) -> None:
    """Raise a ``ValueError`` if a name is almost that of a field, which would be sent as it is on the page."""
    names = set(page.controls.names(form)) - {TOKEN_FIELD}
    left = sorted(names - data.keys())
    for name in data.keys() - names:
        begins = [other for other in left if other.lower()[: len(name)] == name.lower()[: len(other)]]
        if meant := begins or get_close_matches(name, left):
            raise ValueError(
                f"the form of {page.response.url} has no field {name!r}: did you mean {meant[0]!r}? Its fields are "
                f"{', '.join(sorted(names)[:_MAX_NAMES])}. To send {name!r} as well, name {meant[0]!r} in data, too"
            )


def _with_one_token(form: Form) -> Form:
    """Return a form without further fields of the token's name, since the field is found by its name later on."""
    numbered = enumerate(form.fields)
    fields = tuple(field for number, field in numbered if field[0] != TOKEN_FIELD or number == form.token_index)
    index = None if form.token_index is None else [name for name, _ in fields].index(TOKEN_FIELD)
    return replace(form, fields=fields, token_index=index)


def fields_to_fill(response: Response) -> dict[str, str]:
    """Return the fields of the form that :func:`fill_form` fills in by default, with their values on the page.

    Those that no user fills in are left out, such as hidden ones. There must be such a form.
    """
    page = read_page(response)
    assert page is not None
    controls = page.controls.of(page.owner(_choose_widget(page, None)))
    return {control.get("name"): next(values(control), "") for control in filter(_is_filled_in, controls)}


def _is_filled_in(control: HtmlElement) -> bool:
    """Tell whether a user fills in a control."""
    has_name = control.get("name") not in (None, "", TOKEN_FIELD)
    return has_name and not (is_button(control) or is_input(control, "hidden", "file"))


def _find(page: WidgetPage, css: str, what: str, among: Collection[HtmlElement]) -> HtmlElement:
    """Return the element that ``css`` selects, or raise a ``ValueError`` that says what else the page has."""
    try:
        selected = [selected.root for selected in page.selector.css(css)]
    except (ExpressionError, SelectorError) as error:
        raise ValueError(f"{css!r} is not a CSS selector: {error}") from None
    for element in filter(among.__contains__, selected):
        return element
    raise ValueError(f"{css!r} is no {what} of {page.response.url}, which has {_describe(page)}")


def _describe(page: WidgetPage) -> str:
    """Describe the forms of a page for an error."""
    shown = []
    for form in page.controls.forms:
        attributes = "".join(f" {name}={form.get(name)!r}" for name in ("id", "name", "action") if form.get(name))
        shown.append(f"<form{attributes}> with {page.controls.listed(form)}")
    return "; ".join([*shown[:_MAX_SHOWN], *(["and more"] if len(shown) > _MAX_SHOWN else [])]) or "no form"
