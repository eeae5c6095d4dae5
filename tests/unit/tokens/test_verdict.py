"""Rule 13 of the design, case by case: what is not known about a token is called unknown."""

import pytest
from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.buying.purchase import ACCEPTED
from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.errors import HandoverBroke
from scrapy_omocaptcha.tokens.judging import doubt_about
from scrapy_omocaptcha.tokens.verdict import Handed, came_without, opened, still_closed

URL = "http://shop.example/page/1"
KEY, OTHER_KEY = "6L" + "a" * 38, "6L" + "b" * 38
FORM, OTHER_FORM = (Form("POST", f"http://shop.example/{name}", ()) for name in ("verify", "login"))


def wall(key=KEY, form=FORM):
    return Challenge(URL, key, form=form, judgement="withholds", evidence=("for a test",))


@pytest.mark.parametrize(
    ("later", "is_first", "verdict"),
    [
        (wall(), True, ("rejected", "", True)),
        (wall(), False, ("unknown", "broke", True)),
        (wall(key=OTHER_KEY), True, ("unknown", "another_wall", False)),
        (wall(form=OTHER_FORM), False, ("unknown", "another_wall", False)),
    ],
)
def test_a_wall_that_stays_closed_rejects_a_token_only_if_it_has_read_it_for_the_first_time(later, is_first, verdict):
    told = still_closed(wall(), later, is_first=is_first)
    assert (told.outcome, told.reason, told.is_useless) == verdict


LOST = HandoverBroke("the answer was lost")
NOT_SENT = HandoverBroke("the connection was refused", is_sent=False)


def page(status=200, body=b"a page"):
    return Response(URL, status=status, body=body)


@pytest.mark.parametrize(
    ("handed", "answer", "verdict"),
    [
        (Handed(None, is_page=False), page(), ("accepted", "", False)),
        (Handed(page(), is_page=False), page(404), ("accepted", "", False)),
        (Handed(None, is_page=False), Request(URL), ("accepted", "", False)),
        (Handed(None, is_page=False, broke=LOST), page(), ("accepted", "", False)),
        (Handed(None, is_page=False, broke=NOT_SENT), page(), ("unknown", "not_seen", False)),
        (Handed(page(403), is_page=False), page(), ("unknown", "http_error", False)),
        (Handed(None, is_page=False), page(body=b" "), ("unknown", "no_page", True)),
        (Handed(None, is_page=False), page(403), ("unknown", "http_error", True)),
        (Handed(None, is_page=False), page(503), ("unknown", "http_error", False)),
        (Handed(None, is_page=False), Request(URL, meta={"retry_times": 1}), ("unknown", "broke", True)),
    ],
)
def test_a_page_after_a_token_accepts_it_only_if_nothing_else_explains_the_page(handed, answer, verdict):
    told = opened(handed, answer, doubt_about(Request(URL), answer))
    assert (told.outcome, told.reason, told.is_useless) == verdict
    assert bool(told.message) == (told is not ACCEPTED), "users are told why"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(page(), "not_needed"), (page(403), "not_needed"), (Request(URL), "not_needed"), (page(429), "page_failed")],
)
def test_a_token_is_not_needed_where_a_page_came_without_it_and_lost_where_the_site_is_overloaded(answer, reason):
    told = came_without(answer)
    assert (told.outcome, told.reason) == ("expired", reason)


def test_a_token_whose_answer_was_lost_may_not_have_opened_a_wall_that_other_requests_have_tokens_for():
    for handed, reason in (
        (Handed(None, False, broke=LOST), "broke"),
        (Handed(page(503), False, broke=LOST), "http_error"),
        (Handed(page(), False, broke=LOST), ""),
    ):
        assert opened(handed, page(), None, others_hand_in=True).reason == reason
