"""Whole crawls in which something happens between a token and its page."""

import itertools

import pytest
import scrapy
from aiohttp import web
from scrapy.exceptions import IgnoreRequest

from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.testing import OmoCaptchaService
from tests.helpers import sites
from tests.helpers.components import OfCrawler
from tests.helpers.crawling import RecordingSpider
from tests.helpers.scrapy_versions import sleep
from tests.helpers.sites import Site, challenge, cleared, page, pages_of, redirect, sending, spider, wishing, won

OTHER_KEY = "6LtestOther" + "b" * 29


@pytest.mark.parametrize("fault", ["reset", "server_error", "too_many"])
def test_a_token_that_may_not_have_arrived_is_handed_in_once_more(crawl, service, walled, fault):
    site = walled("session")
    site.fault("/verify", fault)
    crawled = crawl(pages_of(site, 1), service.settings)
    tokens = [dict(visit.form)["g-recaptcha-response"] for visit in site.requests if visit.submits]
    assert [page.status for page in crawled.pages] == [200]
    assert tokens == [tokens[0]] * 2
    assert len(service.jobs) == 1
    assert crawled.count("tokens/accepted") == 1
    assert crawled.count("tokens/rejected") == 0
    assert "retry/count" not in crawled.stats


@pytest.mark.parametrize(
    ("upfront", "by_proxy"),
    [
        *((False, None), (True, None), (False, page("")), (False, page("Who are you?", 407)), (False, page("", 408))),
        *((False, page("", 425)), (False, page("", 499)), (False, page("", 302)), (False, page("", 304))),
        (False, page("<!-- a proxy --><html><body>\u00a0</body></html>")),
    ],
    ids=["broken", "broken upfront", "empty", "407", "408", "425", "499", "302 to nowhere", "304", "a shell"],
)
def test_a_token_that_is_refused_after_its_first_answer_was_lost_may_have_been_accepted(
    crawl, service, upfront, by_proxy
):
    def answer(request, form):
        token = form.get("g-recaptcha-response")
        if token:
            sent.append(token)
        if sent.count(token) == 1:
            if len(sent) == 1 and by_proxy is not None:
                return page(by_proxy.text, by_proxy.status)
            if len(sent) == 1:
                request.transport.close()
            return page() if upfront else won("/")
        return page() if cleared(request) else challenge()

    sent = []
    with Site(answer) as site:
        request = scrapy.Request(f"{site.origin}/page")
        if upfront:
            put = "form:g-recaptcha-response"
            request = wishing(f"{site.origin}/verify", put, page=request.url, method="POST")
        crawled = crawl(sending(request), service.settings)
    assert [one.text for one in crawled.pages] == ["<title>the page</title>"]
    counts = tuple(crawled.count(f"tokens/{outcome}") for outcome in ("accepted", "unknown", "rejected"))
    assert counts == (1, 1, 0)
    assert sent == [sent[0], sent[0], sent[2]]
    assert len(set(sent)) == len(service.jobs) == 2


class Gone(OfCrawler):
    """A site that cannot be reached with a token, and has no wall any more when it is back."""

    def process_request(self, request):
        if isinstance(request, Submission):
            self.crawler.spider.site.stop()

    def process_exception(self, request, exception):
        if isinstance(request, Submission):
            self.crawler.spider.site.is_open = True
            self.crawler.spider.site.start()


@pytest.mark.parametrize("body", ["", "<title>the page</title>"], ids=["empty", "without its token"])
def test_a_page_that_says_nothing_of_the_token_makes_it_no_accepted_one(crawl, service, body):
    def answer(request, form):
        if request.method == "POST":
            site.is_open = True
            return page("Sorry")
        return page(body) if site.is_open else challenge()

    with Site(answer) as site:
        site.is_open = False
        inside = {"DOWNLOADER_MIDDLEWARES": {Gone: 595}} if body else {}
        crawled = crawl(spider(f"{site.origin}/page", site=site), {**service.settings, **inside})
    assert [one.text for one in crawled.pages] == [body]
    (said,) = crawled.said()
    assert ("(not_seen)" if body else "(no_page)") in said
    assert crawled.count("tokens/accepted") == 0
    assert crawled.count("tokens/unknown") == 1


def test_a_token_is_not_handed_in_more_than_twice_and_then_not_known_to_be_rejected(crawl, service):
    def answer(request, form):
        if request.path == "/verify":
            request.transport.close()
        return challenge()

    with Site(answer) as site:
        crawled = crawl(spider(f"{site.origin}/page"), service.settings)
        tokens = [form["g-recaptcha-response"] for _, path, form, _ in site.requests if path == "/verify"]
    assert crawled.reasons == ["attempts"]
    assert len(service.jobs) == 3
    assert tokens == [token for token in tokens[::2] for _ in range(2)]
    assert len(set(tokens)) == 3
    assert crawled.count("tokens/rejected") == 0


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=204),
        *(page(text) for text in ("", " \n", "<meta http-equiv=refresh content='0;url=/page'>")),
    ],
    ids=["204", "empty", "blank", "refresh"],
)
def test_an_answer_to_a_token_without_the_page_in_it_is_not_taken_for_the_page(crawl, service, answer):
    def respond(request, form):
        if request.method == "POST":
            response = page(answer.text, answer.status)
            response.set_cookie("clearance", "yes")
            return response
        return page() if cleared(request) else challenge("/page")

    with Site(respond) as site:
        crawled = crawl(spider(f"{site.origin}/page"), service.settings)
    assert [one.text for one in crawled.pages] == ["<title>the page</title>"]
    assert len(service.jobs) == 1


@pytest.mark.parametrize(
    ("leads_to", "pages", "failures", "resumed"),
    [("/thanks", 2, 0, True), ("/thanks", 1, 0, False), ("/page", 1, 1, False)],
    ids=["on", "on, in one run", "back"],
)
def test_a_redirect_that_answers_a_token_is_not_lost_as_a_duplicate_of_an_earlier_run(
    crawl, service, tmp_path, leads_to, pages, failures, resumed
):
    """The wall wants a token for each page, and the duplicate filter knows both."""

    def answer(request, form):
        if form:
            return redirect(leads_to)
        return page() if request.path == "/thanks" else challenge("/page", status=200)

    with Site(answer) as site:
        urls = [f"{site.origin}/thanks", f"{site.origin}/page"]
        if resumed:
            (tmp_path / "requests.queue").mkdir()
        settings = {**service.settings, "JOBDIR": str(tmp_path), "CONCURRENT_REQUESTS": 1}
        crawled = crawl(spider(*urls), settings)
    assert [one.url for one in crawled.pages] == [urls[0]] * pages
    assert crawled.reasons == ["attempts"] * failures


@pytest.mark.parametrize(
    ("target", "more"),
    [("?error=1", 0), ("?try={}", 0), ("?to={}", 0), ("/failed", 1)],
    ids=["itself", "anew", "by two redirects", "elsewhere"],
)
def test_a_wall_that_answers_each_token_by_a_redirect_to_its_challenge_accepts_none(crawl, service, target, more):
    def answer(request, form):
        if form:
            return redirect((target if target[0] == "/" else request.path + target).format(next(numbers)))
        return redirect(f"{request.path}?error=1") if "to" in request.query else challenge("")

    numbers = itertools.count()
    with Site(answer) as site:
        alone = crawl(spider(f"{site.origin}/page"), service.settings)
        assert len(service.jobs) == 3 + more
        crawled = crawl(spider(*(f"{site.origin}/{number}" for number in range(20))), service.settings)
    assert [error.reason for error in alone.failures] == ["attempts"]
    assert alone.count("tokens/unknown") + alone.count("tokens/rejected") == 3 + more
    assert (crawled.pages, crawled.count("tokens/accepted")) == ([], 0)
    assert more or len(service.jobs) <= 3 + 9, "the breaker opens"


def test_a_wall_that_answers_each_token_by_a_redirect_to_another_of_its_addresses_costs_a_job_each(crawl, service):
    """Pages that have moved, and of which each wants a token, look the same."""
    numbers = itertools.count()
    with Site(lambda _, form: redirect(f"/{next(numbers)}") if form else challenge("")) as site:
        crawled = crawl(spider(f"{site.origin}/page"), {**service.settings, "REDIRECT_MAX_TIMES": 4})
    assert len(service.jobs) == 5
    assert crawled.count("tokens/unknown") == 5
    assert crawled.count("tokens/accepted") == 0
    assert ([type(error) for error in crawled.failures], crawled.pages) == ([IgnoreRequest], [])


@pytest.mark.parametrize("way", [None, "/next"], ids=["at once", "by a detour"])
@pytest.mark.parametrize("reason", ["offsite", "robots"])
def test_a_token_whose_answer_leads_where_the_crawl_may_not_go_is_unknown_and_that_is_told(crawl, service, reason, way):
    robots = web.Response(text="User-agent: *\nDisallow: /pass")
    with Site(lambda request, form: robots if request.path == "/robots.txt" else page(), host="127.0.0.8") as other:

        def answer(request, form):
            if request.path == "/verify" and way is not None:
                return redirect(way)
            if request.path in ("/verify", way):
                return redirect(f"{other.origin}/pass")
            if request.path == "/else":
                shown = sites.CHALLENGE.replace(sites.KEY, OTHER_KEY).replace("/verify", "/else")
                return page() if form else page(shown, status=403)
            return challenge()

        with Site(answer) as site:
            domains = ["127.0.0.9"] if reason == "offsite" else ["127.0.0.8", "127.0.0.9"]
            asks = spider(*(f"{site.origin}/{path}" for path in (0, 1, 2, "else")), allowed_domains=domains)
            crawled = crawl(asks, {**service.settings, "ROBOTSTXT_OBEY": reason == "robots"})
    assert "/pass" not in [path for _, path, *_ in other.requests]
    assert crawled.reasons == [reason] * 3
    assert len(service.jobs) == 4
    assert crawled.count("tokens/unknown") == 3
    assert crawled.count("tokens/accepted") == 1
    assert [one.url[-5:] for one in crawled.pages] == ["/else"]
    told = [line for line in crawled.said() if "redirects to 127.0.0.8, which" in line]
    cure = "the spider's allowed_domains leave out: add it there" if reason == "offsite" else "robots.txt forbids"
    assert [line.endswith(cure) for line in told] == [True] * 3


def two_walls(second):
    """Return how a site answers that has two walls, one behind the other."""

    def answer(request, form):
        done = request.cookies.get("walls", "")
        if request.path in ("/verify", "/verify/more"):
            response = redirect("/page")
            response.set_cookie("walls", done + "x", path="/")
            return response
        if len(done) == 0:
            return challenge()
        return page() if len(done) == 2 else page(second, 403)

    return answer


@pytest.mark.parametrize(
    "second",
    [sites.CHALLENGE.replace(sites.KEY, OTHER_KEY), sites.CHALLENGE.replace("/verify", "/verify/more")],
    ids=["key", "form"],
)
@pytest.mark.parametrize("attempts", [1, 3])
def test_another_wall_behind_the_first_is_no_rejection(crawl, service, second, attempts):
    with Site(two_walls(second)) as site:
        settings = {"OMOCAPTCHA_BREAKER_FAILURES": 1 if attempts > 1 else 5, "OMOCAPTCHA_MAX_ATTEMPTS": attempts}
        urls = [f"{site.origin}/page/{number}" for number in range(3)]
        crawled = crawl(spider(*urls), {**service.settings, **settings})
    # A leader that gives up at the second wall leaves the first one open.
    given_up = ["attempts"] * (attempts == 1)
    assert crawled.reasons == given_up
    assert [one.text for one in crawled.pages] == ["<title>the page</title>"] * (3 - len(given_up))
    assert len(service.jobs) == 2
    counts = tuple(crawled.count(f"tokens/{outcome}") for outcome in ("accepted", "unknown", "rejected"))
    assert counts == (1, 1, 0)


def reset(request):
    request.transport.close()
    return page()


def slow_down(request):
    return page("slow down", status=429)


@pytest.mark.parametrize("second", [slow_down, reset, lambda request: page()], ids=["429", "reset", "page"])
def test_an_answer_that_came_without_a_token_does_not_make_every_request_buy_one(crawl, service, second):
    def answer(request, form):
        if request.path == "/verify":
            return won("/")
        if cleared(request):
            return page()
        asked.append(request.path)
        # When the leader asks again, since other answers have outdated its form.
        return second(request) if asked[-1] == "/0" and asked.count("/0") == 2 else challenge()

    asked = []
    with Site(answer) as site:
        crawled = crawl(spider(*(f"{site.origin}/{number}" for number in range(20))), service.settings)
    assert len(crawled.pages) == 20
    # The first one grows too old, or is for nothing.
    assert len(service.jobs) == 2


@pytest.mark.parametrize("first", [slow_down, reset], ids=["429", "reset"])
def test_a_page_that_fails_after_its_token_has_opened_the_wall_costs_no_other_job(crawl, service, first):
    def inside(request):
        shown.append(request.path)
        return first(request) if len(shown) == 2 else page()

    shown = []
    with Site(sites.behind_wall(inside, opens_at="/thanks")) as site:
        crawled = crawl(spider(*(f"{site.origin}/{number}" for number in range(6))), service.settings)
    assert len(crawled.pages) == 6
    assert len(service.jobs) == 1


class NotesStatus:
    def process_response(self, request, response):
        request.meta.update(status=response.status, sent=request.body.decode())
        return response


@pytest.mark.parametrize("kind", ["json", "html"])
def test_what_answers_a_token_at_another_address_is_not_known_to_be_the_page(crawl, service, kind):
    """The page goes on showing the challenge: the answer says that the site has rejected the token, or is the page."""

    def answer(request, form):
        if request.method == "GET":
            return challenge()
        return web.json_response({"ok": False}) if kind == "json" else page("<p>Wrong, or a page</p>")

    settings = {"OMOCAPTCHA_MAX_ATTEMPTS": 2, "DOWNLOADER_MIDDLEWARES": {NotesStatus: 595}}
    with Site(answer) as site:
        crawled = crawl(spider(f"{site.origin}/page"), {**service.settings, **settings})
    if kind == "json":
        assert crawled.reasons == ["attempts"]
        assert [crawled.count(f"tokens/{outcome}") for outcome in ("rejected", "accepted")] == [2, 0]
    else:
        (shown,) = crawled.pages
        assert shown.text == "<p>Wrong, or a page</p>"
        assert shown.meta["status"] == 200
        assert shown.meta["sent"] == ""
        assert [crawled.count(f"tokens/{outcome}") for outcome in ("unknown", "accepted")] == [1, 0]


def test_an_answer_that_may_not_be_the_page_is_not_stored(crawl, service, tmp_path):
    def answer(request, form):
        if request.method == "POST":
            return page("not now", status=403)
        if opened:
            return page()
        return challenge("/page", status=200)

    opened = []
    settings = {**service.settings, "HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": str(tmp_path)}
    with Site(answer) as site:
        asks = spider(f"{site.origin}/page", handle_httpstatus_list=[403])
        assert [one.status for one in crawl(asks, settings).pages] == [403]
        opened.append(True)
        assert [one.status for one in crawl(asks, settings).pages] == [200]


def test_a_page_out_of_httpcache_replaces_no_cookie_while_a_wall_is_solved_that_was_open_before(crawl, tmp_path):
    def answer(request, form):
        response = page() if is_open(request) else sites.challenge()
        if request.path == "/verify":
            response = redirect(f"/page/{len(service.jobs)}")
            response.set_cookie("clearance", str(len(service.jobs)), path="/")
        response.set_cookie("session", "old" if request.path == "/free" else "new", path="/")
        return response

    def is_open(request):
        return request.path == "/free" or request.cookies.get("clearance") == (
            "2" if request.path == "/page/2" else "1"
        )

    class OneAfterTheOther(RecordingSpider):
        async def start(self):
            for number, path in enumerate(("page/1", "page/3", "page/2", "free")):
                yield scrapy.Request(f"{site.origin}/{path}", self.page, errback=self.failed)
                while len(self.pages) <= number and len(service.jobs) < 2:
                    await sleep(0.1)

    settings = {"HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": str(tmp_path), "HTTPCACHE_IGNORE_HTTP_CODES": [403]}
    with OmoCaptchaService(solve_seconds=2) as service, Site(answer) as site:
        crawl(spider(f"{site.origin}/free"), {**service.settings, **settings})
        crawl(OneAfterTheOther, {**service.settings, **settings})
    solved = [[page, "/verify", page] for page in ("/page/1", "/page/2")]
    assert [path for _, path, *_ in site.requests] == ["/free", *solved[0], "/page/3", *solved[1]]


def test_a_cookie_without_a_value_does_not_outdate_a_form(crawl, service):
    def answer(request, form):
        if request.path == "/free":
            return web.Response(text="free", content_type="text/html", headers={"Set-Cookie": "consent"})
        return inside(request, form)

    inside = sites.behind_wall(opens_at="/page")

    with Site(answer) as site:
        crawled = crawl(sites.one_by_one(f"{site.origin}/free", f"{site.origin}/page"), service.settings)
        paths = [path for _, path, *_ in site.requests]
    assert len(crawled.pages) == 2
    assert paths == ["/free", "/page", "/verify", "/page"]


@pytest.mark.parametrize(("changes_key", "late"), [(False, False), (True, False), (False, True), (True, True)])
def test_a_form_whose_session_has_changed_meanwhile_is_fetched_anew_and_its_key_compared(crawl, changes_key, late):
    class Spider(RecordingSpider):
        async def start(self):
            yield scrapy.Request(f"{site.origin}/page", self.page, errback=self.failed)
            while not service.jobs:
                await sleep(0.1)
            new_session = scrapy.Request(f"{site.origin}/new-session", self.page, meta={"omocaptcha": False})
            if late:
                # The token waits for its place, which requests of other sessions have.
                for jar in (1, 2):
                    busy = {"omocaptcha": False, "cookiejar": jar}
                    yield scrapy.Request(f"{site.origin}/busy", self.page, meta=busy, dont_filter=True)
                await sleep(5)
                await self.crawler.engine.download_async(new_session)
                changed.append(True)
            else:
                yield new_session

    async def answer(request, form):
        while request.path == "/busy" and not changed:
            await sleep(0.1)
        if request.path in ("/busy", "/new-session"):
            response = page("another session")
            response.set_cookie("session", "2", path="/")
            return response
        session = request.cookies.get("session", "1")
        if request.path == "/verify":
            handed_in.append((form["csrf"], form["key"]))
            return won("/page") if form["csrf"] == session else page("Sorry", 403)
        if cleared(request):
            return page()
        key = OTHER_KEY if changes_key and session == "2" else sites.KEY
        fields = f"<input type=hidden name=csrf value={session}><input type=hidden name=key value={key}><button"
        text = sites.CHALLENGE.replace("<button", fields).replace(sites.KEY, key)
        cookie = {"Set-Cookie": f"session={session}"}
        return web.Response(text=text, status=403, content_type="text/html", headers=cookie)

    handed_in, changed = [], []
    with OmoCaptchaService(solve_seconds=2) as service, Site(answer) as site:
        crawled = crawl(Spider, {**service.settings, "CONCURRENT_REQUESTS": 2})
    assert crawled.failures == []
    assert handed_in == [("2", OTHER_KEY if changes_key else sites.KEY)]
    assert (len(service.jobs), crawled.count("tokens/expired")) == ((2, 1) if changes_key else (1, 0))
