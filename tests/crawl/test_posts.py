"""Whole crawls whose spiders send orders: a site executes each of them once, whatever wall is around."""

import logging
from collections import Counter
from gzip import BadGzipFile
from itertools import count

import pytest
import scrapy

from scrapy_omocaptcha.errors import ChallengeNotSolved
from tests.helpers.crawling import FollowingSpider, RecordingSpider
from tests.helpers.nightly import by_pairs
from tests.helpers.sites import Site, behind_wall, challenge, cleared, page, redirect, sending, spider, won

ORDERS = 12


class OrderSite(Site):
    """Site that executes orders, ``POST /order`` with an ``id``, and counts them in ``executed``.

    :param gate: returns the address to which a closed wall redirects a request; None if it shows its challenge in the
        place of the page.
    :param opened: what the gate answers to those who are through: ``"home"`` (a redirect), ``"back"`` (to the address
        that was asked for), ``"page"``, or ``"challenge"``, as to all others.
    :param clearance: how many visits a token is good for; those to the gate are free.
    :param receipt: returns the address of the page that an executed order redirects to; None if it is the answer.
    """

    def __init__(self, *, gate=None, opened="home", clearance=1000, receipt=None):
        super().__init__(self._respond)
        self.executed = Counter()
        self._gate, self._opened, self._clearance, self._receipt = gate, opened, clearance, receipt
        self._left = Counter()
        self._numbers = count(1)

    def _respond(self, request, form):
        if request.path == "/verify":
            return self._won()
        session = request.cookies.get("clearance", "")
        if request.path in ("/captcha", "/hold") and self._gate is not None:
            return self._at_gate(request, is_open=self._left[session] > 0)
        if request.path == "/home":
            return page("home")
        if self._left[session] <= 0:
            return challenge() if self._gate is None else redirect(self._gate(request))
        self._left[session] -= 1
        if request.path != "/order":
            return page(request.path)
        self.executed[form["id"]] += 1
        return page("executed") if self._receipt is None else redirect(self._receipt(form["id"]), 303)

    def _won(self):
        session = str(next(self._numbers))
        self._left[session] = self._clearance
        response = redirect("/home")
        response.set_cookie("clearance", session, path="/")
        return response

    def _at_gate(self, request, *, is_open):
        if not is_open or self._opened == "challenge":
            return challenge()
        if self._opened == "page":
            return page("you are through")
        return redirect("/home" if self._opened == "home" else request.query.get("next", "/home"))

    def orders(self, number=ORDERS):
        return [scrapy.FormRequest(f"{self.origin}/order", formdata={"id": str(id_)}) for id_ in range(number)]

    def pages(self, number):
        return [scrapy.Request(f"{self.origin}/page/{number}") for number in range(number)]


GATES = {
    "named": lambda request: "/captcha",
    "leads back": lambda request: f"/hold?next={request.path}",
    "says nothing": lambda request: "/hold",
}
WITH_PAGES = {"orders only": False, "pages, too": True}


@by_pairs(clearance=[3, 1000], gate=list(GATES), opened=["home", "back", "challenge"], with_pages=WITH_PAGES)
def test_orders_that_a_gate_withholds_are_executed_once_each(crawl, service, gate, opened, clearance, with_pages):
    with OrderSite(gate=GATES[gate], opened=opened, clearance=clearance) as site:
        requests = site.orders() + site.pages(ORDERS if with_pages else 0)
        crawled = crawl(sending(*requests), {**service.settings, "OMOCAPTCHA_MAX_ATTEMPTS": 10})
    assert set(site.executed.values()) == {1}
    assert len(crawled.pages) + len(crawled.failures) == len(requests)
    # Nothing proves that such an address is a gate, and its clearance is used up by others before it is.
    is_unproven = (gate, opened, clearance) == ("says nothing", "challenge", 3)
    assert set(crawled.reasons) <= ({"sent_again"} if is_unproven else set())
    assert len(site.executed) == ORDERS - len(crawled.failures)


@pytest.mark.parametrize("gate", ["named", "leads back"])
def test_orders_that_a_gate_withholds_are_executed_though_it_is_a_page_for_those_who_are_through(crawl, service, gate):
    with OrderSite(gate=GATES[gate], opened="page") as site:
        crawled = crawl(sending(*site.orders()), service.settings)
    assert site.executed == dict.fromkeys(map(str, range(ORDERS)), 1)
    assert [one.text for one in crawled.pages] == ["executed"] * ORDERS


def test_the_page_of_a_gate_that_says_nothing_is_taken_for_the_answer_to_an_order(crawl, service):
    with OrderSite(gate=GATES["says nothing"], opened="page") as site:
        crawled = crawl(sending(*site.orders(1)), service.settings)
    assert [one.text for one in crawled.pages] == ["you are through"]
    assert site.executed == {}
    assert sum("request a page first" in said for said in crawled.said(logging.INFO)) == 1


@by_pairs(
    clearance=[1, 3, 5, 1000],
    gate={"in place": None, "named": GATES["named"], "says nothing": GATES["says nothing"]},
    receipt={"own": lambda id_: f"/receipt/{id_}", "shared": lambda id_: "/thanks"},
    with_pages=WITH_PAGES,
)
def test_an_order_whose_answer_is_behind_the_wall_is_executed_once(
    crawl, service, gate, receipt, clearance, with_pages
):
    with OrderSite(gate=gate, clearance=clearance, receipt=receipt) as site:
        requests = site.orders() + site.pages(ORDERS if with_pages else 0)
        crawled = crawl(sending(*requests), {**service.settings, "OMOCAPTCHA_MAX_ATTEMPTS": 10})
    assert set(site.executed.values()) == {1}
    assert not set(crawled.reasons) - {"sent_again"}
    assert len(site.executed) >= ORDERS - len(crawled.failures)
    receipts = {one.url for one in crawled.pages if "/page/" not in one.url}
    assert receipts <= {f"{site.origin}{receipt(id_)}" for id_ in range(ORDERS)}


class Unwilling(OrderSite):
    """Site that executes an order and then redirects it to its gate, again and again."""

    def _respond(self, request, form):
        if request.path == "/order":
            self.executed[form["id"]] += 1
            return redirect(self._gate(request))
        return super()._respond(request, form)


@pytest.mark.parametrize(
    ("gate", "opened", "times"),
    [
        ("named", "challenge", 2),
        ("leads back", "challenge", 2),
        ("says nothing", "challenge", 2),
        ("named", "page", 2),
        ("leads back", "page", 2),
        ("says nothing", "page", 1),
    ],
)
def test_an_order_is_sent_once_more_where_its_gate_claims_to_have_withheld_it_and_not_again(
    crawl, service, gate, opened, times
):
    with Unwilling(gate=GATES[gate], opened=opened) as site:
        crawled = crawl(sending(*site.orders(1)), service.settings)
    assert site.executed == {"0": times}
    if opened == "page":
        assert [one.text for one in crawled.pages] == ["you are through"]
    else:
        (failure,) = crawled.failures
        assert isinstance(failure, ChallengeNotSolved)
        assert failure.reason == "sent_again"
        assert "may have executed it" in str(failure)


class Busy(Unwilling):
    """Such a site, whose gate is overloaded at the visit with the number ``busy_at``."""

    busy_at = 3

    def _at_gate(self, request, *, is_open):
        self.busy_at -= 1
        return page("busy", status=503) if self.busy_at == 0 else super()._at_gate(request, is_open=is_open)


@pytest.mark.parametrize("gate", ["named", "leads back"])
def test_an_order_that_was_sent_once_more_fails_though_nobody_could_look_at_its_gate_again(crawl, service, gate):
    with Busy(gate=GATES[gate], opened="challenge") as site:
        crawled = crawl(sending(*site.orders(1)), service.settings)
    assert site.executed == {"0": 2}
    assert [failure.reason for failure in crawled.failures] == ["sent_again"]
    assert len(service.jobs) == 1


@pytest.mark.parametrize("moves_to", ["/receipt/7/", "/de/receipt/7", "/receipt/7/details"])
def test_a_receipt_that_has_moved_within_its_wall_does_not_show_that_its_order_was_withheld(crawl, service, moves_to):
    executed = Counter()

    def answer(request, form):
        if request.path == "/order":
            executed[form["id"]] += 1
            return redirect("/receipt/7", 303)
        if request.path == "/verify":
            return won("/")
        if not cleared(request):
            return challenge()
        return redirect(moves_to) if request.path == "/receipt/7" else page(request.path)

    with Site(answer) as site:
        order = scrapy.FormRequest(f"{site.origin}/order", formdata={"id": "7"})
        crawled = crawl(sending(order), service.settings)
    assert executed == {"7": 1}
    assert [one.text for one in crawled.pages] == [moves_to]


ORDER_URLS = {"/order": "/order", "/order#top": "/order", "/order?id=7": "/order", "/order?lang=2": "/order"}


@pytest.mark.parametrize(("asked", "action"), ORDER_URLS.items())
@pytest.mark.parametrize("status", [200, 204])
def test_an_order_that_the_form_of_its_wall_carries_by_another_spelling_is_executed_once(
    crawl, service, asked, action, status
):
    executed = Counter()

    def respond(request, form):
        id_ = form.get("id") or request.query.get("id")
        if "g-recaptcha-response" not in form:
            return challenge(action, id=id_, lang=2)
        executed[id_] += 1
        return page("" if status == 204 else "the receipt", status)

    with Site(respond) as site:
        body = {} if "id" in asked else {"formdata": {"id": "7"}}
        order = scrapy.FormRequest(f"{site.origin}{asked}", method="POST", **body)
        crawled = crawl(sending(order), {**service.settings, "HTTPERROR_ALLOW_ALL": True})
    assert executed == {"7": 1}
    assert [one.status for one in crawled.pages] == [status]


@pytest.mark.parametrize("answer", ["page", "redirect", "back", "error", "forbidden"])
def test_an_order_that_the_form_of_its_wall_carries_is_executed_once(crawl, service, answer):
    executed = Counter()

    def respond(request, form):
        if request.path != "/order" or request.method == "GET":
            return page("<title>the receipt</title>")
        if "g-recaptcha-response" not in form:
            return challenge("/order", id=form["id"])
        executed[form["id"]] += 1
        answers = {"redirect": redirect("/receipt", 303), "back": redirect("/order", 303)}
        statuses = {"error": 404, "forbidden": 403}
        return answers.get(answer) or page("<title>the receipt</title>", statuses.get(answer, 200))

    with Site(respond) as site:
        order = scrapy.FormRequest(f"{site.origin}/order", formdata={"id": "7"})
        crawled = crawl(sending(order), {**service.settings, "HTTPERROR_ALLOW_ALL": True})
    assert executed == {"7": 1}
    assert [one.css("title::text").get() for one in crawled.pages] == ["the receipt"]
    # A site may redirect what it rejects, too.
    is_accepted = answer == "page"
    assert (crawled.count("tokens/accepted"), crawled.count("tokens/unknown")) == (is_accepted, not is_accepted)
    assert len(service.jobs) == 1


def test_an_order_that_the_form_of_its_wall_carries_is_not_sent_again_where_the_answer_is_lost(crawl, service):
    executed = Counter()

    def respond(request, form):
        if "g-recaptcha-response" not in form:
            return challenge("/order", id=form["id"])
        executed[form["id"]] += 1
        request.transport.close()
        return page("<title>the receipt</title>")

    with Site(respond) as site:
        order = scrapy.FormRequest(f"{site.origin}/order", formdata={"id": "7"})
        crawled = crawl(sending(order), service.settings)
    assert executed == {"7": 1}
    assert [failure.reason for failure in crawled.failures] == ["broke"]
    assert len(service.jobs) == crawled.count("tokens/unknown") == 1


@pytest.mark.parametrize("receipt", ["/receipt/7", "/hold"])
def test_what_resumes_between_an_order_and_its_answer_asks_for_the_answer(crawl, service, tmp_path, receipt):
    """The crawl stops while the token for the order's answer is being bought."""
    executed = Counter()

    class Stops(RecordingSpider):
        def requests(self):
            yield scrapy.FormRequest(
                f"{site.origin}/order", formdata={"id": "7"}, callback=self.page, errback=self.failed
            )

    def answer(request, form):
        if request.path == "/order":
            executed[form["id"]] += 1
            return redirect(receipt, 303)
        return won("/") if request.path == "/verify" else page(request.path) if cleared(request) else challenge()

    settings = {**service.settings, "JOBDIR": str(tmp_path / "job")}
    with Site(answer) as site:
        service.fault("getJobResult", "hang", seconds=3600)
        runs = [crawl(Stops, {**settings, "CLOSESPIDER_TIMEOUT": seconds}) for seconds in (20, 0)]
    assert executed == {"7": 1}
    assert [[one.text for one in run.pages] for run in runs] == [[], [receipt]]


# -- one-time addresses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stops_after", [1, 5, 12])
def test_no_page_is_lost_to_a_stop_while_its_address_is_looked_at(crawl, service, tmp_path, stops_after):
    def answer(request, form):
        return redirect(request.path.replace("go", "challenge")) if "/go/" in request.path else page(request.path)

    with Site(answer) as site:
        urls = [f"{site.origin}/go/{number}" for number in range(40)]
        settings = {**service.settings, "JOBDIR": str(tmp_path / "job")}
        runs = [crawl(spider(*urls), {**settings, "CLOSESPIDER_PAGECOUNT": most}) for most in (stops_after, 0)]
    came = Counter(one.url for run in runs for one in run.pages)
    assert came == Counter(url.replace("go", "challenge") for url in urls)


@pytest.mark.parametrize("by", ["Authorization", "Cookie"])
def test_what_was_fetched_for_one_user_is_not_shown_to_another(crawl, service, by):
    def answer(request, form):
        return redirect("/challenge/me") if request.path == "/go" else page(request.headers[by])

    users = ["ann", "bob", "cid", "dan"]
    with Site(answer) as site:
        requests = [
            scrapy.Request(
                f"{site.origin}/go",
                headers={by: user},
                meta={"dont_merge_cookies": True},
                dont_filter=True,
                cb_kwargs={"asked": user},
            )
            for user in users
        ]
        crawled = crawl(sending(*requests), service.settings)
    assert {one.cb_kwargs["asked"]: one.text for one in crawled.pages} == {user: user for user in users}


@pytest.mark.parametrize(("method", "status"), [("HEAD", 302), ("POST", 307)])
def test_nothing_but_what_scrapy_would_send_goes_to_an_address_that_sounds_like_a_walls(crawl, service, method, status):
    def answer(request, form):
        return redirect("/challenge?t=once", status) if request.path == "/go" else page()

    with Site(answer) as site:
        crawl(sending(scrapy.Request(f"{site.origin}/go", method=method)), service.settings)
        sent = [(method, path) for method, path, *_ in site.requests]
    assert sent == [(method, "/go"), (method, "/challenge?t=once")]


class Tickets(Site):
    """Site without a captcha whose links redirect to addresses that are good once, and sound like a wall's."""

    def __init__(self, address, hops=()):
        super().__init__(self._respond)
        self._chain = [*hops, address]
        self._used = set()

    def _respond(self, request, form):
        if request.path == "/go":
            return redirect(self._chain[0])
        if request.path_qs in self._used:
            return page("this link was used", 410)
        self._used.add(request.path_qs)
        later = self._chain[self._chain.index(request.path_qs) + 1 :]
        return redirect(later[0]) if later else page("the page")


class Follows(RecordingSpider):
    """Spider that follows redirects itself where it is told to handle them."""

    def page(self, response, asked=None):
        if response.status == 302:
            url = response.urljoin(response.headers["Location"].decode())
            yield scrapy.Request(url, self.page, errback=self.failed)
        else:
            self.pages.append(response)


FOLLOWERS = {"scrapy follows": (), "the spider follows": (302,)}
TICKETS = ["/challenge?t=once", "/2fa/challenge", "/oauth/challenge?code=1", "/captcha?return=/go"]


@pytest.mark.parametrize("handled", FOLLOWERS.values(), ids=FOLLOWERS)
@pytest.mark.parametrize("hops", [(), ("/verify-human?t=1",), ("/sso?t=1", "/captcha?t=2")])
@pytest.mark.parametrize("address", TICKETS)
def test_an_address_that_is_good_once_is_fetched_once_though_it_sounds_like_a_walls(
    crawl, service, address, hops, handled
):
    with Tickets(address, hops) as site:
        crawled = crawl(Follows, service.settings, urls=[f"{site.origin}/go"], handle_httpstatus_list=handled)
        fetched = Counter(path for _, path, *_ in site.requests)
    assert [one.text for one in crawled.pages] == ["the page"]
    assert fetched == dict.fromkeys(["/go", *hops, address], 1)


def test_an_address_that_is_good_once_is_fetched_once_for_all_that_are_redirected_there_side_by_side(crawl, service):
    with Tickets("/challenge?t=once") as site:
        crawled = crawl(spider(*(f"{site.origin}/go?{number}" for number in range(8))), service.settings)
        fetched = Counter(path for _, path, *_ in site.requests)
    assert [one.text for one in crawled.pages] == ["the page"]
    assert fetched["/challenge?t=once"] == 1


def test_an_address_that_is_good_once_is_fetched_once_though_the_spider_asks_for_it_as_well(crawl, service):
    with Tickets("/challenge?t=once") as site:
        requests = [scrapy.Request(f"{site.origin}/go")]
        requests.append(scrapy.Request(f"{site.origin}/challenge?t=once", priority=-1))
        crawled = crawl(sending(*requests), {**service.settings, "CONCURRENT_REQUESTS": 1})
        fetched = Counter(path for _, path, *_ in site.requests)
    assert [one.text for one in crawled.pages] == ["the page"]
    assert fetched == {"/go": 1, "/challenge?t=once": 1}


@pytest.mark.parametrize("handled", FOLLOWERS.values(), ids=FOLLOWERS)
def test_an_address_that_is_good_once_is_fetched_once_though_its_redirects_set_cookies(crawl, service, handled):
    class SetsCookies(Tickets):
        def _respond(self, request, form):
            response = super()._respond(request, form)
            response.set_cookie("visit", str(len(self.requests)), path="/")
            return response

    with SetsCookies("/challenge?t=once", ["/captcha?t=1", "/captcha?t=2"]) as site:
        urls, settings = [f"{site.origin}/first", f"{site.origin}/go"], {**service.settings, "CONCURRENT_REQUESTS": 1}
        crawled = crawl(Follows, settings, urls=urls, handle_httpstatus_list=handled)
        fetched = Counter(path for _, path, *_ in site.requests)
    assert "the page" in [one.text for one in crawled.pages]
    assert set(fetched.values()) == {1}


@pytest.mark.parametrize("most", [1, 2])
def test_no_address_is_fetched_twice_where_redirects_are_more_than_scrapy_follows(crawl, service, most):
    with Tickets("/challenge?t=once", ["/captcha?t=1", "/captcha?t=2"]) as site:
        crawl(spider(f"{site.origin}/go"), {**service.settings, "REDIRECT_MAX_TIMES": most})
        fetched = Counter(path for _, path, *_ in site.requests)
    assert fetched == dict.fromkeys(["/go", "/captcha?t=1", "/captcha?t=2"][: most + 1], 1)


def test_a_spider_that_handles_redirects_gets_one_that_scrapy_would_not_follow_any_more(crawl, service):
    with Tickets("/challenge?t=once") as site:
        meta = {"handle_httpstatus_list": [302], "redirect_times": 20}
        crawled = crawl(sending(scrapy.Request(f"{site.origin}/go", meta=meta)), service.settings)
    assert crawled.failures == []
    assert [one.status for one in crawled.pages] == [302]


@pytest.mark.parametrize("retries", [0, 2])
def test_an_address_that_sounds_like_a_walls_is_asked_as_often_as_scrapy_does_where_that_fails(crawl, service, retries):
    def answer(request, form):
        if request.path == "/challenge":
            request.transport.abort()
        return redirect("/challenge?t=once")

    with Site(answer) as site:
        crawled = crawl(spider(f"{site.origin}/go"), {**service.settings, "RETRY_TIMES": retries})
        fetched = Counter(path for _, path, *_ in site.requests)
    assert len(crawled.failures) == 1
    assert fetched == {"/go": 1, "/challenge?t=once": 1 + retries}


def test_no_page_is_lost_where_more_redirects_wait_than_what_they_lead_to_is_kept_of(crawl, service):
    used = Counter()

    def answer(request, form):
        if "/go/" in request.path:
            return redirect(request.path.replace("go", "challenge"))
        used[request.path] += 1
        text = "the page" if used[request.path] == 1 else "this link was used"
        return page("".join(f"<a href=/go/{n}>go</a>" for n in range(120)) if request.path == "/" else text)

    with Site(answer) as site:
        settings = {**service.settings, "REDIRECT_PRIORITY_ADJUST": -5}
        crawled = crawl(FollowingSpider, settings, urls=[f"{site.origin}/"])
    assert [one.text for one in crawled.pages[1:]] == ["the page"] * 120


def test_what_was_fetched_with_headers_of_one_user_is_not_shown_to_a_request_with_those_of_another(crawl, service):
    def answer(request, form):
        return redirect("/challenge/me") if request.path == "/go" else page(request.headers["X-User"])

    with Site(answer) as site:
        of_ann = scrapy.Request(
            f"{site.origin}/go", headers={"X-User": "ann"}, meta={"handle_httpstatus_list": [302]}, priority=1
        )
        of_bob = scrapy.Request(f"{site.origin}/challenge/me", headers={"X-User": "bob"})
        crawled = crawl(sending(of_ann, of_bob), {**service.settings, "CONCURRENT_REQUESTS": 1})
    assert [one.text for one in crawled.pages] == ["", "bob"]


@pytest.mark.parametrize("hops", [(), ("/sso?t=1", "/captcha?t=2")])
def test_an_address_whose_answer_cannot_be_decompressed_is_not_fetched_once_more(crawl, service, hops):
    class Broken(Tickets):
        def _respond(self, request, form):
            response = super()._respond(request, form)
            if request.path == "/challenge":
                response.headers["Content-Encoding"] = "gzip"
            return response

    with Broken("/challenge?t=once", hops) as site:
        crawled = crawl(spider(f"{site.origin}/go"), service.settings)
        fetched = Counter(path for _, path, *_ in site.requests)
    assert [type(error) for error in crawled.failures] == [BadGzipFile]
    assert fetched == dict.fromkeys(["/go", *hops, "/challenge?t=once"], 1)


def test_a_wall_that_leads_on_and_then_shows_its_challenge_is_believed_once_that_it_withholds_an_order(crawl, service):
    executed = 0

    def answer(request, form):
        nonlocal executed
        if request.path == "/verify":
            return won("/home") if executed else challenge()
        if request.path == "/home":
            return page("home")
        if request.path == "/captcha":
            return redirect("/home") if executed == 1 else challenge()
        executed += request.path == "/order"
        return redirect("/captcha")

    with Site(answer) as site:
        page_before = scrapy.Request(f"{site.origin}/page", priority=1)
        order = scrapy.Request(f"{site.origin}/order", method="POST")
        settings = {**service.settings, "CONCURRENT_REQUESTS": 1, "OMOCAPTCHA_MAX_ATTEMPTS": 1}
        crawled = crawl(sending(page_before, order), settings)
    assert executed == 2
    assert [error.reason for error in crawled.failures] == ["attempts", "sent_again"]


@pytest.mark.parametrize("opened", ["challenge", "page"])
@pytest.mark.parametrize("gate", ["named", "leads back"])
@pytest.mark.parametrize("limit", [{"OMOCAPTCHA_MAX_COST": 0.0001}, {"OMOCAPTCHA_DRY_RUN": True}])
def test_an_order_that_is_redirected_to_a_challenge_is_not_retried_where_nothing_is_bought(
    crawl, service, gate, opened, limit
):
    with Unwilling(gate=GATES[gate], opened=opened) as site:
        settings = {**service.settings, **limit, "RETRY_HTTP_CODES": [403]}
        crawled = crawl(sending(*site.orders(3)), settings)
    assert site.executed == {"0": 1, "1": 1, "2": 1}
    reason = next(iter(limit))[11:].lower()
    if gate == "named":
        assert [(type(error), error.reason) for error in crawled.failures] == [(ChallengeNotSolved, reason)] * 3
    else:
        # What it was redirected to is the answer to each order.
        assert [error.response.flags for error in crawled.failures] == [[f"omocaptcha:{reason}"]] * 3
    assert len(service.jobs) == 0


class OwnAddress(Site):
    """Site whose wall's form is sent to the address of the page, and which searches what it is asked for."""

    def __init__(self, *, opens_session):
        super().__init__(self._respond)
        self._opens_session, self.searched = opens_session, []

    def _respond(self, request, form):
        if "g-recaptcha-response" not in form and not (self._opens_session and cleared(request)):
            return challenge("")
        self.searched.append(form.get("q"))
        response = page(f"results for {form.get('q')}")
        response.set_cookie("clearance", "yes", path="/")
        return response


@pytest.mark.parametrize("opens_session", [True, False])
def test_the_fields_of_a_post_go_with_the_token_to_its_own_address(crawl, service, opens_session):
    with OwnAddress(opens_session=opens_session) as site:
        search = scrapy.FormRequest(f"{site.origin}/search", formdata={"q": "lamp"})
        crawled = crawl(sending(search), service.settings)
    assert [one.text for one in crawled.pages] == ["results for lamp"]
    assert site.searched == ["lamp"]
    assert len(service.jobs) == 1


def test_what_a_site_makes_of_a_token_without_the_body_of_a_post_is_not_its_answer(crawl, service):
    with OwnAddress(opens_session=False) as site:
        search = scrapy.http.JsonRequest(f"{site.origin}/search", data={"q": "lamp"})
        crawled = crawl(sending(search), service.settings)
    assert crawled.pages == []
    assert crawled.reasons == ["attempts"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_response_that_was_redirected_after_its_wall_says_that_it_went_through_one(crawl, service, method):
    def answer(request, form):
        return page() if request.path == "/new" else inside(request, form)

    inside = behind_wall(lambda request: redirect("/new"))
    with Site(answer) as site:
        crawled = crawl(sending(scrapy.Request(f"{site.origin}/old", method=method)), service.settings)
    assert [one.url for one in crawled.pages] == [f"{site.origin}/new"]
    assert ["omocaptcha" in one.flags for one in crawled.pages] == [True]


def test_a_challenge_that_is_left_alone_behind_such_a_redirect_has_only_its_reason_as_a_flag(crawl, service):
    other = Site(lambda request, form: challenge(), host="127.0.0.8")
    site = Site(behind_wall(lambda request: redirect(f"{other.origin}/new"), opens_at="/old"))
    with other, site:
        settings = {**service.settings, "HTTPERROR_ALLOW_ALL": True, "OMOCAPTCHA_ALLOWED_DOMAINS": ["127.0.0.9"]}
        crawled = crawl(sending(scrapy.Request(f"{site.origin}/old")), settings)
    assert [one.flags for one in crawled.pages] == [["omocaptcha:host_not_allowed"]]
