"""A form of a parsed page, read as a browser would send it.

Pure: knows the elements of ``response.selector.root`` and the HTML standard, no settings and no network. A
browser that solves captchas runs scripts, so what stands in ``noscript`` is no part of the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import printable
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from lxml.etree import XPath
from lxml.html import HtmlElement
from w3lib.encoding import resolve_encoding
from w3lib.url import safe_url_string

from scrapy_omocaptcha.challenge import TOKEN_FIELD, Form
from scrapy_omocaptcha.forms.ancestors import Around
from scrapy_omocaptcha.forms.controls import BUTTON_TYPES, SUBMIT_TYPES, direction, kind, stated_direction, values

_CONTROLS = ("input", "button", "select", "textarea")
_ENCTYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
MAX_LENGTH = 16_000_000
"""Length in characters of all names and values up to which a form is read. A page of any length can ask for more: each
chosen option of a list repeats the list's name."""

_PORTS = {"http": ":80", "https": ":443"}
# Browsers read more characters in this encoding than they write.
_NARROWER = {"gb18030": "gbk"}
_NAMES = {"cp949": "EUC-KR", "cp932": "Shift_JIS", "big5hkscs": "Big5", "euc_jp": "EUC-JP", "mac-roman": "macintosh"}
_ids = XPath("descendant-or-self::*/@id[. = $id]")


class _Surroundings(NamedTuple):
    """What holds for the controls that stand in an element."""

    form: HtmlElement | None = None
    """The nearest form."""
    is_live: bool = True
    """A browser that runs scripts shows them as elements of the page."""
    disabled: bool = False
    """By a ``fieldset`` around them."""
    spared: HtmlElement | None = None
    """Where the element is a disabled ``fieldset``: its first ``legend``, which it does not disable …"""
    disabled_in_spared: bool = False
    """… though another around both may."""
    direction: str = "ltr"


def find_form(element: HtmlElement) -> HtmlElement | None:
    """The form that ``element`` belongs to: the one its attribute ``form`` names, else the nearest."""
    if element.tag in _CONTROLS and element.get("form") is not None:
        named = _find_by_id(element.getroottree().getroot(), element.get("form"))
        return named if named is not None and named.tag == "form" else None
    return next(element.iterancestors("form"), None)


def read_form(
    form: HtmlElement,
    *,
    page_url: str,
    base_url: str,
    encoding: str,
    token_at: Sequence[HtmlElement],
    pressed: bool,
) -> Form:
    """What a browser sends for ``form``, untouched but for the captcha.

    :param page_url: address of the page, which an empty action stands for.
    :param base_url: what a relative action is relative to: the page's ``base``, else its address.
    :param encoding: the page's encoding.
    :param token_at: the widgets' elements. Google's script puts its textarea at the end of a container, and
        in front of a button that it is bound to.
    :param pressed: the form is sent by its default button, not by a script that calls ``form.submit()``.
    :raises ValueError: its action is no address at all, or it is longer than :data:`MAX_LENGTH`.
    """
    charset = _charset(form, encoding)
    fields: list[tuple[str, str]] = []
    files: set[str] = set()
    places: list[int] = []
    length = 0
    around = Around(_Surroundings(), _inside)
    controls = _controls(form, token_at, around)
    disabled = {control for control in controls if control.get("disabled") is not None or around(control).disabled}
    button = _default_button(controls, disabled) if pressed else None
    last_radio = {c.get("name"): c for c in controls if _is_checked_radio(c)}
    for control in controls:
        name = control.get("name") or ""
        if control is not button and (_is_button(control) or control in disabled):
            continue
        if control.tag == "input" and kind(control) == "image":
            dot = f"{name}." if name else ""
            fields += [(f"{dot}x", "0"), (f"{dot}y", "0")]
            continue
        if not name or (_is_checked_radio(control) and last_radio[name] is not control):
            continue
        if name == TOKEN_FIELD and control.tag == "textarea":
            places.append(len(fields))
            fields.append((TOKEN_FIELD, ""))
            continue
        if control.tag == "input" and kind(control) == "file":
            files.add(name)
        for value in values(control, charset_name(charset)):
            length += len(name) + len(value)
            if length > MAX_LENGTH:
                raise ValueError(f"the form has more than {MAX_LENGTH} characters to send")
            fields.append((name, value))
        further = direction(control, around(control).direction)
        if further:
            fields.append(further)
    return Form(
        method=_method(form, button),
        url=_target(form, button, page_url, base_url, encoding),
        fields=tuple(fields),
        enctype=_enctype(form, button),
        charset=charset,
        files=frozenset(files),
        place=places[0] if places else None,
    )


def charset_name(charset: str) -> str:
    """The name that browsers have for an encoding that Python calls ``charset``."""
    if charset in _NAMES:
        return _NAMES[charset]
    if charset.startswith("cp"):
        return f"windows-{charset[2:]}"
    return charset.replace("iso8859", "iso-8859").upper()


def _inside(element: HtmlElement, around: _Surroundings) -> _Surroundings:
    """What holds in ``element``, told from what holds where it stands."""
    here = around._replace(spared=None, direction=stated_direction(element) or around.direction)
    if element.tag == "form":
        return here._replace(form=element)
    if element.tag in ("noscript", "template"):
        return here._replace(is_live=False)
    if element.tag == "fieldset" and element.get("disabled") is not None:
        first = next(element.iterchildren("legend"), None)
        return here._replace(disabled=True, spared=first, disabled_in_spared=around.disabled)
    if element is around.spared:
        return here._replace(disabled=around.disabled_in_spared)
    return here


def _controls(form: HtmlElement, token_at: Sequence[HtmlElement], around: Around[_Surroundings]) -> list[HtmlElement]:
    """The live controls of ``form`` in tree order, and the textareas that Google's script adds."""
    widgets = [widget for widget in token_at if next(widget.iterancestors("form"), None) is form]
    name = _name(form)
    # Only a control that names its form stands outside of it.
    scope = form if name is None else form.getroottree().getroot()
    tags = {*_CONTROLS, *(widget.tag for widget in widgets)}
    found = list(scope.iter(*tags))
    owned = {e for e in found if e.tag in _CONTROLS and _belongs(e, form, name, around) and around(e).is_live}
    if not any(e.tag == "textarea" and e.get("name") == TOKEN_FIELD for e in owned):
        for place in sorted((_place(widget, found, tags) for widget in widgets), reverse=True):
            textarea = form.makeelement("textarea", name=TOKEN_FIELD)
            found.insert(place, textarea)
            owned.add(textarea)
    return [element for element in found if element in owned]


def _name(form: HtmlElement) -> str | None:
    """The id by which controls name ``form``, None where none does."""
    name, page = form.get("id"), form.getroottree().getroot()
    if not name or not any(control.get("form") == name for control in page.iter(*_CONTROLS)):
        return None
    return name if _find_by_id(page, name) is form else None


def _belongs(control: HtmlElement, form: HtmlElement, name: str | None, around: Around[_Surroundings]) -> bool:
    """What :func:`find_form` says of ``control``, without going through the page for each control that names a form."""
    if control.get("form") is not None:
        return bool(control.get("form") == name)
    return around(control).form is form


def _find_by_id(page: HtmlElement, name: str) -> HtmlElement | None:
    """The first element of that id; an empty one is none."""
    found = _ids(page, id=name) if name else ()
    return found[0].getparent() if found else None


def _place(widget: HtmlElement, found: list[HtmlElement], tags: set[str]) -> int:
    """Where in ``found``, all elements of ``tags``, comes the textarea: before a control, at a container's end."""
    inside = 0 if widget.tag in _CONTROLS else sum(1 for _ in widget.iter(*tags))
    return found.index(widget) + inside


def _is_button(control: HtmlElement) -> bool:
    return control.tag == "button" or (control.tag == "input" and kind(control) in BUTTON_TYPES)


def _is_checked_radio(control: HtmlElement) -> bool:
    return control.tag == "input" and kind(control) == "radio" and control.get("checked") is not None


def _default_button(controls: Sequence[HtmlElement], disabled: set[HtmlElement]) -> HtmlElement | None:
    """The first submit button.

    One that is disabled counts, since a widget's callback often enables it; but not one without a name, with
    which pages keep the Enter key from submitting.
    """
    buttons = [c for c in controls if c.tag in ("input", "button") and kind(c) in SUBMIT_TYPES]
    return next((b for b in buttons if b.get("name") or b not in disabled), buttons[0] if buttons else None)


def _attribute(form: HtmlElement, button: HtmlElement | None, name: str) -> str:
    own = button.get(f"form{name}") if button is not None else None
    return (own if own is not None else form.get(name)) or ""


def _method(form: HtmlElement, button: HtmlElement | None) -> str:
    word = _attribute(form, button, "method").upper()
    return word if word in ("POST", "DIALOG") else "GET"


def _enctype(form: HtmlElement, button: HtmlElement | None) -> str:
    word = _attribute(form, button, "enctype").lower()
    return word if word in _ENCTYPES else _ENCTYPES[0]


def _target(form: HtmlElement, button: HtmlElement | None, page_url: str, base_url: str, encoding: str) -> str:
    action = _attribute(form, button, "action").strip("\t\n\f\r ")
    if not action:
        return page_url
    for character in "\t\n\r":
        action = action.replace(character, "")
    path, mark, rest = action.partition("?")
    url = urlsplit(safe_url_string(urljoin(base_url, path.replace("\\", "/") + mark + rest), encoding))
    if url.scheme in _PORTS:
        url = url._replace(netloc=url.netloc.removesuffix(_PORTS[url.scheme]), path=url.path or "/")
    return url.geturl()


def _charset(form: HtmlElement, encoding: str) -> str:
    labels = (form.get("accept-charset") or "").replace(",", " ").split()
    for charset in filter(None, map(resolve_encoding, (*labels, encoding))):
        if charset.startswith(("utf-16", "utf-32")):
            return "utf-8"
        if _writes_ascii(charset):
            return _NARROWER.get(charset, charset)
    return "utf-8"


def _writes_ascii(charset: str) -> bool:
    """Python has codecs by the names of which no browser knows an encoding: hex, idna, EBCDIC."""
    try:
        return printable.encode(charset) == printable.encode("ascii")
    except (LookupError, UnicodeError):
        return False
