"""Whole crawls beside Scrapy's other components: each goes on doing what it is there for."""

import errno
import itertools
import re

import pytest
import scrapy
from protego import Protego
from scrapy import signals
from scrapy.extensions.httpcache import FilesystemCacheStorage
from w3lib.http import basic_auth_header

from scrapy_omocaptcha import submit_token
from tests.helpers import sites
from tests.helpers.components import hears
from tests.helpers.scrapy_versions import tells_robots_rules
from tests.helpers.sites import spider

REFRESH = '<meta http-equiv="refresh" content="0; url=/captcha">'

# -- HttpCache --------------------------------------------------------------------------------------------------


def test_a_cached_challenge_is_fetched_afresh_and_the_solved_page_is_cached(crawl, service, walled, tmp_path):
    site = walled("session")
    settings = {**service.settings, "HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": str(tmp_path)}

    # A crawl without us caches the challenge.
    crawl(spider(f"{site.url}/page/1"), {**settings, "OMOCAPTCHA_ENABLED": False})
    assert site.challenges == 1

    crawled = crawl(spider(f"{site.url}/page/1"), settings)
    assert [page.status for page in crawled.pages] == [200]
    assert len(service.jobs) == 1
    assert site.challenges == 2

    visits = len(site.requests)
    crawled = crawl(spider(f"{site.url}/page/1"), settings)
    assert ["cached" in page.flags for page in crawled.pages] == [True]
    assert len(site.requests) == visits
    assert len(service.jobs) == 1


@pytest.mark.parametrize("leads", [sites.redirect("/captcha"), sites.page(REFRESH)], ids=["redirect", "refresh"])
def test_a_cached_way_to_a_wall_costs_no_job_once_the_wall_is_open(crawl, service, tmp_path, leads):
    def answer(request, form):
        return sites.challenge() if request.path == "/captcha" else sites.page() if is_open else leads

    settings = {**service.settings, "HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": str(tmp_path)}
    with sites.Site(answer) as site:
        for is_open in (False, True):
            crawled = crawl(spider(f"{site.origin}/page"), {**settings, "OMOCAPTCHA_ENABLED": is_open})
    assert [page.text for page in crawled.pages] == ["<title>the page</title>"]
    assert service.jobs == ()


def test_a_token_is_not_bought_for_a_request_whose_answer_is_cached(crawl, service, walled, tmp_path):
    site = walled("session")
    put = "header:X-Captcha-Token"
    request = sites.wishing(f"{site.url}/api/header", put, page=f"{site.url}/find", sitekey=site.sitekey)
    settings = {**service.settings, "HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": str(tmp_path)}
    for _ in range(2):
        assert [page.status for page in crawl(sites.sending(request), settings).pages] == [200]
    assert len(service.jobs) == 1


class FullDisk(FilesystemCacheStorage):
    def store_response(self, spider, request, response):
        if b"recaptcha" not in response.body:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_page_that_httpcache_cannot_store_is_delivered_and_that_is_told(crawl, service):
    settings = {**service.settings, "HTTPCACHE_ENABLED": True, "HTTPCACHE_STORAGE": FullDisk}
    with sites.Site(lambda request, form: sites.page() if form else sites.challenge("/page")) as site:
        crawled = crawl(spider(f"{site.origin}/page"), settings)
    assert len(crawled.pages) == 1
    (said,) = crawled.said()
    assert said.startswith(f"HttpCache cannot store the page {site.origin}/page (No space left on device), so later")


# -- Cookies, proxies, robots.txt ----------------------------------------------------------------------------------


@pytest.mark.parametrize("own_jars", [True, False], ids=["a cookiejar each", "one cookiejar"])
def test_cookies_that_differ_from_request_to_request_need_a_cookiejar_each(crawl, service, own_jars):
    def inside(request):
        return sites.page(f"{request.path} {request.cookies['currency']}")

    currencies = ["EUR", "USD", "GBP", "CHF"]
    with sites.Site(sites.behind_wall(inside)) as site:
        requests = [
            scrapy.Request(
                f"{site.origin}/{one}", cookies={"currency": one}, meta={"cookiejar": one} if own_jars else {}
            )
            for one in currencies
        ]
        crawled = crawl(sites.sending(*requests), service.settings)
    shown = sorted(page.text for page in crawled.pages)
    assert len(shown) == len(currencies)
    assert (shown == sorted(f"/{one} {one}" for one in currencies)) is own_jars
    assert len(service.jobs) == (len(currencies) if own_jars else 1)


class Rotates:
    """Gives a request another proxy each time that it sees it, as scrapy-rotating-proxies does at 610."""

    def __init__(self):
        self._numbers = itertools.count()

    def process_request(self, request):
        number = next(self._numbers) % 4
        user = f"user{number}:x@" if number else ""
        request.meta["proxy"] = f"http://{user}10.0.0.{number}:80"
        if user:
            request.headers["Proxy-Authorization"] = basic_auth_header(f"user{number}", "x")


@pytest.mark.parametrize("priority", [400, 610])
def test_everything_for_a_request_goes_through_its_proxy(crawl, service, priority):
    """The wall is bound to the address, and so is its form."""

    def answer(request, form):
        visitor = request.remote + request.headers.get("Proxy-Authorization", "")
        if form and form["csrf"] == visitor:
            opened.add(visitor)
        if visitor in opened:
            return sites.page()
        field = f"<form method=post><input type=hidden name=csrf value='{visitor}'>"
        return sites.page(re.sub("<form.*>", field, sites.CHALLENGE), 403)

    opened = set()
    with sites.Site(answer) as site:
        urls = [f"{site.origin}/page/{number}" for number in range(16)]
        settings = {**service.settings, "DOWNLOADER_MIDDLEWARES": {Rotates: priority}}
        crawled = crawl(spider(*urls), settings)
    assert (len(crawled.pages), crawled.failures) == (16, [])
    assert len(service.jobs) == crawled.count("tokens/accepted") == len(opened) == 4


@tells_robots_rules
@pytest.mark.parametrize(
    ("agent", "hooks", "meta", "jobs"),
    [
        *(("crab", {}, {}, 0), ("fish", {}, {}, 1), ("crab", {}, {"dont_obey_robotstxt": True}, 1)),
        ("crab", {"omocaptcha_submit": staticmethod(submit_token)}, {}, 1),
    ],
    ids=["forbidden", "to another only", "not obeyed", "the spider's own"],
)
def test_a_form_that_posts_where_robots_txt_forbids_is_refused_without_a_job(
    crawl, service, walled, agent, hooks, meta, jobs
):
    site = walled("session")
    request = scrapy.Request(f"{site.url}/page/1", headers={"User-Agent": agent}, meta=meta)

    @hears(parsed=signals.robots_parsed)
    class Forbids(sites.sending(request, **hooks)):
        def parsed(self, robotparser):
            # The shop's robots.txt allows all; this one is read instead.
            robotparser.rp = Protego.parse("User-agent: crab\nDisallow: /verify\n")

    crawled = crawl(Forbids, {**service.settings, "ROBOTSTXT_OBEY": True})
    assert crawled.reasons == ["robots"] * (1 - jobs)
    assert len(crawled.pages) == len(service.jobs) == jobs
    assert bool(service.calls) is bool(jobs)


def shop_with_its_captcha_elsewhere(request, form):
    """Whatever name it is asked for, as a proxy is: www.example.com, whose form posts to captcha.example.com."""
    if request.method == "POST":
        response = sites.redirect("http://www.example.com/")
        response.set_cookie("clearance", "yes", domain="example.com")
        return response
    return sites.page() if sites.cleared(request) else sites.challenge("http://captcha.example.com/verify")


@pytest.mark.parametrize(("meta", "jobs"), [({}, 0), ({"allow_offsite": True}, 1)])
def test_a_form_that_posts_outside_of_allowed_domains_is_refused_without_a_job_unless_the_request_may(
    crawl, service, meta, jobs
):
    with sites.Site(shop_with_its_captcha_elsewhere) as site:
        request = scrapy.Request("http://www.example.com/", meta={"proxy": site.origin, **meta})
        crawled = crawl(sites.sending(request, allowed_domains=("www.example.com",)), service.settings)
    assert crawled.reasons == ["offsite"] * (1 - jobs)
    assert len(crawled.pages) == len(service.jobs) == jobs
    assert bool(service.calls) is bool(jobs)


def test_a_wall_that_opens_by_a_cookie_is_left_alone_where_a_request_keeps_none(crawl, service, walled):
    site = walled("session")
    # Its own cookies may be any bytes.
    header = {"Cookie": b"name=\xfc"}
    forgetful = scrapy.Request(f"{site.url}/page/1", headers=header, meta={"dont_merge_cookies": True})
    crawled = crawl(sites.sending(forgetful), service.settings)
    assert crawled.reasons == ["cookies"]
    assert service.calls == ()
