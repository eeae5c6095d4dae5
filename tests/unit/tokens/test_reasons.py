"""The reasons for which challenges are left alone."""

from dataclasses import replace

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, Response

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.tokens.reasons import CHECKS, TEST_KEY, Case, Refusal, find_refusal

PAGE = "https://shop.example.com/gate"
GOOD = Challenge(
    PAGE, "6LcSiteKey", form=Form("POST", "https://shop.example.com/verify", (("a", "b"),)), judgement="withholds"
)


def refused(purpose, challenge=GOOD, **case):
    """Return the reason for refusing a challenge that nothing else speaks against."""
    refusal = find_refusal(purpose, Case(challenge, **{"request": Request(PAGE), **case}))
    assert refusal is None or refusal == Refusal.of(refusal.reason)
    return refusal and refusal.reason


def form_to(url, method="POST"):
    return replace(GOOD, form=Form(method, url, ()))


def test_a_request_for_another_browser_is_told_by_its_meta_or_its_class():
    own = (Request(PAGE, method="POST", body=b"x", meta={"playwright": False}), Request(PAGE, meta={"splash": None}))
    others = [Request(PAGE, meta={key: {"html": True}}) for key in ("splash", "zyte_api", "zyte_api_automap")]
    names = ("SplashRequest", "SplashFormRequest", "SeleniumRequest", "PuppeteerRequest")
    others += [type("OfTheProject", (type(name, (Request,), {}),), {})(PAGE) for name in names]
    assert [refused("upfront", request=request) for request in own] == [None, None]
    assert [refused("upfront", request=request) for request in others] == ["browser"] * 7


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


NOT_SOLVED = {
    "no key": (replace(GOOD, sitekey=None), "unsolvable"),
    "test key": (replace(GOOD, sitekey=TEST_KEY), "unsolvable"),
    "data-s": (replace(GOOD, data_s=""), "unsolvable"),
    "Enterprise": (replace(GOOD, enterprise=True), "enterprise"),
}


@pytest.mark.parametrize("purpose", CHECKS)
def test_only_a_widget_that_the_service_can_solve_on_an_allowed_host_is_paid_for(purpose):
    assert {name: (page, refused(purpose, page)) for name, (page, _) in NOT_SOLVED.items()} == NOT_SOLVED
    domains = ((), ("example.com",), ("example.org",))
    assert [refused(purpose, allowed_domains=allowed) for allowed in domains] == [None, None, "offsite"]


UNSUBMITTABLE = {
    "callback without a form": (replace(GOOD, form=None, callback="onDone"), "browser"),
    "a script beside the form": (replace(GOOD, scripted=True), "browser"),
    "a script instead of an address": (form_to("JavaScript:go()"), "browser"),
    "no form": (replace(GOOD, form=None), "browser"),
    "another site": (form_to("https://evil.example.org/"), "foreign_form"),
    "plain http": (form_to("http://shop.example.com/verify"), "foreign_form"),
    "mail": (form_to("mailto:a@shop.example.com"), "foreign_form"),
    "no address": (form_to(""), "foreign_form"),
    "an address that is none": (form_to("https://[::1/"), "foreign_form"),
    "a dialog, which sends nothing": (form_to(PAGE, "DIALOG"), "browser"),
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
    plain, sets_cookie = HtmlResponse(PAGE), HtmlResponse(PAGE, headers={"Set-Cookie": "s=1"})
    assert refused("form", response=sets_cookie, keeps_cookies=False) == "cookies"
    assert refused("form", response=plain, keeps_cookies=False) is None
    assert refused("form", response=sets_cookie) is None
