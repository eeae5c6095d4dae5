"""Whole crawls whose spiders send orders to walls in their place: a site executes each of them once."""

from collections import Counter

import pytest
import scrapy

from tests.helpers.crawling import RecordingSpider
from tests.helpers.sites import Site, behind_wall, challenge, cleared, page, redirect, sending, won

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


def test_a_challenge_that_is_left_alone_behind_such_a_redirect_has_only_its_reason_as_a_flag(crawl, service):
    other = Site(lambda request, form: challenge(), host="127.0.0.8")
    site = Site(behind_wall(lambda request: redirect(f"{other.origin}/new"), opens_at="/old"))
    with other, site:
        settings = {**service.settings, "HTTPERROR_ALLOW_ALL": True, "OMOCAPTCHA_ALLOWED_DOMAINS": ["127.0.0.9"]}
        crawled = crawl(sending(scrapy.Request(f"{site.origin}/old")), settings)
    assert [one.flags for one in crawled.pages] == [["omocaptcha:offsite"]]
