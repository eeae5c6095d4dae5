"""Which challenges are left alone and why; and to which addresses a token of a page may go."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.walls.reasons import (
    REASONS,
    TEST_KEY,
    is_allowed,
    same_site,
    unsolvable,
    unsubmittable,
    unsuitable_request,
)

PAGE = "https://shop.example.com/gate"
GOOD = Challenge(PAGE, "6LcSiteKey", form=Form("POST", "https://shop.example.com/verify", (("a", "b"),)), blocking=True)


def response(**headers):
    return HtmlResponse(PAGE, headers={name.replace("_", "-"): value for name, value in headers.items()})


def form_to(url, method="POST"):
    return replace(GOOD, form=Form(method, url, ()))


# -- the request ----------------------------------------------------------------------------------------------------


def test_an_ordinary_request_is_suitable():
    assert unsuitable_request(Request(PAGE)) is None
    assert unsuitable_request(Request(PAGE, method="POST", body=b"x", meta={"playwright": False})) is None


def test_a_head_request_has_no_page():
    assert unsuitable_request(Request(PAGE, method="head")) == "head"


@pytest.mark.parametrize("key", ["playwright", "splash", "zyte_api", "zyte_api_automap"])
@pytest.mark.parametrize("value", [True, {"browserHtml": True}])
def test_a_response_of_a_browser_cannot_be_continued(key, value):
    assert unsuitable_request(Request(PAGE, meta={key: value})) == "browser"


# -- the widget -----------------------------------------------------------------------------------------------------

UNSOLVABLE = {
    "no_sitekey": replace(GOOD, sitekey=None),
    "test_key": replace(GOOD, sitekey=TEST_KEY),
    "data_s": replace(GOOD, data_s="x"),
    "enterprise": replace(GOOD, enterprise=True),
}


@pytest.mark.parametrize("reason", UNSOLVABLE)
def test_a_widget_that_the_service_cannot_solve_is_not_paid_for(reason):
    assert unsolvable(UNSOLVABLE[reason], ()) == reason


def test_an_empty_key_is_none_and_an_empty_data_s_is_one():
    assert unsolvable(replace(GOOD, sitekey=""), ()) == "no_sitekey"
    assert unsolvable(replace(GOOD, data_s=""), ()) == "data_s"


def test_a_good_widget_is_solved_where_the_host_is_allowed_and_nowhere_else():
    assert unsolvable(GOOD, ()) is None
    assert unsolvable(GOOD, ("example.com",)) is None
    assert unsolvable(GOOD, ("example.org",)) == "host_not_allowed"


ALLOWED = [
    # host, domains, allowed
    ("example.com", (), True),
    ("example.com", ("example.com",), True),
    ("www.example.com", ("example.com",), True),
    ("a.b.example.com", ("example.org", "example.com"), True),
    ("EXAMPLE.com", ("example.com",), True),
    ("example.com.", ("example.com",), True),
    ("badexample.com", ("example.com",), False),
    ("example.com.evil.org", ("example.com",), False),
    ("example.com", ("www.example.com",), False),
    ("com", ("example.com",), False),
    ("", ("example.com",), False),
    ("127.0.0.1", ("127.0.0.1",), True),
]


@pytest.mark.parametrize(("host", "domains", "allowed"), ALLOWED)
def test_a_host_is_allowed_when_it_is_one_of_the_domains_or_below_one(host, domains, allowed):
    assert is_allowed(host, domains) is allowed
    assert is_allowed(host, iter(domains)) is allowed


# -- the way in -----------------------------------------------------------------------------------------------------

UNSUBMITTABLE = {
    "callback without a form": (replace(GOOD, form=None, callback="onDone"), "callback_only"),
    "a script beside the form": (replace(GOOD, scripted=True), "callback_only"),
    "a script instead of an address": (form_to("javascript:go()"), "callback_only"),
    "a script in capitals": (form_to("JavaScript:go()"), "callback_only"),
    "no form": (replace(GOOD, form=None), "no_form"),
    "another site": (form_to("https://evil.example.org/"), "foreign_form"),
    "plain http": (form_to("http://shop.example.com/verify"), "foreign_form"),
    "mail": (form_to("mailto:a@shop.example.com"), "foreign_form"),
    "no address": (form_to(""), "foreign_form"),
    "an address that is none": (form_to("https://[::1/"), "foreign_form"),
    "a dialog, which sends nothing": (form_to(PAGE, "DIALOG"), "callback_only"),
}


@pytest.mark.parametrize("case", UNSUBMITTABLE)
def test_a_token_that_could_not_be_handed_in_is_not_paid_for(case):
    challenge, reason = UNSUBMITTABLE[case]
    assert unsubmittable(challenge, response(), cookies=True) == reason


def test_a_callback_beside_a_form_that_can_be_sent_is_no_reason():
    assert unsubmittable(replace(GOOD, callback="onDone"), response(), cookies=True) is None


def test_a_wall_that_sets_cookies_is_left_alone_where_cookies_are_not_kept():
    assert unsubmittable(GOOD, response(Set_Cookie="s=1"), cookies=False) == "cookies"
    assert unsubmittable(GOOD, response(), cookies=False) is None
    assert unsubmittable(GOOD, response(Set_Cookie="s=1"), cookies=True) is None


def test_every_reason_that_can_be_given_here_is_in_the_closed_list_with_a_sentence():
    given = {*UNSOLVABLE, *(reason for _, reason in UNSUBMITTABLE.values()), "head", "browser", "cookies"}
    assert all(REASONS[reason] for reason in given | {"host_not_allowed"})


# -- the same site --------------------------------------------------------------------------------------------------

SAME = [
    ("https://example.com/a", "https://example.com/b?c#d"),
    ("https://example.com", "https://www.example.com"),
    ("https://a.example.com", "https://b.c.example.com"),
    ("https://a.example.co.uk", "https://b.example.co.uk"),
    ("https://user.github.io/a", "https://user.github.io/b"),
    ("https://a.user.github.io/", "https://user.github.io/"),
    ("http://example.com", "https://example.com"),
    ("http://example.com", "http://example.com:80"),
    ("http://example.com:8080", "http://example.com:8080"),
    ("http://example.com:8080", "http://example.com"),
    ("https://example.com:8443", "https://example.com"),
    ("http://example.com:8080", "https://example.com"),
    ("HTTPS://EXAMPLE.COM/", "https://Example.Com/"),
    ("https://example.com./", "https://example.com/"),
    ("https://user:pass@example.com/", "https://example.com/"),
    ("https://evil.org@example.com/", "https://example.com/"),
    ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/x"),
    ("http://[::1]/", "http://[0:0:0:0:0:0:0:1]/"),
    ("http://localhost:8000/", "http://localhost:8000/"),
    ("http://intranet/", "http://INTRANET/"),
    ("https://bücher.de/", "https://xn--bcher-kva.de/"),
    ("https://www.BÜCHER.de/", "https://xn--bcher-kva.de/"),
]
FOREIGN = [
    ("https://example.com", "https://example.org"),
    ("https://example.com", "https://notexample.com"),
    ("https://example.com", "https://example.com.evil.org"),
    ("https://a.co.uk", "https://b.co.uk"),
    ("https://one.github.io", "https://two.github.io"),
    ("https://user.github.io", "https://github.io"),
    ("https://github.io", "https://github.com"),
    ("https://example.com", "http://example.com"),
    ("https://example.com", "http://example.com:443"),
    ("https://example.com:443", "https://example.com:8443"),
    ("http://example.com:8080", "http://example.com:8081"),
    ("http://example.com", "http://example.com:22"),
    ("http://example.com", "https://example.com:8443"),
    ("https://example.com", "ftp://example.com"),
    ("https://example.com", "javascript://example.com/%0aalert(1)"),
    ("https://example.com", "//example.com/"),
    ("https://example.com", "/verify"),
    ("https://example.com", ""),
    ("https://example.com", "https:///verify"),
    ("https://example.com", "https://example.com:99999/"),
    ("https://example.com", "https://example.com:x/"),
    ("https://example.com", "https://[::1/"),
    ("http://127.0.0.1", "http://127.0.0.2"),
    ("http://10.0.0.1", "http://20.0.0.1"),
    ("http://127.0.0.1", "http://localhost"),
    ("http://1.2.3.4", "http://1.2.3.4.evil.org"),
    ("http://[::1]", "http://[::2]"),
    ("http://localhost", "http://localhost.evil.org"),
    ("http://a.localhost", "http://b.localhost"),
    ("http://one", "http://two"),
    ("https://bücher.de", "https://bucher.de"),
    # who a user name seems to be
    ("https://a.example.com", "https://a.example.com@b.example.org/"),
    ("https://a.example.com", "https://a.example.com:443@b.example.org/"),
    ("https://a.example.com", "https://a.example.com%2f@b.example.org/"),
    # programs do not agree where these lead
    ("https://a.example.com", "https://b.example.org\\@a.example.com/"),
    ("https://a.example.com", "https://a.example.com\\@b.example.org/"),
    ("https://a.example.com", "https://a.example.com\\.b.example.org/"),
    ("https://a.example.com", "https://b.example.org\\.a.example.com/"),
]


@pytest.mark.parametrize(("page", "target"), SAME)
def test_a_token_may_go_to_the_site_of_its_page(page, target):
    assert same_site(page, target)


@pytest.mark.parametrize(("page", "target"), FOREIGN)
def test_a_token_goes_to_no_other_site(page, target):
    assert not same_site(page, target)


def test_a_page_that_has_no_address_has_no_site():
    for page in ("", "about:blank", "data:text/html,x", "file:///example.com", "https://[::1/"):
        assert not same_site(page, "https://example.com/")
