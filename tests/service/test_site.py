"""A wall of the test site opens for the right submission of an HTTP client, for no other, and counts them all."""

from __future__ import annotations

import http.client
from unittest.mock import ANY

import pytest

from scrapy_omocaptcha.testing import WALLS, Wall, WalledSite
from tests.helpers.browser_walls import OTHER_SITE, BrowserSite
from tests.service.visitor import Visitor


@pytest.fixture
def wall():
    return "session"


@pytest.fixture
def site(service, wall):
    with WalledSite(service, wall) as site:
        yield site


@pytest.fixture
def visitor(site):
    return Visitor(site)


# Walls that open for the form on their challenge. The others have their own tests.
OPENS_BY_FORM = [
    name
    for name, wall in WALLS.items()
    if wall.opens and wall.form != "none" and wall.widget != "no_key" and not wall.free_pages
]


@pytest.mark.parametrize("status", [200, 403, 429, 503])
@pytest.mark.parametrize("wall", OPENS_BY_FORM)
def test_a_wall_shows_its_challenge_and_accepts_its_form(service, wall, status):
    with WalledSite(service, wall, status=status) as site:
        visitor = Visitor(site)
        challenge = visitor.challenge("/page/2")
        assert (challenge.status, challenge.title) == (status, "Please confirm you are not a robot")
        assert site.sitekey in challenge.text
        assert site.pages == 0
        assert site.challenges == 1
        answer = visitor.submit(challenge, "/page/2")
        if site.wall.form != "page":
            assert site.pages == 0
            answer = visitor.ask("/page/2")
        assert answer.status == 200
        assert answer.title == "Catalogue, page 2 of 5"
        assert (site.pages, site.challenges, site.accepted, site.rejected) == (1, 1, 1, {})


@pytest.mark.parametrize("wall", ["session", "same_url", "redirect", "get"])
def test_a_form_of_another_session_is_a_csrf_failure(service, site, visitor):
    other = Visitor(site)
    stale = visitor.challenge("/page/1")
    other.challenge("/page/1")
    visitor.cookies = other.cookies  # as if a late answer had overwritten the session
    token = visitor.site_token()
    answer = visitor.submit(stale, "/page/1", token)
    assert answer.status == 403
    assert "CSRF" in answer.text
    assert "recaptcha" not in answer.text
    assert site.rejected["csrf"] == 1
    assert site.accepted == 0
    assert site.pages == 0
    assert service.siteverify(token, site.sitekey)["success"], "the token must not be used up"


def test_rejected_tokens_are_counted_by_error(service):
    with WalledSite(service) as site, WalledSite(service) as other:
        visitor = Visitor(site)
        challenge = visitor.ask("/page/1")
        used = visitor.site_token()
        visitor.submit(challenge, "/page/1", used)
        visitor.cookies.pop("clearance")
        foreign_key = Visitor(other).site_token()
        foreign_host = Visitor(site, "elsewhere.example").site_token()
        for token in (used, foreign_key, foreign_host, "made up", ""):
            answer = visitor.submit(challenge, "/page/1", token)
            assert answer.status == 403
            assert answer.title == "Please confirm you are not a robot"
        once = dict.fromkeys(("timeout-or-duplicate", "hostname-mismatch", "missing-input-response"), 1)
        assert site.rejected == {**once, "invalid-input-response": 2}
        fields = visitor.form(challenge, visitor.site_token())
        del fields["action"]
        visitor.ask("/verify", fields)
        assert site.rejected["incomplete-form"] == 1
        assert site.accepted == 1
        assert site.pages == 0
        assert site.rejected["csrf"] == 0


@pytest.mark.parametrize(
    ("wall", "rejected"), [("never", {"not-good-enough": 1}), ("enterprise", ANY), ("data_s", ANY)]
)
def test_walls_that_no_token_opens_refuse_every_one(site, visitor, rejected):
    assert visitor.submit(visitor.ask("/page/1"), "/page/1").status == 403
    assert (site.accepted, site.rejected) == (0, rejected)
    assert visitor.ask("/page/1").status == 403


@pytest.mark.parametrize("wall", WALLS)
def test_a_url_in_an_attribute_or_a_script_is_escaped(visitor):
    page = visitor.challenge("/page/1?q=</script>\"'<b>".replace(" ", "%20")).text
    assert "<b>" not in page
    assert page.count("</script>") == page.count("<script")


def test_a_visit_is_recorded_as_it_was_sent(service):
    lines: list[str] = []
    with WalledSite(service, on_event=lines.append) as site:
        visitor = Visitor(site)
        visitor.cookies["theme"] = "dark"
        token = visitor.site_token()
        latin = "application/x-www-form-urlencoded; charset=latin-1"
        visitor.send("POST", "/search?a=1&a=2", "b=%E4&a=&b=2", Content_Type=latin, User_Agent="test")
        (visit,) = site.requests
        assert visit.method == "POST"
        assert visit.path == "/search"
        assert visit.target == "/search?a=1&a=2"
        assert (visit.query, visit.form) == ((("a", "1"), ("a", "2")), (("b", "ä"), ("a", ""), ("b", "2")))
        assert visit.cookies["theme"] == "dark"
        assert visit.headers["user-agent"] == "test"
        assert visit.status == 403
        assert visit.shown == "challenge"
        assert visit.token is None
        visitor.submit(visitor.ask("/page/1"), "/page/1", token)
        assert lines[-1] == "site POST /verify -> 302 sent on, token: accepted"
        assert token not in "".join(lines)


def test_a_site_applies_faults_by_path(service):
    with WalledSite(service, Wall(free_pages=99)) as site:
        visitor = Visitor(site)
        site.fault("/page/2", "server_error")
        site.fault("*", "truncated")
        with pytest.raises(http.client.IncompleteRead):
            visitor.ask("/page/1")
        assert visitor.ask("/page/2").status == 500
        assert visitor.ask("/page/2").status == 200
        assert [visit.fault for visit in site.requests] == ["truncated", "server_error", None]


def test_a_postback_is_accepted_once_and_in_its_own_session(site, visitor):
    path = "/find/postback"
    other = Visitor(site)
    other.ask(path)
    found = visitor.ask(path, {**visitor.form(visitor.ask(path), visitor.site_token()), "q": "Curlew"})
    assert "Curlew 1" in found.text
    further = {**visitor.form(found, ""), "__EVENTTARGET": "results", "__EVENTARGUMENT": "Page$2"}
    assert other.ask(path, further).status == 403
    second = visitor.ask(path, further)
    assert "Curlew 3" in second.text
    assert visitor.ask(path, further).status == 403
    # No page of results, so it is a search, which needs a token.
    nonsense = {**visitor.form(second, ""), "__EVENTTARGET": "results", "__EVENTARGUMENT": "Page$x"}
    assert "Not confirmed" in visitor.ask(path, nonsense).text
    assert site.accepted == 1
    assert site.rejected["csrf"] == 2


def test_a_token_that_a_page_for_browsers_posts_to_another_site_counts_as_stolen(service):
    with BrowserSite(service, "foreign_post") as site:
        visitor, thief = Visitor(site), Visitor(site, OTHER_SITE)
        assert f"http://{OTHER_SITE}:{site.port}/steal" in visitor.ask("/page/2").text
        thief.ask("/steal")
        assert site.stolen == 0
        thief.ask("/steal?token=1")
        thief.ask("/steal", {"token": "1"})
        thief.send("POST", "/steal", '{"token": "1"}')
        assert site.stolen == 3
