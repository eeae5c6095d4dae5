"""Whole crawls that share their limits through a real Redis, also while it is unavailable."""

import json
import logging
from collections import Counter
from contextlib import ExitStack

import pytest
import scrapy
from scrapy.exceptions import CloseSpider

from scrapy_omocaptcha.testing import OmoCaptchaService
from tests.helpers.chance import random_jobs
from tests.helpers.commands import ROOT, crawl_process, python
from tests.helpers.crawl_process import ASYNCIO, NONE, SELECT
from tests.helpers.nightly import nightly
from tests.helpers.sites import pages_of, spider

PRICE = 0.00055
NOWHERE = "redis://127.0.0.1:1/0"
UNAVAILABLE = "cannot be used"


@pytest.fixture
def shared(service, redis):
    """Return the settings of a worker."""
    return {**service.settings, "OMOCAPTCHA_REDIS_URL": redis.url, "OMOCAPTCHA_FLEET": "shop"}


@pytest.fixture
def when_unavailable():
    """``when_unavailable(function)``: call ``function`` once a crawl has logged that Redis is unavailable."""
    logger = logging.getLogger("scrapy_omocaptcha.buying.fleet.link")
    with ExitStack() as stack:

        def when_unavailable(function):
            waiting = [function]

            def look(record):
                if UNAVAILABLE in record.getMessage() and waiting:
                    waiting.pop()()
                return True

            logger.addFilter(look)
            stack.callback(logger.removeFilter, look)

        yield when_unavailable


def counts(redis, fleet="shop"):
    """Return the jobs and USD of a fleet, as counted by Redis."""
    jobs, spent = redis.client.hmget(f"omocaptcha:fleet:{fleet}", "jobs", "spent")
    return int(jobs), int(spent) * 1e-9


def reasons(crawled):
    return Counter(crawled.reasons)


# -- what is shared -------------------------------------------------------------------------------------------------


def test_workers_with_the_same_fleet_name_are_one_crawl(crawl, service, walled, redis, shared):
    site = walled("per_page", catalogue_pages=10)
    shared["OMOCAPTCHA_MAX_JOBS"] = 5
    first, second = crawl(pages_of(site, 3), shared), crawl(pages_of(site, 10), shared)
    assert len(first.pages) == 3
    assert len(second.pages) == 2
    assert len(service.jobs) == 5
    assert reasons(second) == {"max_jobs": 8}
    assert counts(redis) == (5, pytest.approx(5 * PRICE))
    (said,) = [line for line in second.said() if "OMOCAPTCHA_MAX_JOBS" in line]
    assert "5 jobs have been bought by the fleet 'shop'" in said
    assert len(crawl(pages_of(site, 10), {**shared, "OMOCAPTCHA_FLEET": "other"}).pages) == 5
    assert (first.bugs, second.bugs) == ([], [])


def test_the_floor_of_the_balance_holds_for_a_fleet_while_others_spend_too(crawl, redis, shared_account):
    service, site = shared_account
    shared = {**service.settings, "OMOCAPTCHA_REDIS_URL": redis.url, "OMOCAPTCHA_MIN_BALANCE": 0.015}
    workers = [crawl(pages_of(site, count), shared) for count in (2, 20)]
    assert (len(service.jobs), service.balance) == (5, pytest.approx(0.0205 - 10 * PRICE))
    assert [len(worker.pages) for worker in workers] == [2, 3]
    assert reasons(workers[1]) == {"min_balance": 17}


@pytest.mark.parametrize(
    "way", [pytest.param(ASYNCIO, id="asyncio"), nightly(SELECT, id="select"), nightly(NONE, id="no reactor")]
)
def test_crawlers_that_run_at_the_same_time_exceed_no_limit_on_any_reactor(
    service, walled, tmp_path, shared, redis, way
):
    site = walled("per_page", catalogue_pages=10)
    urls = [f"{site.url}/page/{number}" for number in range(1, 11)]
    out = tmp_path / "out"
    told = {
        "urls": [urls, urls, urls],
        "out": str(out),
        "run": "AsyncCrawlerProcess" if way is NONE else "CrawlerProcess",
        "settings": {**shared, **way, "OMOCAPTCHA_MAX_JOBS": 11},
    }
    done = crawl_process(told)
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    ends = Counter(line.split()[0] for line in out.read_text().splitlines())
    assert ends == {"page": 11, "max_jobs": 19}
    assert len(service.jobs) == 11
    assert counts(redis)[0] == 11


def test_a_worker_learns_for_itself_that_a_host_or_the_account_is_of_no_use(crawl, walled, redis, shared):
    site = walled("never")
    shared |= {"OMOCAPTCHA_BREAKER_FAILURES": 2, "OMOCAPTCHA_MAX_ATTEMPTS": 1}
    for worker in (1, 2):
        crawled = crawl(pages_of(site, 6), {**shared, "CONCURRENT_REQUESTS": 1})
        assert crawled.count("jobs/created") == 2
        assert counts(redis)[0] == 2 * worker
    with OmoCaptchaService(balance=0.0) as poor:
        refused = crawl(pages_of(walled("session"), 2), {**shared, **poor.settings})
    assert reasons(refused) == {"account": 2}
    assert counts(redis)[0] == 4, "what was refused is not counted"


def test_no_secret_and_no_page_reaches_redis(crawl, service, walled, redis, shared):
    site = walled("per_page", catalogue_pages=10)
    random_jobs(service, 0.4, seed=1, outcomes=["fail", "refused", "rejected"])
    assert crawl(pages_of(site, 10), shared).pages
    redis.stop()
    written = redis.written()
    assert b"omocaptcha:fleet:shop:hosts" in written, "this is where to look"
    tokens = [dict(visit.form)["g-recaptcha-response"] for visit in site.requests if visit.submits]
    for secret in [service.api_token, site.sitekey, "/page/", *tokens]:
        assert secret.encode() not in written


# -- while Redis is unavailable -------------------------------------------------------------------------------------


def test_without_redis_nothing_is_bought_the_rest_is_crawled_and_one_warning_says_so(crawl, service, walled):
    site = walled("per_page", catalogue_pages=10)
    shared = {**service.settings, "OMOCAPTCHA_REDIS_URL": NOWHERE, "OMOCAPTCHA_JOB_TIMEOUT": 1}
    free = (f"{site.url}/free/{number}" for number in range(1, 21))
    crawled = crawl(spider(*pages_of(site, 10).urls, *free), shared)
    assert (len(crawled.pages), reasons(crawled)) == (20, {"redis": 10})
    assert (service.jobs, crawled.bugs) == ((), [])
    (said,) = [line for line in crawled.said() if line.startswith("OMOcaptcha:")]
    assert UNAVAILABLE in said
    assert crawled.count("skipped/redis") == 10


def test_challenges_wait_for_a_redis_that_restarts_in_the_middle_of_a_crawl_which_exceeds_no_limit(
    crawl, service, walled, redis, shared, when_unavailable
):
    site = walled("per_page", catalogue_pages=30)
    shared["OMOCAPTCHA_MAX_JOBS"] = 25
    # Else all may be bought before the seventh page has come.
    shared["OMOCAPTCHA_CONCURRENT_JOBS"] = 4

    class Stopping(pages_of(site, 30)):
        def page(self, response, asked=None):
            super().page(response)
            if len(self.pages) == 7:
                redis.stop()

    when_unavailable(redis.start)
    crawled = crawl(Stopping, {**shared, "CONCURRENT_REQUESTS_PER_DOMAIN": 4})
    assert (len(crawled.pages), reasons(crawled)) == (25, {"max_jobs": 5})
    assert len(service.jobs) == counts(redis)[0] == 25
    assert len([line for line in crawled.said() if UNAVAILABLE in line]) == 1
    assert any("Redis is back" in line for line in crawled.said(logging.INFO))
    assert crawled.bugs == []


@pytest.mark.parametrize(("goes", "comes"), [("stop", "start"), nightly("freeze", "thaw")])
def test_a_crawl_that_closes_while_it_waits_for_redis_keeps_its_requests(
    crawl, service, walled, redis, shared, when_unavailable, tmp_path, goes, comes
):
    site, other = walled("per_page", catalogue_pages=10), walled("never")
    unavailable = []
    when_unavailable(lambda: unavailable.append(True))

    class Closing(pages_of(site, 10)):
        def requests(self):
            yield from super().requests()
            yield scrapy.Request(f"{other.url}/free/1", callback=self.look)

        def look(self, response):
            if unavailable:
                raise CloseSpider("enough")
            return response.request.replace(dont_filter=True)

    shared |= {"JOBDIR": str(tmp_path / "job"), "OMOCAPTCHA_REDIS_URL": f"{redis.url}?socket_timeout=0.3"}
    getattr(redis, goes)()
    first = crawl(Closing, shared)
    assert (first.pages, first.failures, service.jobs, first.bugs) == ([], [], (), [])
    getattr(redis, comes)()
    second = crawl(pages_of(site, 0), shared)
    assert (len(second.pages), second.failures, len(service.jobs)) == (10, [], 10)


def test_a_redis_that_is_full_counts_as_unavailable_and_is_logged_once(crawl, service, walled, redis, shared):
    site = walled("per_page", catalogue_pages=10)
    redis.client.config_set("maxmemory", "1")
    crawled = crawl(pages_of(site, 10), {**shared, "OMOCAPTCHA_JOB_TIMEOUT": 1})
    assert (crawled.pages, reasons(crawled), service.jobs) == ([], {"redis": 10}, ())
    assert len([line for line in crawled.said() if UNAVAILABLE in line and line.startswith("OMOcaptcha")]) == 1
    assert len([line for line in crawled.said() if "is left alone (redis)" in line]) == 1
    assert crawled.bugs == []


@pytest.mark.parametrize("fault", ["redis://:connecting@127.0.0.1:1/0", "unix://:s3cret-word@/nowhere.sock"])
def test_the_password_of_redis_is_logged_nowhere(crawl, service, walled, fault):
    settings = {**service.settings, "OMOCAPTCHA_REDIS_URL": fault, "OMOCAPTCHA_JOB_TIMEOUT": 1}
    crawled = crawl(pages_of(walled("session"), 2), settings)
    assert reasons(crawled) == {"redis": 2}
    lines = [record.getMessage() for record in crawled.log if record.name.startswith("scrapy_omocaptcha")]
    assert lines
    password = fault.partition("@")[0].rpartition(":")[2]
    assert not [text for text in (*lines, *map(repr, crawled.failures)) if password in text]


@pytest.mark.parametrize(
    ("url", "way"),
    [("redis://:s3cret-word@h:port/0", ASYNCIO), ("redis://:s3cret-word@h/0?no_such_option=1", SELECT)],
    ids=["port, asyncio", "option, select"],
)
def test_a_url_that_redis_py_does_not_understand_is_an_error_when_the_crawl_starts(service, tmp_path, url, way):
    settings = {**service.settings, **way, "OMOCAPTCHA_REDIS_URL": url}
    told = {"urls": [f"{service.origin}/"], "out": str(tmp_path / "out"), "settings": settings}
    done = python("-m", "tests.helpers.crawl_process", json.dumps(told), cwd=ROOT)
    assert "ValueError: redis-py does not understand OMOCAPTCHA_REDIS_URL" in done.stdout
    ours = [line for line in done.stdout.splitlines() if "s3cret" in line and "Overridden" not in line]
    assert not ours or all("OMOCAPTCHA_REDIS_URL': " in line for line in ours), "Scrapy alone shows the settings"
    assert not (tmp_path / "out").exists()


def test_without_redis_py_the_log_says_what_to_install(crawl, service, walled, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "redis", None)
    crawled = crawl(pages_of(walled("session", status=200), 1), {**service.settings, "OMOCAPTCHA_REDIS_URL": NOWHERE})
    assert any("pip install 'scrapy-omocaptcha[redis]'" in line for line in crawled.said())
    assert len(crawled.pages) == 1, "the crawl goes on without us"
