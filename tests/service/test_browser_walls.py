"""Each wall for browsers opens for a good token alone. That its page can be solved, the crawls of a browser show."""

from __future__ import annotations

import json

import pytest

from tests.helpers.browser_walls import GATE_PAGE, KINDS, OTHER_SITE, BrowserSite
from tests.service.visitor import Answer, Visitor

PAGE = "/page/2?sort=up"
OPENS = [name for name, kind in KINDS.items() if kind.wall.opens]


def ask_for_challenge(visitor: Visitor, kind: str) -> Answer:
    """Ask for the page, and for the challenge where the page is shown without it."""
    answer = visitor.ask(PAGE)
    return visitor.ask(f"{GATE_PAGE}?next=%2Fpage%2F2%3Fsort%3Dup") if kind == "behind_click" else answer


def hand_in(visitor: Visitor, challenge: Answer, kind: str, token: str) -> Answer:
    """Send a token as the page of this kind does."""
    if KINDS[kind].wall.form == "none":
        return visitor.send("POST", "/verify", json.dumps({"token": token}), Content_Type="application/json")
    return visitor.ask("/verify", visitor.form(challenge, token))


@pytest.mark.parametrize("kind", OPENS)
def test_a_good_token_opens_the_session_and_a_bad_one_does_not(service, kind):
    with BrowserSite(service, kind) as site:
        visitor = Visitor(site)
        for token, accepted in (("invented", False), (visitor.site_token(), True)):
            answer = hand_in(visitor, ask_for_challenge(visitor, kind), kind, token)
            assert site.accepted == accepted
            assert answer.status == (403 if not accepted else 200 if KINDS[kind].wall.form == "none" else 302)
            assert ("clearance" in visitor.cookies) is accepted
        if answer.status == 302:
            assert answer.location == (KINDS[kind].then or PAGE)
        assert visitor.ask(PAGE).title == "Catalogue, page 2 of 5"
        Visitor(site).ask(PAGE)
        assert (site.pages, site.accepted, site.rejected) == (1, 1, {"invalid-input-response": 1})


def test_a_token_that_is_posted_to_another_site_counts_as_stolen(service):
    with BrowserSite(service, "foreign_post") as site:
        visitor, thief = Visitor(site), Visitor(site, OTHER_SITE)
        assert f"http://{OTHER_SITE}:{site.port}/steal" in visitor.ask(PAGE).text
        thief.ask("/steal")
        assert site.stolen == 0
        thief.ask("/steal?token=1")
        thief.ask("/steal", {"token": "1"})
        thief.send("POST", "/steal", '{"token": "1"}')
        assert site.stolen == 3
        hand_in(visitor, visitor.ask(PAGE), "foreign_post", visitor.site_token())
        assert (site.rejected, visitor.ask(PAGE).status) == ({"not-good-enough": 1}, 403)
