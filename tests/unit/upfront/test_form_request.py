"""The request that ``form_request`` makes: what it sends, whose session it keeps, and what it refuses."""

import json
import pickle
import re
from contextlib import nullcontext

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, Response

from scrapy_omocaptcha import form_request
from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.forms.placement import put_token
from scrapy_omocaptcha.upfront.filling import fields_to_fill
from scrapy_omocaptcha.upfront.wishes import check_wish, read_wish

URL = "https://site.example/search?page=1#top"
KEY = "6LtestOnly" + "k" * 30
SCRIPT = "<script src=https://www.google.com/recaptcha/api.js></script>"
WIDGET = f"<div class=g-recaptcha data-sitekey={KEY}></div>"
TOKEN = "03AFc-token"


def page(inner, attributes="method=post action=/find", *, request=None, before=""):
    body = f"{before}<form id=f {attributes}>{inner}</form>{SCRIPT}"
    return HtmlResponse(URL, body=body.encode(), encoding="utf-8", request=request)


def sent(response, data=None, **arguments):
    """Return the request with a token in the place of the empty field."""
    request = form_request(response, data, **arguments)
    return put_token(request, request.meta["omocaptcha"]["put"], TOKEN)


FIELDS = f"""<input name=a value=1><input name=b value=2 disabled><input type=checkbox name=c value=x>
<input type=checkbox name=c value=y checked><input type=radio name=r value=1 checked><input type=radio name=r value=2>
<select name=s><option value=p>P<option>Q</select><select name=m multiple><option>1<option>2<option>3</select>{WIDGET}
<textarea name=t>old</textarea><button name=go value=now>Go</button><button name=stop>Stop</button>"""
TAIL = "g-recaptcha-response=03AFc-token"


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (None, f"a=1&c=y&r=1&s=p&{TAIL}&t=old&go=now"),
        ({"a": "ä b"}, f"a=%C3%A4+b&c=y&r=1&s=p&{TAIL}&t=old&go=now"),
        ({"a": None, "c": None}, f"r=1&s=p&{TAIL}&t=old&go=now"),
        ({"b": "9", "t": "new"}, f"a=1&b=9&c=y&r=1&s=p&{TAIL}&t=new&go=now"),
        ({"c": ["y", "x"], "r": "2"}, f"a=1&c=x&c=y&r=2&s=p&{TAIL}&t=old&go=now"),
        ({"c": ["x", "x"]}, f"a=1&c=x&r=1&s=p&{TAIL}&t=old&go=now&c=x"),
        ({"s": "Q", "m": ["3", "1"]}, f"a=1&c=y&r=1&s=Q&m=1&m=3&{TAIL}&t=old&go=now"),
        ({"m": ["new", "3", "1"]}, f"a=1&c=y&r=1&s=p&m=1&m=3&m=new&{TAIL}&t=old&go=now"),
        ({"s": "new", "z": ["1", "2"]}, f"a=1&c=y&r=1&s=new&{TAIL}&t=old&go=now&z=1&z=2"),
        ({"go": "later", TOKEN_FIELD: ""}, f"a=1&c=y&r=1&s=p&{TAIL}&t=old&go=later"),
    ],
)
def test_data_takes_the_place_of_what_the_page_has_in_the_order_of_its_fields(data, body):
    request = sent(page(FIELDS), data)
    assert request.method == "POST"
    assert request.url == "https://site.example/find"
    assert request.body.decode() == body


@pytest.mark.parametrize(
    ("name", "meant"), [("query", "q"), ("emial", "email"), ("Email", "email"), ("e-mail", "email"), ("e", "email")]
)
def test_a_name_that_is_almost_that_of_a_field_is_an_error_before_anything_is_paid(name, meant):
    response = page(f"<input name=q><input name=email>{WIDGET}<button name=go>Go</button>")
    said = re.escape(f"has no field {name!r}: did you mean {meant!r}? Its fields are email, go, q. To send {name!r} as")
    with pytest.raises(ValueError, match=said):
        form_request(response, {name: "a"})


def test_a_name_that_is_almost_that_of_a_field_is_sent_where_the_field_is_named_too():
    response = page(f"<input name=q value=-><input name=email>{WIDGET}")
    assert sent(response, {"query": "a", "q": None}).body.decode() == f"email=&{TAIL}&query=a"
    assert sent(response, {"page": "2"}).body.decode() == f"q=-&email=&{TAIL}&page=2"


@pytest.mark.parametrize(
    ("click", "end"), [(None, "&go=now"), (False, ""), ("[name=stop]", "&stop="), ("button", "&go=now")]
)
def test_the_button_that_is_pressed_is_sent(click, end):
    inner = f"{WIDGET}<button name=go value=now>Go</button><button name=stop>Stop</button>"
    response = page(inner)
    assert sent(response, click=click).body.decode() == TAIL + end


def test_a_get_form_puts_its_fields_into_the_address():
    request = form_request(page(f"<input name=q>{WIDGET}", "action=/find?old=1"), {"q": "a&b"})
    assert request.url == "https://site.example/find?q=a%26b&g-recaptcha-response="
    assert request.method == "GET"
    assert request.body == b""
    token = put_token(request, request.meta["omocaptcha"]["put"], TOKEN)
    assert token.url == f"https://site.example/find?q=a%26b&{TAIL}"


def test_of_several_forms_with_a_widget_the_first_is_filled_in_and_of_several_widgets_that_in_the_form_is_solved():
    other = WIDGET.replace("kkk", "jjj", 1)
    first = f"<form action=/first>{other}{WIDGET}</form>"
    request = form_request(page(WIDGET, before=first))
    assert request.url == f"https://site.example/first?{TOKEN_FIELD}="
    assert request.meta["omocaptcha"]["sitekey"] == KEY.replace("kkk", "jjj", 1)
    assert form_request(page(WIDGET, before=other), form="#f").meta["omocaptcha"]["sitekey"] == KEY


def test_the_fields_that_are_shown_to_be_filled_in_are_those_that_a_user_sees():
    shown = fields_to_fill(page(f"<input type=hidden name=csrf><input type=file name=up><input value=0>{FIELDS}"))
    assert shown == {"a": "1", "b": "2", "c": "y", "r": "", "s": "p", "m": "", "t": "old"}


def test_the_form_that_is_named_gets_the_token_of_a_widget_elsewhere():
    response = page("<input name=q>", before=WIDGET)
    assert sent(response, {"q": "a"}, form="#f").body.decode() == f"q=a&{TAIL}"


def callback(response):
    """Stand for a spider's method."""


def test_the_request_is_an_ordinary_one_in_the_session_of_the_page():
    asked = Request(
        URL,
        headers={"User-Agent": "me", "X-Own": "1", "Proxy-Authorization": "Basic x"},
        meta={"cookiejar": 3, "proxy": "http://p:1", "_auth_proxy": "http://p:1", "depth": 4, "omocaptcha": False},
    )
    request = form_request(
        page(f"<input name=q>{WIDGET}", request=asked),
        {"q": "a"},
        rejected=".error",
        callback=callback,
        cb_kwargs={"n": 1},
        priority=5,
        headers={"X-More": "2"},
        meta={"mine": 1, "cookiejar": 9, "omocaptcha": {"old": True}},
    )
    assert type(request) is Request
    given = (request.callback, request.cb_kwargs, request.priority, request.dont_filter)
    assert given == (callback, {"n": 1}, 5, False)
    address = URL.partition("#")[0]
    of_form = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Referer": address,
        "Origin": "https://site.example",
    }
    others = {"User-Agent": "me", "Proxy-Authorization": "Basic x", "X-More": "2"}
    assert request.headers.to_unicode_dict() == of_form | others
    wish = request.meta.pop("omocaptcha")
    assert request.meta == {"cookiejar": 9, "proxy": "http://p:1", "_auth_proxy": "http://p:1", "mine": 1}
    assert wish == {"sitekey": KEY, "page": address, "put": "form:g-recaptcha-response", "rejected": ".error"}


def test_the_request_can_be_pickled_and_its_wish_is_json():
    request = form_request(page(FIELDS), {"a": "1"}, rejected=".error")
    assert json.loads(json.dumps(request.meta)) == request.meta
    assert pickle.loads(pickle.dumps(request.to_dict())) == request.to_dict()
    assert read_wish(request).as_json() == request.meta["omocaptcha"]


@pytest.mark.parametrize(
    ("kind", "body", "is_refused"),
    [
        ("application/x-www-form-urlencoded; charset=utf-8", "a=1", True),
        ("Multipart/Form-Data; boundary=x", "--x--", True),
        ("application/x-www-form-urlencoded", "", False),
        ("application/json", "{}", True),
    ],
)
def test_true_is_refused_where_a_token_would_have_to_be_in_the_body(kind, body, is_refused):
    headers = {"Content-Type": kind}
    request = Request(URL, method="POST", headers=headers, body=body, meta={"omocaptcha": True})
    with pytest.raises(ValueError, match="form_request") if is_refused else nullcontext():
        check_wish(request)


PLAIN = HtmlResponse(URL, body=b"<form id=a action=/x><input name=u></form><form name=b></form>", encoding="utf-8")


@pytest.mark.parametrize(
    ("response", "arguments", "words"),
    [
        (PLAIN, {}, "no live reCAPTCHA v2 widget; it has <form id='a' action='/x'> with u; <form name='b'> with no"),
        (page("", before=WIDGET), {}, "no reCAPTCHA v2 widget inside a form; it has <form id='f'"),
        (HtmlResponse(URL, body=b"<form></form>" * 5), {}, "with no fields$"),
        (HtmlResponse(URL, body=b"<form></form>" * 6), {}, "with no fields; and more$"),
        (HtmlResponse(URL, body=b""), {}, "has no form$"),
        (Response(URL), {}, "is not an HTML page"),
        (page(WIDGET), {"form": "#g"}, "'#g' is no form of https://site.example/search"),
        (page(WIDGET), {"form": "div"}, "'div' is no form"),
        (page(WIDGET), {"form": "::"}, "'::' is not a CSS selector"),
        (page(f"{WIDGET}<input name=q>"), {"click": "[name=q]"}, "is no submit button of the form"),
        (page(WIDGET, before="<button id=b>"), {"click": "#b"}, "is no submit button of the form"),
        (page(WIDGET), {"rejected": "::"}, "neither a CSS selector"),
        (page(WIDGET, "action=javascript:go()"), {}, "not http or https"),
        (page(WIDGET, "method=dialog"), {}, "DIALOG"),
        (page(f"{WIDGET}<input type=file name=up>"), {"data": {"up": "x"}}, "'up' is a file"),
        (page("<div class=g-recaptcha data-s=x data-sitekey=" + KEY + "></div>"), {}, "data-s"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_what_is_on_the_page(response, arguments, words):
    with pytest.raises(ValueError, match=words):
        form_request(response, **arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"data": {"q": 1}}, "data has int for 'q'"),
        ({"data": [("q", "a")]}, "it must be a dictionary"),
        ({"data": {"q": ["a", None]}}, "data has"),
        ({"data": {1: "a"}}, "data has str for 1; a name is a text"),
        ({"rejected": callback}, "the name of a method"),
    ],
)
def test_an_argument_of_the_wrong_type_is_refused(arguments, words):
    with pytest.raises(TypeError, match=words):
        form_request(page(f"<input name=q>{WIDGET}<button>Go</button>"), **arguments)


def test_a_form_for_a_browser_is_an_error_that_names_the_way():
    with pytest.raises(ValueError, match="call solve_page"):
        form_request(page(WIDGET), meta={"playwright": True})
