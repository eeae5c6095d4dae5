"""Whole crawls at walls that redirect every page to one address, whose name need not say anything."""

import asyncio
from collections import Counter
from contextlib import ExitStack
from itertools import count

import pytest
import scrapy
from aiohttp import web
from scrapy import signals
from scrapy.exceptions import CloseSpider
from scrapy.utils.defer import deferred_from_coro

from scrapy_omocaptcha.engine.request_state import RequestState
from scrapy_omocaptcha.errors import ChallengeNotSolved
from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware
from scrapy_omocaptcha.walls import originals
from tests.helpers.components import hears
from tests.helpers.crawling import FollowingSpider, RecordingSpider
from tests.helpers.hard_walls import OneAddress
from tests.helpers.nightly import nightly
from tests.helpers.scrapy_versions import CALLBACKS_ARE_LATE
from tests.helpers.sites import (
    Site,
    behind_wall,
    challenge,
    cleared,
    one_by_one,
    page,
    pages_of,
    redirect,
    sending,
    spider,
    won,
)

HOST = "127.0.0.9"


class Pausing(RecordingSpider):
    """Pauses after ``most`` pages; ``failures`` has the addresses that were asked for."""

    most = None

    def page(self, response, asked):
        self.pages.append(response)
        if len(self.pages) == self.most:
            raise CloseSpider("paused")

    def failed(self, failure):
        self.failures.append(failure.request.cb_kwargs["asked"])


def moved(request):
    return redirect(request.path.replace("old", "new"))


class MovingPages(Site):
    """Pages of which many have moved, behind a wall of one address, with a clearance that is soon used up.

    :param pages: how many pages a clearance is good for.
    :param failures: statuses that the wall's address answers with, one by one, once it has shown its challenge.
    """

    def __init__(self, gate, pages, *, folder="old", failures=()):
        super().__init__(self._respond, HOST)
        self.gate = gate
        self._pages = pages
        self._folder = folder
        self._failures = iter(failures)
        self._won = self._left = 0

    def urls(self, number):
        return [f"{self.origin}/{self._folder}/{page}" for page in range(number)]

    def _respond(self, request, form):
        if request.path == "/verify":
            self._won, self._left = self._won + 1, self._pages
            response = page("Thank you")
            response.set_cookie("clearance", str(self._won), path="/")
            return response
        if request.path == self.gate:
            status = next(self._failures, None) if self._won else None
            return page("Sorry", status=status) if status else challenge()
        if request.cookies.get("clearance") != str(self._won) or self._left <= 0:
            return redirect(self.gate)
        if request.path.startswith("/old/"):
            return moved(request)
        self._left -= 1
        return page()


@pytest.fixture
def one_address(service):
    """``one_address(gate, fault, times)`` → a site at whose wall's address a fault is met first."""
    with ExitStack() as stack:

        def start(gate="/hold", fault=None, times=1):
            site = stack.enter_context(OneAddress(service, gate, hosts=(HOST,), catalogue_pages=60))
            if fault is not None:
                site.fault(gate, fault, times=times, seconds=3600 if fault == "hang" else 1)
            return site

        yield start


@pytest.mark.parametrize("gate", ["/captcha", "/hold"])
@pytest.mark.parametrize("fault", [None, "bad_gateway", "too_many", "truncated", "hang"])
def test_nothing_is_lost_when_the_walls_address_fails_at_first(crawl, service, one_address, gate, fault):
    pages = pages_of(one_address(gate, fault), 24)
    crawled = crawl(pages, {**service.settings, "CONCURRENT_REQUESTS_PER_DOMAIN": 8})
    assert sorted(one.url for one in crawled.pages) == sorted(pages.urls)
    assert crawled.failures == []
    assert len(service.jobs) == 1


@pytest.mark.parametrize("fault", [None, "bad_gateway"])
def test_posts_that_the_wall_redirects_together_are_all_sent_again(crawl, service, one_address, fault):
    url = f"{one_address(fault=fault).url}/search"
    searches = sending(*(scrapy.Request(f"{url}?n={number}", method="POST", body="a=b") for number in range(12)))
    crawled = crawl(searches, {**service.settings, "CONCURRENT_REQUESTS_PER_DOMAIN": 8})
    assert len({one.url for one in crawled.pages}) == len(crawled.pages) == 12
    assert crawled.failures == []
    assert len(service.jobs) == 1


@pytest.mark.parametrize("gate", ["/captcha", "/hold"])
def test_a_walls_address_that_never_answers_well_ends_the_crawl_as_without_the_add_on(
    crawl, service, one_address, gate
):
    """Nobody knows that it is a wall, so requests that are redirected to it are duplicates."""
    settings = {**service.settings, "RETRY_TIMES": 1, "CONCURRENT_REQUESTS_PER_DOMAIN": 8}
    crawled = crawl(pages_of(one_address(gate, "bad_gateway", times=10_000), 8), settings)
    assert 1 <= len(crawled.failures) <= 8
    assert len(crawled.failures) + crawled.stats.get("dupefilter/filtered", 0) >= 8
    assert crawled.pages == []
    assert service.jobs == ()


@pytest.mark.parametrize("gate", ["/captcha", "/hold"])
def test_a_resumed_crawl_gets_all_pages_though_the_walls_address_is_known_as_a_duplicate(
    crawl, service, one_address, tmp_path, gate
):
    """The dupefilter of the first run has the address of the wall, and is kept."""
    urls = pages_of(one_address(gate), 60).urls
    settings = {**service.settings, "JOBDIR": str(tmp_path / "job"), "CONCURRENT_REQUESTS": 4}
    runs = [crawl(Pausing, settings, urls=urls, most=most) for most in (5, None)]
    assert Counter(page.url for run in runs for page in run.pages) == Counter(urls)
    assert [run.failures for run in runs] == [[], []]
    assert CALLBACKS_ARE_LATE or len(service.jobs) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_requests_that_wait_until_it_is_known_what_a_redirect_leads_to_are_there_when_a_crawl_resumes(
    crawl, service, one_address, tmp_path, method
):
    """The wall's address does not answer yet when the crawl is stopped, so that all redirects to it are duplicates."""

    @hears(stop=signals.request_dropped)
    class Stops(RecordingSpider):
        dropped = 0

        def stop(self, request):
            self.dropped += request.url.endswith("/hold")
            if self.stops and self.dropped == 3:
                deferred_from_coro(self.crawler.engine.close_spider_async(reason="stopped"))

        async def start(self):
            for url in self.urls:
                yield scrapy.Request(url, self.page, errback=self.failed, method=method)

    url = f"{one_address(fault='hang').url}/search"
    urls = [f"{url}?n={number}" for number in range(8)]
    settings = {**service.settings, "JOBDIR": str(tmp_path / "job")}
    runs = [crawl(Stops, settings, urls=urls, stops=stops) for stops in (True, False)]
    assert [run.stats["finish_reason"] for run in runs] == ["stopped", "finished"]
    assert Counter(one.url for run in runs for one in run.pages) == Counter(urls)


@pytest.mark.parametrize(
    ("pages", "jobs", "gate"),
    [
        *((3, 11, "/captcha"), (12, 4, "/hold"), (1000, 3, "/captcha")),
        *(nightly(3, 11, "/hold"), nightly(12, 4, "/captcha"), nightly(1000, 3, "/hold")),
    ],
)
def test_pages_that_have_moved_are_all_there_though_the_wall_is_closed_again_when_a_crawl_resumes(
    crawl, service, tmp_path, gate, pages, jobs
):
    """Their redirects were followed before, and are so by the duplicate filter when the wall has to be passed first.

    The three runs get 8, 3 and 19 pages.
    """
    settings = {**service.settings, "JOBDIR": str(tmp_path / "job"), "CONCURRENT_REQUESTS": 1}
    with MovingPages(gate, pages) as site:
        urls = site.urls(30)
        runs = [crawl(Pausing, settings, urls=urls, most=most) for most in (8, 3, None)]
    assert Counter(one.url for run in runs for one in run.pages) == Counter(url.replace("old", "new") for url in urls)
    assert [run.failures for run in runs] == [[], [], []]
    assert CALLBACKS_ARE_LATE or len(service.jobs) == jobs


@pytest.mark.parametrize("concurrent", [1, 2, 5])
def test_a_page_that_redirects_lead_to_comes_once_though_it_was_a_wall_first(crawl, service, concurrent):
    """Without a wall, the dupefilter drops all redirects but the first."""
    is_open = []

    def answer(request, form):
        if request.path.startswith("/go/"):
            return redirect("/page")
        if request.path == "/verify":
            is_open.append(True)
            return won("/page")
        return page("<title>Page</title>") if is_open else challenge()

    with Site(answer) as site:
        urls = [f"{site.origin}/go/{number}" for number in range(5)]
        crawled = crawl(spider(*urls), {**service.settings, "CONCURRENT_REQUESTS": concurrent})
        assert [one.url for one in crawled.pages] == [f"{site.origin}/page"]
    assert crawled.failures == []
    assert len(service.jobs) == 1


@pytest.mark.parametrize("ends", [False, True], ids=["another session", "the clearance ends"])
def test_no_request_is_lost_to_a_wall_whose_address_is_a_page_for_those_who_are_through(crawl, service, ends):
    """The page has been asked for before, so that all redirects to its address are duplicates."""
    through = set()

    def answer(request, form):
        if request.path == "/verify":
            through.add(str(len(service.jobs)))
            response = redirect("/")
            response.set_cookie("clearance", str(len(service.jobs)), path="/")
            return response
        if request.cookies.get("clearance") not in through:
            return challenge() if request.path == "/" else redirect("/")
        return redirect("/") if request.path == "/start" else page()

    class TwoSessions(RecordingSpider):
        def requests(self):
            yield scrapy.Request(f"{site.origin}/start", self.first)

        def first(self, response):
            self.pages.append(response)
            if ends:
                through.clear()
            for number in range(10):
                url, meta = f"{site.origin}/page/{number}", {} if ends else {"cookiejar": 2}
                yield scrapy.Request(url, self.page, errback=self.failed, meta=meta)

    with Site(answer) as site:
        crawled = crawl(TwoSessions, {**service.settings, "CONCURRENT_REQUESTS": 4})
        pages = [f"{site.origin}/", *(f"{site.origin}/page/{number}" for number in range(10))]
    assert sorted(one.url for one in crawled.pages) == sorted(pages)
    assert crawled.failures == []
    assert len(service.jobs) == 2


@pytest.mark.parametrize("wall", [False, True], ids=["open", "three pages a clearance"])
@pytest.mark.parametrize("by_redirects", [False, True], ids=["links", "links that redirect"])
def test_no_page_comes_back_twice_where_a_spider_passes_meta_on(crawl, service, wall, by_redirects):
    """The site's first page is redirected, so that all later requests carry the meta of a redirect."""
    pages = 6
    left = {"pages": 3}

    def answer(request, form):
        if request.path == "/":
            return redirect("/home")
        if request.path.startswith("/go/"):
            return redirect("/p/" + request.path.split("/")[2])
        if request.path == "/verify":
            left["pages"] = 3
            return won("/home")
        if wall and left["pages"] <= 0:
            return challenge()
        left["pages"] -= 1
        here = request.path.rpartition("/")[2]
        path = (lambda number: f"/go/{number}/{here}") if by_redirects else (lambda number: f"/p/{number}")
        return page("<title>p</title>" + "".join(f'<a href="{path(number)}">next</a>' for number in range(pages)))

    class PassesMetaOn(RecordingSpider):
        def page(self, response, asked=None):
            self.pages.append(response)
            if len(self.pages) > 100:
                raise CloseSpider("runs wild")
            meta = {} if by_redirects else response.meta
            yield from response.follow_all(css="a", callback=self.page, errback=self.failed, meta=meta)

    settings = {**service.settings, "OMOCAPTCHA_MAX_ATTEMPTS": 20, "CONCURRENT_REQUESTS_PER_DOMAIN": 4}
    with Site(answer) as site:
        crawled = crawl(PassesMetaOn, settings, urls=[f"{site.origin}/"])
        expected = {f"{site.origin}/home", *(f"{site.origin}/p/{number}" for number in range(pages))}
    assert crawled.failures == []
    assert {one.url for one in crawled.pages} == expected
    # Where the page that redirects lead to is walled itself, and the clearance ends, it may come for another of them.
    assert len(crawled.pages) <= len(expected) + (wall and by_redirects)


def walled_at_start(free, status=403, hops=False):
    """Return how a site answers whose wall redirects all but ``free`` pages, maybe by ``hops``, to one of its own."""
    left = iter(range(free))

    def answer(request, form):
        if request.path == "/verify":
            return won("/start")
        if cleared(request) or next(left, None) is not None:
            return page()
        hop = request.path.replace("page", "hop") if hops else "/start"
        return (
            challenge(status=status) if request.path == "/start" else redirect("/start" if hop == request.path else hop)
        )

    return answer


@pytest.mark.parametrize("hops", [False, True])
@pytest.mark.parametrize(("free", "asked", "come"), [(0, 21, 21), (4, 21, 21), (1, 4, 4), (1, 3, 1)])
@pytest.mark.parametrize("concurrent", [1, 8])
def test_the_third_redirect_of_a_wall_to_a_page_that_the_spider_asks_for_itself_is_looked_behind(
    crawl, service, concurrent, free, asked, come, hops
):
    """To the duplicate filter, all redirects there are duplicates, the first one included."""
    with Site(walled_at_start(free, hops=hops)) as site:
        urls = [f"{site.origin}/start", *(f"{site.origin}/page/{number}" for number in range(asked - 1))]
        crawled = crawl(spider(*urls), {**service.settings, "CONCURRENT_REQUESTS": concurrent})
    # Who is between two redirects when the wall is opened gets the page there.
    assert Counter(one.url.replace("hop", "page") for one in crawled.pages) == Counter(urls[:come])
    assert len(service.jobs) == (come > 1)


def test_a_head_request_that_was_redirected_to_such_a_page_does_not_keep_redirects_from_being_looked_behind(
    crawl, service
):
    with Site(walled_at_start(1, status=200)) as site:
        urls = [f"{site.origin}/start", *(f"{site.origin}/page/{number}" for number in range(6))]
        first, second, *more = map(scrapy.Request, urls)
        spider = sending(first, second.replace(method="HEAD"), *more)
        crawled = crawl(spider, {**service.settings, "CONCURRENT_REQUESTS": 1})
    assert {one.url for one in crawled.pages} == {urls[0], *urls[2:]}
    assert len(service.jobs) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("after", ["back", "home", "page"])
def test_nothing_is_lost_to_a_wall_that_is_opened_before_a_redirect_that_scrapy_follows_has_reached_it(
    crawl, service, after, method
):
    """Redirects are followed last, so that they are held while the first request opens the wall."""

    def answer(request, form):
        if request.path == "/verify":
            return won("/")
        if request.path == "/gate" and not cleared(request):
            return challenge()
        if request.path == "/gate" and after != "page":
            return redirect(request.query["next"] if after == "back" else "/")
        return page() if cleared(request) else redirect(f"/gate?next={request.path}")

    with Site(answer) as site:
        requests = [scrapy.Request(f"{site.origin}/page/{number}", method=method) for number in range(8)]
        settings = {**service.settings, "CONCURRENT_REQUESTS": 1, "REDIRECT_PRIORITY_ADJUST": -5}
        crawled = crawl(sending(*requests), settings)
    assert len(crawled.pages) == 8
    assert method == "POST" or {one.url for one in crawled.pages} == {request.url for request in requests}
    assert len(service.jobs) == 1


@pytest.mark.parametrize("status", [302, 303, 307])
@pytest.mark.parametrize("gate", ["/captcha", "/hold"])
def test_a_post_that_is_redirected_to_a_wall_is_sent_once_more_when_it_is_open_and_not_before(
    crawl, service, gate, status
):
    with Site(behind_wall(gate=gate, to_gate=lambda gate: redirect(gate, status))) as site:
        search = scrapy.FormRequest(f"{site.origin}/search", formdata={"q": "rope"})
        crawled = crawl(sending(search), service.settings)
        sent = [form for method, path, form, _ in site.requests if (method, path) == ("POST", "/search")]
    assert [(one.url, one.request.method) for one in crawled.pages] == [(search.url, "POST")]
    assert sent == [{"q": "rope"}] * 2
    assert len(service.jobs) == 1


def test_a_post_whose_answer_is_a_page_that_wants_a_token_each_time_is_sent_once(crawl, service):
    def answer(request, form):
        if request.path == "/order":
            return redirect("/receipt")
        return page("the receipt") if form.get("g-recaptcha-response") else challenge("")

    with Site(answer) as site:
        order = scrapy.FormRequest(f"{site.origin}/order", formdata={"q": "rope"})
        crawled = crawl(sending(order), service.settings)
        sent = [form for method, path, form, _ in site.requests if (method, path) == ("POST", "/order")]
    assert [one.text for one in crawled.pages] == ["the receipt"]
    assert sent == [{"q": "rope"}]
    assert len(service.jobs) == 1


def test_a_post_that_is_redirected_to_a_wall_on_another_host_has_its_answer_once_that_is_open(crawl, service):
    class OfTwoHosts(Site):
        def __init__(self, answer):
            super().__init__(answer)
            self.hosts = (HOST, "127.0.0.8")

    def answer(request, form):
        own, wall = (f"http://{host}:{site.port}" for host in site.hosts)
        answers = {"/verify": redirect(f"{own}/enter"), "/enter": won("/"), "/hold": challenge()}
        return answers.get(request.path) or (page() if cleared(request) else redirect(f"{wall}/hold"))

    with OfTwoHosts(answer) as site:
        search = scrapy.FormRequest(f"{site.origin}/search", formdata={"q": "rope"})
        crawled = crawl(sending(search), service.settings)
    assert [(one.url, one.request.method) for one in crawled.pages] == [(search.url, "POST")]
    assert (crawled.failures, len(service.jobs)) == ([], 1)


def test_a_page_that_breaks_off_once_its_redirect_led_to_an_open_wall_is_retried(crawl, service):
    async def answer(request, form):
        if not cleared(request):
            # This redirect comes when the wall has been opened.
            await asyncio.sleep(100 if request.path == "/page/2" else 0)
        elif request.path == "/hold":
            return page("open")
        elif request.path == "/page/2" and next(times) == 0:
            request.transport.close()
        return inside(request, form)

    inside, times = behind_wall(gate="/hold"), count()
    with Site(answer) as site:
        crawled = crawl(spider(*(f"{site.origin}/page/{number}" for number in (1, 2))), service.settings)
    assert len(crawled.failures) == 0
    assert len(crawled.pages) == 2
    assert crawled.stats["retry/count"] == 1


@pytest.mark.parametrize("gate", ["/captcha", "/hold"])
@pytest.mark.parametrize("by", ["nobody", "the request", "the spider"])
def test_pages_whose_meta_refresh_leads_to_a_wall_lose_no_request_whoever_handles_redirects(crawl, service, gate, by):
    def refresh(gate):
        return page(f'<meta http-equiv="refresh" content="0; url={gate}">')

    handled = {"handle_httpstatus_list": [302]}
    meta, attributes = handled if by == "the request" else {}, handled if by == "the spider" else {}
    with Site(behind_wall(gate=gate, to_gate=refresh)) as site:
        requests = [scrapy.Request(f"{site.origin}/page/{number}", meta=meta) for number in range(6)]
        crawled = crawl(sending(*requests, **attributes), service.settings)
    assert Counter(one.url for one in crawled.pages) == Counter(request.url for request in requests)
    assert len(service.jobs) == 1


@pytest.mark.parametrize(
    ("first", "gate", "lost"), [(None, "/captcha", 0), ("/captcha", "/hold", 0), (None, "/hold", 6)]
)
@pytest.mark.parametrize("by", ["the request", "the spider", "the settings"])
def test_who_handles_redirects_gets_those_of_the_site_but_not_those_of_a_wall_that_is_named_like_one(
    crawl, service, first, gate, lost, by
):

    def answer(request, form):
        return redirect(gate) if request.path == first else inside(request, form)

    handled = {"handle_httpstatus_list": range(300, 400)}
    off = {"REDIRECT_ENABLED": False, "HTTPERROR_ALLOW_ALL": True} if by == "the settings" else {}
    meta, attributes = handled if by == "the request" else {}, handled if by == "the spider" else {}
    inside = behind_wall(moved, gate=gate, to_gate=lambda gate: redirect(first or gate))
    with Site(answer) as site:
        requests = [scrapy.Request(f"{site.origin}/old/{number}", meta=meta) for number in range(6)]
        crawled = crawl(sending(*requests, **attributes), {**service.settings, **off, "CONCURRENT_REQUESTS": 1})
    locations = Counter(one.headers["Location"].decode().rpartition("/")[0] for one in crawled.pages)
    assert locations == Counter({"/new": 6 - lost, "": lost})
    assert len({one.url for one in crawled.pages}) == len(crawled.pages) == 6
    assert len(service.jobs) == (not lost)


@pytest.mark.parametrize("by", ["a spider", "a pipeline"])
def test_nothing_is_fetched_for_who_declines_redirects(crawl, service, tmp_path, by):
    """Link resolvers read no more than where links lead, and pipelines by default want no file behind a redirect."""

    def answer(request, form):
        return redirect(f"/download?t={request.path[4:]}") if request.path.startswith("/go/") else page()

    class Collects(RecordingSpider):
        def requests(self):
            urls = [f"{site.origin}/go/{number}" for number in range(8)]
            if by == "a pipeline":
                yield scrapy.Request(site.origin, self.item, cb_kwargs={"urls": urls})
            else:
                yield from (scrapy.Request(url, self.page, meta={"dont_redirect": True}) for url in urls)

        def item(self, response, urls):
            yield {"file_urls": urls}

    settings = {"ITEM_PIPELINES": {"scrapy.pipelines.files.FilesPipeline": 1}, "FILES_STORE": str(tmp_path)}
    with Site(answer) as site:
        crawl(Collects, {**service.settings, **settings}, handle_httpstatus_list=[302])
        fetched = [path for _, path, *_ in site.requests if path.startswith("/download")]
    assert len(site.requests) >= 8
    assert fetched == []


def test_the_page_that_a_wall_shows_is_taken_for_the_one_asked_for_where_its_address_is_another_each_time(
    crawl, service
):
    def answer(request, form):
        if request.path.startswith("/hold/"):
            return challenge()
        return thanks if form else page() if cleared(request) else redirect(f"/hold/{next(numbers)}")

    numbers, thanks = count(), page("Thank you")
    thanks.set_cookie("clearance", "yes", path="/")
    with Site(answer) as site:
        urls = [f"{site.origin}/{path}" for path in ("page/1", "page/2", "verify")]
        crawled = crawl(spider(*urls[:2]), {**service.settings, "CONCURRENT_REQUESTS": 1})
    assert {one.url for one in crawled.pages} == set(urls[1:])


def test_a_post_whose_answer_is_behind_the_wall_again_is_executed_once(crawl, service):
    """A token opens one address, and each POST is answered by a redirect to another one."""

    def answer(request, form):
        if request.path == "/verify":
            left.append(None)
            return page("Thank you")
        if request.path == "/hold":
            return challenge()
        if not left:
            return redirect("/hold")
        left.pop()
        if request.method == "GET":
            return page()
        executed.append(request.path)
        return redirect(f"/receipt/{len(executed)}", 303)

    left, executed = [], []
    with Site(answer) as site:
        urls = [f"{site.origin}/order/{number}" for number in range(5)]
        crawled = crawl(spider(*urls, method="POST"), service.settings)
    assert [one.url.startswith(f"{site.origin}/receipt/") for one in crawled.pages] == [True] * 5
    assert sorted(executed) == [f"/order/{number}" for number in range(5)]


@pytest.mark.parametrize(("adjust", "most"), [(2, 20), (0, 120), (-10, 120)])
def test_the_queue_does_not_meet_a_wall_to_which_the_first_of_its_redirects_have_led(crawl, service, adjust, most):
    """The pages have moved, and the wall is in their place."""

    async def answer(request, form):
        await asyncio.sleep(0.05)
        is_old = request.path.startswith("/old/")
        return redirect(request.path.replace("old", "new"), 301) if is_old else behind_wall()(request, form)

    with Site(answer) as site:
        urls = [f"{site.origin}/old/{number}" for number in range(100)]
        settings = {"CONCURRENT_REQUESTS": 4, "REDIRECT_PRIORITY_ADJUST": adjust}
        crawled = crawl(spider(*urls), {**service.settings, **settings})
    assert len(crawled.pages) == 100
    assert len(service.jobs) == 1
    assert {one.request.priority for one in crawled.pages} == {adjust}, "that of Scrapy's redirect"
    assert [method for method, *_ in site.requests].index("POST") <= most


@pytest.mark.parametrize("is_known", [True, False], ids=["shows it no more", "shows it again"])
def test_no_request_is_lost_to_a_wall_that_leads_back_to_the_page_where_its_address_is_another_each_time(
    crawl, service, is_known
):
    """The duplicate filter knows the page: the request for it was redirected."""

    def answer(request, form):
        if form:
            return won(request.query["next"])
        if request.path.startswith("/hold/"):
            return redirect(request.query["next"]) if cleared(request) and is_known else challenge("")
        return page() if cleared(request) else redirect(f"/hold/{next(numbers)}?next={request.path}")

    numbers = count()
    with Site(answer) as site:
        urls = [f"{site.origin}/page/{number}" for number in range(8)]
        crawled = crawl(spider(*urls), service.settings)
    assert sorted(one.url for one in crawled.pages) == urls


@pytest.mark.parametrize("leads_to", ["/a", "/b"], ids=["itself", "another page"])
def test_a_redirect_in_a_circle_behind_a_wall_is_not_followed_to_the_limit(crawl, service, leads_to):
    """Without a wall, Scrapy drops the first that leads back, as a duplicate."""

    def inside(request):
        return {"/a": redirect(leads_to), "/b": redirect("/a")}.get(request.path, page())

    with Site(behind_wall(inside, opens_at="/first")) as site:
        asked = [
            scrapy.Request(f"{site.origin}/{path}", priority=-number) for number, path in enumerate(("first", "a"))
        ]
        crawled = crawl(sending(*asked), {**service.settings, "CONCURRENT_REQUESTS": 1})
    paths = [path for _, path, *_ in site.requests]
    assert (len(service.jobs), [page.url for page in crawled.pages]) == (1, [f"{site.origin}/first"])
    assert 2 <= paths.count("/a") <= 3, paths


def test_a_challenge_that_refreshes_itself_leaves_nothing_in_meta(crawl, service):
    def answer(request, form):
        closed = challenge()
        closed.text = '<meta http-equiv="refresh" content="1; url=/other">' + closed.text
        return page("") if request.path == "/verify" else closed

    with Site(answer) as site:
        (error,) = crawl(spider(f"{site.origin}/page"), service.settings).failures
    assert error.reason == "attempts"
    assert "_omocaptcha" not in error.response.meta


def test_a_challenge_behind_a_redirect_that_has_changed_a_cookie_is_not_fetched_again(crawl, service):
    def answer(request, form):
        response = page() if request.path == "/free" or cleared(request) else redirect("/captcha")
        response.set_cookie("session", "1" if request.path == "/page" else "0", path="/")
        return {"/captcha": challenge(), "/verify": won("/page")}.get(request.path, response)

    with Site(answer) as site:
        crawled = crawl(one_by_one(f"{site.origin}/free", f"{site.origin}/page"), service.settings)
    assert len(crawled.pages) == 2
    assert [path for _, path, *_ in site.requests] == ["/free", "/page", "/captcha", "/verify", "/page"]


# -- addresses that are no walls -------------------------------------------------------------------------------------


def test_a_redirect_of_a_resumed_crawl_to_a_page_that_the_first_run_has_got_is_a_duplicate(crawl, service, tmp_path):
    settings = {**service.settings, "JOBDIR": str(tmp_path)}
    with Site(lambda request, form: page() if request.path == "/same" else redirect("/same")) as site:
        runs = [crawl(spider(f"{site.origin}/to-same/{number}"), settings) for number in range(2)]
    assert [len(run.pages) for run in runs] == [1, 0]


@pytest.mark.parametrize("concurrent", [1, 8])
@pytest.mark.parametrize("wall", [False, True], ids=["open", "twenty pages a clearance"])
def test_a_page_whose_address_looks_like_a_walls_comes_once_and_is_hardly_looked_at(crawl, service, wall, concurrent):
    """Members' pages redirect to it. The wall shows its challenge in the place of any page."""
    left = {"pages": 0}

    def answer(request, form):
        if request.path == "/verify":
            left["pages"] = 20
            return won("/")
        if wall and (not cleared(request) or left["pages"] <= 0):
            return challenge()
        left["pages"] -= 1
        is_for_members = request.path.startswith("/members/")
        return redirect("/access-denied") if is_for_members else page()

    with Site(answer) as site:
        urls = [f"{site.origin}/{'members' if number % 2 else 'page'}/{number}" for number in range(40)]
        crawled = crawl(spider(*urls), {**service.settings, "CONCURRENT_REQUESTS": concurrent})
        looks = sum(path == "/access-denied" for _, path, *_ in site.requests)
    came = Counter(one.url for one in crawled.pages)
    # It may come once more for each time at which the clearance runs out while requests are redirected there.
    assert 1 <= came.pop(f"{site.origin}/access-denied") <= 1 + 2 * (wall and concurrent > 1)
    assert came == Counter(urls[::2])
    assert crawled.failures == []
    assert wall or looks <= 4 + concurrent


@pytest.mark.parametrize("gate", ["/captcha", "/hold"])
@pytest.mark.parametrize("times", [2, 5])
@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize(("folder", "method"), [("page", "GET"), ("page", "POST"), ("old", "GET")])
def test_no_request_is_lost_where_a_known_wall_fails_to_show_its_challenge_for_a_while(
    crawl, service, gate, times, status, folder, method
):
    """All redirects lead to one address, which Scrapy's dupefilter knows."""
    with MovingPages(gate, 5, folder=folder, failures=[status] * times) as site:
        urls = site.urls(15)
        crawled = crawl(Pausing, {**service.settings, "CONCURRENT_REQUESTS": 1}, urls=urls, method=method)
    # Who was redirected while the wall was broken twice gets what it showed.
    assert Counter([*(one.cb_kwargs["asked"] for one in crawled.pages), *crawled.failures]) == Counter(urls)
    assert len({one.url for one in crawled.pages if not one.url.endswith(gate)}) >= 15 - times
    # To look at where pages have moved costs some of those that a clearance is good for.
    assert folder == "old" or len(service.jobs) <= 3


@pytest.mark.parametrize(
    ("gate", "broken", "status"),
    [("/hold", (1, 2), 200), ("/hold", (1, 2), 404), ("/captcha", (0,), 200)],
    ids=["a page", "an error", "an address that says that it is a wall"],
)
def test_no_request_is_lost_where_a_wall_fails_to_show_its_challenge_before_it_was_ever_opened(
    crawl, service, gate, broken, status
):
    """Where the address is named like a wall's, the first request gets what the add-on has fetched there."""

    def answer(request, form):
        is_broken = request.path == gate and next(visits) in broken
        return page("Sorry", status) if is_broken else inside(request, form)

    inside, visits = behind_wall(gate=gate), count()

    with Site(answer) as site:
        urls = [f"{site.origin}/page/{number}" for number in range(8)]
        crawled = crawl(spider(*urls), {**service.settings, "CONCURRENT_REQUESTS": 1})
    assert len(crawled.pages) + len(crawled.failures) == 8
    assert len({one.url for one in crawled.pages} & set(urls)) >= 7
    assert len(service.jobs) == 1


@pytest.mark.parametrize("hops", [2, 4, 7])
@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_wall_behind_several_redirects_loses_no_page_and_gives_none_for_another(crawl, service, hops, concurrency):
    def answer(request, form):
        kind, _, number = request.path[1:].partition("/")
        if kind == "verify":
            return won("/")
        if kind == "hop":
            # Who is through already is sent to the start page by the last of them.
            leads_to = f"/hop/{int(number) + 1}" if int(number) < hops else "/" if cleared(request) else "/gate"
            return redirect(leads_to)
        if kind == "gate":
            return challenge()
        if kind == "page" and not cleared(request):
            return redirect("/hop/1")
        return page(f"<title>{request.path}</title>")

    with Site(answer) as site:
        urls = [f"{site.origin}/page/{number}" for number in range(10, 22)]
        crawled = crawl(spider(*urls), {**service.settings, "CONCURRENT_REQUESTS": concurrency})
    assert sorted((one.url, one.text) for one in crawled.pages) == [
        (url, f"<title>/page/{url[-2:]}</title>") for url in urls
    ]
    assert crawled.failures == []
    assert len(service.jobs) == 1


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("wall", [False, True], ids=["no wall, and a stop", "a wall elsewhere"])
def test_redirects_to_a_page_that_is_missing_are_duplicates_as_without_the_add_on(
    crawl, service, tmp_path, wall, status
):
    async def answer(request, form):
        await asyncio.sleep(2 if request.path in ("/gone", "/last") else 0)
        if request.path == "/gone":
            return page(status=status)
        return redirect("/gone") if request.path.startswith("/old") else inside(request, form)

    inside = behind_wall() if wall else lambda request, form: page()
    settings = {**service.settings, "JOBDIR": str(tmp_path), "CONCURRENT_REQUESTS_PER_DOMAIN": 16}
    with Site(answer) as site:
        olds = [f"{site.origin}/old/{number}" for number in range(12)]
        urls = [*([f"{site.origin}/"] if wall else []), *olds, *([] if wall else [f"{site.origin}/last"])]
        runs = [crawl(Pausing, settings, urls=urls, most=None if wall else 1) for _ in range(2)]
        seen = Counter(path for _, path, *_ in site.requests)
    assert sum(len(run.failures) for run in runs) == 1
    assert seen["/gone"] == 1


@pytest.mark.parametrize(
    ("opens_at", "path"),
    [(None, "/page"), ("/page", "/page"), ("/thanks", "/captcha")],
    ids=["one wall", "a wall at both hosts", "whose address says so"],
)
def test_a_page_whose_redirect_leads_to_the_wall_of_another_host_is_not_lost(crawl, service, opens_at, path):
    """Scrapy has followed the redirect before, so that the redirect after the wall looks like a duplicate."""
    with Site(behind_wall(opens_at=path), host="127.0.0.8") as other:

        def inside(request):
            return page("Thank you") if request.path == "/thanks" else redirect(other.origin + path)

        answer = behind_wall(inside, opens_at=opens_at)
        with Site(answer if opens_at else lambda request, form: inside(request)) as site:
            crawled = crawl(spider(f"{site.origin}/page"), service.settings)
    assert [one.url for one in crawled.pages] == [other.origin + path]
    assert len(service.jobs) == 1 + bool(opens_at)
    # Once its own wall is open, the page is not asked for again: what the other host shows is the answer to it.
    asked = [method for method, *_ in [*site.requests, *other.requests]]
    assert opens_at != "/page" or asked == ["GET", "POST", "GET"] * 2


@pytest.mark.parametrize(
    ("clearance", "spends"),
    [
        *((None, "pages"), (1, "pages"), (3, "requests"), (1000, "requests")),
        *(nightly(None, "requests"), nightly(1, "requests"), nightly(3, "pages"), nightly(1000, "pages")),
    ],
)
def test_pages_that_many_links_redirect_to_come_once_though_each_is_behind_a_wall(crawl, service, clearance, spends):
    """``clearance`` is for so many pages, or for so many requests, and the wall shows its challenge in their place."""
    spent, free = 0, 3

    def answer(request, form):
        nonlocal spent, free
        if request.path == "/verify":
            spent, free = 0, clearance
            return redirect(form["next"])
        is_link = request.path.startswith("/go/")
        if clearance and spent >= free and not is_link:
            return challenge(next=request.path)
        if spends == "requests" or not is_link:
            spent += 1
        if is_link:
            return redirect(f"/p/{request.path.split('/')[2]}")
        return page("".join(f"<a href=/go/{number}{request.path}>link</a>" for number in range(10)))

    settings = {**service.settings, "CONCURRENT_REQUESTS_PER_DOMAIN": 4}
    with Site(answer) as site:
        crawled = crawl(FollowingSpider, settings, urls=[f"{site.origin}/start"])
    paths = [f"{site.origin}/start", *(f"{site.origin}/p/{number}" for number in range(10))]
    assert Counter(one.url for one in crawled.pages) == Counter(paths)
    assert crawled.failures == []
    assert len(site.requests) <= 2 * 111
    if clearance and spends == "pages":
        assert len(service.jobs) <= 11 / clearance + 5
        assert not crawled.count("tokens/rejected")
        assert not crawled.count("tokens/unknown")


class InPlace(Site):
    """Shows its challenge in the place of its pages ``/p/N``, to which ``/go/N`` redirects.

    :param pages: how many pages a clearance is good for.
    """

    def __init__(self, pages):
        super().__init__(self._respond)
        self._pages, self._left = pages, 0

    def _respond(self, request, form):
        if request.path == "/verify":
            self._left = self._pages
            return redirect(form["next"])
        if request.path.startswith("/go/"):
            return redirect(f"/p/{request.path.split('/')[2]}")
        if self._left <= 0:
            return challenge(next=request.path)
        self._left -= 1
        return page()

    def asking(self, *paths):
        """Return a spider that asks for some paths in this order."""
        return sending(*(scrapy.Request(f"{self.origin}/{path}", priority=-at) for at, path in enumerate(paths)))


@pytest.mark.parametrize("concurrent", [1, 2])
@pytest.mark.parametrize("paths", [("go/1", "p/1"), ("p/1", "go/1")])
@pytest.mark.parametrize("pages", [1, 1000])
def test_a_walled_page_comes_once_though_the_spider_asks_for_it_and_is_redirected_there(
    crawl, service, concurrent, paths, pages
):
    with InPlace(pages) as site:
        crawled = crawl(site.asking(*paths), {**service.settings, "CONCURRENT_REQUESTS": concurrent})
    assert [one.url for one in crawled.pages] == [f"{site.origin}/p/1"]


def test_redirects_to_a_walled_page_that_the_spider_has_asked_for_are_duplicates_that_nobody_looks_behind(
    crawl, service
):
    """Two pages to which links redirect have shown that the wall is in the place of the pages."""
    with InPlace(1) as site:
        asks = site.asking("go/1", "go/2", "p/3", *(f"go/3/{link}" for link in range(6)))
        crawled = crawl(asks, {**service.settings, "CONCURRENT_REQUESTS": 1})
    assert Counter(one.url for one in crawled.pages) == Counter(f"{site.origin}/p/{number}" for number in (1, 2, 3))
    assert [path for _, path, *_ in site.requests].count("/p/3") == 2


def test_a_redirect_that_is_dropped_once_its_target_is_a_wall_again_is_not_lost(crawl, service):
    """It was followed while the target was a page, and dropped a moment later."""

    class IsDropped(RecordingSpider):
        def requests(self):
            yield scrapy.Request(f"{site.origin}/first", self.first)

        def first(self, response):
            middleware = self.crawler.get_downloader_middleware(OmoCaptchaMiddleware)
            redirects, gate = middleware._walls._redirects, f"{site.origin}/gate"
            redirects._targets.record_shown(gate, is_wall=True)
            original = scrapy.Request(f"{site.origin}/second", self.page, errback=self.failed)
            followed = original.replace(url=gate, meta={"redirect_urls": [original.url]})
            middleware._states.write(followed, RequestState(original=originals.write(original, None)), must_pass=False)
            self.crawler.signals.send_catch_log(signals.request_dropped, request=followed, spider=self)

    with Site(lambda request, form: page()) as site:
        crawled = crawl(IsDropped, service.settings)
    assert [one.url for one in crawled.pages] == [f"{site.origin}/second"]


@pytest.mark.parametrize(
    ("gate", "rejection"),
    [
        ("/captcha", web.json_response({"ok": False})),
        ("/captcha", web.json_response({"ok": False}, status=400)),
        ("/hold", web.json_response({"ok": False})),
        ("/hold", page("<p>Try again", 400)),
    ],
    ids=["JSON, named", "an error with JSON, named", "JSON", "an error"],
)
def test_what_a_gate_answers_to_a_token_at_its_own_address_is_not_what_the_address_shows(
    crawl, service, gate, rejection
):
    def answer(request, form):
        if request.path != gate:
            return redirect(gate)
        return web.Response(**rejected) if form else challenge(gate)

    rejected = {"status": rejection.status, "body": rejection.body, "content_type": rejection.content_type}
    with Site(answer) as site:
        crawled = crawl(spider(f"{site.origin}/page/1", f"{site.origin}/page/2"), service.settings)
    assert crawled.pages == []
    assert {type(error) for error in crawled.failures} == {ChallengeNotSolved}
    assert crawled.count("tokens/accepted") == 0
    assert crawled.count("tokens/rejected") == len(service.jobs) <= 5
