"""docs/recipes/other-services: the settings of each service in a whole crawl, and reports of rejected tokens."""

from __future__ import annotations

import logging

import pytest

from scrapy_omocaptcha.buying.purchase import ACCEPTED, REJECTED, Purchase, Verdict
from scrapy_omocaptcha.settings.services import REPORTING_CALLS
from scrapy_omocaptcha.testing import OmoCaptchaService, TaskShape
from scrapy_omocaptcha.urls import host_of
from tests.helpers.docs import code, module, page, tables
from tests.helpers.sites import spider

PAGE = page("recipes/other-services")
NUMBERS = TaskShape(task_id="number", failed="code")
SHAPES = {
    "2Captcha": TaskShape(task_id="number", failed="code", solution="both"),
    "Anti-Captcha": NUMBERS,
    "CapMonster Cloud": NUMBERS,
    "CapSolver": TaskShape(running="idle", failed="code"),
    "YesCaptcha": TaskShape(failed="code"),
}
"""How the services of the page answer, as their documents say."""
REPORTING = ["2Captcha", "Anti-Captcha", "CapMonster Cloud", "CapSolver"]
(ROWS,) = tables(PAGE, "service")
"""The services of the page: name, URL, type of the task, and call for rejected tokens."""


@pytest.fixture
def told(tmp_path):
    """``told(name)`` → the settings of the page, with what its table has for that service."""

    def read(name):
        settings = module(code(PAGE, "other-service"), tmp_path)
        (_, url, kind, _) = next(row for row in texts() if row[0] == name)
        settings = {name: value for name, value in settings.items() if name.isupper()}
        return {**settings, "OMOCAPTCHA_API_URL": url, "OMOCAPTCHA_TASK_TYPE": kind}

    return read


def texts():
    return [[cell.astext() for cell in row] for row in ROWS]


@pytest.fixture
def service(crawl):
    with OmoCaptchaService(api_version=2) as service:
        yield service


@pytest.fixture
def of_service(told, service, monkeypatch):
    """``of_service(name)`` → those settings for the offline service, which answers as that service does."""

    def adapt(name, **settings):
        service.task_shape = SHAPES[name]
        values = told(name)
        if reporting := REPORTING_CALLS.get(host_of(values["OMOCAPTCHA_API_URL"])):
            monkeypatch.setitem(REPORTING_CALLS, host_of(service.origin), reporting)
        ours = {"OMOCAPTCHA_API_URL": service.origin, "OMOCAPTCHA_API_TOKEN": "offline-token"}
        return {**values, **ours, "OMOCAPTCHA_PRICE": 0.003, **settings}

    return adapt


def reports(service):
    return [call for call in service.calls if call.name.startswith(("report", "feedback"))]


@pytest.mark.parametrize("name", SHAPES)
def test_the_settings_of_a_service_open_a_wall(crawl, service, walled, told, of_service, name):
    service.next_job("fail", seconds=3)
    service.next_job(seconds=12)
    crawled = crawl(spider(f"{walled('session').url}/page/1"), of_service(name))
    assert [page.status for page in crawled.pages] == [200]
    kind = told(name)["OMOCAPTCHA_TASK_TYPE"]
    assert [(job.kind, job.state) for job in service.jobs] == [(kind, "failed"), (kind, "solved")]
    assert {call.path for call in service.calls} == {"/createTask", "/getTaskResult"}
    assert crawled.count("cost_usd") == pytest.approx(0.006)
    assert (crawled.failures, crawled.said(), crawled.bugs) == ([], [], [])


@pytest.mark.parametrize("name", SHAPES)
def test_no_crawl_starts_before_the_price_is_filled_in(crawl, service, of_service, told, name):
    unfinished = of_service(name, OMOCAPTCHA_PRICE=told(name)["OMOCAPTCHA_PRICE"])
    with pytest.raises(ValueError, match=r"OMOCAPTCHA_PRICE is Ellipsis; it must be .* the price of a job in USD"):
        crawl(spider(), unfinished)


def test_the_table_names_what_the_block_and_the_code_have(tmp_path):
    names, urls, kinds, calls = zip(*texts(), strict=True)
    settings = module(code(PAGE, "other-service"), tmp_path)
    assert (settings["OMOCAPTCHA_API_URL"], settings["OMOCAPTCHA_TASK_TYPE"]) == (urls[0], kinds[0])
    assert list(names) == list(SHAPES)
    reporting = {host_of(url): f"/{call}" for url, call in zip(urls, calls, strict=True) if call != "none found"}
    assert reporting == {host: call.path for host, call in REPORTING_CALLS.items()}
    assert [name for name, call in zip(names, calls, strict=True) if call != "none found"] == REPORTING


@pytest.mark.parametrize("version", [2, "auto"])
@pytest.mark.parametrize("name", REPORTING)
def test_a_rejected_token_is_reported_once(crawl, service, walled, of_service, name, version):
    settings = of_service(name, OMOCAPTCHA_REPORT_REJECTED=True, OMOCAPTCHA_API_VERSION=version)
    service.next_job("rejected")
    crawled = crawl(spider(f"{walled('session').url}/page/1"), settings)
    (report,) = reports(service)
    (rejected, _) = [call.body["taskId"] for call in service.calls if call.name == "getTaskResult"]
    path, details = REPORTING_CALLS[host_of(service.origin)]
    assert (report.path, report.body) == (path, {"taskId": rejected, **details})
    assert (report.authorised, report.answer) == (True, '{"errorId": 0, "status": "success"}')
    assert (len(crawled.pages), crawled.count("tokens/rejected"), crawled.count("tokens/accepted")) == (1, 1, 1)
    assert (crawled.said(), crawled.bugs) == ([], [])


@pytest.mark.parametrize(("name", "setting"), [("2Captcha", {}), ("YesCaptcha", {"OMOCAPTCHA_REPORT_REJECTED": True})])
def test_nothing_is_reported_unless_it_is_wanted_and_there_is_a_call(crawl, service, walled, of_service, name, setting):
    service.next_job("rejected")
    crawled = crawl(spider(f"{walled('session').url}/page/1"), of_service(name, **setting))
    assert (reports(service), crawled.count("tokens/rejected")) == ([], 1)
    assert len(crawled.said()) == len(setting)


@pytest.mark.parametrize("fault", ["reset", "server_error", "html", "too_many"])
def test_a_report_that_fails_is_told_at_debug_only(crawl, service, walled, of_service, fault):
    service.next_job("rejected")
    service.fault("reportIncorrect", fault)
    settings = of_service("2Captcha", OMOCAPTCHA_REPORT_REJECTED=True)
    crawled = crawl(spider(f"{walled('session').url}/page/1"), settings)
    assert (len(crawled.pages), len(reports(service)), crawled.said(), crawled.bugs) == (1, 1, [], [])
    told = [
        line for line in crawled.said(logging.DEBUG) if line.startswith("Job 1000001 was not reported as rejected:")
    ]
    assert len(told) == 1


def test_a_crawl_goes_on_without_its_reports_and_closes_within_half_a_second(crawl, service, walled, of_service):
    seconds = []
    for fault in (None, "hang"):
        if fault:
            service.fault("reportIncorrect", fault, times=3)
        settings = of_service("2Captcha", OMOCAPTCHA_REPORT_REJECTED=True)
        crawled = crawl(spider(f"{walled('never').url}/page/1"), settings)
        assert ([error.reason for error in crawled.failures], crawled.bugs) == (["attempts"], [])
        seconds.append(crawled.stats["elapsed_time_seconds"])
    assert len(reports(service)) == 6
    dropped = [line for line in crawled.said(logging.DEBUG) if line.endswith("rejected: the crawl is closing")]
    assert len(dropped) == 3
    assert seconds[1] - seconds[0] <= 0.5


@pytest.mark.parametrize("verdict", [ACCEPTED, Verdict("expired", "not_needed"), Verdict("unknown", "by_hand")])
def test_only_rejected_tokens_are_reported(verdict):
    reported = []
    ours = Ignored()
    for each in (verdict, REJECTED):
        Purchase(ours, ours, ours, lambda each=each: reported.append(each)).record(each)
    assert reported == [REJECTED]


class Ignored:
    """Stands for the token, the entry and the limits of a purchase, which are told of a verdict too."""

    sitekey = ""

    def record_failure(self, *_):
        pass

    record_success = judged = record_failure
