"""Whether a site binds its clearance to more than cookies, by what it answers to other visitors; nothing is sent."""

import pytest
from scrapy import Request

from scrapy_omocaptcha.walls.visitors import Visitors


def request(agent):
    return Request("https://shop.example/", headers={"User-Agent": agent})


OWL, FOX, CAT = map(request, ("Owl", "Fox", "Cat"))
IS_FOX = "User-Agent 'Fox' rather than 'Owl'"


def difference(*records, has_new_cookies=True):
    """Return what is seen after Owl has opened the wall, and after some records of pages and challenges."""
    visitors = Visitors()
    visitors.record_opened(OWL, has_new_cookies=has_new_cookies)
    for kind, visitor in records:
        getattr(visitors, f"record_{kind}")(visitor)
    return visitors.difference


@pytest.mark.parametrize(
    ("records", "seen"),
    [
        ([], ""),
        ([("challenge", OWL)], ""),
        ([("challenge", FOX)], IS_FOX),
        ([("page", FOX), ("challenge", FOX)], IS_FOX),
        ([("page", CAT), ("page", FOX), ("challenge", FOX)], ""),
        ([("page", CAT), ("page", FOX), ("challenge", FOX), ("challenge", CAT)], IS_FOX),
    ],
)
def test_a_challenge_for_another_visitor_tells_unless_two_pages_for_each_show_that_the_site_does_not_mind(
    records, seen
):
    assert difference(*records) == seen


@pytest.mark.parametrize(
    ("records", "seen"),
    [
        ([("challenge", FOX)], ""),
        ([("challenge", FOX), ("page", FOX)], ""),
        ([("challenge", FOX), ("page", OWL)], IS_FOX),
    ],
)
def test_without_new_cookies_it_takes_a_page_for_who_has_opened_the_wall(records, seen):
    assert difference(*records, has_new_cookies=False) == seen
