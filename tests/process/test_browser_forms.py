"""Submissions are compared with the requests that Chromium sends: method, address, body and headers.

The forms are those of the saved pages, and those of small pages, one for each rule of the HTML standard that determines
what is sent.
"""

from __future__ import annotations

import re

import pytest
from lxml.html import HtmlElement
from scrapy import Request
from scrapy.http import HtmlResponse

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.detection import find_challenge
from scrapy_omocaptcha.forms.reading import Controls, read_form
from scrapy_omocaptcha.forms.submission import submit_token
from tests.helpers import browser as chromium
from tests.helpers.formpages import OWN
from tests.helpers.nightly import nightly
from tests.helpers.pages import FOLDER, labels, needs_pages

TOKEN = "03AFcWeA-token_of_a_browser"
URL = "http://page.example/dir/page.html?q=1"
# Selectors of the elements in which, or before which, Google's script puts its textarea, where that is not the first
# .g-recaptcha.
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
# Its form is sent to javascript:, so that there is no request.
NEVER_SENT = "072-nachtkritik-joomla.html"


def _files_with_form() -> list[str]:
    return [label["file"] for label in labels() if label["is_v2"] and label["form"] and label["file"] != NEVER_SENT]


FILES = _files_with_form()
RULES_OF_BUTTONS = [rule for rule in OWN if re.search("button|image|submit", OWN[rule])]


def _widget(response: HtmlResponse, selector: str) -> HtmlElement:
    found = response.selector.root.cssselect(selector)
    return next(e for e in found if not any(a.tag in ("noscript", "template") for a in e.iterancestors()))


def _challenge(response: HtmlResponse, selector: str, *, pressed: bool) -> Challenge:
    widget = _widget(response, selector)
    controls = Controls(response, response.selector.root, [widget])
    form = controls.owner(widget)
    button = controls.default_button(form) if pressed else None
    return Challenge(response.url, "k", form=read_form(form, controls, button=button))


def _compare(browser, body, *, pressed, selector=".g-recaptcha", url=URL, charset=None, headers=None):
    headers = headers or {}
    stated = {"Content-Type": f"text/html; charset={charset}"} if charset else {}
    response = HtmlResponse(url, body=body, headers={**stated, **headers}, request=Request(url))
    ours = submit_token(response, _challenge(response, selector, pressed=pressed), TOKEN)
    page = chromium.Page(url, body, charset or response.encoding, tuple(headers.items()))
    theirs = browser.submit(page, selector, token=TOKEN, pressed=pressed)
    sent = {str(name, "ascii"): str(values[0], "ascii") for name, values in ours.headers.items()}
    assert _comparable(ours.method, ours.url, sent, ours.body) == _comparable(
        theirs.method, theirs.url, theirs.headers, theirs.body
    )


def _comparable(method: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, object]:
    """Return the parts of a request that its form determines, with the boundary of its parts replaced."""
    type_ = headers.get("Content-Type", "")
    boundary = re.search("boundary=(.+)", type_)
    if boundary:
        type_ = type_.replace(boundary[1], "BOUNDARY")
        body = body.replace(boundary[1].encode(), b"BOUNDARY")
    shown = {"method": method, "url": url, "type": type_, "body": body}
    return shown | {"referer": headers.get("Referer"), "origin": headers.get("Origin")}


@needs_pages
@pytest.mark.parametrize("pressed", [pytest.param(True, id="pressed"), nightly(False, id="scripted")])
@pytest.mark.parametrize("file", [*FILES[::4], *(nightly(file) for file in FILES if file not in FILES[::4])])
def test_the_form_of_a_saved_page_is_submitted_as_the_browser_submits_it(browser, file, pressed):
    body = (FOLDER / file).read_bytes()
    _compare(browser, body, selector=SELECTORS.get(file, ".g-recaptcha"), pressed=pressed)


@needs_pages
@pytest.mark.parametrize("file", FILES)
def test_the_form_of_a_found_challenge_is_one_that_was_compared_with_the_browser(file):
    response = HtmlResponse(URL, body=(FOLDER / file).read_bytes())
    selector = SELECTORS.get(file, ".g-recaptcha")
    compared = [_challenge(response, selector, pressed=pressed).form for pressed in (True, False)]
    challenge = find_challenge(response)
    assert challenge is not None
    assert challenge.form in compared


# Without a button, it makes no difference whether a visitor or a script submits the form.
@pytest.mark.parametrize(
    ("rule", "pressed"),
    [
        *((rule, True) for rule in OWN),
        *(nightly(rule, False) for rule in RULES_OF_BUTTONS[1:]),
        (RULES_OF_BUTTONS[0], False),
    ],
)
def test_the_form_of_each_rule_is_submitted_as_the_browser_submits_it(browser, rule, pressed):
    _compare(browser, OWN[rule].encode(), pressed=pressed, charset="utf-8")


@pytest.mark.parametrize(
    "charset",
    [
        *("windows-1252", "shift_jis"),
        *map(nightly, ("iso-8859-2", "windows-1251", "gbk", "euc-kr", "big5", "koi8-r")),
    ],
)
def test_a_form_is_submitted_in_the_encoding_of_its_page_as_in_the_browser(browser, charset):
    page = OWN["charset"].encode(charset, "xmlcharrefreplace")
    _compare(browser, page, pressed=True, charset=charset)
