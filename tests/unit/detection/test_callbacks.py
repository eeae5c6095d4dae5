"""What a widget's callback does with the token, as far as the page's inline scripts show."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from scrapy.http import HtmlResponse

from scrapy_omocaptcha import find_challenge, submit_token
from tests.helpers.widgetpages import API, KEY, in_form, page, rendered

SUBMITTING = [
    "function done(t){document.getElementById('f').submit()}",
    "var done = function (token) { $('#f').submit(); };",
    "window.done = token => document.forms[0].requestSubmit();",
    "function done() { send(); } function send() { HTMLFormElement.prototype.submit.call(f); }",
    "function done() { $('#f').trigger('submit') }",
]
PRESSING = [
    "function done() { document.getElementById('b').click(); }",
    "const done = () => { $('#b').trigger('click') }",
]
WAITING = [
    "function done(token) { document.getElementById('b').disabled = false; }",
    "var api = { done: function (t) { console.log(t); } };",
    "function done(t) { document.getElementById('g-recaptcha-response').value = t; }",
    "function done(t) { log(1); document.getElementById('g-recaptcha-response').value = t; }",
    "// function done(t) { fetch('/x?' + t) }",
    "function other(t) { fetch('/x?' + t) }",
    "var done =",
]
SCRIPTED = [
    "function done(token) { fetch('/check?t=' + token).then(r => location.reload()); }",
    "function done(token) { var x = new XMLHttpRequest(); x.open('POST', '/check'); x.send(token); }",
    "var done = function (token) { $.post('/check', {token: token}); };",
    "done = async (token) => { await axios.post('/check', {token}) };",
    "function done(token) { check(token) } function check(t) { $.ajax({url: '/check', data: t}) }",
    "var page = { done(token) { jQuery.ajax('/check') } };",
    "function done(token) { document.cookie = 'token=' + token; location.reload(); }",
    "function done(token) { window.location.href = '/check?t=' + token; }",
    "function done(token) { location.replace('/check?t=' + token); }",
    "function done(token) { document.getElementById('other').value = token; document.forms[0].submit(); }",
    "function done(token) { $('#other').val(token); $('form').submit(); }",
]


def with_callback(script: str, widget: str = "div") -> HtmlResponse:
    container = f'<{widget} id="w" class="g-recaptcha" data-sitekey="{KEY}" data-callback="window.done"></{widget}>'
    return page(
        f"<form id=f method=post>{container}<input type=submit name=go value=1></form><script>{script}</script>{API}"
    )


@pytest.mark.parametrize("script", SUBMITTING + PRESSING + WAITING)
def test_a_callback_that_results_in_a_submission_is_not_scripted(script):
    assert find_challenge(with_callback(script)).scripted is False


@pytest.mark.parametrize("script", SCRIPTED)
@pytest.mark.parametrize("widget", ["div", "button"])
def test_a_callback_that_uses_the_token_otherwise_is_scripted(script, widget):
    assert find_challenge(with_callback(script, widget)).scripted is True


@pytest.mark.parametrize("function", ["function (t) { fetch('/x', {body: t}) }", "t => { $.post('/x', t) }", "onToken"])
def test_a_callback_that_is_passed_to_render_is_read_too(function):
    before = "function onToken(t) { send(t) } function send(t) { fetch('/x?t=' + t) }"
    assert find_challenge(page(rendered(f"{{sitekey: '{KEY}', callback: {function}}}", before=before))).scripted is True
    assert find_challenge(page(rendered(f"{{sitekey: '{KEY}', callback() {{ f.submit() }} }}"))).scripted is False


def test_the_default_button_is_sent_unless_the_callback_submits():
    def sent(script, widget="div"):
        return ("go", "1") in find_challenge(with_callback(script, widget)).form.fields

    assert all(sent(script) for script in PRESSING + WAITING)
    assert all(sent(script, "div data-size=invisible") for script in PRESSING)
    assert not any(sent(script) for script in SUBMITTING)
    assert not sent("", "button")


@pytest.mark.parametrize(
    ("buttons", "is_sent"), [("", True), ("<input type=reset name=r>", True), ("<button name=preview>", False)]
)
def test_the_only_submit_button_is_sent_where_the_callback_of_an_invisible_widget_is_unknown(buttons, is_sent):
    widget = f'<div class="g-recaptcha" data-size="invisible" data-sitekey="{KEY}" data-callback="a.elsewhere"></div>'
    challenge = find_challenge(page(f"<form>{widget}{buttons}<input type=submit name=go value=1></form>{API}"))
    assert [name for name in challenge.form.names if name in ("go", "preview")] == ["go"] * is_sent


def test_an_unknown_callback_of_an_invisible_widget_is_scripted_where_there_is_no_form():
    widget = f'<div class="g-recaptcha" data-size="invisible" data-sitekey="{KEY}" data-callback="elsewhere"></div>'
    assert find_challenge(page(API + widget)).scripted is True
    assert find_challenge(page(API + in_form(widget))).scripted is False
    assert find_challenge(page(API + widget.replace("invisible", "normal"))).scripted is False


@pytest.mark.parametrize(("calls", "is_scripted"), [(1, True), (2, False)])
def test_only_the_functions_that_a_callback_calls_itself_are_read(calls, is_scripted):
    chain = "".join(f"function f{n}(t) {{ f{n + 1}(t) }} " for n in range(1, calls))
    script = f"function done(t) {{ f1(t) }} {chain} function f{calls}(t) {{ fetch('/x?' + t) }}"
    assert find_challenge(with_callback(script)).scripted is is_scripted


COPIES = [
    "document.getElementById('captchaResponse').value = t;",
    "document.querySelector('[name=\"captchaResponse\"]').value = t;",
    "$('#captchaResponse').val(t);",
    "document.forms[0].captchaResponse.value = t;",
]


@pytest.mark.parametrize("copies", COPIES)
def test_a_callback_that_copies_the_token_into_a_hidden_field_of_the_form_has_it_sent_there_as_well(copies):
    field = "<input type=hidden id=captchaResponse name=captchaResponse>"
    response = with_callback(f"function done(t) {{ {copies} document.getElementById('f').submit() }}")
    filled = response.replace(body=response.body.replace(b"<input", f"{field}<input".encode(), 1))
    assert find_challenge(response).scripted is True, "the form has no such field"
    challenge = find_challenge(filled)
    assert challenge.scripted is False
    sent = dict(parse_qsl(submit_token(filled, challenge, "token").body.decode()))
    assert sent == {"captchaResponse": "token", "g-recaptcha-response": "token"}


def test_a_field_that_is_shown_or_in_another_form_is_not_filled_in():
    script = "function done(t) { document.getElementById('x').value = t; }"
    for field in ("<input id=x name=x>", "</form><form><input type=hidden id=x name=x>"):
        response = with_callback(script)
        assert find_challenge(
            response.replace(body=response.body.replace(b"<input", field.encode() + b"<input"))
        ).scripted
