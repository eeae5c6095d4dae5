"""Read a form as a browser would submit it.

Browsers that solve captchas run scripts, so the content of ``noscript`` is not part of the page.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from lxml.etree import XPath
from lxml.html import HtmlElement
from w3lib.url import safe_url_string

from scrapy_omocaptcha.challenge import TOKEN_FIELD, Form
from scrapy_omocaptcha.forms.ancestors import Inherited
from scrapy_omocaptcha.forms.controls import BUTTON_TYPES, SUBMIT_TYPES, input_type, is_input, values
from scrapy_omocaptcha.forms.encoding import charset_name, choose_charset

MAX_LENGTH = 16_000_000
"""Maximum length in characters of all names and values of a form. A page of any length can ask for more: each selected
option of a list repeats the list's name."""

_CONTROLS = ("input", "button", "select", "textarea")
_ENCTYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_ids = XPath("descendant-or-self::*/@id[. = $id]")


class _Context(NamedTuple):
    """What an element's descendants inherit from it."""

    form: HtmlElement | None = None
    """The nearest form."""
    is_live: bool = True
    """A browser that runs scripts renders them as elements of the page."""
    disabled: bool = False
    """A ``fieldset`` disables the controls among them."""
    exempt_legend: HtmlElement | None = None
    """In a disabled ``fieldset``: its first ``legend``, which it does not disable."""
    disabled_in_legend: bool = False
    """In a disabled ``fieldset``: an outer one disables the controls in ``exempt_legend``."""


def find_form(element: HtmlElement) -> HtmlElement | None:
    """Return the form that owns ``element``: the one that its attribute ``form`` names, or else the nearest."""
    if element.tag in _CONTROLS and element.get("form") is not None:
        named = _find_by_id(element.getroottree().getroot(), element.get("form"))
        return named if named is not None and named.tag == "form" else None
    return next(element.iterancestors("form"), None)


def read_form(
    form: HtmlElement, *, page_url: str, base_url: str, encoding: str, widgets: Sequence[HtmlElement], pressed: bool
) -> Form:
    """Read what a browser sends for ``form`` if the user does nothing but solve the captcha.

    :param page_url: the page's address, which an empty action stands for.
    :param base_url: the address that a relative action is resolved against.
    :param encoding: the page's encoding.
    :param widgets: the elements of the page's widgets in document order. Google's script adds its textarea at the end
        of a container, and before a button that it is bound to.
    :param pressed: whether the default button submits the form, rather than a script that calls ``form.submit()``.
    :raises ValueError: if its action is not a valid URL, or the form is longer than :data:`MAX_LENGTH`.
    """
    charset = choose_charset(form.get("accept-charset") or "", encoding)
    context = Inherited(_Context(), _derive)
    controls = _controls(form, widgets, context)
    disabled = {control for control in controls if control.get("disabled") is not None or context(control).disabled}
    button = _default_button(controls, disabled) if pressed else None
    radios = [control for control in controls if is_input(control, "radio") and control.get("checked") is not None]
    # The last checked radio button of a name unchecks the others.
    unchecked = set(radios).difference({radio.get("name"): radio for radio in radios}.values())
    fields: list[tuple[str, str]] = []
    files: set[str] = set()
    token_index = None
    length = 0
    for control in controls:
        if control is not button and (_is_button(control) or control in disabled or control in unchecked):
            continue
        if token_index is None and _is_response_textarea(control):
            token_index = len(fields)
        if is_input(control, "file"):
            files.add(control.get("name") or "")
        for name, value in _pairs(control, charset):
            length += len(name) + len(value)
            if length > MAX_LENGTH:
                raise ValueError(f"the form has more than {MAX_LENGTH} characters to send")
            fields.append((name, value))
    method = _attribute(form, button, "method").upper()
    enctype = _attribute(form, button, "enctype").lower()
    return Form(
        method=method if method in ("POST", "DIALOG") else "GET",
        url=_target(form, button, page_url, base_url, encoding),
        fields=tuple(fields),
        enctype=enctype if enctype in _ENCTYPES else _ENCTYPES[0],
        charset=charset,
        files=frozenset(files - {""}),
        token_index=token_index,
    )


def _pairs(control: HtmlElement, charset: str) -> Iterator[tuple[str, str]]:
    """Yield the name-value pairs that ``control`` sends."""
    name = control.get("name") or ""
    if is_input(control, "image"):
        prefix = f"{name}." if name else ""
        yield from ((f"{prefix}x", "0"), (f"{prefix}y", "0"))
    elif _is_response_textarea(control):
        yield TOKEN_FIELD, ""
    elif name:
        yield from ((name, value) for value in values(control, charset_name(charset)))


def _derive(element: HtmlElement, inherited: _Context) -> _Context:
    """Return what the descendants of ``element`` inherit, given what ``element`` inherits."""
    context = inherited._replace(exempt_legend=None)
    if element.tag == "form":
        return context._replace(form=element)
    if element.tag in ("noscript", "template"):
        return context._replace(is_live=False)
    if element.tag == "fieldset" and element.get("disabled") is not None:
        legend = next(element.iterchildren("legend"), None)
        return context._replace(disabled=True, exempt_legend=legend, disabled_in_legend=inherited.disabled)
    if element is inherited.exempt_legend:
        return context._replace(disabled=inherited.disabled_in_legend)
    return context


def _controls(form: HtmlElement, widgets: Sequence[HtmlElement], context: Inherited[_Context]) -> list[HtmlElement]:
    """Return the live controls of ``form`` in tree order, with the textareas that Google's script adds."""
    widgets = [widget for widget in widgets if next(widget.iterancestors("form"), None) is form]
    page, name = form.getroottree().getroot(), form.get("id")
    if not name or _find_by_id(page, name) is not form:
        name = None
    # Only a control that references the form by its id can stand outside it.
    scope = form if name is None else page
    tags = {*_CONTROLS, *(widget.tag for widget in widgets)}
    found = list(scope.iter(*tags))
    owned = {e for e in found if e.tag in _CONTROLS and _belongs(e, form, name, context) and context(e).is_live}
    if not any(_is_response_textarea(control) for control in owned):
        for widget in widgets:
            textarea = form.makeelement("textarea", name=TOKEN_FIELD)
            inside = 0 if widget.tag in _CONTROLS else sum(1 for _ in widget.iter(*tags))
            found.insert(found.index(widget) + inside, textarea)
            owned.add(textarea)
    return [element for element in found if element in owned]


def _belongs(control: HtmlElement, form: HtmlElement, name: str | None, context: Inherited[_Context]) -> bool:
    """Return whether :func:`find_form` finds ``form``, without searching the page for each control with an id."""
    if control.get("form") is not None:
        return bool(control.get("form") == name)
    return context(control).form is form


def _find_by_id(page: HtmlElement, name: str) -> HtmlElement | None:
    """Return the first element with that id, or None for an empty one."""
    found = _ids(page, id=name) if name else ()
    return found[0].getparent() if found else None


def _is_response_textarea(control: HtmlElement) -> bool:
    return bool(control.tag == "textarea" and control.get("name") == TOKEN_FIELD)


def _is_button(control: HtmlElement) -> bool:
    return control.tag == "button" or is_input(control, *BUTTON_TYPES)


def _default_button(controls: Sequence[HtmlElement], disabled: set[HtmlElement]) -> HtmlElement | None:
    """Return the first submit button.

    A disabled button counts, because a widget's callback often enables it. A disabled button without a name does not:
    pages use it to keep the Enter key from submitting.
    """
    buttons = [c for c in controls if c.tag in ("input", "button") and input_type(c) in SUBMIT_TYPES]
    return next((b for b in buttons if b.get("name") or b not in disabled), buttons[0] if buttons else None)


def _attribute(form: HtmlElement, button: HtmlElement | None, name: str) -> str:
    own = button.get(f"form{name}") if button is not None else None
    return (own if own is not None else form.get(name)) or ""


def _target(form: HtmlElement, button: HtmlElement | None, page_url: str, base_url: str, encoding: str) -> str:
    action = _attribute(form, button, "action").strip("\t\n\f\r ")
    if not action:
        return page_url
    path, mark, rest = action.partition("?")
    url = urlsplit(safe_url_string(urljoin(base_url, path.replace("\\", "/") + mark + rest), encoding))
    if url.scheme in _DEFAULT_PORTS:
        url = url._replace(netloc=url.netloc.removesuffix(_DEFAULT_PORTS[url.scheme]), path=url.path or "/")
    return url.geturl()
