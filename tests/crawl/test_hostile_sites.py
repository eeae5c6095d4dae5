"""Whole crawls through sites that want to do harm: each ends with few requests and few jobs, and nobody else is asked.

A site on a public name is one behind a proxy, which sees every request that would have gone to any host.
"""

from itertools import count

import pytest
import scrapy
from aiohttp import web

from tests.helpers.crawling import FollowingSpider, reason_of
from tests.helpers.nightly import nightly
from tests.helpers.sites import KEY, Site, challenge, cleared, page, redirect, sending, spider, won

API = "<script src=https://www.google.com/recaptcha/api.js></script>"
WIDGET = f"<div class=g-recaptcha data-sitekey={KEY}></div>"
HOST = "shop.example.com"


def wall(form, *, status=403):
    text = f"<title>Access denied: are you a robot?</title>{API}{form}"
    return web.Response(text=text, status=status, content_type="text/html")


def form(action, *, method="post", inside=""):
    return f'<form method={method} action="{action}">{inside}{WIDGET}<button>Go on</button></form>'


def through(proxy, *urls):
    """A spider that asks for ``urls`` through ``proxy``."""
    return sending(*(scrapy.Request(url, meta={"proxy": proxy.origin}, dont_filter=True) for url in urls))


# -- where a form leads ------------------------------------------------------------------------------------------------

ELSEWHERE = {
    "another site": "http://other.example.org/verify",
    "another site by its scheme": "//other.example.org/verify",
    "a site with this one's name in its own": "http://shop.example.com.evil.example.org/",
    "a site behind this one's name": "http://shop.example.com@evil.example.org/",
    "another port": "http://shop.example.com:8080/verify",
    "loopback": "http://127.0.0.1/verify",
    "loopback, spelled as one number": "http://2130706433/verify",
    "loopback, version 6": "http://[::1]/verify",
    "a private address": "http://10.0.0.1/verify",
    "a cloud's metadata": "http://169.254.169.254/latest/meta-data/",
    "a bare name": "http://intranet/verify",
    "a file": "file:///etc/passwd",
    "data": "data:text/html,x",
    "a script": "javascript:steal()",
    "a script in pieces": "java\nscript:steal()",
    "no address": "http://[",
    "a port that is none": "http://shop.example.com:99999/verify",
}

MARKUP = {
    "form": '<form method=post action="{}">{}<button>Go on</button></form>',
    "button": '<form method=post action=/verify>{1}<button formaction="{0}">Go on</button></form>',
    "base": '<base href="{}"><form method=post action=v>{}</form>',
}


@pytest.mark.parametrize("how", MARKUP)
def test_a_form_that_leads_elsewhere_is_left_alone_unpaid_and_nobody_is_asked(crawl, service, how):
    # No browser takes the others for a base either: the form then leads to the page's own site.
    bases = [case for case, target in ELSEWHERE.items() if target.startswith("http://") and target != "http://["]
    cases = bases if how == "base" else list(ELSEWHERE)

    def answer(request, fields):
        return wall(MARKUP[how].format(ELSEWHERE[cases[int(request.query["case"])]], WIDGET))

    with Site(answer) as proxy:
        urls = [f"http://{HOST}/page?case={number}" for number in range(len(cases))]
        # Scrapy's middleware raises an error for a base whose port is none.
        crawled = crawl(through(proxy, *urls), {**service.settings, "METAREFRESH_ENABLED": False})
    reasons = {cases[int(e.response.url.rpartition("=")[2])]: reason_of(e) for e in crawled.failures}
    allowed = {"foreign_form", "browser"}
    assert reasons.keys() == set(cases)
    assert {case: reason for case, reason in reasons.items() if reason not in allowed} == {}
    assert service.calls == ()
    assert {(method, headers["Host"]) for method, _, _, headers in proxy.requests} == {("GET", HOST)}
    assert len(proxy.requests) == len(cases)


# -- much of everything ------------------------------------------------------------------------------------------------


def test_of_a_thousand_forms_one_is_sent_for_one_job(crawl, service):
    def answer(request, fields):
        if request.method == "POST":
            return won("/page")
        return page() if cleared(request) else wall(form("/verify").replace("Go on", "") * 1000)

    with Site(answer) as site:
        crawled = crawl(spider(f"{site.origin}/page"), service.settings)
    assert [one.status for one in crawled.pages] == [200]
    assert len(service.jobs) == 1
    assert [method for method, *_ in site.requests] == ["GET", "POST", "GET"]


# -- without end -------------------------------------------------------------------------------------------------------


def endless(key=lambda: KEY, *, accepts=False):
    """Every page is a challenge and links to two more."""
    numbers = count()

    def links():
        return "".join(f"<a href=/page/{next(numbers)}>on</a>" for _ in range(2))

    def answer(request, fields):
        if accepts and request.method == "POST":
            return page(f"<title>the page</title>{links()}")
        return wall(form("").replace(KEY, key()) + links())

    return answer


@pytest.mark.parametrize("accepts", [False, nightly(True)])
def test_a_challenge_on_every_page_for_ever_is_bounded_by_the_limits(crawl, service, accepts):
    settings = {"OMOCAPTCHA_ON_FAILURE": "response", "CLOSESPIDER_PAGECOUNT": 150, "OMOCAPTCHA_MAX_JOBS": 40}
    with Site(endless(accepts=accepts)) as site:
        crawled = crawl(FollowingSpider, {**service.settings, **settings}, urls=[f"{site.origin}/page/first"])
    # Those that the spider gets; answers on the way to them are counted as pages too.
    assert len(crawled.pages) > 75
    # What never opens trips the breaker; where every page costs a token, the purse is what ends it.
    assert len(service.jobs) == 40 if accepts else len(service.jobs) <= 8
    assert crawled.count("skipped/max_jobs" if accepts else "skipped/breaker") > 0
    posts = [method for method, *_ in site.requests if method == "POST"]
    assert len(posts) <= len(service.jobs)


def test_a_key_that_changes_each_time_trips_the_breaker_all_the_same(crawl, service):
    numbers = count()
    with Site(endless(lambda: f"6L{next(numbers):038}")) as site:
        crawled = crawl(spider(*(f"{site.origin}/{number}" for number in range(50))), service.settings)
    assert len(crawled.failures) == 50
    assert crawled.count("tokens/accepted") == 0
    assert crawled.count("tokens/rejected") == 0
    assert len(service.jobs) <= 12


@pytest.mark.parametrize("opens", [False, True])
def test_walls_at_ever_new_subdomains_of_a_domain_are_bounded_unless_one_opens(crawl, service, opens):
    def answer(request, fields):
        if request.path == "/verify":
            return won("/") if opens else challenge()
        return page() if cleared(request) else challenge()

    with Site(answer) as proxy:
        # Where none opens, far more than there may be jobs.
        urls = [f"http://{number}.shop.example.com/" for number in range(60 if opens else 200)]
        crawled = crawl(through(proxy, *urls), service.settings)
    lost = [line for line in crawled.said() if "(breaker)" in line]
    if opens:
        assert (len(crawled.pages), len(service.jobs), lost) == (60, 60, [])
    else:
        assert 0 < len(lost) <= len(service.jobs) <= 40, "nothing is said of each page for which no job was bought"
        assert "the last jobs for *.example.com were of no use" in lost[0]


@pytest.mark.parametrize("status", [302, 307, 308], ids=["followed", "repeated, 307", "repeated, 308"])
def test_a_submission_that_redirects_in_a_circle_ends(crawl, service, status):
    def answer(request, fields):
        return challenge() if request.path == "/page" else redirect("/a" if request.path != "/a" else "/b", status)

    with Site(answer) as site:
        crawled = crawl(spider(f"{site.origin}/page"), service.settings)
    assert [error.reason for error in crawled.failures] == ["attempts"]
    assert len(service.jobs) == 3
    # A job each: the submission, twenty redirects and asking again.
    assert len(site.requests) <= 1 + 3 * 23


def test_a_challenge_that_redirects_in_a_circle_ends(crawl, service):
    """The page leads to the challenge, and its form back to the page, for ever and without a clearance."""

    def answer(request, fields):
        return challenge() if request.path == "/gate" else redirect("/gate" if request.method == "GET" else "/page/1")

    with Site(answer) as site:
        urls = [f"{site.origin}/page/{number}" for number in range(20)]
        crawled = crawl(spider(*urls), service.settings)
    assert len(crawled.pages) + len(crawled.failures) == 20
    assert crawled.pages == []
    assert len(service.jobs) <= 8
    assert len(site.requests) <= 20 * 6
