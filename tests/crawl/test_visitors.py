"""Whole crawls at walls whose clearance is good for less than the cookies: for one User-Agent alone."""

import logging
from itertools import count, cycle

import pytest
import scrapy

from tests.helpers.crawling import RecordingSpider
from tests.helpers.sites import Site, challenge, page, redirect

ONE_BY_ONE = {"CONCURRENT_REQUESTS": 1}
TOLD = "shows its challenge again to a session that has opened its wall"


def wall(mark, *, lasts=1000, rejects=0):
    """Return how a site answers whose clearance is bound to what ``mark`` returns of a request, for so many pages.

    :param rejects: how many tokens are rejected before the next one is accepted.
    """
    cleared, tokens = {}, count()

    def answer(request, form):
        if request.path == "/verify" and next(tokens) % (rejects + 1) == rejects:
            cookie = str(len(cleared))
            cleared[cookie] = [mark(request), lasts]
            response = redirect("/won")
            response.set_cookie("clearance", cookie, path="/")
            return response
        known = cleared.get(request.cookies.get("clearance"))
        if known is not None and known[0] == mark(request) and known[1] > 0 and request.path != "/won":
            known[1] -= 1
            return page()
        return page() if request.path in ("/won", "/free") else challenge()

    return answer


def asking(origin, traits, paths=range(12)):
    """Return a spider that asks for pages one after the other, each as if it were the next of some visitors."""
    visitors = cycle(traits)

    class Asks(RecordingSpider):
        def requests(self):
            for number, path in enumerate(paths):
                yield scrapy.Request(f"{origin}/{path}?{number}", self.page, errback=self.failed, **next(visitors))

    return Asks


def agents(*names):
    return [{"headers": {"User-Agent": name}} for name in names]


def told(crawled):
    return [line for line in crawled.said() if TOLD in line]


def agent_of(request):
    return request.headers["User-Agent"]


def anybody(request):
    return None


@pytest.mark.parametrize("paths", [range(12), ["free", "item", "item"] * 8])
def test_a_clearance_that_is_bound_to_the_user_agent_is_told_once_with_both(crawl, service, paths):
    with Site(wall(agent_of)) as site:
        crawled = crawl(
            asking(site.origin, agents("Owl/1", "Owl/2", "Owl/3"), paths), {**service.settings, **ONE_BY_ONE}
        )
    (line,) = told(crawled)
    assert "User-Agent 'Owl/2' rather than 'Owl/1'" in line or "User-Agent 'Owl/3' rather than 'Owl/2'" in line
    assert len(crawled.pages) == len(paths)
    assert len(service.jobs) >= 12
    assert crawled.count("noticed/bound") == 1
    assert any("\n  look at     1: bound at " in line for line in crawled.said(logging.INFO))


@pytest.mark.parametrize(
    ("traits", "mark", "how"),
    [
        (agents("Owl/1"), agent_of, {}),
        (agents("Owl/1"), agent_of, {"lasts": 1}),
        (agents("Owl/1", "Owl/2", "Owl/3"), anybody, {}),
        (agents("Owl/1", "Owl/2", "Owl/3"), anybody, {"lasts": 4}),
        (agents("Owl/1", "Owl/2", "Owl/3"), anybody, {"lasts": 4, "rejects": 2}),
        (
            [{"headers": {"User-Agent": f"Owl/{number}"}, "meta": {"cookiejar": number}} for number in "12"],
            agent_of,
            {},
        ),
    ],
    ids=[
        "one",
        "one at a wall of one page",
        "not bound",
        "not bound and soon used up",
        "with tokens rejected, too",
        "a cookiejar each",
    ],
)
def test_nothing_is_told_where_one_visitor_has_one_user_agent_or_the_site_does_not_mind(
    crawl, service, traits, mark, how
):
    with Site(wall(mark, **how)) as site:
        crawled = crawl(asking(site.origin, traits, range(24)), {**service.settings, **ONE_BY_ONE})
    assert (len(crawled.pages), told(crawled)) == (24, [])


def test_other_headers_that_a_clearance_is_bound_to_are_named(crawl, service):
    traits = [{"headers": {"Accept-Language": name, "X-Mine": name}} for name in ("de", "fr")]
    with Site(wall(lambda request: request.headers["Accept-Language"])) as site:
        crawled = crawl(asking(site.origin, traits), {**service.settings, **ONE_BY_ONE})
    (line,) = told(crawled)
    assert "the request has Accept-Language 'fr' rather than 'de'" in line


def test_it_is_told_as_well_where_the_cookie_of_the_session_is_older_than_its_token(crawl, service):
    opened = set()

    def answer(request, form):
        cookie = request.cookies.get("session", "fresh")
        if request.path == "/verify":
            opened.add((cookie, agent_of(request)))
            response = redirect("/won")
        else:
            response = page() if (cookie, agent_of(request)) in opened else challenge()
        response.set_cookie("session", "kept", path="/")
        return response

    with Site(answer) as site:
        crawled = crawl(asking(site.origin, agents("Owl/1", "Owl/2", "Owl/3")), {**service.settings, **ONE_BY_ONE})
    (line,) = told(crawled)
    assert "User-Agent 'Owl/3' rather than 'Owl/2'" in line or "User-Agent 'Owl/2' rather than 'Owl/1'" in line
    assert (len(crawled.pages), len(service.jobs)) == (12, 3)
