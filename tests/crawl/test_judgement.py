"""Whole crawls: what opens a page is sent, what may do something in a person's name is not, and it is said."""

from ast import literal_eval

import pytest
import scrapy

from scrapy_omocaptcha.buying.database import read_ledger
from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.urls import host_of
from tests.helpers.crawling import RecordingSpider
from tests.helpers.labelled_pages import LabelledSites
from tests.helpers.sites import CHALLENGE, Site, page, sending, spider

QUIET = {"HTTPERROR_ALLOW_ALL": True, "RETRY_ENABLED": False, "OMOCAPTCHA_MAX_JOBS_PER_HOST": 500}
ONE = {**QUIET, "CONCURRENT_REQUESTS": 1}
SILENT = CHALLENGE.replace("<p>Access denied.</p>", "")
VOTE = CHALLENGE.replace("Go on", "Vote")


class Follows(RecordingSpider):
    """Follows the links of the first page, through the proxy of the labelled sites."""

    site = None

    def requests(self):
        yield scrapy.Request(self.site.first, self.links, meta={"proxy": self.site.origin})

    def links(self, response):
        meta = {"proxy": self.site.origin}
        yield from response.follow_all(css="a", callback=self.page, errback=self.failed, meta=meta)


def told(crawled, start):
    return [(r.levelname, r.getMessage()) for r in crawled.log if r.getMessage().startswith(start)]


def test_a_spider_that_follows_links_through_pages_that_do_something_sends_no_form_and_buys_nothing(crawl, service):
    with LabelledSites("action", "doubtful") as site:
        crawled = crawl(Follows, {**service.settings, **QUIET}, site=site)
    assert len(crawled.pages) == len(site.pages)
    assert (site.submissions, service.calls) == ([], ())


def test_a_spider_that_follows_links_through_walls_gets_the_pages_behind_them(crawl, service):
    with LabelledSites("wall") as site:
        crawled = crawl(Follows, {**service.settings, **QUIET}, site=site)
    behind = [page for page in crawled.pages if page.css("title::text").get() == "behind"]
    # Over plain HTTP, no script can send a token.
    assert len(behind) + crawled.count("skipped/browser") >= len(site.pages) * 0.75
    assert len(site.submissions) == len(service.jobs) == len(behind)


class Shown(Site):
    """A site that shows a page's markup until it gets a token."""

    def __init__(self, markup, *, status=200):
        super().__init__(lambda request, form: self._show(request, form, markup, status))
        self._is_open = False

    def _show(self, request, form, markup, status):
        self._is_open = self._is_open or TOKEN_FIELD in form
        return page() if self._is_open else page(markup, status)

    @property
    def submissions(self):
        return [form for method, _, form, _ in self.requests if method == "POST"]


@pytest.mark.parametrize("action", ["action=/verify", ""])
def test_a_page_in_doubt_is_left_alone_with_the_line_of_settings_that_would_solve_it(crawl, service, action):
    silent = SILENT.replace("action=/verify", action)
    ways, settings = ("/1", "/2"), {**service.settings, **ONE}
    with Shown(silent) as site:
        left = crawl(spider(*(site.origin + way for way in ways)), settings)
        ((level, said),) = told(left, "The page ")
        assert service.calls == ()
        name, _, hosts = said.splitlines()[1].strip().partition(" = ")
        solved = crawl(spider(*(site.origin + way for way in ways)), {**settings, name: literal_eval(hosts)})
    assert (level, name) == ("WARNING", "OMOCAPTCHA_WALLED_HOSTS")
    assert "its form may do something else, so nothing is bought or sent: " in said
    assert (
        "fewer than two signs say that it withholds another page. If it is a challenge, this line of settings" in said
    )
    sent = f"POST {site.origin}{'/verify' if action else '/1'} with {TOKEN_FIELD}:"
    assert f"what is sent is {sent}" in said
    assert left.count("noticed/left_alone") == 2
    ((_, summary),) = told(left, "OMOcaptcha: no challenged request")
    assert f"look at  2: left_alone at {host_of(site.origin)} 2" in summary
    assert [TOKEN_FIELD in (site.submissions or [{}])[0], len(service.jobs)] == [True, 1]
    assert all(page.css("title::text").get() == "the page" for page in solved.pages)
    assert solved.count("noticed/left_alone") == 0


def test_a_host_whose_pages_are_walls_may_be_set_for_a_spider_and_its_deeds_stay_alone(crawl, service):
    settings = {**service.settings, **QUIET}
    with Shown(SILENT) as silent, Shown(VOTE) as vote, Shown(f"<input name=q>{SILENT}") as unlike:
        urls = [f"{site.origin}/1" for site in (silent, vote)]
        mine = {"OMOCAPTCHA_WALLED_HOSTS": [host_of(url) for url in urls]}
        crawl(spider(*urls, custom_settings=mine), settings)
        crawl(spider(f"{unlike.origin}/1"), {**settings, "OMOCAPTCHA_WALLED_HOSTS": ["other.example"]})
        assert [len(site.submissions) for site in (silent, vote, unlike)] == [1, 0, 0]
    assert len(service.jobs) == 1


NOT_SOLVED = {
    "enterprise": SILENT.replace("api.js", "enterprise.js"),
    "foreign_form": SILENT.replace("/verify", "https://other.example/verify"),
    "browser": SILENT.replace("<form", "<div").replace("/form", "/div"),
}


@pytest.mark.parametrize(("reason", "markup"), NOT_SOLVED.items(), ids=NOT_SOLVED)
def test_no_lines_are_shown_for_a_page_that_could_not_be_solved_all_the_same(crawl, service, reason, markup):
    with Shown(markup) as site:
        crawled = crawl(spider(f"{site.origin}/1"), {**service.settings, **QUIET})
    ((level, said),) = told(crawled, "The page ")
    assert level == "WARNING"
    assert f"If it is a challenge, it cannot be solved all the same ({reason}): " in said
    assert "OMOCAPTCHA_WALLED_HOSTS" not in said


@pytest.mark.parametrize("markup", [SILENT, VOTE])
def test_a_rejection_that_is_shown_at_200_is_the_wall_again_though_a_trigger_goes_by_the_status(crawl, service, markup):
    def answer(request, form):
        tokens.extend(filter(None, [form.get(TOKEN_FIELD)]))
        return page(markup, 200 if tokens else 403) if len(tokens) < 2 else page()

    def by_status(spider, response, challenge):
        return response.status == 403

    tokens = []
    with Site(answer) as site:
        crawled = crawl(spider(f"{site.origin}/1", omocaptcha_trigger=by_status), {**service.settings, **ONE})
    assert [page.css("title::text").get() for page in crawled.pages] == ["the page"]
    assert [crawled.count(f"tokens/{outcome}") for outcome in ("rejected", "accepted")] == [1, 1]


def test_what_is_sent_with_a_token_is_told_once_and_its_address_is_in_the_ledger(crawl, service, tmp_path):
    form = CHALLENGE.replace("action=/verify", "").replace("<button>", "<input type=hidden name=next value=x><button>")
    ledger = tmp_path / "jobs.sqlite"
    settings = {**service.settings, **ONE, "OMOCAPTCHA_LEDGER": str(ledger)}
    with Site(lambda request, fields: page() if fields else page(form, 403)) as site:
        crawled = crawl(spider(f"{site.origin}/1", f"{site.origin}/2"), settings)
    (level, first), (later, second) = told(crawled, "Handing in a token for ")
    assert level == "INFO"
    assert later == "DEBUG"
    addresses = [f"{site.origin}/1", f"{site.origin}/2"]
    for said, address in zip((first, second), addresses, strict=True):
        assert said.endswith(f"{address}: POST {address} with g-recaptcha-response, next")
    assert [record.form for record in read_ledger(ledger)] == addresses


@pytest.mark.parametrize("status", [403, 405, 429, 503])
def test_a_page_with_the_status_of_a_wall_that_is_left_alone_is_told_once_with_a_way_to_overrule(
    crawl, service, status
):
    with Shown(VOTE, status=status) as site:
        crawled = crawl(spider(f"{site.origin}/1", f"{site.origin}/2"), {**service.settings, **QUIET})
    ((level, said),) = told(crawled, "The page ")
    assert level == "WARNING"
    assert f"(status {status})" in said
    assert "its form does something ('Vote'), so nothing is bought or sent" in said
    assert "its button says 'Vote'" in said
    assert "omocaptcha_trigger" in said
    assert service.calls == ()


def test_meta_and_trigger_overrule_the_judgement_in_both_directions(crawl, service):
    def asking(url, wish):
        return scrapy.Request(url, meta={"omocaptcha": wish})

    with Shown(VOTE) as vote, Shown(CHALLENGE, status=403) as wall:
        crawled = crawl(
            sending(asking(f"{vote.origin}/1", True), asking(f"{wall.origin}/2", False)), {**service.settings, **QUIET}
        )
    assert [("POST" in [sent[0] for sent in site.requests]) for site in (vote, wall)] == [True, False]
    assert len(service.jobs) == 1
    assert [len(crawled.pages), crawled.count("tokens/accepted")] == [2, 1]
    (said,) = [line for line in crawled.said() if line.startswith("The form of ")]
    assert said.startswith(f"The form of {vote.origin}/1 does something (")
    assert said.endswith("and is sent as it is, since omocaptcha_trigger or meta calls the page a wall")


def test_a_page_that_a_trigger_leaves_alone_costs_nothing_and_is_not_told(crawl, service):
    with Shown(CHALLENGE, status=403) as wall:
        leave = spider(f"{wall.origin}/2", omocaptcha_trigger=lambda self, response, challenge: False)
        assert told(crawl(leave, {**service.settings, **QUIET}), "The page ") == []
    assert service.calls == ()
