"""``meta["omocaptcha"]["put"]``: writing a token into a request."""

from __future__ import annotations

import json

import pytest
from scrapy import Request
from scrapy.http import FormRequest, JsonRequest, Response

from scrapy_omocaptcha.forms.placement import parse_put, put_token
from scrapy_omocaptcha.forms.submission import TOKEN_META

URL = "https://site.example/api?a=1&b=%2F#part"
TOKEN = "tok/en+1"


def _callback(response: Response) -> None:
    pass


@pytest.mark.parametrize(
    "put", ["", "token", "form:", "cookie:t", "json:a", "json:", "json:/a~2", "header:X Token", "header:Cookie"]
)
def test_an_invalid_put_is_named_in_the_error_with_what_is_valid(put):
    with pytest.raises(ValueError, match="form:NAME, json:/pointer, header:NAME or query:NAME") as error:
        parse_put(put)
    assert repr(put) in str(error.value)


def test_put_form_adds_or_replaces_a_field_and_makes_an_empty_post_a_form():
    added = put_token(FormRequest(URL, formdata={"a": "ü"}), "form:t", TOKEN)
    assert added.body == b"a=%C3%BC&t=tok%2Fen%2B1"
    replaced = put_token(FormRequest(URL, formdata=[("t", "1"), ("a", "2"), ("t", "3")]), "form:t", TOKEN)
    assert replaced.body == b"t=tok%2Fen%2B1&a=2"
    assert put_token(FormRequest(URL, formdata={"a[t]": ""}), "form:a[t]", TOKEN).body == b"a%5Bt%5D=tok%2Fen%2B1"
    request = put_token(Request(URL, method="POST"), "form:t", TOKEN)
    assert put_token(request.replace(method="GET"), "form:t", TOKEN).body == request.body, "it says that it is a form"
    assert request.headers["Content-Type"] == b"application/x-www-form-urlencoded"
    assert request.body == b"t=tok%2Fen%2B1"


PART = '--x\r\nContent-Disposition: form-data; name="t"\r\n\r\n{}\r\n--x\r\n'


def test_put_form_replaces_the_first_part_of_the_name_in_multipart():
    kind = {"Content-Type": "Multipart/Form-Data; boundary=x"}
    request = Request(URL, method="POST", body=PART.format("1") * 2, headers=kind)
    assert put_token(request, "form:t", TOKEN).body.decode() == PART.format(TOKEN) + PART.format("1")


def test_put_json_keeps_the_rest_of_the_document():
    document = {"z": [1, {"a/b": None}], "a": "é", "n": 12345678901234567890}
    kind = {"Content-Type": "application/vnd.api+json"}
    request = put_token(JsonRequest(URL, data=document, method="PUT", headers=kind), "json:/z/1/a~1b", TOKEN)
    assert request.headers["Content-Type"] == b"application/vnd.api+json"
    assert json.loads(request.body) == {**document, "z": [1, {"a/b": TOKEN}]}
    assert request.method == "PUT"


@pytest.mark.parametrize(
    ("put", "result"),
    [
        ("json:/new", {"list": [1], "new": TOKEN}),
        ("json:/", {"list": [1], "": TOKEN}),
        ("json:/~01", {"list": [1], "~1": TOKEN}),
        ("json:/list/0", {"list": [TOKEN]}),
    ],
)
def test_put_json_adds_the_last_key_of_its_pointer(put, result):
    request = put_token(Request(URL, method="POST", body='{"list": [1]}'), put, TOKEN)
    assert (json.loads(request.body), request.headers["Content-Type"]) == (result, b"application/json")


def test_put_header_replaces_a_header():
    request = put_token(Request(URL, headers={"X-Token": "old"}), "header:x-token", TOKEN)
    assert request.headers.getlist("X-Token") == [TOKEN.encode()]


def test_put_query_keeps_the_rest_of_the_address():
    assert put_token(Request(URL), "query:t", TOKEN).url == "https://site.example/api?a=1&b=%2F&t=tok%2Fen%2B1#part"
    assert put_token(Request(URL), "query:a", TOKEN).url == "https://site.example/api?a=tok%2Fen%2B1&b=%2F#part"
    assert put_token(Request("http://site.example/"), "query:a", TOKEN).url == "http://site.example/?a=tok%2Fen%2B1"


@pytest.mark.parametrize(
    ("request_", "put", "words"),
    [
        (Request(URL, method="POST", headers={"Content-Type": "multipart/form-data; x"}), "form:t", "multipart"),
        (Request(URL, method="POST", headers={"Content-Type": "text/csv"}), "form:t", "text/csv, not that of a form"),
        (Request(URL), "form:t", "GET"),
        (Request(URL, method="POST", body="a=1"), "json:/t", "not JSON"),
        (JsonRequest(URL, data={"a": 1}), "json:/b/c", "nothing at 'b'"),
        (JsonRequest(URL, data={"a": "text"}), "json:/a/c", "nothing at 'c'"),
        (JsonRequest(URL, data={"a": [1]}), "json:/a/7", "nothing at '7'"),
        (JsonRequest(URL, data={"a": [1]}), "json:/a/1/b", "nothing at '1'"),
        (JsonRequest(URL, data={"a": [{}]}), "json:/a/00/b", "nothing at '00'"),
    ],
)
def test_put_is_refused_where_it_does_not_fit_the_request(request_, put, words):
    with pytest.raises(ValueError, match=words) as error:
        put_token(request_, put, TOKEN)
    assert TOKEN not in str(error.value)


@pytest.mark.parametrize("put", ["form:t", "json:/t", "header:t", "query:t"])
def test_put_keeps_the_rest_of_the_request_and_hides_the_token(put):
    kind, content = (FormRequest, {"formdata": {"a": "1"}}) if put == "form:t" else (JsonRequest, {"data": {"a": 1}})
    original = kind(URL, callback=_callback, cb_kwargs={"x": 1}, meta={"depth": 3}, priority=5, **content)
    before = (original.url, original.body, original.headers.copy(), dict(original.meta), original.cookies)
    request = put_token(original, put, TOKEN)
    assert (request.callback, request.cb_kwargs, request.priority) == (_callback, {"x": 1}, 5)
    assert request.meta == {"depth": 3, **TOKEN_META}
    assert request.dont_filter
    assert "tok" not in repr(request)
    with pytest.raises(ValueError, match="carries a token"):
        request.to_dict()
    assert before == (original.url, original.body, original.headers, dict(original.meta), original.cookies)
