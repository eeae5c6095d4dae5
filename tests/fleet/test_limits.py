"""Whole crawls that share their limits through a real Redis, and what becomes of them while it is away."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import replace

import pytest
import scrapy
from scrapy.exceptions import CloseSpider

from scrapy_omocaptcha import OmoCaptchaMiddleware
from scrapy_omocaptcha.buying.journal import read_journal
from scrapy_omocaptcha.reporting.totals import one_a_job
from scrapy_omocaptcha.testing import OmoCaptchaService
from tests.helpers.commands import ROOT, python
from tests.helpers.crawling import RecordingSpider
from tests.process.test_modes import ASYNCIO, NONE, SELECT

PRICE = 0.00055
NOWHERE = "redis://127.0.0.1:1/0"
AWAY = "does not answer"


def crawling(site, count, **attributes):
    urls = tuple(f"{site.url}/page/{number}" for number in range(1, count + 1))
    return type("Spider", (RecordingSpider,), {"urls": urls, **attributes})


@pytest.fixture
def shared(service, redis):
    """The settings of a worker."""
    return {**service.settings, "OMOCAPTCHA_REDIS_URL": redis.url, "OMOCAPTCHA_FLEET": "shop"}


@pytest.fixture
def when_away():
    """``when_away(function)``: what is to happen once a crawl says that Redis is away."""
    handlers = []

    def when_away(function):
        class Once(logging.Handler):
            def emit(self, record):
                if AWAY in record.getMessage() and self in handlers:
                    handlers.remove(self)
                    function()

        handler = Once()
        handlers.append(handler)
        logger.addHandler(handler)
        used.append(handler)

    logger, used = logging.getLogger("scrapy_omocaptcha.buying.fleet.link"), []
    yield when_away
    for handler in used:
        logger.removeHandler(handler)


def counts(redis, fleet="shop"):
    """Jobs and USD of a fleet, as Redis has them."""
    jobs, spent = redis.client.hmget(f"omocaptcha:fleet:{fleet}", "jobs", "spent")
    return int(jobs), int(spent) * 1e-9


def reasons(crawled):
    return Counter(error.reason for error in crawled.failures)


# -- what is shared -------------------------------------------------------------------------------------------------


def test_the_workers_of_a_fleet_are_one_crawl_and_another_name_is_another_crawl(crawl, service, walled, redis, shared):
    site = walled("per_page", catalogue_pages=10)
    shared["OMOCAPTCHA_MAX_JOBS"] = 5
    first, second = crawl(crawling(site, 3), shared), crawl(crawling(site, 10), shared)
    assert (len(first.pages), len(second.pages), len(service.jobs)) == (3, 2, 5)
    assert reasons(second) == {"max_jobs": 8}
    assert counts(redis) == (5, pytest.approx(5 * PRICE))
    (said,) = [line for line in second.said() if "OMOCAPTCHA_MAX_JOBS" in line]
    assert "5 jobs have been bought by the fleet 'shop'" in said
    assert len(crawl(crawling(site, 10), {**shared, "OMOCAPTCHA_FLEET": "other"}).pages) == 5
    assert (first.bugs, second.bugs) == ([], [])


def test_a_fleet_has_the_name_of_its_spider_unless_it_is_given_one(crawl, walled, redis, shared):
    del shared["OMOCAPTCHA_FLEET"]
    crawled = crawl(crawling(walled("session"), 2), shared)
    assert len(crawled.pages) == 2
    assert counts(redis, "recording") == (1, pytest.approx(PRICE))
    assert any("for the fleet 'recording'" in line for line in crawled.said(logging.INFO))


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [
        ("MAX_JOBS_PER_HOST", 2, "max_jobs_per_host"),
        ("MAX_COST", 2 * PRICE, "max_cost"),
        ("MAX_COST_PER_DAY", 2 * PRICE, "max_cost_per_day"),
        # Of what the first has sent in the last minute, the service may not have charged anything yet.
        ("MIN_BALANCE", 10 - 2.5 * PRICE, "min_balance"),
    ],
)
def test_each_limit_is_the_fleets(crawl, service, walled, shared, limit, value, reason):
    site = walled("per_page", catalogue_pages=10)
    shared[f"OMOCAPTCHA_{limit}"] = value
    first, second = crawl(crawling(site, 1), shared), crawl(crawling(site, 10), shared)
    assert len(first.pages) == 1
    assert len(service.jobs) <= 2
    assert reasons(second) == {reason: 10 - len(second.pages)}


@pytest.mark.parametrize("way", [ASYNCIO, SELECT, NONE], ids=["asyncio", "select", "no reactor"])
def test_crawlers_that_run_at_the_same_time_overrun_nothing_whatever_scrapy_runs_on(
    service, walled, tmp_path, shared, redis, way
):
    site = walled("per_page", catalogue_pages=10)
    urls = [f"{site.url}/page/{number}" for number in range(1, 11)]
    out = tmp_path / "out"
    told = {
        "urls": [urls, urls, urls],
        "out": str(out),
        "wish": None,
        "run": "AsyncCrawlerProcess" if way is NONE else "CrawlerProcess",
        "settings": {**shared, **way, "OMOCAPTCHA_MAX_JOBS": 11},
    }
    done = python("-m", "tests.helpers.crawl_process", json.dumps(told), cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    ends = Counter(line.split()[0] for line in out.read_text().splitlines())
    assert ends == {"page": 11, "max_jobs": 19}
    assert (len(service.jobs), counts(redis)[0]) == (11, 11)


def test_what_is_of_no_use_to_one_worker_the_others_leave_alone(crawl, service, walled, shared):
    site = walled("never", catalogue_pages=10)
    shared |= {"OMOCAPTCHA_BREAKER_FAILURES": 4, "OMOCAPTCHA_MAX_ATTEMPTS": 1}
    workers = [crawl(crawling(site, 2), shared) for _ in range(3)]
    assert len(service.jobs) == 4
    assert [reasons(worker) for worker in workers] == [{"attempts": 2}, {"attempts": 2}, {"breaker": 2}]


def test_an_account_that_is_refused_to_one_worker_is_tried_by_no_other(crawl, walled, redis):
    with OmoCaptchaService(balance=0.0) as poor:
        shared = {**poor.settings, "OMOCAPTCHA_REDIS_URL": redis.url}
        site = walled("session")
        first = crawl(crawling(site, 1), shared)
        calls = len(poor.calls)
        second = crawl(crawling(site, 1), shared)
        assert (reasons(first), reasons(second)) == ({"account": 1}, {"account": 1})
        assert len(poor.calls) == calls
        assert counts(redis, "recording") == (0, 0.0), "what was refused is not counted"
    assert any("another worker of the fleet 'recording' says" in line for line in second.said())


def test_a_job_that_one_worker_leaves_another_takes_over_and_it_is_paid_once(
    crawl, service, walled, redis, shared, tmp_path
):
    site, other = walled("per_page", catalogue_pages=10), walled("never")
    service.next_job(seconds=1.5)

    class Closing(crawling(site, 1)):
        def requests(self):
            yield from super().requests()
            yield scrapy.Request(f"{other.url}/free/1", callback=self.look)

        def look(self, response):
            if any(call.name == "getJobResult" for call in service.calls):
                raise CloseSpider("enough")
            return response.request.replace(dont_filter=True)

    journals = [tmp_path / "first", tmp_path / "second"]
    first = crawl(Closing, {**shared, "OMOCAPTCHA_JOURNAL": journals[0]})
    assert (first.pages, first.failures) == ([], [])
    second = crawl(crawling(site, 1), {**shared, "OMOCAPTCHA_JOURNAL": journals[1]})
    assert (len(second.pages), len(service.jobs), counts(redis)[0]) == (1, 1, 1)
    assert (second.count("jobs/taken_over"), second.count("jobs/created"), second.count("cost_usd")) == (1, 0, 0)
    (left,), (taken,) = (read_journal(journal)[0] for journal in journals)
    assert (left.outcome, left.reason, left.cost_usd) == ("abandoned", "handed_on", PRICE)
    assert (taken.outcome, taken.job, taken.cost_usd) == ("accepted", left.job, 0)
    assert taken.seconds > 1, "from its creation"
    again = replace(left, cost_usd=0.0)
    for order in ([taken, again, left], [left, taken, again], [again, left, taken]):
        (one,) = one_a_job(order)
        assert (one.outcome, one.time, one.cost_usd) == ("accepted", left.time, PRICE)
    assert one_a_job([left]) == [left], "nobody has taken it over"


def test_no_secret_and_no_page_reaches_redis(crawl, service, walled, redis, shared):
    site = walled("per_page", catalogue_pages=10)
    service.random_jobs(0.4, seed=1, outcomes=["fail", "refused", "rejected"])
    assert crawl(crawling(site, 10), shared).pages
    redis.stop()
    written = redis.written()
    assert site.sitekey.encode() in written, "this is where to look"
    tokens = [dict(visit.form)["g-recaptcha-response"] for visit in site.requests if visit.submits]
    for secret in [service.api_token, "/page/", *tokens]:
        assert secret.encode() not in written


# -- while Redis is away --------------------------------------------------------------------------------------------


def test_without_redis_nothing_is_bought_the_rest_is_crawled_and_one_line_says_so(crawl, service, walled):
    site = walled("per_page", catalogue_pages=10)
    shared = {**service.settings, "OMOCAPTCHA_REDIS_URL": NOWHERE, "OMOCAPTCHA_JOB_TIMEOUT": 1}
    free = tuple(f"{site.url}/free/{number}" for number in range(1, 21))
    crawled = crawl(crawling(site, 10, urls=(*crawling(site, 10).urls, *free)), shared)
    assert (len(crawled.pages), reasons(crawled)) == (20, {"redis": 10})
    assert (service.calls, crawled.bugs) == ((), [])
    (said,) = [line for line in crawled.said() if line.startswith("OMOcaptcha:")]
    assert AWAY in said
    assert any("OMOCAPTCHA_ON_REDIS_FAILURE" in line for line in crawled.said())
    assert crawled.count("skipped/redis") == 10


def test_challenges_wait_for_a_redis_that_comes_back(crawl, service, walled, redis, shared, when_away):
    site = walled("per_page", catalogue_pages=10)
    redis.stop()
    when_away(redis.start)
    crawled = crawl(crawling(site, 10), shared)
    assert (len(crawled.pages), crawled.failures) == (10, [])
    assert len(service.jobs) == counts(redis)[0] == 10
    assert any("Redis is back" in line for line in crawled.said(logging.INFO))


def test_a_redis_that_is_restarted_in_the_middle_is_asked_on_and_no_limit_is_overrun(
    crawl, service, walled, redis, shared, when_away
):
    site = walled("per_page", catalogue_pages=30)
    shared["OMOCAPTCHA_MAX_JOBS"] = 25

    class Stopping(crawling(site, 30)):
        def page(self, response, asked=None):
            super().page(response)
            if len(self.pages) == 7:
                redis.stop()

    when_away(redis.start)
    crawled = crawl(Stopping, {**shared, "CONCURRENT_REQUESTS_PER_DOMAIN": 4})
    assert (len(crawled.pages), reasons(crawled)) == (25, {"max_jobs": 5})
    assert len(service.jobs) == counts(redis)[0] == 25
    assert len([line for line in crawled.said() if AWAY in line]) == 1
    assert crawled.bugs == []


def test_a_redis_that_says_nothing_holds_nobody_up_who_does_not_need_it(crawl, service, walled, redis, shared):
    site, other = walled("per_page", catalogue_pages=4), walled("never")

    class Thawing(RecordingSpider):
        urls = (*crawling(site, 4).urls, *(f"{other.url}/free/{number}" for number in range(1, 41)))

        def page(self, response, asked=None):
            super().page(response)
            if len(self.pages) == 40:
                # None of which had to wait, or it would never come to this.
                redis.thaw()

    redis.freeze()
    crawled = crawl(Thawing, shared)
    assert (len(crawled.pages), crawled.failures) == (44, [])
    assert len(service.jobs) == counts(redis)[0] == 4


def test_on_own_limits_a_worker_buys_while_redis_is_away_and_tells_it_afterwards(
    crawl, service, walled, redis, shared, when_away
):
    site = walled("per_page", catalogue_pages=20)
    shared |= {"OMOCAPTCHA_ON_REDIS_FAILURE": "own_limits", "OMOCAPTCHA_MAX_JOBS": 12}
    assert len(crawl(crawling(site, 3), shared).pages) == 3

    class Starting(crawling(site, 20)):
        def page(self, response, asked=None):
            super().page(response)
            if len(self.pages) == 5:
                redis.start()

    redis.stop()
    crawled = crawl(Starting, {**shared, "CONCURRENT_REQUESTS_PER_DOMAIN": 1})
    # Its own limit of 12 would have let it go on; but once Redis was back, what the others had bought counted too.
    assert len(crawled.pages) <= 12
    assert reasons(crawled) == {"max_jobs": 20 - len(crawled.pages)}
    assert len(service.jobs) == counts(redis)[0]
    assert "within its own limits" in next(line for line in crawled.said() if AWAY in line)


def test_own_limits_hold_by_themselves(crawl, service, walled):
    site = walled("per_page", catalogue_pages=10)
    shared = {**service.settings, "OMOCAPTCHA_REDIS_URL": NOWHERE, "OMOCAPTCHA_ON_REDIS_FAILURE": "own_limits"}
    crawled = crawl(crawling(site, 10), {**shared, "OMOCAPTCHA_MAX_JOBS": 4})
    assert (len(crawled.pages), reasons(crawled), len(service.jobs)) == (4, {"max_jobs": 6}, 4)
    assert len([line for line in crawled.said() if "does not hear of 4 jobs" in line]) == 1
    assert crawled.bugs == []


@pytest.mark.parametrize(("goes", "comes"), [("stop", "start"), ("freeze", "thaw")])
def test_a_crawl_that_ends_while_it_waits_for_redis_gives_its_requests_back(
    crawl, service, walled, redis, shared, when_away, tmp_path, goes, comes
):
    site, other = walled("per_page", catalogue_pages=10), walled("never")
    away = []
    when_away(lambda: away.append(True))

    class Closing(crawling(site, 10)):
        def requests(self):
            yield from super().requests()
            yield scrapy.Request(f"{other.url}/free/1", callback=self.look)

        def look(self, response):
            if away:
                raise CloseSpider("enough")
            return response.request.replace(dont_filter=True)

    shared["JOBDIR"] = str(tmp_path / "job")
    getattr(redis, goes)()
    first = crawl(Closing, shared)
    assert (first.pages, first.failures, service.jobs, first.bugs) == ([], [], (), [])
    getattr(redis, comes)()
    second = crawl(crawling(site, 0), shared)
    assert (len(second.pages), second.failures, len(service.jobs)) == (10, [], 10)


def test_a_redis_that_is_full_is_as_good_as_away_and_is_said_once(crawl, service, walled, redis, shared):
    site = walled("per_page", catalogue_pages=10)
    redis.client.config_set("maxmemory", "1")
    crawled = crawl(crawling(site, 10), {**shared, "OMOCAPTCHA_JOB_TIMEOUT": 1})
    assert (crawled.pages, reasons(crawled), service.jobs) == ([], {"redis": 10}, ())
    assert len([line for line in crawled.said() if AWAY in line and line.startswith("OMOcaptcha")]) == 1
    assert len([line for line in crawled.said() if "is left alone (redis)" in line]) == 1
    assert crawled.bugs == []


def test_a_breaker_that_one_worker_alone_has_opened_is_not_the_fleets(crawl, service, walled, shared):
    """In a row means: of all workers."""
    never = walled("never", catalogue_pages=10)
    shared |= {"OMOCAPTCHA_BREAKER_FAILURES": 2, "OMOCAPTCHA_MAX_ATTEMPTS": 1}

    class Both(RecordingSpider):
        def requests(self):
            yield scrapy.Request(f"{never.url}/page/1", callback=self.page, errback=self.another)

        def another(self, failure):
            self.failed(failure)
            # What another worker would tell of the same host and key.
            fleet = self.crawler.get_downloader_middleware(OmoCaptchaMiddleware)._buyer._limits
            fleet._tell("succeeded", fleet._circuit("127.0.0.2", never.sitekey))
            if len(self.failures) < 4:
                yield scrapy.Request(
                    f"{never.url}/page/{len(self.failures) + 1}", callback=self.page, errback=self.another
                )

    crawled = crawl(Both, shared)
    assert reasons(crawled) == {"attempts": 4}


def test_a_dry_run_asks_nothing_of_redis(crawl, service, walled):
    settings = {**service.settings, "OMOCAPTCHA_REDIS_URL": NOWHERE, "OMOCAPTCHA_DRY_RUN": True}
    crawled = crawl(crawling(walled("session", status=200), 2), settings)
    assert (len(crawled.pages), [line for line in crawled.said() if AWAY in line]) == (2, [])


@pytest.mark.parametrize("fault", ["redis://:s3cret-word@127.0.0.1:1/0", "unix://:s3cret-word@/nowhere.sock"])
def test_the_password_of_redis_is_said_nowhere(crawl, service, walled, fault):
    settings = {**service.settings, "OMOCAPTCHA_REDIS_URL": fault, "OMOCAPTCHA_JOB_TIMEOUT": 1}
    crawled = crawl(crawling(walled("session"), 2), settings)
    assert reasons(crawled) == {"redis": 2}
    lines = [record.getMessage() for record in crawled.log if record.name.startswith("scrapy_omocaptcha")]
    assert lines
    assert not [line for line in lines if "s3cret" in line]
    assert not [error for error in crawled.failures if "s3cret" in repr(error)]


@pytest.mark.parametrize("url", ["redis://:s3cret-word@h:port/0", "redis://:s3cret-word@h/0?no_such_option=1"])
@pytest.mark.parametrize("way", [ASYNCIO, SELECT], ids=["asyncio", "select"])
def test_an_address_that_the_client_does_not_understand_is_said_when_the_crawl_begins(service, tmp_path, url, way):
    settings = {**service.settings, **way, "OMOCAPTCHA_REDIS_URL": url}
    told = {"urls": [f"{service.origin}/"], "out": str(tmp_path / "out"), "wish": None, "settings": settings}
    done = python("-m", "tests.helpers.crawl_process", json.dumps(told), cwd=ROOT)
    assert "ValueError: OMOCAPTCHA_REDIS_URL is nothing that redis-py understands" in done.stdout
    ours = [line for line in done.stdout.splitlines() if "s3cret" in line and "Overridden" not in line]
    assert not ours or all("OMOCAPTCHA_REDIS_URL': " in line for line in ours), "Scrapy alone shows the settings"
    assert not (tmp_path / "out").exists()


def test_where_the_client_is_missing_the_log_says_what_to_install(crawl, service, walled, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "redis", None)
    crawled = crawl(crawling(walled("session", status=200), 1), {**service.settings, "OMOCAPTCHA_REDIS_URL": NOWHERE})
    assert any("pip install 'scrapy-omocaptcha[redis]'" in line for line in crawled.said())
    assert len(crawled.pages) == 1, "the crawl goes on without us"
