"""Whether a site binds its clearance to more than cookies, by what it answers to other visitors; nothing is sent."""

import pytest
from scrapy import Request

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.tokens.medium import Mediums
from scrapy_omocaptcha.walls.visitors import Visitors

WALL = Challenge("https://shop.example/a", "6Lkey")
OTHER = Challenge("https://other.example/", "6Lkey")
FOX = "User-Agent 'Fox' rather than 'Owl'"


def request(agent, url="https://shop.example/", **meta):
    return Request(url, headers={"User-Agent": agent}, meta=meta)


@pytest.fixture
def visitors():
    """A wall that Owl has opened at 10, in the session without a cookiejar."""
    visitors = Visitors(Mediums(None, None))
    visitors.record_won(request("Owl"), WALL, 10)
    return visitors


@pytest.mark.parametrize(
    ("challenged", "challenge", "stamp", "difference"),
    [
        (request("Fox"), WALL, 11, FOX),
        (
            request("Fox", proxy="http://u:p@proxy.example:1/"),
            WALL,
            11,
            f"{FOX} and the proxy 'proxy.example:1' rather than ''",
        ),
        (request("Fox"), WALL, 9, ""),
        (request("Owl"), WALL, 11, ""),
        (request("Fox"), OTHER, 11, ""),
        (request("Fox", "https://www.shop.example/"), WALL, 11, ""),
        (request("Fox", cookiejar=1), WALL, 11, ""),
    ],
    ids=["another", "of a proxy, too", "sent before", "the same", "at another wall", "at another host", "another jar"],
)
def test_a_challenge_for_another_visitor_with_the_same_cookies_tells_what_they_differ_in(
    visitors, challenged, challenge, stamp, difference
):
    assert visitors.record_challenge(challenged, challenge, stamp) == difference


@pytest.mark.parametrize(("agent", "stamp", "is_told"), [("Fox", 11, False), ("Fox", 9, True), ("Owl", 11, True)])
def test_two_pages_for_each_challenge_show_that_the_site_does_not_mind_who_asks(visitors, agent, stamp, is_told):
    for _ in range(4):
        visitors.record_page(request(agent), stamp)
    visitors.record_won(request("Cat"), WALL, 20)
    told = [visitors.record_challenge(request("Fox"), WALL, 21) != "" for _ in range(3)]
    assert told == [is_told, is_told, True]
