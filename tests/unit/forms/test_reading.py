"""Which form a widget belongs to, what that form sends, and where the token goes.

The rules themselves are compared with a browser in ``test_browser_forms``; here stands what a browser cannot show.
"""

from __future__ import annotations

import pytest
from lxml.html import HtmlElement
from scrapy.http import HtmlResponse

from scrapy_omocaptcha.challenge import Form
from scrapy_omocaptcha.forms.encoding import charset_name
from scrapy_omocaptcha.forms.reading import MAX_LENGTH, find_form, read_form
from tests.helpers.formpages import WIDGET, form_page

URL = "https://page.example/dir/page.html?q=1"


def _page(html: str) -> HtmlElement:
    return HtmlResponse(URL, body=html.encode(), encoding="utf-8").selector.root


def _read(html: str, *, pressed: bool = True, encoding: str = "utf-8") -> Form:
    widgets = _page(html).cssselect(".g-recaptcha")
    form = find_form(widgets[0])
    return read_form(form, page_url=URL, base_url=URL, encoding=encoding, widgets=widgets, pressed=pressed)


def test_a_widget_belongs_to_the_form_around_it() -> None:
    root = _page(form_page("", "id=f") + "<form id=other></form>")
    assert find_form(root.cssselect(".g-recaptcha")[0]).get("id") == "f"


def test_a_widget_outside_of_forms_belongs_to_none() -> None:
    assert find_form(_page(f"<form></form>{WIDGET}").cssselect(".g-recaptcha")[0]) is None


def test_a_button_belongs_to_the_form_that_it_names_and_to_no_other() -> None:
    root = _page(
        "<form id=f></form><form><button form=f></button><button form=gone></button><p id=p><input form=p></form>"
    )
    named, lost = root.cssselect("button")
    assert find_form(named).get("id") == "f"
    assert find_form(lost) is None
    assert find_form(root.cssselect("input")[0]) is None


def test_the_place_of_the_token_is_the_textarea_not_a_hidden_field_of_that_name() -> None:
    form = _read(f"<form><input type=hidden name=g-recaptcha-response>{WIDGET}</form>")
    assert form.fields == (("g-recaptcha-response", ""), ("g-recaptcha-response", ""))
    assert form.token_index == 1


def test_each_of_several_widgets_has_a_textarea_and_the_first_takes_the_token() -> None:
    form = _read(f"<form>{WIDGET}<input name=a>{WIDGET}<input name=b></form>")
    assert [name for name, _ in form.fields] == ["g-recaptcha-response", "a", "g-recaptcha-response", "b"]
    assert form.token_index == 0


def test_a_bound_button_outside_of_its_form_leaves_no_place_for_the_token() -> None:
    form = _read("<form id=f method=post><input name=a></form><button form=f class=g-recaptcha></button>")
    assert form.fields == (("a", ""),)
    assert form.token_index is None


def test_a_textarea_in_noscript_is_not_the_place() -> None:
    form = _read(form_page("<noscript><textarea name=g-recaptcha-response></textarea></noscript><input name=a>"))
    assert form.fields == (("a", ""), ("g-recaptcha-response", ""), ("last", "1"))


def test_file_inputs_are_named() -> None:
    assert _read(form_page("<input type=file name=photo>")).files == {"photo"}


def test_the_dialog_method_is_kept_since_it_sends_nothing() -> None:
    assert _read(form_page("", "method=dialog")).method == "DIALOG"


def test_a_page_in_utf_16_is_answered_in_utf_8() -> None:
    assert _read(form_page(""), encoding="utf-16-le").charset == "utf-8"


def test_encodings_have_the_names_that_browsers_give_them() -> None:
    known = {"utf-8": "UTF-8", "cp1252": "windows-1252", "iso8859-15": "ISO-8859-15", "koi8-r": "KOI8-R"}
    assert {codec: charset_name(codec) for codec in known} == known


def test_a_form_of_ten_thousand_fields_is_read_whole() -> None:
    fields = "".join(f"<input name=n{number}>" for number in range(10_000))
    assert len(_read(form_page(fields)).fields) == 10_002


@pytest.mark.parametrize(
    "label", ["hex", "rot13", "base64", "idna", "punycode", "undefined", "cp037", "unicode_escape"]
)
def test_what_is_an_encoding_to_python_alone_is_no_charset_of_a_form(label: str) -> None:
    assert _read(form_page("", f"accept-charset={label}"), encoding="cp1252").charset == "cp1252"


def test_each_option_is_sent_by_the_list_that_it_stands_in_and_by_no_list_around_that() -> None:
    form = _read(form_page("<select name=a><option selected>1 <b>2</b> 3<select name=b><option selected>4</select>"))
    assert form.fields[:2] == (("a", "1 2 3"), ("b", "4"))


def test_lists_within_lists_do_not_multiply_what_they_hold() -> None:
    page = form_page("<select name=a><option selected>" * 900 + "word " * 10_000)
    assert sum(len(name) + len(value) for name, value in _read(page).fields) < len(page)


def test_a_form_that_multiplies_a_long_name_by_its_options_is_not_sent() -> None:
    options = "<option selected value=x>" * 2000
    with pytest.raises(ValueError, match=str(MAX_LENGTH)):
        _read(form_page(f"<select multiple name={'n' * 10_000}>{options}</select>"))


@pytest.mark.parametrize(
    ("attributes", "value"),
    [
        (f"value={'9' * 400}", "50"),
        ("value=1e300 max=1e300", "1e+300"),
        ("min=-1e308 max=1e308 value=1e308", "1e+308"),
        (f"max={'9' * 400} value=5", "5"),
    ],
)
def test_a_slider_that_no_arithmetic_counts_has_the_value_that_its_limits_leave(attributes: str, value: str) -> None:
    assert _read(form_page(f"<input type=range name=a {attributes}>")).fields[0] == ("a", value)
