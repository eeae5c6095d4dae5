"""Fill in the form that wants the token of a page's widget."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Literal

from cssselect import ExpressionError, SelectorError
from lxml.html import HtmlElement
from parsel import Selector
from scrapy.http import Response

from scrapy_omocaptcha.challenge import TOKEN_FIELD, Challenge, Form
from scrapy_omocaptcha.detection.challenges import WidgetPage, read_page
from scrapy_omocaptcha.forms.controls import BUTTON_TYPES, is_input, is_submit_button, values
from scrapy_omocaptcha.forms.reading import read_form

_MAX_SHOWN = 5
"""How many forms of a page an error describes."""
_MAX_NAMES = 20

Place = str | Selector
"""An element of a page: as a CSS selector, or as a selector of that page."""


def fill_form(
    response: Response,
    data: Mapping[str, Sequence[str]],
    *,
    form: Place | None = None,
    click: Place | Literal[False] | None = None,
    by_controls: bool = False,
) -> Challenge:
    """Return the widget of a page, with the form that its token is sent with, filled in.

    :param data: the values to send by name.
    :param form: the form; None for the one around the widget.
    :param click: the button that is pressed; None for what a browser would press, False for no button.
    :param by_controls: whether the values are put into the form's controls; see :func:`read_form`.
    :raises ValueError: when there is no such widget, form or button, or it cannot be sent; the error names the page and
        what is on it.
    """
    page = read_page(response)
    if page is None:
        raise ValueError(f"{response} is not an HTML page, so it has no form to send")
    owner = None if form is None else _find(page, form, "form", lambda element: element in page.controls.forms)
    in_forms = [widget for widget in page.widgets if page.owner(widget) is not None]
    inside = [widget for widget in in_forms if owner in (None, page.owner(widget))]
    # A script may copy the token of a widget elsewhere on the page into the form that was named.
    widgets = inside if owner is None else [*inside, *page.widgets]
    if not widgets:
        what = "no live reCAPTCHA v2 widget" if not page.widgets else "no reCAPTCHA v2 widget inside a form"
        raise ValueError(f"{response.url} has {what}; it has {_describe(page)}")
    widget = widgets[0]
    owner = page.owner(widget) if owner is None else owner
    button = page.button(widget, owner) if click is None else None
    if click is not None and click is not False:
        controls = page.controls.of(owner)
        button = _find(page, click, "submit button of the form", lambda e: e in controls and is_submit_button(e))
    if not by_controls:
        # Each name that is none of a control's is an error there.
        _check_names(page, owner, data)
    try:
        filled = read_form(owner, page.controls, button=button, data=data, by_controls=by_controls)
    except ValueError as error:
        raise ValueError(f"the form of {response.url} cannot be sent: {error}") from None
    return replace(page.challenge(widget), form=_with_one_token(filled))


def _check_names(page: WidgetPage, owner: HtmlElement, data: Mapping[str, Sequence[str]]) -> None:
    """Raise a ``ValueError`` if a name is almost that of a field, which would be sent as it is on the page."""
    names = {control.get("name") for control in page.controls.of(owner) if control.get("name")} - {TOKEN_FIELD}
    for name in data.keys() - names:
        left = sorted(names - data.keys())
        lower = name.lower()
        begins = [other for other in left if other.lower().startswith(lower) or lower.startswith(other.lower())]
        meant = begins or get_close_matches(name, left)
        if meant:
            raise ValueError(
                f"the form of {page.response.url} has no field {name!r}: did you mean {meant[0]!r}? Its fields are "
                f"{', '.join(sorted(names)[:_MAX_NAMES])}. To send {name!r} as well, name {meant[0]!r} in data, too"
            )


def _with_one_token(form: Form) -> Form:
    """Return a form without further fields of the token's name, since the field is found by its name later on."""
    if form.token_index is None:
        return form
    kept = [n for n, (name, _) in enumerate(form.fields) if name != TOKEN_FIELD or n == form.token_index]
    fields = tuple(form.fields[n] for n in kept)
    return replace(form, fields=fields, token_index=kept.index(form.token_index))


def fields_to_fill(response: Response) -> dict[str, str]:
    """Return the fields of the form that :func:`fill_form` fills in by default, with their values on the page.

    Those that no user fills in are left out, such as hidden ones. There must be such a form.
    """
    page = read_page(response)
    assert page is not None
    owner = next(owner for owner in map(page.owner, page.widgets) if owner is not None)
    shown = {
        control.get("name"): next(values(control), "")
        for control in page.controls.of(owner)
        if control.tag != "button" and not is_input(control, "hidden", "file", *BUTTON_TYPES) and control.get("name")
    }
    shown.pop(TOKEN_FIELD, None)
    return shown


def _find(page: WidgetPage, place: Place, what: str, fits: Callable[[HtmlElement], bool]) -> HtmlElement:
    """Return the element at ``place``, or raise a ``ValueError`` that says what else the page has."""
    if isinstance(place, Selector):
        found, shown = [place.root], place.get()[:80]
        if not any(element is page.selector.root for element in (place.root, *place.root.iterancestors())):
            raise ValueError(f"{shown!r} is not part of {page.response.url}: take it from the same response")
    else:
        try:
            found, shown = [selected.root for selected in page.selector.css(place)], place
        except (ExpressionError, SelectorError) as error:
            raise ValueError(f"{place!r} is not a CSS selector: {error}") from None
    for element in found:
        if fits(element):
            return element
    raise ValueError(f"{shown!r} is no {what} of {page.response.url}, which has {_describe(page)}")


def _describe(page: WidgetPage) -> str:
    """Describe the forms of a page for an error."""
    forms = list(page.controls.forms)
    shown = [
        f"<form{''.join(f' {name}={form.get(name)!r}' for name in ('id', 'name', 'action') if form.get(name))}> with "
        + (", ".join(dict.fromkeys(c.get("name") for c in page.controls.of(form) if c.get("name"))) or "no fields")
        for form in forms[:_MAX_SHOWN]
    ]
    return "; ".join(shown) + ("; and more" if len(forms) > _MAX_SHOWN else "") or "no form"
