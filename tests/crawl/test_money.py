"""Whole crawls and their bill: no limit is overrun, every job is in the books, and a dry run buys nothing."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
from contextlib import closing

import pytest
import scrapy

from scrapy_omocaptcha import solve
from scrapy_omocaptcha.buying.database import open_ledger, read_ledger, read_runs
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.errors import CrawlClosing, NotBought
from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from tests.helpers import sites
from tests.helpers.crawling import RecordingSpider
from tests.helpers.scrapy_versions import sleep
from tests.helpers.sites import pages_of

PRICE = 0.00055


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "jobs.sqlite"


# -- limits ----------------------------------------------------------------------------------------------------------


def test_reaching_a_limit_is_said_once_with_the_setting_to_change(crawl, service, walled):
    one, two = walled("per_page", catalogue_pages=10), walled("per_page", catalogue_pages=10)
    both = sites.spider(*(f"{site.url}/page/{number}" for number in (1, 2, 3) for site in (one, two)))
    crawled = crawl(both, {**service.settings, "OMOCAPTCHA_MAX_COST": 2 * PRICE})
    assert len(service.jobs) == 2
    assert len(crawled.pages) == 2
    assert len(crawled.failures) == 4
    assert crawled.count("skipped/max_cost") == 4
    assert len([line for line in crawled.said() if f"raise OMOCAPTCHA_MAX_COST ({2 * PRICE}) to go on" in line]) == 1


@pytest.mark.parametrize("fault", ["server_error", "reset"])
def test_before_the_price_list_of_another_service_answers_nothing_is_bought(crawl, service, walled, fault):
    service.fault("getService", fault, times=2)
    crawled = crawl(pages_of(walled("session"), 1), {**service.settings, "OMOCAPTCHA_PRICE": "auto"})
    assert [call.name for call in service.calls][:5] == ["getBalance", *["getService"] * 3, "createJob"]
    assert (len(crawled.pages), crawled.failures) == (1, [])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"OMOCAPTCHA_MAX_JOBS": 2}, "omocaptcha_limit"),
        ({"OMOCAPTCHA_MAX_COST": 2 * PRICE}, "omocaptcha_limit"),
        ({"OMOCAPTCHA_MIN_BALANCE": 10 - 2.5 * PRICE}, "omocaptcha_account"),
        ({"OMOCAPTCHA_API_TOKEN": "wrong"}, "omocaptcha_account"),
    ],
    ids=["jobs", "cost", "balance", "token"],
)
def test_a_limit_closes_the_spider_if_that_is_wanted_and_what_was_not_solved_is_there_on_resume(
    crawl, service, walled, tmp_path, settings, reason
):
    site = walled("per_page", catalogue_pages=20)
    jobdir = {"JOBDIR": str(tmp_path / "job")}
    closed = crawl(pages_of(site, 20), {**service.settings, **jobdir, "OMOCAPTCHA_CLOSE_ON_LIMIT": True, **settings})
    assert closed.stats["finish_reason"] == reason
    assert closed.failures == []
    assert len(closed.pages) == len(service.jobs) == (0 if "OMOCAPTCHA_API_TOKEN" in settings else 2)
    resumed = crawl(RecordingSpider, {**service.settings, **jobdir})
    assert resumed.failures == []
    crawled = [page.url for page in (*closed.pages, *resumed.pages)]
    assert sorted(crawled) == sorted(f"{site.url}/page/{number}" for number in range(1, 21))


def test_who_awaits_a_page_is_told_which_limit_closes_the_spider(crawl, service, walled):
    class Awaits(RecordingSpider):
        async def start(self):
            yield scrapy.Request("data:,", self.ask)

        async def ask(self, response):
            with pytest.raises(
                CrawlClosing, match=r"OMOCAPTCHA_CLOSE_ON_LIMIT .*raise OMOCAPTCHA_MAX_COST \(0\.0001\)"
            ):
                await self.crawler.engine.download_async(scrapy.Request(f"{site.url}/page/1"))
            self.pages.append("told")

    site = walled("session")
    crawled = crawl(Awaits, {**service.settings, "OMOCAPTCHA_MAX_COST": 0.0001, "OMOCAPTCHA_CLOSE_ON_LIMIT": True})
    assert (crawled.pages, crawled.stats["finish_reason"]) == (["told"], "omocaptcha_limit")


@pytest.mark.parametrize(("opens", "reasons"), [(True, []), (False, ["attempts", "max_jobs"])])
def test_who_meets_a_wall_while_its_last_job_is_under_way_waits_and_does_not_ask_again_in_vain(
    crawl, service, opens, reasons
):
    async def answer(request, form):
        while request.path == "/late" and not service.jobs:
            await sleep(0.1)
        return inside(request, form) if opens else sites.challenge()

    inside = sites.behind_wall(opens_at="/first")
    settings = {"OMOCAPTCHA_MAX_JOBS": 1, "OMOCAPTCHA_MAX_ATTEMPTS": 1}
    with sites.Site(answer) as site:
        crawled = crawl(sites.spider(f"{site.origin}/first", f"{site.origin}/late"), {**service.settings, **settings})
        asked = [path for _, path, *_ in site.requests]
    assert (crawled.reasons, len(crawled.pages)) == (reasons, 2 - len(reasons))
    assert opens or asked.count("/late") == 1


def test_who_waits_gets_its_page_for_the_last_job_though_that_of_the_leader_is_lost(crawl, service):
    def inside(request):
        asked.append(request)
        if len(asked) == 1:
            request.transport.close()
        return sites.page()

    asked = []
    with sites.Site(sites.behind_wall(inside, opens_at="/0")) as site:
        urls = [f"{site.origin}/{number}" for number in range(4)]
        settings = {**service.settings, "OMOCAPTCHA_MAX_JOBS": 1, "RETRY_ENABLED": False}
        crawled = crawl(sites.spider(*urls), settings)
    assert len(crawled.pages) == 3
    assert len(crawled.failures) == 1
    assert len(service.jobs) == 1


@pytest.mark.parametrize("at_once", [1, 16])
def test_a_site_that_is_overloaded_when_it_gets_a_token_does_not_make_all_that_wait_buy_one(crawl, service, at_once):
    since_token = []

    def answer(request, form):
        if request.path == "/verify" or since_token:
            since_token.append(request.path)
        # The first token and the request after it find the site overloaded.
        if 1 <= len(since_token) <= 2:
            return sites.page("<title>busy</title>", 503)
        if request.path == "/verify":
            return sites.won("/")
        return sites.page() if sites.cleared(request) else sites.challenge()

    with sites.Site(answer) as site:
        urls = [f"{site.origin}/page/{number}" for number in range(16)]
        crawled = crawl(sites.spider(*urls), {**service.settings, "CONCURRENT_REQUESTS_PER_DOMAIN": at_once})
    assert (len(crawled.pages), crawled.failures) == (16, [])
    assert crawled.count("tokens/unknown") == 1
    assert crawled.count("tokens/accepted") == 1
    assert len(service.jobs) == 2


# -- the account -----------------------------------------------------------------------------------------------------


def test_an_account_that_is_refused_when_the_spider_opens_is_asked_once_however_many_wait_for_the_answer(
    crawl, service, walled
):
    site = walled("session")
    form = {"page": f"{site.url}/find", "sitekey": site.sitekey}
    urls = (f"{site.url}/api/query?q={number}" for number in range(5))
    # The answer comes when all of the requests want it.
    service.fault("getBalance", "slow", seconds=0.5)
    wrong = {"OMOCAPTCHA_API_TOKEN": "wrong", "OMOCAPTCHA_MIN_BALANCE": 1}
    asks = sites.sending(*(sites.wishing(url, "query:token", **form) for url in urls))
    crawled = crawl(asks, {**service.settings, **wrong})
    assert crawled.reasons == ["account"] * 5
    (line,) = crawled.said(logging.ERROR)
    assert "check OMOCAPTCHA_API_TOKEN" in line
    # One for each version of the API.
    assert [call.name for call in service.calls] == ["getBalance"] * 2
    assert crawled.count("account/closed") == 1
    closing = next(line for line in crawled.said(logging.INFO) if line.startswith("OMOcaptcha: 5 challenged requests"))
    assert re.search(r"account +closed: nothing more is bought, since the service accepts no job", closing)


# -- jobs for nothing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lost", "most"), [(1, 1), (1, 3), (2, 3), (3, 3)])
def test_lost_create_answers_count_as_attempts_and_another_job_is_bought_at_once(crawl, service, walled, lost, most):
    site = walled("session")
    service.fault("createJob", "bad_gateway", times=lost)
    crawled = crawl(sites.spider(f"{site.url}/page/1"), {**service.settings, "OMOCAPTCHA_MAX_ATTEMPTS": most})
    assert crawled.reasons == ["service"] * (lost == most)
    assert len(crawled.pages) == (lost < most)
    assert service.jobs[-1].created_at - service.jobs[0].created_at < 2**lost
    assert len(service.jobs) == crawled.count("jobs/created") == min(lost + 1, most)
    assert crawled.count("jobs/failed/lost") == lost


@pytest.mark.parametrize(("timeout", "most"), [(60, 7), (180, 9)])
def test_a_service_that_answers_no_call_costs_a_dozen_jobs_and_all_that_wait_get_an_errback(
    crawl, service, walled, timeout, most
):
    site = walled("per_page", catalogue_pages=40)
    service.fault("createJob", "server_error", times=1000)
    wide = {"CONCURRENT_REQUESTS": 40, "CONCURRENT_REQUESTS_PER_DOMAIN": 40, "OMOCAPTCHA_JOB_TIMEOUT": timeout}
    crawled = crawl(pages_of(site, 40), {**service.settings, **wide, "OMOCAPTCHA_API_VERSION": 1})
    assert crawled.reasons == ["service"] * 40
    assert crawled.count("jobs/created") == crawled.count("jobs/failed/lost") == most
    (said,) = (line for line in crawled.said(logging.WARNING) if "takes no job" in line)
    assert "each call without an answer counts as a job, which is probably paid" in said


def test_a_site_that_says_sorry_with_200_for_every_token_trips_the_breaker(crawl, service):
    def answer(request, form):
        return sites.page("<title>Sorry, try later</title>") if request.path == "/verify" else sites.challenge()

    with sites.Site(answer) as site:
        crawled = crawl(sites.spider(*(f"{site.origin}/{number}" for number in range(50))), service.settings)
    assert len(crawled.pages) + len(crawled.failures) == 50
    assert {one.text for one in crawled.pages} == {"<title>Sorry, try later</title>"}, (
        "nobody can tell that it is no page"
    )
    assert len(service.jobs) <= 8


# -- dry run ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "status"), [(None, 200), (None, 403), (True, 200)], ids=["judged", "by its status", "said to be one"]
)
def test_a_dry_run_makes_no_call_at_all_and_every_page_goes_on_untouched(crawl, service, walled, ledger, wish, status):
    site = walled("session", catalogue_pages=10, status=status)
    meta = {} if wish is None else {"omocaptcha": wish}
    requests = (scrapy.Request(f"{site.url}/page/{number}", meta=meta) for number in range(1, 11))
    dry = {
        **service.settings,
        "OMOCAPTCHA_DRY_RUN": True,
        "OMOCAPTCHA_PRICE": "auto",
        "OMOCAPTCHA_MIN_BALANCE": 100,
        "OMOCAPTCHA_LEDGER": ledger,
    }
    crawled = crawl(sites.sending(*requests, handle_httpstatus_list=(403,)), dry)
    assert service.calls == ()
    assert [page.status for page in crawled.pages] == [status] * 10
    assert len(crawled.pages) == crawled.count("skipped/dry_run") == 10
    assert read_ledger(ledger) == []
    (report,) = [line for line in crawled.said(logging.INFO) if "not bought" in line]
    least = "at least 1 job for 0.00055 USD not bought: 127.0.0.2 1; a wall that wants a token on each page costs one a"
    assert least in report


def test_a_dry_run_leaves_pages_untouched_whatever_real_runs_have_spent(crawl, service, walled, tmp_path):
    site = walled("per_page", catalogue_pages=4)
    settings = {**service.settings, "JOBDIR": str(tmp_path / "job"), "OMOCAPTCHA_MAX_JOBS": 1}
    crawl(pages_of(site, 1), settings)
    dry = {"OMOCAPTCHA_DRY_RUN": True, "OMOCAPTCHA_CLOSE_ON_LIMIT": True}
    crawled = crawl(sites.spider(f"{site.url}/page/2", f"{site.url}/page/3"), {**settings, **dry})
    assert crawled.stats["finish_reason"] == "finished"
    assert crawled.count("skipped/dry_run") == 2


def test_how_long_a_token_takes_is_told_from_the_jobs_of_the_crawl_once_there_are_some(crawl, service, walled):
    urls = [f"{walled('session', hosts=(host,)).url}/page/1" for host in ("127.0.0.8", "127.0.0.9")]
    crawled = crawl(sites.one_by_one(*urls), service.settings)
    first, later = (line for line in crawled.said(logging.INFO) if "usually takes" in line)
    assert "a token usually takes 15 to 60 s;" in first
    assert re.search(r"usually takes \d+ s in this crawl;", later)


# -- the ledger -----------------------------------------------------------------------------------------------------


def a_folder(path):
    path.mkdir()


def another_file(path):
    path.write_text("Call me Ishmael.\n" * 100)


def another_database(path):
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE jobs (id)")


def a_newer_ledger(path):
    with closing(open_ledger(path)) as db:
        db.execute("PRAGMA user_version = 2")


def a_damaged_ledger(path):
    open_ledger(path).close()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(bytes(8000))


def a_pipe(path):
    os.mkfifo(path)


def no_folder(path):
    path.parent.rmdir()


UNUSABLE = {
    no_folder: "No such file or directory: check the path and its folder",
    a_folder: "it is no ledger",
    a_pipe: "it is no ledger",
    another_file: "file is not a database: name a ledger, or a file that does not exist yet",
    another_database: "it is no ledger: name a ledger, or a file that does not exist yet",
    a_newer_ledger: "a newer version of scrapy-omocaptcha has made it: update scrapy-omocaptcha",
    a_damaged_ledger: "database disk image is malformed: repair it, or name another file",
}


@pytest.mark.parametrize("make", UNUSABLE, ids=lambda make: make.__name__)
def test_a_ledger_that_cannot_be_used_is_an_error_with_its_cure_and_the_crawl_goes_on(
    crawl, service, walled, ledger, make
):
    make(ledger)
    before = ledger.is_file() and ledger.read_bytes()
    site = walled("per_page", catalogue_pages=3)
    crawled = crawl(pages_of(site, 3), {**service.settings, "OMOCAPTCHA_LEDGER": ledger, "OMOCAPTCHA_MAX_JOBS": 2})
    assert len(crawled.pages) == 2
    assert len(service.jobs) == 2
    assert crawled.count("skipped/max_jobs") == 1
    (line,) = crawled.said(logging.ERROR)
    assert str(ledger) in line
    assert UNUSABLE[make] in line
    assert not any("recorded in" in line for line in crawled.said(logging.INFO))
    assert before == (ledger.is_file() and ledger.read_bytes()), "what is not ours is left as it is"


def test_with_a_limit_for_the_day_and_a_ledger_that_cannot_be_used_nothing_is_bought(crawl, service, walled, ledger):
    a_folder(ledger)
    site = walled("session", catalogue_pages=3)
    settings = {"OMOCAPTCHA_LEDGER": ledger, "OMOCAPTCHA_MAX_COST_PER_DAY": 1}
    crawled = crawl(pages_of(site, 3), {**service.settings, **settings})
    assert len(service.jobs) == 0
    assert crawled.count("skipped/max_cost_per_day") == 3
    assert any("fix OMOCAPTCHA_LEDGER" in line for line in crawled.said())
    assert not any("the crawl goes on" in line for line in crawled.said())


@pytest.mark.parametrize(("limit", "why"), [(0, "finished"), (1, "omocaptcha_limit")])
def test_the_ledger_says_how_a_crawl_ended_and_what_was_not_solved(crawl, service, walled, ledger, limit, why):
    settings = {"OMOCAPTCHA_LEDGER": ledger, "OMOCAPTCHA_MAX_JOBS": 1, "OMOCAPTCHA_CLOSE_ON_LIMIT": limit}
    crawled = crawl(pages_of(walled("per_page"), 3), {**service.settings, **settings})
    (run,) = read_runs(ledger)
    assert (run.crawl, run.ended) == (read_ledger(ledger)[0].crawl, why)
    assert run.not_solved == {"max_jobs": crawled.stats["omocaptcha/skipped/max_jobs"]}
    assert run.time >= read_ledger(ledger)[-1].time


def test_a_resumed_crawl_goes_on_counting_in_a_ledger_that_others_share(crawl, service, walled, ledger, tmp_path):
    site = walled("per_page", catalogue_pages=11)
    settings = {**service.settings, "OMOCAPTCHA_LEDGER": ledger, "OMOCAPTCHA_MAX_JOBS": 3}
    jobdir = {"JOBDIR": str(tmp_path / "job")}

    def rest(first):
        return sites.spider(*(f"{site.url}/page/{number}" for number in range(first, 11)))

    assert len(crawl(pages_of(site, 2), {**settings, **jobdir}).pages) == 2
    assert len(crawl(pages_of(site, 4), settings).pages) == 3, "a crawl without the JOBDIR has a limit of its own"
    assert len(crawl(rest(3), {**settings, **jobdir}).pages) == 1
    shutil.rmtree(tmp_path / "job")
    assert len(crawl(rest(3), {**settings, **jobdir}).pages) == 3, "nor does a new JOBDIR of the same name mix with it"
    other = sites.spider(f"{site.url}/page/11", name="other")
    assert len(crawl(other, {**settings, **jobdir}).pages) == 1, "nor does another spider in one JOBDIR"


@pytest.mark.parametrize("scheduler", ["Scrapyd", "Scrapy Cloud"])
def test_the_crawl_of_a_scheduler_is_known_by_its_id(crawl, service, walled, ledger, monkeypatch, scheduler):
    arguments = {"_job": "2f0c"} if scheduler == "Scrapyd" else {}
    if not arguments:
        monkeypatch.setenv("SHUB_JOBKEY", "2f0c")
    site = walled("session")
    crawl(pages_of(site, 1), {**service.settings, "OMOCAPTCHA_LEDGER": ledger}, **arguments)
    (record,) = read_ledger(ledger)
    assert record.crawl == "2f0c"
    assert record.spider == "recording"
    assert record.outcome == "accepted"


def test_a_token_that_a_spider_bought_by_hand_is_in_the_books_and_so_is_a_limit(crawl, service, ledger):
    class ByHand(RecordingSpider):
        def requests(self):
            yield scrapy.Request("data:,", self.buy)

        async def buy(self, response):
            challenge = Challenge("http://127.0.0.1/", "6Lc" + "x" * 37)
            self.pages.append(await solve(challenge, crawler=self.crawler))
            try:
                await solve(challenge, crawler=self.crawler)
            except NotBought as error:
                self.failures.append(error)

    settings = {"OMOCAPTCHA_LEDGER": ledger, "OMOCAPTCHA_MAX_JOBS": 1, "OMOCAPTCHA_CLOSE_ON_LIMIT": True}
    crawled = crawl(ByHand, {**service.settings, **settings})
    assert [error.reason for error in crawled.failures] == ["max_jobs"]
    assert crawled.stats["finish_reason"] == "omocaptcha_limit"
    (record,) = read_ledger(ledger)
    assert (record.job, record.outcome, record.reason) == (crawled.pages[0].job, "unknown", "by_hand")
    assert any("by_hand 1" in line and "abandoned" not in line for line in crawled.said(logging.INFO))
    assert crawl(ByHand, {**service.settings, "OMOCAPTCHA_MAX_JOBS": 1}).stats["finish_reason"] == "finished"


@pytest.mark.parametrize(("paid", "refused"), [("wall", "by hand"), ("by hand", "wall"), ("by hand", "by hand")])
def test_a_limit_closes_the_spider_only_when_what_has_been_paid_for_is_used(crawl, paid, refused):
    class ByHand(RecordingSpider):
        async def start(self):
            for place, buy in ((paid, self.first), (refused, self.buy)):
                if place == "wall":
                    yield scrapy.Request(f"{site.url}/page/1", self.page, errback=self.failed)
                else:
                    yield scrapy.Request(f"data:,{buy.__name__}", buy)
                while not service.jobs:
                    await sleep(0.02)

        async def first(self, response):
            self.pages.append(await solve(Challenge("http://127.0.0.1/", "6Lc" + "x" * 37), crawler=self.crawler))

        async def buy(self, response):
            with pytest.raises(NotBought):
                await solve(Challenge("http://127.0.0.1/", "6Lc" + "x" * 37), crawler=self.crawler)

    with OmoCaptchaService(solve_seconds=1) as service, WalledSite(service, "session") as site:
        crawled = crawl(ByHand, {**service.settings, "OMOCAPTCHA_MAX_JOBS": 1, "OMOCAPTCHA_CLOSE_ON_LIMIT": True})
    assert crawled.stats["finish_reason"] == "omocaptcha_limit"
    assert (len(crawled.pages), len(service.jobs), crawled.failures) == (1, 1, [])
