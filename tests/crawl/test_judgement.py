"""Whole crawls: what opens a page is sent, what may do something in a person's name is not, and it is said."""

import pytest
import scrapy

from scrapy_omocaptcha.buying.database import read_ledger
from scrapy_omocaptcha.challenge import TOKEN_FIELD
from tests.helpers.crawling import RecordingSpider
from tests.helpers.labelled_pages import LabelledSites
from tests.helpers.sites import CHALLENGE, Site, page, sending, spider

QUIET = {"HTTPERROR_ALLOW_ALL": True, "RETRY_ENABLED": False, "OMOCAPTCHA_MAX_JOBS_PER_HOST": 500}
ONE = {**QUIET, "CONCURRENT_REQUESTS": 1}
SILENT = CHALLENGE.replace("<title>Are you a robot?</title>", "<p>Are you a robot?</p>").replace(
    "<button>", "<input type=hidden name=next><button>"
)
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
    assert len(behind) + crawled.count("skipped/callback_only") >= len(site.pages) * 0.95
    assert len(site.submissions) == len(service.jobs) == len(behind)


class Shown(Site):
    """A site that shows a page's markup at some paths until it gets a token, and something else elsewhere."""

    def __init__(self, markup, *, status=200, free=()):
        super().__init__(lambda request, form: self._show(request, form, markup, status))
        self._free = set(free)
        self._is_open = False

    def _show(self, request, form, markup, status):
        self._is_open = self._is_open or TOKEN_FIELD in form
        if self._is_open or request.path in self._free:
            self._free.discard(request.path)
            return page()
        return page(markup, status)


def test_the_form_that_stands_in_the_place_of_a_second_page_is_a_wall_from_then_on(crawl, service):
    with Shown(SILENT) as site:
        crawled = crawl(spider(f"{site.origin}/1", f"{site.origin}/2", f"{site.origin}/3"), {**service.settings, **ONE})
    assert ["a robot" in page.text for page in crawled.pages] == [True, False, False]
    assert len(service.jobs) == 1
    ((level, said),) = told(crawled, "The page ")
    assert level == "INFO"
    assert "its form may do something else" in said
    assert 'meta={"omocaptcha": True} or omocaptcha_trigger says so, and what is sent is POST' in said


def test_an_address_that_gave_another_page_before_is_walled(crawl, service):
    silent = SILENT.replace("action=/verify", "")
    with Shown(silent, free=["/1"]) as site:
        again = {"dont_filter": True}
        crawled = crawl(
            sending(*(scrapy.Request(f"{site.origin}/1", **again) for _ in range(2))), {**service.settings, **ONE}
        )
    assert ["a robot" in page.text for page in crawled.pages] == [False, False]
    assert len(service.jobs) == 1


def test_what_is_sent_with_a_token_is_told_once_and_its_address_is_in_the_ledger(crawl, service, tmp_path):
    form = CHALLENGE.replace("action=/verify", "").replace("<button>", "<input type=hidden name=next value=x><button>")
    ledger = tmp_path / "jobs.sqlite"
    settings = {**service.settings, **ONE, "OMOCAPTCHA_LEDGER": str(ledger)}
    with Site(lambda request, fields: page() if fields else page(form, 403)) as site:
        crawled = crawl(spider(f"{site.origin}/1", f"{site.origin}/2"), settings)
    (level, first), (later, second) = told(crawled, "Handing in a token for ")
    assert (level, later) == ("INFO", "DEBUG")
    addresses = [f"{site.origin}/1", f"{site.origin}/2"]
    for said, address in zip((first, second), addresses, strict=True):
        assert said.endswith(f"{address}: POST {address} with g-recaptcha-response, next")
    assert [record.form for record in read_ledger(ledger)] == addresses


@pytest.mark.parametrize("status", [403, 429, 503])
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
    ((level, said),) = told(crawled, "The page ")
    assert level == "INFO"
    assert (
        """/1 is taken for a challenge, as meta["omocaptcha"] says, though its form does something ('Vote'): """ in said
    )


def test_a_trigger_that_overrules_the_judgement_is_told(crawl, service):
    with Shown(CHALLENGE, status=403) as wall:
        leave = spider(f"{wall.origin}/2", omocaptcha_trigger=lambda self, response, challenge: False)
        ((_, said),) = told(crawl(leave, {**service.settings, **QUIET}), "The page ")
    assert "/2 is left alone, as a trigger says, though its form goes on to the page: status 403; " in said
    assert service.calls == ()
