"""The reasons for which challenges are left alone."""

from dataclasses import replace

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, Response

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.tokens.reasons import CHECKS, REASONS, TEST_KEY, Case, find_refusal

PAGE = "https://shop.example.com/gate"
GOOD = Challenge(
    PAGE, "6LcSiteKey", form=Form("POST", "https://shop.example.com/verify", (("a", "b"),)), judgement="withholds"
)


def response(**headers):
    return HtmlResponse(PAGE, headers={name.replace("_", "-"): value for name, value in headers.items()})


def refused(purpose, challenge=GOOD, **case):
    """Return the reason for refusing a challenge that nothing else speaks against."""
    case = {"request": Request(PAGE), **case}
    refusal = find_refusal(purpose, Case(challenge, **case))
    assert refusal is None or refusal.message == REASONS[refusal.reason]
    return refusal and refusal.reason


def form_to(url, method="POST"):
    return replace(GOOD, form=Form(method, url, ()))


# -- the request ----------------------------------------------------------------------------------------------------


def test_an_ordinary_request_is_suitable_and_a_head_request_has_no_page():
    assert refused("browser", request=Request(PAGE)) is None
    assert refused("browser", request=Request(PAGE, method="POST", body=b"x", meta={"playwright": False})) is None
    assert refused("upfront", request=Request(PAGE, meta={"splash": None, "zyte_api_automap": False})) is None
    assert refused("browser", request=Request(PAGE, method="head")) == "head"


@pytest.mark.parametrize("key", ["splash", "zyte_api", "zyte_api_automap"])
@pytest.mark.parametrize("value", [True, {"browserHtml": True}])
def test_a_response_of_another_browser_cannot_be_continued(key, value):
    assert refused("upfront", request=Request(PAGE, meta={key: value})) == "browser"


@pytest.mark.parametrize("name", ["SplashRequest", "SplashFormRequest", "SeleniumRequest", "PuppeteerRequest"])
def test_another_browser_is_told_by_the_class_of_its_requests_too(name):
    derived = type("OfTheProject", (type(name, (Request,), {}),), {})
    assert refused("upfront", request=derived(PAGE)) == "browser"


@pytest.mark.parametrize(
    ("is_downloaded", "flags", "reason"),
    [
        (True, [], None),
        (True, ["x", "zyte-api"], "browser"),
        (True, ["x", "playwright"], "browser"),
        (False, [], "browser"),
        (False, ["cached"], None),
    ],
)
def test_a_browser_is_told_by_the_flag_of_its_response_or_because_the_downloader_has_not_seen_the_request(
    is_downloaded, flags, reason
):
    assert refused("hook", is_downloaded=is_downloaded, response=Response(PAGE, flags=flags)) == reason


# -- the widget -----------------------------------------------------------------------------------------------------

UNSOLVABLE = {
    "no_sitekey": [replace(GOOD, sitekey=None), replace(GOOD, sitekey="")],
    "test_key": [replace(GOOD, sitekey=TEST_KEY)],
    "data_s": [replace(GOOD, data_s="x"), replace(GOOD, data_s="")],
    "enterprise": [replace(GOOD, enterprise=True)],
}


@pytest.mark.parametrize("purpose", CHECKS)
@pytest.mark.parametrize(("reason", "challenges"), UNSOLVABLE.items())
def test_a_widget_that_the_service_cannot_solve_is_not_paid_for(reason, challenges, purpose):
    assert [refused(purpose, challenge) for challenge in challenges] == [reason] * len(challenges)


@pytest.mark.parametrize("purpose", CHECKS)
def test_a_good_widget_is_solved_where_the_host_is_allowed_and_nowhere_else(purpose):
    assert refused(purpose) is None
    assert refused(purpose, allowed_domains=("example.com",)) is None
    assert refused(purpose, allowed_domains=("example.org",)) == "host_not_allowed"


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
    assert refused("form", challenge) == reason
    assert refused("hook", challenge) is None
    assert refused("browser", challenge) == ("foreign_form" if reason == "foreign_form" else None)


def test_a_callback_beside_a_form_that_can_be_sent_is_no_reason():
    assert refused("form", replace(GOOD, callback="onDone")) is None


def test_a_wall_that_sets_cookies_is_left_alone_where_cookies_are_not_kept():
    sets_cookie = response(Set_Cookie="s=1")
    assert refused("form", response=sets_cookie, keeps_cookies=False) == "cookies"
    assert refused("form", response=response(), keeps_cookies=False) is None
    assert refused("form", response=sets_cookie) is None
