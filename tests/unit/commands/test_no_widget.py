"""What ``scrapy omocaptcha detect`` says of pages without a widget."""

from __future__ import annotations

import pytest
from scrapy.http import HtmlResponse, JsonResponse, Response, TextResponse

from scrapy_omocaptcha.commands.no_widget import describe, no_page
from scrapy_omocaptcha.detection import find_challenge
from tests.helpers.pages import labels, needs_pages, saved

BUILT = "; a script builds this page: render its URL with --browser"
MORE = "; a browser may show more: try --browser"
NONE = "it has no reCAPTCHA v2 widget"
SCRIPT = "<script src=/app.js></script>"
HINT = "<noscript>You need to enable JavaScript to run this app.</noscript>"


def said(text, status=200, *, is_rendered=False):
    return describe(HtmlResponse("https://shop.example/", status, body=text.encode()), is_rendered=is_rendered)


SHELLS = {
    "root": f"<div id=root></div>{SCRIPT}",
    "module": "<title>Shop</title><body><div id=app></div><script type=module src=/assets/index.js></script>",
    "body": f"<head><title>Shop</title>{SCRIPT}</head><body></body>",
    "hint": f'<head>{SCRIPT}</head>{HINT}<div id="root"><img src=/logo.png> Our shop is on its way</div>',
    "loading": f"<app-root>Loading</app-root>{SCRIPT}",
    "ellipsis": f"<div id=app><svg><circle/></svg><span>加载中...</span></div>{SCRIPT}",
    "state": f'<div id=__next></div><script id=__NEXT_DATA__ type="application/json">{{"a": "b c"}}</script>{SCRIPT}',
    "tags": f"<noscript><iframe src=https://tags.example/ns.html></iframe></noscript><div id=q></div>{SCRIPT}",
    "api": f"<script src=https://www.google.com/recaptcha/api.js?render=explicit></script><div id=root></div>{HINT}",
}


@pytest.mark.parametrize("page", SHELLS.values(), ids=SHELLS)
def test_a_page_that_a_script_builds_is_called_that(page):
    assert said(page) == f"{NONE} yet{BUILT}"


def test_a_shell_that_is_an_error_page_is_called_both_and_none_is_one_in_a_browser():
    shell = SHELLS["root"]
    assert said(shell, 403) == f"it is an error page (403 Forbidden) without a reCAPTCHA v2 widget{BUILT}"
    assert said(shell, 404) == f"the site has no such page (404 Not Found): check the address{BUILT}"
    assert said(shell, is_rendered=True) == NONE


ORDINARY = {
    "text": f"<div>Sold out.</div>{SCRIPT}",
    "bare text": f"OK{SCRIPT}",
    "heading": f"<h1>Thank you</h1>{SCRIPT}{HINT}",
    "picture": f"<img src=/map.png>{SCRIPT}",
    "link": f"<a href=/next><img src=/next.png></a>{SCRIPT}{HINT}",
    "form": f"<form><input name=q></form>{SCRIPT}{HINT}",
    "list": f"<ul><li>1</ul>{SCRIPT}",
    "frame": f"<iframe src=/inner></iframe>{SCRIPT}",
    "frames": f"<frameset><frame src=/left></frameset>{SCRIPT}",
    "refresh": f"<meta http-equiv=Refresh content='0; url=/next'>{SCRIPT}",
    "pixel": f"<div>Sold out.</div>{SCRIPT}<noscript><img src=/pixel.gif></noscript>",
}


@pytest.mark.parametrize("page", ORDINARY.values(), ids=ORDINARY)
def test_an_ordinary_page_with_little_text_is_not_called_that(page):
    assert said(page) == f"{NONE}{MORE}"


def test_of_a_page_with_text_or_without_scripts_nothing_more_is_said():
    assert said(f"<p>{'A word. ' * 10}</p>{SCRIPT}") == NONE
    assert said(f"<div id=root>{'A word. ' * 10}</div>{SCRIPT}{HINT}") == NONE
    assert said("<div id=root></div>") == NONE


@needs_pages
@pytest.mark.parametrize("label", labels(), ids=lambda label: label["file"])
def test_no_saved_page_is_called_that(label):
    page = saved(label)
    assert no_page(page) is None
    assert BUILT not in describe(page, is_rendered=False)
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
        (HtmlResponse("https://a.example", body=b"[" * 100_000), "it has no HTML element"),
        (HtmlResponse("https://a.example", body=b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR<q>"), "it has no HTML element"),
        (Response("https://a.example", body=b"\x89PNG"), "it is no text"),
        (HtmlResponse("https://a.example", body="<div>Grüße".encode("utf-16")), None),
        (HtmlResponse("https://a.example", body=b"<html>a stray \0"), None),
        (HtmlResponse("https://a.example", body=b"<BUTTON>"), None),
    ],
)
def test_what_is_no_html_page_is_called_what_it_is(response, reason):
    assert no_page(response) == reason
    assert describe(response, is_rendered=False) == (NONE if reason is None else f"it is no HTML page: {reason}")


@pytest.mark.parametrize("charset", ["hex", "idna", "undefined"])
def test_a_page_whose_text_cannot_be_read_is_none(charset):
    headers = {"Content-Type": f"text/html; charset={charset}"}
    response = HtmlResponse("https://shop.example/", headers=headers, body=b"<script src=a></script><p>Boats")
    assert describe(response, is_rendered=False) == "it is no HTML page: it is no text"


def test_an_address_that_is_none_in_a_page_is_no_error():
    body = b"<base href='http://[x'><script src=a></script><div id=app></div>"
    response = HtmlResponse("https://shop.example/", body=body, encoding="utf-8")
    assert "a script builds this page" in describe(response, is_rendered=False)


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
