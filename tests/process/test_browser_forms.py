"""The request that is built for a form is the one that Chromium sends for it: method, address, body, headers.

Over the widgets of the shared pages that sit in a form, and over small pages of our own, one for each rule of the
HTML standard that decides what is sent.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from lxml.html import HtmlElement
from scrapy import Request
from scrapy.http import HtmlResponse
from scrapy.utils.response import get_base_url

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.detection import find_challenge
from scrapy_omocaptcha.forms.reading import find_form, read_form
from scrapy_omocaptcha.forms.submission import submit_token
from tests.helpers import browser as chromium
from tests.helpers.formpages import OWN, form_page

TOKEN = "03AFcWeA-token_of_a_browser"
URL = "http://page.example/dir/page.html?q=1"
SHARED = Path(__file__).parents[3] / "shared" / "pages"

# The element in which, or before which, Google's script puts its textarea, where it is not the first .g-recaptcha.
SELECTORS = {
    "066-nestle-drupal-two.html": "#reg_captcha_login",
    "073-californiaglobe-gglcptch.html": ".gglcptch_recaptcha",
    "075-webcode-explicit.html": "#captcha_container",
    "077-tkadlec-id-not-class.html": "#g-recaptcha",
    "081-mailjet-key-in-js.html": ".recaptcha-holder",
    "082-abenteuer-astronomie-invisible.html": ".inv-recaptcha-holder",
    "084-handwerkszeitung-gravity.html": "#input_286_17",
    "096-kansasnews-submit-bound.html": "#recaptcha-form",
    "101-homedepot-enterprise-iframe.html": "form iframe[src*='enterprise/anchor']",
}
# Sent to javascript:, so that no request comes of it.
NEVER_SENT = "072-nachtkritik-joomla.html"
POLICIES = (
    "no-referrer",
    "no-referrer-when-downgrade",
    "same-origin",
    "origin",
    "strict-origin",
    "origin-when-cross-origin",
    "strict-origin-when-cross-origin",
    "unsafe-url",
    "unsafe-url, nonsense",
    "nonsense",
)


def _labelled() -> list[str]:
    if not SHARED.is_dir():
        return []
    labels = [json.loads(line) for line in (SHARED / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    return [label["file"] for label in labels if label["is_v2"] and label["form"] and label["file"] != NEVER_SENT]


def _widget(response: HtmlResponse, selector: str) -> HtmlElement:
    found = response.selector.root.cssselect(selector)
    return next(e for e in found if not any(a.tag in ("noscript", "template") for a in e.iterancestors()))


def _challenge(response: HtmlResponse, selector: str, *, pressed: bool) -> Challenge:
    widget = _widget(response, selector)
    form = read_form(
        find_form(widget),
        page_url=response.url,
        base_url=get_base_url(response),
        encoding=response.encoding,
        widgets=[widget],
        pressed=pressed,
    )
    return Challenge(response.url, "k", form=form)


def _compare(
    browser: chromium.Browser,
    body: bytes,
    *,
    selector: str = ".g-recaptcha",
    pressed: bool,
    url: str = URL,
    charset: str | None = None,
    headers: dict[str, str] | None = None,
) -> None:
    headers = headers or {}
    stated = {"Content-Type": f"text/html; charset={charset}"} if charset else {}
    response = HtmlResponse(url, body=body, headers={**stated, **headers}, request=Request(url))
    ours = submit_token(response, _challenge(response, selector, pressed=pressed), TOKEN)
    page = chromium.Page(url, body, charset or response.encoding, tuple(headers.items()))
    theirs = browser.submit(page, selector, token=TOKEN, pressed=pressed)
    sent = {str(name, "ascii"): str(values[0], "ascii") for name, values in ours.headers.items()}
    assert _told(ours.method, ours.url, sent, ours.body) == _told(
        theirs.method, theirs.url, theirs.headers, theirs.body
    )


def _told(method: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, object]:
    """A request as far as a form decides it, with the boundary of its parts under one name."""
    type_ = headers.get("Content-Type", "")
    boundary = re.search("boundary=(.+)", type_)
    if boundary:
        type_ = type_.replace(boundary[1], "BOUNDARY")
        body = body.replace(boundary[1].encode(), b"BOUNDARY")
    return {
        "method": method,
        "url": url,
        "type": type_,
        "body": body,
        "referer": headers.get("Referer"),
        "origin": headers.get("Origin"),
    }


_SHARED = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared pages lie beside the checkout, not in it")
_BOTH = pytest.mark.parametrize("pressed", [True, False], ids=["pressed", "scripted"])


@_SHARED
@_BOTH
@pytest.mark.parametrize("file", _labelled())
def test_a_real_page_is_submitted_as_the_browser_submits_it(
    browser: chromium.Browser, file: str, pressed: bool
) -> None:
    body = (SHARED / file).read_bytes()
    _compare(browser, body, selector=SELECTORS.get(file, ".g-recaptcha"), pressed=pressed)


@_SHARED
@pytest.mark.parametrize("file", _labelled())
def test_the_form_of_a_found_challenge_is_one_of_those_compared(file: str) -> None:
    response = HtmlResponse(URL, body=(SHARED / file).read_bytes())
    selector = SELECTORS.get(file, ".g-recaptcha")
    compared = [_challenge(response, selector, pressed=pressed).form for pressed in (True, False)]
    challenge = find_challenge(response)
    assert challenge is not None
    assert challenge.form in compared


@_SHARED
def test_a_form_that_goes_to_a_script_is_refused() -> None:
    response = HtmlResponse(URL, body=(SHARED / NEVER_SENT).read_bytes())
    challenge = _challenge(response, ".g-recaptcha", pressed=True)
    with pytest.raises(ValueError, match="not http or https"):
        submit_token(response, challenge, TOKEN)


@_BOTH
@pytest.mark.parametrize("rule", OWN)
def test_each_rule_is_the_browsers(browser: chromium.Browser, rule: str, pressed: bool) -> None:
    _compare(browser, OWN[rule].encode(), pressed=pressed, charset="utf-8")


@pytest.mark.parametrize(
    "charset", ["windows-1252", "iso-8859-2", "windows-1251", "shift_jis", "gbk", "euc-kr", "big5", "koi8-r"]
)
def test_a_form_is_sent_in_the_encoding_of_its_page(browser: chromium.Browser, charset: str) -> None:
    page = OWN["charset"].encode(charset, "xmlcharrefreplace")
    _compare(browser, page, pressed=True, charset=charset)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("target", ["/own", "http://other.example/"])
def test_the_referrer_policy_of_the_page_holds(browser: chromium.Browser, policy: str, target: str) -> None:
    page = form_page("", f"method=post action={target}").encode()
    _compare(browser, page, pressed=True, charset="utf-8", headers={"Referrer-Policy": policy})


def test_a_policy_in_the_markup_holds(browser: chromium.Browser) -> None:
    page = "<meta name=referrer content=origin>" + form_page("", "method=post")
    _compare(browser, page.encode(), pressed=True, charset="utf-8", url="http://page.example/x?y#z")
