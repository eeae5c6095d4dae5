"""Read what a browser that runs scripts would submit for a form."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, filterfalse
from types import MappingProxyType
from urllib.parse import urljoin

from lxml.etree import iterwalk
from lxml.html import HtmlElement
from scrapy.http import TextResponse
from w3lib.url import safe_url_string

from scrapy_omocaptcha.challenge import TOKEN_FIELD, Button, Form
from scrapy_omocaptcha.forms.controls import fill, is_button, is_input, is_submit_button, values
from scrapy_omocaptcha.forms.encoding import choose_charset
from scrapy_omocaptcha.forms.owners import Owners
from scrapy_omocaptcha.forms.page import Inherited
from scrapy_omocaptcha.urls import address_of

MAX_LENGTH = 16_000_000
"""Maximum length in characters of all names and values of a form. A page of any length can ask for more: each selected
option of a list repeats the list's name."""

_CONTROLS = ("input", "button", "select", "textarea")
_METHODS = {"post": "POST", "dialog": "DIALOG"}
_ENCTYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


def read_form(
    form: HtmlElement,
    all_controls: "Controls",
    *,
    button: HtmlElement | None,
    data: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Form:
    """Read what a browser sends for ``form`` once the user has filled in ``data`` and solved the captcha.

    :param button: the button that submits the form; None for a script that calls ``form.submit()``.
    :param data: the values to send by name; they take the place of what the page has, and come last where the form has
        no control for them.
    :raises ValueError: if its action is not a valid URL, it is sent as text/plain, it is longer than
        :data:`MAX_LENGTH`, or ``data`` has a value that cannot be filled in.
    """
    charset = choose_charset(form.get("accept-charset", ""), all_controls.page.encoding)
    remaining = {name: list(given) for name, given in data.items()}
    fields: list[tuple[str, str]] = []
    files: set[str] = set()
    token_indexes: list[int] = []
    for control in all_controls.sent(form, button, data.keys()):
        if _is_token_textarea(control):
            token_indexes.append(len(fields))
        if is_input(control, "file"):
            name = control.get("name", "")
            if remaining.get(name):
                raise ValueError(f"{name!r} is a file to upload, which cannot be filled in")
            files.add(name)
        fields += _take_pairs(control, remaining)
    if sum(map(len, chain.from_iterable(fields))) > MAX_LENGTH:
        raise ValueError(f"the form has more than {MAX_LENGTH} characters to send")
    more = [(name, value) for name, given in remaining.items() for value in given]
    enctype = _attribute(form, button, "enctype").lower()
    if enctype == "text/plain":
        raise ValueError("a form that is sent as text/plain is not supported")
    return Form(
        method=_METHODS.get(_attribute(form, button, "method").lower(), "GET"),
        url=_target(_attribute(form, button, "action"), all_controls),
        fields=(*fields, *more),
        enctype=enctype if enctype in _ENCTYPES else _ENCTYPES[0],
        charset=charset,
        files=frozenset(files),
        token_index=min(token_indexes, default=None),
        number=list(all_controls.forms).index(form),
        button=None if button is None else _identity(button, all_controls.of(form)),
    )


class Controls:
    """The live controls of a page by the form that owns them, found in one pass over the page.

    :param widgets: the elements of the page's widgets. Google's script adds its textarea at the end of a container, and
        before a button that it is bound to.
    """

    def __init__(self, page: TextResponse, root: HtmlElement, widgets: Collection[HtmlElement]) -> None:
        self.page = page
        self._root = root
        self._widgets = {widget: "start" if widget.tag in _CONTROLS else "end" for widget in widgets}
        """Where Google's script adds its textarea: at the start or at the end of the tag of each widget."""
        self._tags = {*_CONTROLS, *(widget.tag for widget in widgets)}
        self._is_in_disabled = Inherited(False, lambda node, disabled: disabled or _is_disabled_fieldset(node))
        self._added: set[HtmlElement] = set()
        """The textareas that Google's script adds."""

    def of(self, form: HtmlElement | None) -> list[HtmlElement]:
        """Return the controls of ``form`` in tree order, with the textarea of Google's script unless it has its own."""
        own = list(filterfalse(self._added.__contains__, self._by_form[form]))
        return own if any(map(_is_token_textarea, own)) else self._by_form[form]

    def sent(self, form: HtmlElement, button: HtmlElement | None, filled: Collection[str]) -> Iterator[HtmlElement]:
        """Yield the controls that ``form`` sends if ``button`` is pressed: no other button, and none that is ignored.

        :param filled: the names that are filled in: their controls are sent though the page has them disabled or
            unchecked.
        """
        for control in self.of(form):
            is_ignored = self.is_disabled(control) and control.get("name", "") not in filled
            if control is button or not (is_ignored or is_button(control)):
                yield control

    def names(self, form: HtmlElement | None) -> list[str]:
        """Return the names of the controls of ``form``, each once."""
        return list(dict.fromkeys(filter(None, (control.get("name") for control in self.of(form)))))

    def listed(self, form: HtmlElement) -> str:
        """Return the names of the controls of ``form`` for an error."""
        return ", ".join(self.names(form)) or "no fields"

    def owner(self, element: HtmlElement) -> HtmlElement | None:
        """Return the form that owns ``element``: the one that its attribute ``form`` names, or else the open one."""
        name = element.get("form") if element.tag in _CONTROLS else None
        if name is None:
            return self._owners.form_of.get(element)
        named = self._by_id.get(name)
        return named if named in self.forms else None

    @property
    def forms(self) -> Collection[HtmlElement]:
        """Return the forms of the page in document order."""
        return self._owners.forms

    def is_disabled(self, control: HtmlElement) -> bool:
        """Tell whether ``control`` is disabled, and so is not sent."""
        return control.get("disabled") is not None or self._is_in_disabled(control)

    def default_button(self, form: HtmlElement | None) -> HtmlElement | None:
        """Return the first submit button of ``form``.

        A disabled button counts, because a widget's callback often enables it. A disabled button without a name counts
        only if there is no other: pages use it to keep the Enter key from submitting.
        """
        buttons = filter(is_submit_button, self.of(form))
        return min(buttons, key=lambda button: self.is_disabled(button) and not button.get("name"), default=None)

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
            if self._widgets.get(element) == event:
                textarea = element.makeelement("textarea", name=TOKEN_FIELD)
                self._added.add(textarea)
                by_form[self._owners.form_of.get(element)].append(textarea)
            if event == "start" and element.tag in _CONTROLS and element in self._owners.form_of:
                by_form[self.owner(element)].append(element)
        return by_form

    @cached_property
    def _by_id(self) -> dict[str, HtmlElement]:
        """Return the elements by id: the first one of each."""
        ids = self._root.xpath("descendant-or-self::*/@id[. != '']")
        return {str(id_): id_.getparent() for id_ in reversed(ids)}


def _is_disabled_fieldset(element: HtmlElement) -> bool:
    return element.tag == "fieldset" and element.get("disabled") is not None


def _take_pairs(control: HtmlElement, remaining: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Return the name-value pairs that ``control`` sends; values for its name are taken out of those ``remaining``."""
    name = control.get("name", "")
    if name in remaining:
        return [(name, value) for value in fill(control, remaining[name])]
    if is_input(control, "image"):
        prefix = f"{name}." if name else ""
        return [(f"{prefix}x", "0"), (f"{prefix}y", "0")]
    return [(name, value) for value in values(control) if name]


def _is_token_textarea(control: HtmlElement) -> bool:
    return bool(control.tag == "textarea" and control.get("name") == TOKEN_FIELD)


def _identity(button: HtmlElement, controls: list[HtmlElement]) -> Button:
    """Return the marks by which a browser finds a button of a form again."""
    number = list(filter(is_submit_button, controls)).index(button)
    text = " ".join(button.text_content().split())
    return Button(number, button.get("name", ""), button.get("value", ""), text)


def _attribute(form: HtmlElement, button: HtmlElement | None, name: str) -> str:
    """Return an attribute of a form, in whose place its button may have one."""
    own = form.get(name, "")
    return str(own if button is None else button.get(f"form{name}", own))


def _target(action: str, controls: Controls) -> str:
    action = action.strip("\t\n\f\r ")
    if not action:
        return controls.page.url
    path, mark, rest = action.partition("?")
    target = urljoin(controls.base_url, path.replace("\\", "/") + mark + rest)
    return address_of(safe_url_string(target, controls.page.encoding))
