"""Read a form as a browser would submit it, which runs scripts where it solves captchas."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from urllib.parse import urljoin, urlsplit

from lxml.etree import iterwalk
from lxml.html import HtmlElement
from scrapy.http import TextResponse
from w3lib.url import safe_url_string

from scrapy_omocaptcha.challenge import TOKEN_FIELD, Button, Form
from scrapy_omocaptcha.forms.controls import BUTTON_TYPES, SUBMIT_TYPES, fill, input_type, is_input, values
from scrapy_omocaptcha.forms.encoding import choose_charset
from scrapy_omocaptcha.forms.owners import Owners
from scrapy_omocaptcha.forms.page import Inherited

MAX_LENGTH = 16_000_000
"""Maximum length in characters of all names and values of a form. A page of any length can ask for more: each selected
option of a list repeats the list's name."""

_CONTROLS = ("input", "button", "select", "textarea")
_ENCTYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def read_form(
    form: HtmlElement,
    all_controls: "Controls",
    *,
    pressed: HtmlElement | bool,
    data: Mapping[str, Sequence[str]] = MappingProxyType({}),
    by_controls: bool = False,
) -> Form:
    """Read what a browser sends for ``form`` once the user has filled in ``data`` and solved the captcha.

    :param pressed: the button that submits the form; True for the default button, False for a script that calls
        ``form.submit()``.
    :param data: the values to send by name; they take the place of what the page has, and come last where the form has
        no control for them.
    :param by_controls: whether the values are put into its controls, one of which may choose a file; each needs one.
    :raises ValueError: if its action is not a valid URL, the form is longer than :data:`MAX_LENGTH`, or ``data`` has
        a value that cannot be filled in.
    """
    charset = choose_charset(form.get("accept-charset") or "", all_controls.page.encoding)
    controls = all_controls.of(form)
    button = pressed
    if isinstance(pressed, bool):
        button = all_controls.default_button(form) if pressed else None
    radios = [control for control in controls if is_input(control, "radio") and control.get("checked") is not None]
    # The last checked radio button of a name unchecks the others.
    unchecked = set(radios).difference({radio.get("name"): radio for radio in radios}.values())
    ignored = unchecked.union(filter(all_controls.is_disabled, controls))
    fields: list[tuple[str, str]] = []
    files: set[str] = set()
    left = {name: list(given) for name, given in data.items()}
    token_index, length = None, 0
    for control in controls:
        name = control.get("name") or ""
        filled = name in left and not _is_response_textarea(control)
        if control is not button and (is_button(control) or (not filled and control in ignored)):
            continue
        if token_index is None and _is_response_textarea(control):
            token_index = len(fields)
        if is_input(control, "file"):
            if filled and left[name] and not by_controls:
                raise ValueError(f"{name!r} is a file to upload, which cannot be filled in")
            files.add(name)
        pairs = [(name, value) for value in fill(control, left[name])] if filled else _pairs(control)
        for pair in pairs:
            length += sum(map(len, pair))
            if length > MAX_LENGTH:
                raise ValueError(f"the form has more than {MAX_LENGTH} characters to send")
            fields.append(pair)
    more = [(name, value) for name, given in left.items() for value in given]
    if more and by_controls:
        known = dict.fromkeys(control.get("name") for control in controls if control.get("name"))
        raise ValueError(f"it has no field for the value of {more[0][0]!r}; it has {', '.join(known) or 'no fields'}")
    fields += more
    method = _attribute(form, button, "method").upper()
    enctype = _attribute(form, button, "enctype").lower()
    return Form(
        method=method if method in ("POST", "DIALOG") else "GET",
        url=_target(_attribute(form, button, "action"), all_controls),
        fields=tuple(fields),
        enctype=enctype if enctype in _ENCTYPES else _ENCTYPES[0],
        charset=charset,
        files=frozenset(files),
        token_index=token_index,
        number=list(all_controls.forms).index(form),
        button=None if button is None else _identity(button, controls),
    )


class Controls:
    """The live controls of a page by the form that owns them, found in one pass over the page.

    :param widgets: the elements of the page's widgets. Google's script adds its textarea at the end of a container, and
        before a button that it is bound to.
    """

    def __init__(self, page: TextResponse, root: HtmlElement, widgets: Collection[HtmlElement]) -> None:
        self.page = page
        self._root = root
        self._widgets = frozenset(widgets)
        self._tags = {*_CONTROLS, *(widget.tag for widget in self._widgets)}
        self._is_disabled = Inherited(False, self._disables)
        self._added: set[HtmlElement] = set()

    def of(self, form: HtmlElement | None) -> list[HtmlElement]:
        """Return the controls of ``form`` in tree order, with the textarea of Google's script if it adds one."""
        controls = self._by_form[form]
        own = [control for control in controls if control not in self._added]
        return own if any(map(_is_response_textarea, own)) else controls

    def owner(self, element: HtmlElement) -> HtmlElement | None:
        """Return the form that owns ``element``: the one that its attribute ``form`` names, or else the open one."""
        name = element.get("form") if element.tag in _CONTROLS else None
        if name is None:
            return self._owners.of.get(element)
        named = self._by_id.get(name)
        return named if named in self.forms else None

    @property
    def forms(self) -> Collection[HtmlElement]:
        """Return the forms of the page in document order."""
        return self._owners.forms

    def is_disabled(self, control: HtmlElement) -> bool:
        """Return whether the user cannot change ``control``, which is not sent."""
        return control.get("disabled") is not None or self._is_disabled(control)

    def default_button(self, form: HtmlElement | None) -> HtmlElement | None:
        """Return the first submit button of ``form``.

        A disabled button counts, because a widget's callback often enables it. A disabled button without a name does
        not: pages use it to keep the Enter key from submitting.
        """
        buttons = [control for control in self.of(form) if is_submit_button(control)]
        named = (button for button in buttons if button.get("name") or not self.is_disabled(button))
        return next(named, buttons[0] if buttons else None)

    @cached_property
    def base_url(self) -> str:
        """Return the address that relative ones are resolved against."""
        try:
            return urljoin(self.page.url, str(self._root.xpath("string(//base/@href)")).strip())
        except ValueError:
            return self.page.url

    @cached_property
    def _owners(self) -> Owners:
        return Owners(self.page.text, self._root, self._tags)

    @cached_property
    def _by_form(self) -> dict[HtmlElement | None, list[HtmlElement]]:
        by_form: dict[HtmlElement | None, list[HtmlElement]] = defaultdict(list)
        for event, element in iterwalk(self._root, events=("start", "end"), tag=tuple(self._tags)):
            is_control, is_start = element.tag in _CONTROLS, event == "start"
            if element in self._widgets and is_start == is_control:
                textarea = element.makeelement("textarea", name=TOKEN_FIELD)
                self._added.add(textarea)
                by_form[self._owners.of.get(element)].append(textarea)
            if is_control and is_start and element in self._owners.of:
                by_form[self.owner(element)].append(element)
        return by_form

    @cached_property
    def _by_id(self) -> dict[str, HtmlElement]:
        by_id: dict[str, HtmlElement] = {}
        for identity in filter(None, self._root.xpath("descendant-or-self::*/@id")):
            by_id.setdefault(identity, identity.getparent())
        return by_id

    def _disables(self, element: HtmlElement, inherited: bool) -> bool:
        """Tell whether the descendants of ``element`` are disabled, given whether ``element`` is."""
        if element.tag == "fieldset" and element.get("disabled") is not None:
            return True
        if element.tag == "legend" and next(element.itersiblings("legend", preceding=True), None) is None:
            fieldset = element.getparent()
            if fieldset.tag == "fieldset":
                # A fieldset disables no controls in its first legend, but one around it does.
                return self._is_disabled(fieldset)
        return inherited


def _pairs(control: HtmlElement) -> Iterator[tuple[str, str]]:
    """Yield the name-value pairs that ``control`` sends."""
    name = control.get("name") or ""
    if is_input(control, "image"):
        prefix = f"{name}." if name else ""
        yield from ((f"{prefix}x", "0"), (f"{prefix}y", "0"))
    elif _is_response_textarea(control):
        yield TOKEN_FIELD, ""
    elif name:
        yield from ((name, value) for value in values(control))


def _is_response_textarea(control: HtmlElement) -> bool:
    return bool(control.tag == "textarea" and control.get("name") == TOKEN_FIELD)


def is_button(control: HtmlElement) -> bool:
    """Tell whether ``control`` is a button, whatever it does."""
    return control.tag == "button" or is_input(control, *BUTTON_TYPES)


def is_submit_button(control: HtmlElement) -> bool:
    """Return whether pressing ``control`` submits its form."""
    return control.tag in ("input", "button") and input_type(control) in SUBMIT_TYPES


def _identity(button: HtmlElement, controls: list[HtmlElement]) -> Button:
    """Return by what a browser finds a button of a form again."""
    number = list(filter(is_submit_button, controls)).index(button)
    text = " ".join(button.text_content().split())
    return Button(number, button.get("name") or "", button.get("value") or "", text)


def _attribute(form: HtmlElement, button: HtmlElement | None, name: str) -> str:
    return (form.get(name) if button is None else button.get(f"form{name}", form.get(name))) or ""


def _target(action: str, controls: Controls) -> str:
    action = action.strip("\t\n\f\r ")
    if not action:
        return controls.page.url
    path, mark, rest = action.partition("?")
    target = urljoin(controls.base_url, path.replace("\\", "/") + mark + rest)
    url = urlsplit(safe_url_string(target, controls.page.encoding))
    if url.scheme in _DEFAULT_PORTS:
        url = url._replace(netloc=url.netloc.removesuffix(_DEFAULT_PORTS[url.scheme]), path=url.path or "/")
    return url.geturl()
