"""Reading a form: which form owns a widget, what it sends, and where the token goes.

``test_browser_forms`` compares the rules with a browser. The tests here are about what a browser cannot show.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from lxml.html import HtmlElement
from scrapy.http import HtmlResponse

from scrapy_omocaptcha.challenge import Form
from scrapy_omocaptcha.forms.reading import MAX_LENGTH, Controls, read_form
from tests.helpers.formpages import WIDGET, form_page

URL = "https://page.example/dir/page.html?q=1"


def _controls(html: str, encoding: str = "utf-8") -> tuple[Controls, list[HtmlElement]]:
    """Return the controls of a page, and its widgets."""
    page = HtmlResponse(URL, body=html.encode(encoding), encoding=encoding)
    widgets = page.selector.root.cssselect(".g-recaptcha")
    return Controls(page, page.selector.root, widgets), widgets


def _read(html: str, *, pressed: bool = True, encoding: str = "utf-8") -> Form:
    controls, [widget, *_] = _controls(html, encoding)
    form = controls.owner(widget)
    return read_form(form, controls, button=controls.default_button(form) if pressed else None)


def test_the_owner_of_a_button_is_the_form_that_it_names_and_no_other():
    names = [f"<button class=g-recaptcha form={name}></button>" for name in ("f", "gone", "p")]
    controls, [named, lost, no_form] = _controls(f"<form id=f></form><form>{''.join(names)}<p id=p></form>")
    assert controls.owner(named).get("id") == "f"
    assert controls.owner(lost) is None
    assert controls.owner(no_form) is None


def test_token_index_is_that_of_the_first_of_several_widgets():
    form = _read(f"<form>{WIDGET}<input name=a>{WIDGET}<input name=b></form>")
    assert [name for name, _ in form.fields] == ["g-recaptcha-response", "a", "g-recaptcha-response", "b"]
    assert form.token_index == 0


def test_token_index_is_none_where_a_bound_button_is_outside_of_its_form():
    form = _read("<form id=f method=post><input name=a></form><button form=f class=g-recaptcha></button>")
    assert form.fields == (("a", ""),)
    assert form.token_index is None


def test_the_names_of_file_inputs_and_the_method_dialog_which_sends_nothing_are_read():
    form = _read(form_page("<input type=file name=photo>", "method=dialog"))
    assert (form.files, form.method) == ({"photo"}, "DIALOG")


def test_the_query_of_a_forms_address_is_in_the_encoding_of_its_page():
    form = _read(form_page("", "action=/ж?q=ж"), encoding="windows-1251")
    assert urlsplit(form.url)[2:4] == ("/%D0%B6", "q=%E6")


def test_the_charset_of_a_form_on_a_page_in_utf_16_is_utf_8():
    assert _read(form_page(""), encoding="utf-16-le").charset == "utf-8"


@pytest.mark.parametrize(
    "label", ["hex", "rot13", "base64", "idna", "punycode", "undefined", "cp037", "unicode_escape"]
)
def test_an_encoding_that_only_python_knows_is_not_the_charset_of_a_form(label):
    assert _read(form_page("", f"accept-charset={label}"), encoding="cp1252").charset == "cp1252"
    assert _read(form_page("", f"accept-charset={label},utf-8"), encoding="cp1252").charset == "utf-8"


def test_an_invalid_default_value_is_sent_as_it_is():
    assert _read(form_page("<input type=date name=a value=' tomorrow'>")).fields[0] == ("a", " tomorrow")


def test_a_form_of_plain_text_is_refused():
    with pytest.raises(ValueError, match="text/plain"):
        _read(form_page("", "method=post enctype=TEXT/plain"))


def test_an_option_in_nested_lists_is_sent_by_the_inner_list_alone():
    form = _read(form_page("<select name=a><option selected>1 <b>2</b> 3<select name=b><option selected>4</select>"))
    assert form.fields[:2] == (("a", "1 2 3"), ("b", "4"))


def test_nested_lists_do_not_multiply_their_content():
    page = form_page("<select name=a><option selected>" * 900 + "word " * 10_000)
    assert sum(len(name) + len(value) for name, value in _read(page).fields) < len(page)


def test_a_form_that_repeats_a_long_name_for_each_option_is_refused():
    options = "<option selected value=x>" * 2000
    with pytest.raises(ValueError, match=str(MAX_LENGTH)):
        _read(form_page(f"<select multiple name={'n' * 10_000}>{options}</select>"))
