"""Each wall for browsers shows its challenge, and opens for a token that is sent as its page would send it."""

from __future__ import annotations

import json

import pytest
from scrapy.http import HtmlResponse

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.detection import find_challenge
from tests.helpers.browser_walls import GATE_PAGE, KINDS, OTHER_KEY, OTHER_SITE, TITLE, BrowserSite
from tests.service.visitor import Answer, Visitor

PAGE = "/page/2?sort=up"
NOT_IN_THE_MARKUP = {"late_key"}
"""Kinds whose widget is found only in the page as a browser renders it."""
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


def detect(site: BrowserSite, answer: Answer, body: str) -> Challenge | None:
    """Return the challenge of an answer whose body may be another."""
    return find_challenge(HtmlResponse(site.url + PAGE, status=answer.status, body=body.encode(), encoding="utf-8"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_markup_of_each_challenge_is_detected_as_blocking(service, kind):
    with BrowserSite(service, kind) as site:
        answer = ask_for_challenge(Visitor(site), kind)
        found = detect(site, answer, answer.text)
        assert (answer.status, answer.title, site.challenges, site.pages) == (403, TITLE, 1, 0)
        if kind in NOT_IN_THE_MARKUP:
            assert found is None
        else:
            assert found.blocking
            assert found.sitekey == (OTHER_KEY if kind == "other_key_second" else site.sitekey)


def test_a_challenge_whose_key_comes_late_is_detected_as_a_browser_renders_it(service):
    with BrowserSite(service, "late_key") as site:
        visitor = Visitor(site)
        answer = visitor.ask(PAGE)
        assert f'"sitekey": "{site.sitekey}"' in visitor.ask("/late.js").text
        frame = f'<iframe src="https://www.google.com/recaptcha/api2/anchor?ar=1&amp;k={site.sitekey}&amp;size=normal">'
        field = '<textarea name="g-recaptcha-response"></textarea>'
        widget = f"<div><div>{frame}</iframe></div>{field}</div>"
        found = detect(site, answer, answer.text.replace('<div id="captcha">', f'<div id="captcha">{widget}'))
        assert (found.blocking, found.sitekey, found.form.url) == (True, site.sitekey, f"{site.url}/verify")


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


def test_a_page_behind_a_click_has_no_details_without_a_token(service):
    with BrowserSite(service, "behind_click") as site:
        visitor = Visitor(site)
        answer = visitor.ask(PAGE)
        assert (answer.status, answer.title, site.challenges, site.pages) == (200, "Catalogue, page 2 of 5", 0, 0)
        assert detect(site, answer, answer.text) is None
        assert '<div id="details"></div>' in answer.text
        gate = f'location = "{GATE_PAGE}?next=%2Fpage%2F2%3Fsort%3Dup"'
        assert gate in answer.text
        hand_in(visitor, answer, "behind_click", visitor.site_token())
        answer = visitor.ask(PAGE)
        assert "Three in stock" in answer.text
        assert gate not in answer.text
        assert 'id="more"' in answer.text
        assert visitor.ask(f"{GATE_PAGE}?next=%2Fpage%2F2%3Fsort%3Dup").location == PAGE
        assert (site.challenges, site.pages) == (0, 1)


def test_the_site_key_of_a_second_challenge_is_another(service):
    with BrowserSite(service, "other_key_second") as site:
        visitor = Visitor(site)
        assert site.sitekey not in visitor.ask(PAGE).text
        challenge = visitor.ask(PAGE)
        assert OTHER_KEY not in challenge.text
        hand_in(visitor, challenge, "other_key_second", service.mint(OTHER_KEY))
        assert site.rejected == {"invalid-input-response": 1}


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


def test_addresses_that_never_arrive_are_those_of_their_kinds(service):
    with BrowserSite(service, "redirect_forever") as site:
        answer = Visitor(site).ask("/redirect-forever")
        assert (answer.status, answer.location) == (302, "/redirect-forever")
        assert "location.reload()" in Visitor(site).ask("/reload-forever").text


def test_a_page_with_a_script_in_its_address_does_not_end_the_script_of_the_challenge(service):
    with BrowserSite(service, "get_response") as site:
        answer = Visitor(site).ask("/search?q=</script><b>")
        assert answer.text.count("</script>") == 2
