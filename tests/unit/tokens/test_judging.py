"""What the answer to a request that carried a token is, case by case."""

from dataclasses import replace

import pytest
from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.tokens import judging
from scrapy_omocaptcha.tokens.judging import doubt_about, is_good, is_other_wall, is_page_of, is_same_wall

URL = "https://shop.example/page?p=1"
FORM = Form("POST", "https://shop.example/verify", (("csrf", "1"), ("next", "/page")))
WALL = Challenge(URL, "6L" + "a" * 38, form=FORM)


def form(**changes):
    return replace(WALL, form=replace(FORM, **changes))


@pytest.mark.parametrize(
    ("later", "is_same", "is_other"),
    [
        (WALL, True, False),
        (form(fields=(("next", "/other"), ("csrf", "2"), ("csrf", "3"))), True, False),
        (form(url="https://SHOP.example:443/verify?id=2"), True, False),
        (replace(WALL, url="https://shop.example/gate"), True, False),
        (form(url="https://shop.example/login"), False, False),
        (form(method="GET"), False, False),
        (form(fields=(("csrf", "1"),)), False, False),
        (replace(WALL, form=None), False, False),
        (replace(WALL, sitekey="6L" + "b" * 38), False, True),
        (replace(WALL, url="https://login.example/page"), True, True),
    ],
)
def test_a_wall_is_known_again_by_key_and_form_and_surely_another_by_key_and_host(later, is_same, is_other):
    assert is_same_wall(WALL, later) is is_same
    assert is_other_wall(WALL, later) is is_other


@pytest.mark.parametrize(
    ("status", "body", "doubt", "is_page"),
    [
        (200, b"a page", None, True),
        (204, b"", "no_page", False),
        (200, b" \n", "no_page", False),
        (304, b"", None, False),
        (400, b"bad", None, False),
        (404, b"missing", None, False),
        (410, b"", None, False),
        (401, b"log in", "http_error", False),
        (403, b"forbidden", "http_error", False),
        (429, b"slowly", "http_error", False),
        (500, b"", "http_error", False),
        (503, b"later", "http_error", False),
    ],
)
def test_status_and_body_tell_whether_an_answer_is_a_page(status, body, doubt, is_page):
    answer = Response(URL, status=status, body=body)
    assert doubt_about(Request(URL), answer) == doubt
    assert is_page_of(Request(URL), answer) is is_page
    assert is_good(answer) is (status < 400)


def test_an_answer_that_may_come_from_a_proxy_or_says_nothing_is_lost_and_one_that_leads_on_is_not():
    answers = [Response(URL, status=status) for status in (200, 302, 400, 407, 408, 425, 429, 499, 503)]
    assert [answer.status for answer in answers if not judging.is_lost(answer)] == [400]
    leading_on = (Response(URL, status=status, headers={"Location": "/"}) for status in (201, 302))
    assert [judging.is_lost(answer) for answer in leading_on] == [True, False]
    assert [judging.is_blank(Response(URL, body=b"<!--%s-->" % (b"x" * size))) for size in (993, 994)] == [True, False]
    cached = (Response(url, flags=["cached"]) for url in (URL, f"{URL}2"))
    assert [judging.is_stored(Request(URL), answer) for answer in cached] == [True, False]


@pytest.mark.parametrize(
    ("method", "path", "is_page"), [("GET", "#top", True), ("GET", "2", False), ("POST", "", False)]
)
def test_a_page_is_that_of_a_get_for_its_own_address(method, path, is_page):
    assert is_page_of(Request(URL, method=method), Response(URL + path, body=b"a page")) is is_page


@pytest.mark.parametrize(("before", "after", "doubt"), [(0, 0, None), (1, 1, None), (0, 1, "broke"), (1, 2, "broke")])
def test_a_redirect_is_good_and_a_retry_tells_nothing_of_the_wall(before, after, doubt):
    request, answer = (Request(URL, meta={"retry_times": times} if times else {}) for times in (before, after))
    assert doubt_about(request, answer) == doubt
    assert is_good(answer)
