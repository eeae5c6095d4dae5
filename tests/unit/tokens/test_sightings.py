"""What a crawl has seen of a site tells walls from other forms, where a page alone leaves doubt."""

from dataclasses import replace

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, Response

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.tokens.sightings import Sightings

SITE = "https://shop.example"
FORM = Form("POST", f"{SITE}/go", (("csrf_token", "1"), ("product", "a")))
DOUBT = Challenge(f"{SITE}/1", "key", form=FORM)


def judged(sightings, path, challenge=DOUBT, *, title="Shop", method="GET"):
    response = HtmlResponse(SITE + path, body=f"<title>{title}</title>".encode())
    return sightings.judge(Request(SITE + path, method=method), response, challenge).judgement


@pytest.mark.parametrize(
    ("asked", "answer", "again", "judgement"),
    [
        ("GET", {}, "GET", "withholds"),
        ("POST", {}, "GET", "doubtful"),
        ("GET", {"status": 404}, "GET", "doubtful"),
        ("GET", {"flags": ["cached"]}, "GET", "doubtful"),
        ("GET", {}, "POST", "doubtful"),
    ],
)
def test_a_form_is_a_wall_where_a_get_has_given_a_page_of_the_site_before(asked, answer, again, judgement):
    sightings = Sightings()
    sightings.page_seen(Request(f"{SITE}/1", method=asked), Response(f"{SITE}/1", **answer))
    assert judged(sightings, "/1", method=again) == judgement


def form(**changes):
    return replace(DOUBT, form=replace(FORM, **changes))


@pytest.mark.parametrize(
    ("path", "challenge", "title", "judgement"),
    [
        ("/2", DOUBT, "Shop", "withholds"),
        ("/2", form(url=f"{SITE}/go?id=2", fields=(("csrf_token", "2"), ("product", "a"))), "Shop", "withholds"),
        ("/1?page=2", DOUBT, "Shop", "doubtful"),
        ("/2", form(fields=(("csrf_token", "1"), ("product", "b"))), "Shop", "doubtful"),
        ("/2", form(url=f"{SITE}/leave"), "Shop", "doubtful"),
        ("/2", form(method="GET"), "Shop", "doubtful"),
        ("/2", DOUBT, "Contact", "doubtful"),
        ("/2", replace(DOUBT, sitekey="other"), "Shop", "doubtful"),
        ("/2", replace(DOUBT, does="Vote"), "Shop", "doubtful"),
        ("/2", replace(DOUBT, judgement="acts"), "Shop", "acts"),
    ],
)
def test_the_very_form_that_stood_at_another_address_is_a_wall_unless_it_does_something(
    path, challenge, title, judgement
):
    sightings = Sightings()
    assert judged(sightings, "/1") == "doubtful"
    assert judged(sightings, path, challenge, title=title) == judgement
