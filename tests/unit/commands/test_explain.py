"""What ``scrapy omocaptcha detect`` says of pages without a widget."""

import pytest
from scrapy.http import HtmlResponse

from scrapy_omocaptcha.commands.explain import why_passed

MORE = "; if a script adds one, a browser has to render the page"
NONE = "it has no reCAPTCHA v2 widget"
UNUSED = "it mentions reCAPTCHA but has no live v2 widget: it uses another version, or the code is unused"
SCRIPT = "<script src=/app.js></script>"


def said(text, status=200):
    page = HtmlResponse("https://shop.example/", status, body=text.encode())
    return why_passed(None, page)


def test_a_browser_is_advised_where_a_script_may_add_a_widget():
    assert said(f"<p>Hello</p>{SCRIPT}") == f"{NONE}{MORE}"
    assert said(f"<!-- recaptcha -->{SCRIPT}") == f"{UNUSED}{MORE}"
    assert said("<p>Hello</p>") == NONE


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
def test_another_captcha_that_a_page_loads_is_named_at_any_status_and_no_browser_is_advised(script, name, status):
    page = f"<form><input name=q></form><script src='{script}'></script>"
    assert said(page, status) == f"{NONE}, but loads {name}, which is not solved"


def test_a_script_that_renders_version_2_is_no_other_captcha():
    page = "<p>Hello</p><script src='https://www.google.com/recaptcha/api.js?onload=ready&render=explicit'></script>"
    assert said(page) == f"{UNUSED}{MORE}"
