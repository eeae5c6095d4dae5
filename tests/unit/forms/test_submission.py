"""The request that submits a token: its content, the session that it keeps, and the token that it hides."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any
from urllib.parse import quote

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, JsonRequest, Response

from scrapy_omocaptcha.challenge import TOKEN_FIELD, Challenge, Form, Token
from scrapy_omocaptcha.forms.encoding import field_names
from scrapy_omocaptcha.forms.submission import TOKEN_META, Submission, submit_token, without_token

TOKEN = "03AFc-token_value"
PAGE = "https://user:pass@site.example/gate?next=%2F#top"
FORM = Form("POST", "https://site.example/check?a=1#frag", (("csrf", "x y"), (TOKEN_FIELD, ""), ("go", "1")))


def _response(request: Request | None = None, **kwargs: Any) -> Response:
    return HtmlResponse(PAGE, request=request, body=b"<p>wall</p>", **kwargs)


def _submit(form: Form = FORM, response: Response | None = None, token: Token | str = TOKEN) -> Submission:
    return submit_token(response or _response(), Challenge(PAGE, "key", form=form), token)


@pytest.mark.parametrize("token", [TOKEN, Token(TOKEN, "key", 0.0)], ids=["its value", "the token"])
def test_a_post_submission_carries_the_token_in_its_field(token):
    request = _submit(token=token)
    assert request.method == "POST"
    assert request.url == "https://site.example/check?a=1"
    assert request.body == b"csrf=x+y&g-recaptcha-response=03AFc-token_value&go=1"
    assert request.headers["Content-Type"] == b"application/x-www-form-urlencoded"
    assert request.headers["Origin"] == b"https://site.example"
    assert request.headers["Referer"] == b"https://site.example/gate?next=%2F", "without user and fragment"
    assert set(request.headers) == {b"Content-Type", b"Referer", b"Origin"}, "there is no request to take more from"
    assert (request.meta, request.dont_filter) == (TOKEN_META, True)


def test_a_get_submission_replaces_the_query():
    request = _submit(dataclasses.replace(FORM, method="GET"))
    assert request.url == "https://site.example/check?csrf=x+y&g-recaptcha-response=03AFc-token_value&go=1"
    assert request.body == b""
    assert "Content-Type" not in request.headers
    assert "Origin" not in request.headers


def test_token_index_takes_precedence_over_the_name_of_the_field_and_without_the_field_the_token_is_at_the_end():
    form = dataclasses.replace(FORM, fields=((TOKEN_FIELD, ""), (TOKEN_FIELD, "")), token_index=1)
    assert _submit(form).body == b"g-recaptcha-response=&g-recaptcha-response=03AFc-token_value"
    form = dataclasses.replace(FORM, fields=(("a", "1"),))
    assert _submit(form).body == b"a=1&g-recaptcha-response=03AFc-token_value"


def test_the_referer_and_the_origin_of_the_request_are_not_those_of_its_submission():
    original = Request("https://site.example/wanted", headers={"Referer": "https://a.example/", "Origin": "null"})
    request = _submit(response=_response(original))
    assert request.headers.getlist("Referer") == [b"https://site.example/gate?next=%2F"]
    assert request.headers.getlist("Origin") == [b"https://site.example"]


def test_no_referer_is_sent_from_https_to_http():
    request = _submit(dataclasses.replace(FORM, url="http://site.example/check"))
    assert "Referer" not in request.headers
    assert request.headers["Origin"] == b"null"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (None, "no form holds the widget"),
        (dataclasses.replace(FORM, url="javascript:void(0)"), "not http or https"),
        (dataclasses.replace(FORM, method="DIALOG"), "sends nothing"),
    ],
)
def test_a_submission_that_no_browser_would_send_is_refused_with_the_reason(form, words):
    with pytest.raises(ValueError, match=words):
        submit_token(_response(), Challenge(PAGE, "key", form=form), TOKEN)


def test_a_submission_has_the_headers_and_all_of_the_meta_of_the_request():
    headers = {"User-Agent": "spider", "Accept-Language": "de", "Cookie": "a=1", "Authorization": "Basic eA=="}
    headers["X-Requested-With"] = "XMLHttpRequest"
    meta = {"cookiejar": 3, "proxy": "http://proxy.example:1", "download_slot": "slow", "depth": 2, "impersonate": "x"}
    original = Request("https://site.example/wanted", headers=headers, meta=meta)
    request = _submit(response=_response(original))
    assert {name: request.headers[name].decode() for name in headers} == headers
    assert meta.items() <= request.meta.items()
    assert original.meta == meta, "the spider's own is left as it is"


def test_a_submission_describes_its_own_body():
    described = {"Content-Type": "application/json", "Content-Length": "2", "Content-Encoding": "br"}
    original = Request("https://site.example/wanted", method="POST", body=b"{}", headers=described)
    request = _submit(response=_response(original))
    assert request.headers["Content-Type"] == b"application/x-www-form-urlencoded"
    assert not {b"Content-Length", b"Content-Encoding"} & set(request.headers)
    for kind in (original, JsonRequest("https://site.example/wanted", data={})):
        request = _submit(dataclasses.replace(FORM, method="GET"), _response(kind))
        assert not any(name in request.headers for name in described)


def test_a_submission_cannot_be_pickled():
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(_submit())


def test_a_submission_is_neither_repeated_nor_stored_whatever_the_request_wishes():
    meta = {"dont_retry": False, "dont_cache": False, "referrer_policy": "unsafe-url"}
    request = _submit(response=_response(Request("https://site.example/wanted", meta=meta)))
    assert request.meta["dont_retry"] is True
    assert request.meta["dont_cache"] is True
    assert request.meta["referrer_policy"] == "origin"


def test_a_submission_has_nothing_that_is_for_the_page():
    original = Request(
        "https://site.example/wanted",
        callback=lambda response: None,
        errback=lambda failure: None,
        cb_kwargs={"a": 1},
        cookies={"a": "1"},
        flags=["mine"],
    )
    request = _submit(response=_response(original))
    assert (request.callback, request.errback, request.cb_kwargs) == (None, None, {})
    assert (request.cookies, request.flags, request.dont_filter) == ({}, [], True)


@pytest.mark.parametrize(
    ("origin", "slot"),
    [
        *(("https://site.example", "slow"), ("http://site.example", "slow"), ("https://SITE.example:8443", "slow")),
        ("https://login.site.example", None),
    ],
)
def test_a_submission_to_another_origin_carries_no_credentials_and_to_another_host_no_download_slot(origin, slot):
    headers = {"Authorization": "Basic eA==", "Cookie": "a=1", "X-Api-Key": "k", "User-Agent": "spider"}
    original = Request("https://site.example/wanted", headers=headers, meta={"download_slot": "slow"})
    request = _submit(dataclasses.replace(FORM, url=f"{origin}/check"), _response(original))
    private = {b"Authorization", b"Cookie", b"X-Api-Key"}
    assert private & set(request.headers) == (private if origin == "https://site.example" else set())
    assert request.headers["User-Agent"] == b"spider"
    assert request.meta.get("download_slot") == slot


@pytest.mark.parametrize("token", [TOKEN, "with+signs/=and spaces"])
def test_the_representation_of_a_submission_masks_the_token(token):
    request = _submit(dataclasses.replace(FORM, method="GET"), token=token)
    again = request.replace(url=request.url + "&again=1", cls=None, cookies=None)
    for shown in (repr(request), str(request), repr(request.copy()), f"{again}"):
        assert "g-recaptcha-response=***&go=1" in shown
    assert isinstance(again, Submission)
    assert again.secret == request.copy().secret == request.secret == token
    assert again.url == request.url + "&again=1"
    assert type(request.replace(cls=Request, body=b"")) is Request, "one can be replaced by an ordinary request"


def test_the_representation_of_a_submission_masks_a_token_however_it_is_encoded_and_the_address_alone():
    encoded = "".join(f"%{ord(character):02x}" for character in TOKEN)
    for url in (f"https://a.example/{encoded}", f"https://a.example/x?next={quote(f'/y?t={encoded}')}"):
        assert repr(Submission(url, secret=TOKEN)) == "<GET ***>"
    assert repr(Submission("http://a.example/POST", method="POST", secret="POST")) == "<POST http://a.example/***>"


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        ("https://a.example/x?a=%2F&g-recaptcha-response=t%2B/t&b=+#f", "https://a.example/x?a=%2F&b=+#f"),
        ("https://a.example/x?g-recaptcha-response=t%2B/t", "https://a.example/x"),
        ("https://a.example/x?g%2Drecaptcha%2Dresponse=t%2b%2ft&&a", "https://a.example/x?&a"),
        # A field of another name, and a value without a name.
        ("https://a.example/x?captcha=t%2B/t&a=1&token=%74%2B/t", "https://a.example/x?a=1"),
        ("https://a.example/x?a=1&t%2B/t&t%2B/t=b", "https://a.example/x?a=1"),
        # Within a value, in the address that is a value, and in the fragment.
        ("https://a.example/x?a=t%2B/tt&b=1=t%2B/t&c", "https://a.example/x?c"),
        ("https://a.example/x?next=%2Fy%3Fa%3Dt%252B%2Ft&c", "https://a.example/x?c"),
        ("https://a.example/x?a=1&&b#captcha=t%2B/t", "https://a.example/x?a=1&&b"),
        ("https://a.example/x?a=t+/t&b#c", "https://a.example/x?b#c"),
        # The field of another token.
        ("https://a.example/x?g-recaptcha-response=u&a", "https://a.example/x?g-recaptcha-response=u&a"),
        ("https://a.example/x?", "https://a.example/x?"),
        ("https://a.example/x?a=&=b&&", "https://a.example/x?a=&=b&&"),
    ],
)
def test_without_token_removes_the_token_and_nothing_else(url, cleaned):
    assert without_token(url, "t+/t") == cleaned


@pytest.mark.parametrize("changes", [{}, {"enctype": "multipart/form-data"}, {"method": "GET"}])
def test_the_names_of_the_fields_that_a_submission_sends_are_read_from_it(changes):
    form = Form(**{"method": "POST", "url": "https://shop.example/a?b=c", "fields": (("é", "1"), ("b", "")), **changes})
    page = HtmlResponse("https://shop.example/")
    assert field_names(submit_token(page, Challenge(page.url, "key", form=form), "token")) == ["é", "b", TOKEN_FIELD]


JSON, TEXT, PAIRS = "application/json", "text/plain", "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("kind", "body", "names"),
    [
        (JSON, '{"a": 1, "token": ""}', ["a", "token"]),
        (JSON, "[1]", []),
        (JSON, "no JSON", []),
        (JSON, "", []),
        (TEXT, '{"token": "secret"}', []),
        ("", '{"token": "secret"}', []),
        (PAIRS, "a=b&c=", ["a", "c"]),
    ],
)
def test_the_names_of_what_is_sent_are_read_from_formats_that_are_known(kind, body, names):
    headers = {"Content-Type": kind} if kind else {}
    assert field_names(Request("https://shop.example/", method="POST", body=body, headers=headers)) == names
