"""What ``scrapy omocaptcha detect`` says of pages without a widget."""

from __future__ import annotations

import pytest
from scrapy.http import HtmlResponse, JsonResponse, Response, TextResponse

from scrapy_omocaptcha.commands.no_widget import describe
from scrapy_omocaptcha.detection import find_challenge
from tests.helpers.pages import labels, needs_pages, saved

MORE = "; a browser may show more: try --browser"
NONE = "it has no reCAPTCHA v2 widget"
SCRIPT = "<script src=/app.js></script>"
WORDS = "A word. " * 10


def said(text, status=200, *, is_rendered=False):
    return describe(HtmlResponse("https://shop.example/", status, body=text.encode()), is_rendered=is_rendered)


@pytest.mark.parametrize(
    "page",
    [
        f"<div id=root></div>{SCRIPT}",
        f"<title>Shop</title>{SCRIPT}<noscript>You need to enable JavaScript to run this app.</noscript>",
        f'<div id=__next></div><script type="application/json">{{"a": "{WORDS}"}}</script>{SCRIPT}',
        f"<h1>Thank you</h1>{SCRIPT}",
    ],
)
def test_a_page_with_scripts_and_little_text_may_show_more_in_a_browser_and_only_there(page):
    assert said(page) == f"{NONE}{MORE}"
    assert said(page, 403) == f"it is an error page (403 Forbidden) without a reCAPTCHA v2 widget{MORE}"
    assert said(page, 404) == f"the site has no such page (404 Not Found): check the address{MORE}"
    assert said(page, is_rendered=True) == NONE


def test_of_a_page_with_text_or_without_scripts_nothing_more_is_said():
    assert said(f"<p>{WORDS}</p>{SCRIPT}") == NONE
    assert said("<div id=root></div>") == NONE
    assert said("<div id=root></div>", 400) == "it is an error page (400 Bad Request) without a reCAPTCHA v2 widget"


@needs_pages
@pytest.mark.parametrize("label", labels(), ids=lambda label: label["file"])
def test_of_a_saved_page_without_a_captcha_nothing_more_is_said(label):
    page = saved(label)
    if find_challenge(page) is None and label["kind"] not in ("hcaptcha", "turnstile", "other-captcha"):
        assert MORE not in describe(page, is_rendered=False)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (HtmlResponse("https://a.example", body=b" \n"), "it is empty"),
        (HtmlResponse("https://a.example", body=b'{"page": "<p>"}'), "it is JSON"),
        (JsonResponse("https://a.example", body=b"[]"), "it is JSON"),
        (HtmlResponse("https://a.example", body=b"Call me Ishmael."), "it has no HTML element"),
        (TextResponse("https://a.example", body=b"a < b, b > c"), "it has no HTML element"),
        (Response("https://a.example", body=b"\x89PNG"), "it is no text"),
        (HtmlResponse("https://a.example", body="<div>Grüße".encode("utf-16")), None),
        (HtmlResponse("https://a.example", body=b"<BUTTON>"), None),
    ],
)
def test_what_is_no_html_page_is_called_what_it_is(response, reason):
    assert describe(response, is_rendered=False) == (NONE if reason is None else f"it is no HTML page: {reason}")


@pytest.mark.parametrize("status", [200, 403, 404])
@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("https://challenges.cloudflare.com/turnstile/v0/api.js", "Turnstile"),
        ("https://js.hcaptcha.com/1/api.js", "hCaptcha"),
        ("https://www.google.com/recaptcha/api.js?render=6LKEY", "reCAPTCHA v3 (render=6LKEY)"),
        ("https://www.google.com/recaptcha/enterprise.js?hl=en&render=6LKEY", "reCAPTCHA Enterprise (render=6LKEY)"),
        ("https://www.google.com/recaptcha/enterprise.js", "reCAPTCHA Enterprise"),
    ],
)
def test_another_captcha_that_a_page_loads_is_named_at_any_status_before_a_browser_is_advised(script, name, status):
    page = f"<form><input name=q></form><script src='{script}'></script>"
    assert said(page, status) == f"{NONE}, but loads {name}, which is not solved"


def test_a_script_that_renders_version_2_is_no_other_captcha():
    page = "<p>Hello</p><script src='https://www.google.com/recaptcha/api.js?onload=ready&render=explicit'></script>"
    assert "loads" not in said(page)
