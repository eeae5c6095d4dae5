"""Whole crawls through redirects: walls that redirect, pages behind a wall that do, and redirects of a token."""

import asyncio
from collections import Counter

import pytest
import scrapy
from aiohttp import web

from tests.helpers.nightly import nightly
from tests.helpers.sites import Site, behind_wall, challenge, cleared, page, redirect, sending, spider, wishing, won

# -- to a wall -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [300, 304])
def test_a_redirect_that_leads_nowhere_goes_to_the_spider(crawl, service, status):
    with Site(lambda request, form: web.Response(status=status)) as site:
        crawled = crawl(spider(f"{site.origin}/page", handle_httpstatus_list=[status]), service.settings)
    assert [one.status for one in crawled.pages] == [status]


@pytest.mark.parametrize("concurrent", [1, 4])
def test_no_page_is_lost_where_httpcache_stores_links_that_redirect_to_pages_which_redirect_to_a_wall(
    crawl, service, tmp_path, concurrent
):
    def answer(request, form):
        if request.path.startswith("/go/"):
            return redirect(request.path.replace("/go/", "/page/"))
        if request.path == "/gate" and request.method == "GET":
            return challenge()
        return inside(request, form)

    inside = behind_wall(lambda request: page(request.path), gate="/gate")
    settings = {**service.settings, "HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": str(tmp_path)}
    with Site(answer) as site:
        urls = [f"{site.origin}/go/{number}" for number in range(6)]
        for _ in range(2):
            crawled = crawl(spider(*urls), {**settings, "CONCURRENT_REQUESTS": concurrent})
            assert sorted(one.text for one in crawled.pages) == [f"/page/{number}" for number in range(6)]
    assert len(service.jobs) == 1


# -- of ordinary pages -----------------------------------------------------------------------------------------------


def moved(request):
    """Answer for pages that have moved from /old/ to /new/."""
    return redirect(request.path.replace("old", "new")) if request.path.startswith("/old/") else page()


def test_pages_that_redirect_do_not_bring_back_the_clearance_that_has_run_out(crawl, service):
    """Were the cookies of the last clearance kept in the place of those just won, each token would seem rejected."""
    clearances = {"won": 0, "valid": None}

    def answer(request, form):
        if request.path == "/verify":
            clearances["won"] += 1
            clearances["valid"] = str(clearances["won"])
            response = page("thanks")
            response.set_cookie("clearance", clearances["valid"], path="/")
            return response
        if request.cookies.get("clearance") != clearances["valid"] or clearances["valid"] is None:
            return challenge()
        if request.path == "/new/4" and clearances["won"] == 1:
            clearances["valid"] = None
        return moved(request)

    with Site(answer) as site:
        urls = [f"{site.origin}/old/{number}" for number in range(10)]
        crawled = crawl(spider(*urls), {**service.settings, "CONCURRENT_REQUESTS": 1})
    assert Counter(one.url for one in crawled.pages) == Counter(url.replace("old", "new") for url in urls)
    assert crawled.failures == []
    assert len(service.jobs) == 2


def test_a_redirect_back_to_the_challenge_of_a_page_behind_a_wall_costs_no_other_job(crawl, service):
    """Other sessions have shown meanwhile that such pages come where their challenge was."""

    async def answer(request, form):
        number = request.path[-1]
        if request.path.startswith("/go/"):
            return redirect(f"/item/{number}")
        if form:
            while form["page"] == "3" and len(shown) < 2:
                await asyncio.sleep(0.01)
            opened.add(form["page"])
            return page("<title>thanks</title>")
        if number not in opened or number == "3":
            return challenge(page=number)
        shown.add(number)
        return page()

    opened, shown = set(), set()
    with Site(answer) as site:
        requests = [scrapy.Request(f"{site.origin}/go/{n}", meta={"cookiejar": n}) for n in (1, 2, 3)]
        crawled = crawl(sending(*requests), service.settings)
    assert [one.url for one in crawled.pages] == [f"{site.origin}{path}" for path in ("/item/1", "/item/2", "/verify")]
    assert len(service.jobs) == 3
    assert crawled.count("tokens/accepted") == 2
    assert crawled.count("tokens/unknown") == 1


def test_scrapy_follows_the_redirect_to_a_wall_of_a_request_that_is_left_alone(crawl, service):
    with Site(behind_wall(gate="/captcha")) as site:
        asks = sending(scrapy.Request(site.origin, meta={"omocaptcha": False}), handle_httpstatus_list=[403])
        (shown,) = crawl(asks, service.settings).pages
    assert (shown.request.url, shown.status, service.jobs) == (f"{site.origin}/captcha", 403, ())


def test_robots_txt_is_left_alone_wherever_it_was_redirected(crawl, service):
    def answer(request, form):
        return {"/robots.txt": redirect("/rules"), "/rules": challenge()}.get(request.path, page())

    with Site(answer) as site:
        crawled = crawl(spider(f"{site.origin}/page"), {**service.settings, "ROBOTSTXT_OBEY": True})
    assert (len(crawled.pages), service.jobs) == (1, ())


# -- of a token ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("upfront", [False, True])
def test_a_redirect_that_repeats_the_body_does_not_take_the_token_elsewhere(crawl, service, status, upfront):
    with Site(lambda request, form: page("<title>stolen</title>"), host="127.0.0.8") as thief:

        def answer(request, form):
            return redirect(f"{thief.origin}/steal", status) if request.method == "POST" else challenge()

        with Site(answer) as site:
            url = f"{site.origin}/page"
            wanted = wishing(url, "form:token", page=f"{site.origin}/", method="POST")
            crawl(sending(wanted if upfront else scrapy.Request(url)), service.settings)
    assert thief.requests == []


@pytest.mark.parametrize(
    ("path", "status", "posts"),
    [("/verify", 307, ["/verify", "/next"]), ("/verify", 300, ["/verify"]), ("/page", 307, ["/page"])],
    ids=["as by a browser", "which no browser follows", "from the address of the page"],
)
def test_a_body_with_a_token_is_repeated_within_its_site_but_not_for_the_address_of_the_page(
    crawl, service, path, status, posts
):
    def answer(request, form):
        if (request.method, request.path) == ("GET", "/page"):
            return challenge(path)
        return redirect("/next", status) if request.path == path else page("the page")

    with Site(answer) as site:
        crawl(spider(f"{site.origin}/page"), {**service.settings, "OMOCAPTCHA_MAX_ATTEMPTS": 1})
    assert [path for method, path, *_ in site.requests if method == "POST"] == posts


def test_a_header_with_a_token_does_not_follow_a_redirect(crawl, service):
    with (
        Site(lambda request, form: page(), host="127.0.0.8") as other,
        Site(lambda request, form: redirect(f"{other.origin}/elsewhere")) as site,
    ):
        request = wishing(f"{site.origin}/x", "header:X-Token", page=f"{site.origin}/")
        crawled = crawl(sending(request), service.settings)
    assert len(crawled.pages) == 1
    ((_, _, _, headers),) = other.requests
    assert "X-Token" not in headers


@pytest.mark.parametrize("location", ["file:///etc/hostname", "data:text/html,stolen", "ftp://127.0.0.1/x", "//["])
def test_a_redirect_to_what_is_not_http_is_not_followed(crawl, service, location):
    def answer(request, form):
        return redirect(location) if request.path == "/verify" else challenge()

    with Site(answer) as site:
        crawled = crawl(spider(f"{site.origin}/page"), service.settings)
    assert crawled.pages == []
    assert [error.reason for error in crawled.failures] == ["attempts"]
    assert {path for _, path, *_ in site.requests} == {"/page", "/verify"}


@pytest.mark.parametrize("links", [3, nightly(6)])
def test_sessions_whose_links_redirect_to_walled_pages_need_a_token_each(crawl, service, links):
    """The challenge is in the place of the pages. A token at hand is used though other pages have shown that since."""
    sessions = 16

    async def answer(request, form):
        await asyncio.sleep(0.05 * (sum(request.path.encode()) % 7))
        if request.path == "/verify":
            return won(form["next"])
        if request.path.startswith("/go/"):
            return redirect(request.path.replace("go", "p"))
        return page(request.path) if cleared(request) else challenge(next=request.path)

    with Site(answer) as site:
        requests = [
            scrapy.Request(f"{site.origin}/go/{link * sessions + jar}", meta={"cookiejar": jar})
            for link in range(links)
            for jar in range(sessions)
        ]
        crawled = crawl(sending(*requests), {**service.settings, "CONCURRENT_REQUESTS_PER_DOMAIN": 16})
    assert len(crawled.pages) == len(requests)
    assert len(service.jobs) == sessions
