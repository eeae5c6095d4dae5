"""Whole crawls say what becomes of each request that is redirected, with one test for each rule."""

import asyncio
from collections import Counter

import pytest
import scrapy

from tests.helpers.crawling import RecordingSpider
from tests.helpers.sites import Site, behind_wall, challenge, cleared, page, redirect, sending, spider, won


def orders(site, count):
    return [scrapy.FormRequest(f"{site.origin}/order", formdata={"id": str(number)}) for number in range(count)]


def won_for(pages, left, location="/home"):
    """Return the answer to a token; ``left`` has by session how many pages each clearance is still good for."""
    response, session = redirect(location), f"session{len(left)}"
    left[session] = pages
    response.set_cookie("clearance", session, path="/")
    return response


def test_a_stop_keeps_what_waits_at_a_wall_that_redirects_led_to(crawl, service, tmp_path):
    """The second page is at a wall, so that the others wait while a token is bought for it."""
    walled = behind_wall()

    def answer(request, form):
        return redirect(request.path.replace("old", "new")) if "/old/" in request.path else walled(request, form)

    settings = {**service.settings, "JOBDIR": str(tmp_path / "job"), "CONCURRENT_REQUESTS": 4}
    with Site(answer) as site:
        urls = [f"{site.origin}/old/{number}" for number in range(8)]
        runs = [crawl(spider(*urls), {**settings, "CLOSESPIDER_PAGECOUNT": most}) for most in (1, 0)]
    came = Counter(one.url for run in runs for one in run.pages)
    assert came == Counter(url.replace("old", "new") for url in urls)


def test_an_order_that_is_redirected_to_what_was_a_page_before_it_was_a_wall_is_not_lost(crawl, service):
    """Its token was good for the wall in the place of a page, and is not for the one that redirects orders."""
    walled = []

    def answer(request, form):
        through = len(service.jobs) if cleared(request) else 0
        if request.path == "/verify":
            return won("/home")
        if request.path == "/captcha" and through < 2:
            return challenge() if walled else page("be back soon")
        if request.path == "/walled":
            walled.append(request)
            return page("walled") if through else challenge()
        is_open = through == 2 or request.path == "/home"
        return page(request.path) if is_open else redirect("/captcha")

    class Orders(RecordingSpider):
        def requests(self):
            yield scrapy.Request(f"{site.origin}/first", self.first, errback=self.failed)

        def first(self, response):
            yield scrapy.Request(f"{site.origin}/walled", self.second, errback=self.failed)

        def second(self, response):
            for order in orders(site, 4):
                yield order.replace(callback=self.page, errback=self.failed)

    with Site(answer) as site:
        crawled = crawl(Orders, {**service.settings, "CONCURRENT_REQUESTS": 1})
    assert len(crawled.pages) + len(crawled.failures) == 4
    assert set(crawled.reasons) <= {"sent_again"}


def test_a_page_that_redirects_lead_to_does_not_speak_for_another_query_of_its_path(crawl, service):
    """The free page comes once all members are redirected, and their wall only after it."""
    asked, free = set(), asyncio.Event()
    members = {f"/member/{number}" for number in range(6)}
    redirected = asyncio.Event()

    async def answer(request, form):
        if request.path == "/verify":
            return won("/home")
        if request.path_qs == "/area?id=1":
            await redirected.wait()
        if request.path_qs == "/area?id=2":
            await free.wait()
            return challenge()
        if request.path.startswith("/free/"):
            return redirect("/area?id=1")
        if request.path in members and not cleared(request):
            asked.add(request.path)
            if asked == members:
                redirected.set()
            return redirect("/area?id=2")
        return page(request.path)

    class Frees(RecordingSpider):
        def page(self, response, asked=None):
            super().page(response)
            free.set()

    with Site(answer) as site:
        urls = [site.origin + path for path in ("/free/1", "/free/2", *sorted(members))]
        crawled = crawl(Frees, service.settings, urls=urls)
    assert members <= {one.text for one in crawled.pages}


def test_each_order_gets_what_a_wall_that_keeps_its_method_leads_to_once_it_is_open(crawl, service):
    """Such redirects are POST themselves, so that none of them is another's duplicate."""

    def answer(request, form):
        if request.path == "/verify":
            return won("/home")
        if request.path == "/hold":
            return redirect("/home") if cleared(request) else challenge()
        is_open = cleared(request) or request.path == "/home"
        return page(request.path) if is_open else redirect("/hold", 307)

    with Site(answer) as site:
        crawled = crawl(sending(*orders(site, 5)), service.settings)
    assert [one.text for one in crawled.pages] == ["/home"] * 5
    assert len(service.jobs) == 1


def test_an_order_is_executed_once_though_its_receipt_is_where_a_link_met_a_wall(crawl, service):
    """The link meets it once all orders are executed, and their receipts do when its token is handed in."""
    executed, all_are, handed_in = Counter(), asyncio.Event(), asyncio.Event()
    walled = behind_wall()

    async def answer(request, form):
        if request.path.startswith("/link/"):
            return redirect("/thanks")
        if request.path == "/order":
            executed[form["id"]] += 1
            if len(executed) == 4:
                all_are.set()
            return redirect(f"/thanks?from=/order&n={form['id']}", 303)
        if request.path == "/verify":
            handed_in.set()
        else:
            await (handed_in if request.query else all_are).wait()
        return walled(request, form)

    with Site(answer) as site:
        links = [scrapy.Request(f"{site.origin}/link/{number}") for number in range(4)]
        crawl(sending(*links, *orders(site, 4)), service.settings)
    assert executed == dict.fromkeys("0123", 1)


def test_a_spider_that_asks_again_for_where_redirects_lead_gets_what_is_there_now(crawl, service):
    """The site has no wall."""
    placed = []

    def answer(request, form):
        if request.path == "/order":
            placed.append(request)
        return redirect("/status") if request.path.startswith("/link/") else page("ordered" if placed else "new")

    class AsksAgain(RecordingSpider):
        def requests(self):
            yield scrapy.Request(f"{site.origin}/status", self.first)

        def first(self, response):
            for number in range(4):
                yield scrapy.Request(f"{site.origin}/link/{number}", priority=2)
            yield scrapy.Request(f"{site.origin}/order", self.ordered, "POST", priority=1)

        def ordered(self, response):
            yield scrapy.Request(f"{site.origin}/status", self.page, dont_filter=True)

    with Site(answer) as site:
        crawled = crawl(AsksAgain, {**service.settings, "CONCURRENT_REQUESTS": 1})
    assert [one.text for one in crawled.pages] == ["ordered"]


def test_no_head_request_that_is_redirected_to_a_wall_is_lost(crawl, service):
    """A HEAD request opens no wall, so that it ends with what the wall answers it."""
    with Site(behind_wall(gate="/hold")) as site:
        heads = [scrapy.Request(f"{site.origin}/file/{number}", method="HEAD") for number in range(6)]
        pages = [scrapy.Request(f"{site.origin}/page/{number}") for number in range(6)]
        crawled = crawl(sending(*heads, *pages), {**service.settings, "CONCURRENT_REQUESTS": 1})
    assert {one.url for one in crawled.pages} >= {request.url for request in pages}
    assert len(crawled.pages) + len(crawled.failures) == 12


def test_an_address_that_leads_off_the_site_is_looked_at_once_for_all_that_are_redirected_to_it(crawl, service):
    """The spider handles redirects itself, with a session for each request, and may not leave the site."""
    away = {"/challenge": "http://sso.example/"}

    with Site(lambda request, form: redirect(away.get(request.path, "/challenge"))) as site:
        links = [
            scrapy.Request(f"{site.origin}/link/{number}", meta={"handle_httpstatus_list": [302], "cookiejar": number})
            for number in range(5)
        ]
        crawled = crawl(sending(*links, allowed_domains=["127.0.0.9"]), service.settings)
        looks = [path for _, path, *_ in site.requests if path == "/challenge"]
    assert [one.status for one in crawled.pages] == [302] * 5
    assert looks == ["/challenge"]


def test_a_look_at_where_redirects_lead_does_not_go_on_to_what_was_fetched_from_there(crawl, service):
    """The spider has asked for the address itself, which leads on to one that is good once."""
    on = {"/go": "/once?t=1"}

    def answer(request, form):
        return page() if request.path == "/once" else redirect(on.get(request.path, "/go"))

    with Site(answer) as site:
        urls = [f"{site.origin}/go", *(f"{site.origin}/link/{number}" for number in range(4))]
        crawled = crawl(spider(*urls), {**service.settings, "CONCURRENT_REQUESTS": 1})
        fetched = [path for _, path, *_ in site.requests if path == "/once?t=1"]
    assert [one.url for one in crawled.pages] == [f"{site.origin}/once?t=1"]
    assert fetched == ["/once?t=1"]


@pytest.mark.parametrize("wall", ["/captcha", "/hold", None], ids=["named", "says nothing", "in place"])
@pytest.mark.parametrize(("number", "pages"), [(6, 3), (4, 1)], ids=["three pages", "one page"])
def test_an_order_is_executed_twice_at_most_where_its_receipt_claims_to_be_a_wall(crawl, service, number, pages, wall):
    """A clearance is good for a few pages, and the address of each receipt names the order."""
    executed, left = Counter(), Counter()

    def answer(request, form):
        session = request.cookies.get("clearance", "")
        if request.path == "/verify":
            return won_for(pages, left)
        if request.path == "/home":
            return page("home")
        if request.path == wall:
            return redirect("/home") if left[session] else challenge()
        if not left[session]:
            return redirect(wall) if wall else challenge()
        left[session] -= 1
        executed.update(form.values())
        return page("the receipt") if request.query else redirect(f"/thanks?from=/order&n={form['id']}", 303)

    with Site(answer) as site:
        crawled = crawl(sending(*orders(site, number)), service.settings)
    assert max(executed.values()) <= 2
    assert len(crawled.pages) + len(crawled.failures) == number


def counted(site_of, *, through=10**6, gate="/captcha", home="/home"):
    """Return the answers of a site that redirects who is not through to a gate, where a clearance is for some requests.

    :param site_of: returns what the site answers who is through.
    """
    left = Counter()

    def answer(request, form):
        session = request.cookies.get("clearance", "")
        if request.path == "/verify":
            return won_for(through, left, home)
        if request.path == "/home":
            return page("home")
        if left[session] <= 0:
            return challenge() if request.path_qs == gate else redirect(gate)
        left[session] -= 1
        return site_of(request, form)

    return answer


def fails(inside, status, *, gate="/captcha", times=1):
    """Return the answers of a site whose gate shows its challenge once, and then an error, and what has come there."""
    at_gate = []

    def answer(request, form):
        if request.path == gate:
            at_gate.append(request)
            if 1 < len(at_gate) <= 1 + times:
                return page("an error", status)
        return inside(request, form)

    return answer, at_gate


class OrdersLater(RecordingSpider):
    """Sends three orders once it has a page, for which it has gone through the wall."""

    def requests(self):
        yield scrapy.Request(f"{self.origin}/page", self.first, errback=self.failed)

    def first(self, response):
        for number in range(3):
            form = {"id": str(number)}
            yield scrapy.FormRequest(f"{self.origin}/order", self.page, formdata=form, errback=self.failed)


@pytest.mark.parametrize("gate", ["/", "/login", "/captcha"])
def test_an_order_is_executed_once_where_it_leads_to_a_page_that_was_a_gate_for_who_is_not_through(
    crawl, service, gate
):
    executed = Counter()

    def answer(request, form):
        executed.update(form.values())
        return redirect(gate, 303) if form else page(request.path)

    with Site(counted(answer, gate=gate, home=gate)) as site:
        crawled = crawl(OrdersLater, service.settings, origin=site.origin)
    assert executed == dict.fromkeys("012", 1)
    assert [one.text for one in crawled.pages] == [gate] * 3
    assert len(service.jobs) == 1


@pytest.mark.parametrize("gate", ["/", "/captcha"])
def test_an_order_is_executed_once_where_it_leads_to_a_gate_that_leads_on_for_who_is_through(crawl, service, gate):
    """Its clearance has let others through, so that the gate has not withheld it."""
    executed = Counter()

    def answer(request, form):
        executed.update(form.values())
        return redirect(gate, 303) if form else redirect("/home") if request.path == gate else page(request.path)

    with Site(counted(answer, gate=gate)) as site:
        crawled = crawl(OrdersLater, {**service.settings, "CONCURRENT_REQUESTS": 1}, origin=site.origin)
    assert executed == dict.fromkeys("012", 1)
    assert {one.text for one in crawled.pages} == {"home"}
    assert len(service.jobs) == 1


def test_no_order_is_lost_where_the_first_that_is_executed_leads_to_the_gate_which_leads_on(crawl, service):
    """An address without a page of its own does not count as one once it is open. The first page meets it broken."""
    executed = Counter()

    def answer(request, form):
        executed.update(form.values())
        return redirect("/", 303) if form else redirect("/home")

    class EvenSo(OrdersLater):
        def failed(self, failure):
            yield from self.first(None)

    broken, at_gate = fails(counted(answer, gate="/"), 503, gate="/", times=3)
    with Site(broken) as site:
        crawl(EvenSo, {**service.settings, "CONCURRENT_REQUESTS": 16}, origin=site.origin)
    assert executed == dict.fromkeys("012", 1)
    assert len(at_gate) > 4


@pytest.mark.parametrize(("has_own_session", "times"), [(False, 1), (True, 2)])
def test_an_order_that_leads_to_a_proven_gate_is_sent_again_only_if_its_clearance_has_let_no_other_through(
    crawl, service, has_own_session, times
):
    executed = Counter()

    def answer(request, form):
        executed.update(form.values())
        return redirect("/start", 303) if form else page(request.path)

    class OrderLater(OrdersLater):
        def first(self, response):
            order = next(super().first(response))
            yield order.replace(meta={"cookiejar": "own"} if has_own_session else {})

    with Site(counted(answer, gate="/start")) as site:
        crawled = crawl(OrderLater, service.settings, origin=site.origin)
    assert executed == {"0": times}
    assert [one.text for one in crawled.pages] == ["/start"]


@pytest.mark.parametrize("receipt", ["/access-denied/{}", "/captcha/{}", "/receipts/{}?from=/order"])
@pytest.mark.parametrize("pages", [0, 1, 3])
def test_an_order_is_executed_twice_at_most_though_each_execution_has_a_receipt_of_its_own(
    crawl, service, receipt, pages
):
    """Each receipt claims to be a wall's, and a token opens so many of them."""
    executed, left = Counter(), Counter()

    def answer(request, form):
        session = request.cookies.get("clearance", "")
        if request.path == "/verify":
            return won_for(pages, left)
        if request.path == "/home":
            return page("home")
        if form:
            executed.update(form.values())
            return redirect(receipt.format(executed.total()), 303)
        left[session] -= 1
        return page("the receipt") if left[session] >= 0 else challenge()

    with Site(answer) as site:
        crawled = crawl(sending(*orders(site, 3)), {**service.settings, "CONCURRENT_REQUESTS": 1})
    assert max(executed.values()) <= 2
    assert len(crawled.pages) + len(crawled.failures) == 3


@pytest.mark.parametrize("gate", ["/captcha", "/hold"])
@pytest.mark.parametrize("concurrent", [1, 8])
def test_an_order_is_executed_once_whose_answer_meets_the_wall_on_its_way_to_the_receipt(
    crawl, service, gate, concurrent
):
    """The wall withholds GETs only, and the crawl meets it there first."""
    executed = Counter()

    def answer(request, form):
        if request.path == "/order":
            executed.update(form.values())
            return redirect(f"/process/{form['id']}", 303)
        on = behind_wall(lambda request: redirect(request.path.replace("process", "receipt")), gate=gate)
        return page(request.path) if request.path.startswith("/receipt/") else on(request, form)

    with Site(answer) as site:
        crawled = crawl(sending(*orders(site, 6)), {**service.settings, "CONCURRENT_REQUESTS": concurrent})
    assert executed == dict.fromkeys("012345", 1)
    assert {one.text for one in crawled.pages} == {f"/receipt/{number}" for number in range(6)}


def test_no_link_is_lost_whose_target_is_withheld_while_the_gate_is_busy(crawl, service):
    """The clearance ends between the link and its target, and the gate then answers an error once."""

    def answer(request, form):
        return redirect("/target") if request.path == "/link" else page(request.path)

    busy, at_gate = fails(counted(answer, through=2), 503)
    with Site(busy) as site:
        urls = [f"{site.origin}/page", f"{site.origin}/link"]
        crawled = crawl(spider(*urls), {**service.settings, "CONCURRENT_REQUESTS": 1})
    assert [one.text for one in crawled.pages] == ["/page", "/target"]
    assert len(at_gate) > 2


@pytest.mark.parametrize("gate", ["/", "/captcha", "/hold"])
def test_a_page_that_leads_who_is_through_to_the_gate_is_asked_for_once_more(crawl, service, gate):
    """A page that has got through proves the gate; those of the shop that are gone lead there for good."""
    asked = Counter()

    def answer(request, form):
        return redirect(gate) if request.path.startswith("/gone/") else page(request.path)

    walled = counted(answer, gate=gate)

    def counting(request, form):
        asked[request.path] += 1
        return walled(request, form)

    with Site(counting) as site:
        urls = [f"{site.origin}{path}" for path in ("/page", "/gone/1", "/gone/2", "/gone/3")]
        crawled = crawl(spider(*urls), {**service.settings, "CONCURRENT_REQUESTS": 1})
    assert [one.text for one in crawled.pages] == ["/page", gate, gate, gate]
    assert [asked[f"/gone/{number}"] for number in (1, 2, 3)] == [2, 2, 2]


def test_no_page_is_lost_whose_gate_was_met_behind_another_of_its_addresses(crawl, service):
    """The pages are redirected to the gate while its token is bought, and are at it once it is open."""
    is_shown = asyncio.Event()

    async def answer(request, form):
        if request.path == "/verify":
            return won("/home")
        if request.path == "/hold":
            is_shown.set()
            return redirect("/home") if cleared(request) else challenge()
        if request.path == "/captcha":
            return redirect("/hold")
        if cleared(request) or request.path == "/home":
            return page(request.path)
        if request.path == "/first":
            return redirect("/captcha")
        await is_shown.wait()
        return redirect("/hold")

    paths = {"/first", "/page/1", "/page/2", "/page/3"}
    with Site(answer) as site:
        crawled = crawl(spider(*(site.origin + path for path in paths)), service.settings)
    assert {one.text for one in crawled.pages} == paths


@pytest.mark.parametrize("gate", ["/", "/captcha", "/hold"])
def test_no_order_is_lost_that_a_gate_withholds_which_another_sessions_order_has_led_to(crawl, service, gate):
    """Who is through sees a page there, and gets that for an order."""
    executed = Counter()

    def answer(request, form):
        executed.update(form.values())
        return redirect(gate, 303) if form else page(request.path)

    class Orders(RecordingSpider):
        def requests(self):
            for jar in "ab":
                meta = {"cookiejar": jar}
                yield scrapy.Request(f"{site.origin}/page/{jar}", self.first, meta=meta, errback=self.failed)

        def first(self, response):
            for jar in (response.meta["cookiejar"], f"{response.meta['cookiejar']} later"):
                for number in range(3):
                    form = {"id": f"{jar} {number}"}
                    url, meta = f"{site.origin}/order", {"cookiejar": jar}
                    yield scrapy.FormRequest(url, self.page, formdata=form, meta=meta, errback=self.failed)

    with Site(counted(answer, gate=gate)) as site:
        crawled = crawl(Orders, {**service.settings, "CONCURRENT_REQUESTS": 16})
    assert len(crawled.pages) == len(executed) == 12
    assert max(executed.values()) <= 2


def test_no_order_is_lost_that_is_withheld_while_the_gate_is_missing(crawl, service):
    """The clearance ends after the first order, and the gate is answered with 404 once then."""
    executed = Counter()

    def answer(request, form):
        executed.update(form.values())
        return page(request.path)

    missing, at_gate = fails(counted(answer, through=2), 404)
    with Site(missing) as site:
        crawled = crawl(OrdersLater, {**service.settings, "CONCURRENT_REQUESTS": 1}, origin=site.origin)
    assert executed == dict.fromkeys("012", 1)
    assert [one.text for one in crawled.pages] == ["/order"] * 3
    assert len(at_gate) > 2


@pytest.mark.parametrize("gate", ["check", "captcha"])
@pytest.mark.parametrize("through", [3, 6, 10**6])
@pytest.mark.parametrize("concurrent", [1, 16])
def test_a_site_with_one_script_is_as_one_whose_pages_have_paths_of_their_own(
    crawl, service, gate, through, concurrent
):
    executed = Counter()

    def answer(request, form):
        values = request.query
        if values["act"] == "order":
            executed[values["id"]] += 1
        on = {"go": "page", "order": "thanks"}.get(values["act"])
        return (
            redirect(f"/index.php?act={on}&id={values['id']}", 303) if on else page(f"{values['act']} {values['id']}")
        )

    with Site(counted(answer, through=through, gate=f"/index.php?act={gate}")) as site:
        methods = {"page": "GET", "go": "GET", "order": "POST"}
        requests = [
            scrapy.Request(f"{site.origin}/index.php?act={act}&id={number}-{act}", method=method)
            for act, method in methods.items()
            for number in range(4)
        ]
        crawled = crawl(sending(*requests), {**service.settings, "CONCURRENT_REQUESTS": concurrent})
    assert max(executed.values()) <= (1 if through > 12 else 2)
    assert len(crawled.pages) + len(crawled.failures) == 12
    assert {one.text.split()[0] for one in crawled.pages} == {"page", "thanks"}


@pytest.mark.parametrize("concurrent", [1, 16])
def test_orders_to_a_site_with_one_script_are_not_lost_where_its_gate_leads_on_to_another_of_its_pages(
    crawl, service, concurrent
):
    executed = Counter()

    def answer(request, form):
        action = request.query.get("act")
        if request.path == "/verify":
            return won("/")
        if action == "check":
            return redirect("/index.php?act=home") if cleared(request) else challenge()
        if action == "order" and not cleared(request):
            return redirect("/index.php?act=check")
        executed.update(form.values())
        return page(action)

    with Site(answer) as site:
        sent = [one.replace(url=f"{site.origin}/index.php?act=order") for one in orders(site, 3)]
        crawled = crawl(sending(*sent), {**service.settings, "CONCURRENT_REQUESTS": concurrent})
    assert executed == dict.fromkeys("012", 1)
    assert [one.text for one in crawled.pages] == ["order"] * 3


def test_a_token_has_opened_the_wall_for_an_order_whose_receipt_is_withheld_again(crawl, service):
    """Each clearance is good for one request, so that the receipt needs one of its own."""

    def answer(request, form):
        return redirect("/thanks", 303) if form else page(request.path)

    with Site(counted(answer, through=1)) as site:
        crawled = crawl(sending(*orders(site, 6)), service.settings)
    assert [one.text for one in crawled.pages] == ["/thanks"] * 6
    assert crawled.stats["omocaptcha/tokens/accepted"] == len(service.jobs) == 12


@pytest.mark.parametrize("concurrent", [1, 16])
def test_a_gate_that_is_told_where_to_go_on_by_a_word_is_one_gate(crawl, service, concurrent):
    executed = Counter()

    def to_gate(request):
        return redirect(f"/hold?next={request.path.split('/')[1]}")

    def answer(request, form):
        if request.path == "/verify":
            return won("/home")
        if request.path == "/hold":
            return redirect("/home") if cleared(request) else challenge()
        if not (cleared(request) or request.path == "/home"):
            return to_gate(request)
        executed.update(form.values())
        return page(request.path)

    with Site(answer) as site:
        pages = [scrapy.Request(f"{site.origin}/page/{number}") for number in range(3)]
        settings = {**service.settings, "CONCURRENT_REQUESTS": concurrent}
        crawl(sending(*pages, *orders(site, 3)), {**settings, "CONCURRENT_REQUESTS_PER_DOMAIN": concurrent})
    assert executed == dict.fromkeys("012", 1)
