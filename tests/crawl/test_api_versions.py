"""Whole crawls through a wall with version 2 of the API: OMOcaptcha's own, and another service that speaks it."""

from __future__ import annotations

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService, TaskShape
from tests.helpers.crawling import RecordingSpider


def spider(*urls):
    return type("Spider", (RecordingSpider,), {"urls": urls})


@pytest.fixture
def service():
    with OmoCaptchaService(api_version=2) as service:
        yield service


@pytest.mark.parametrize("wall", ["session", "invisible"])
def test_version_2_opens_a_wall(crawl, service, walled, wall):
    site = walled(wall)
    crawled = crawl(spider(*(f"{site.url}/page/{number}" for number in range(1, 4))), service.settings)
    assert [page.status for page in crawled.pages] == [200, 200, 200]
    (job,) = service.jobs
    assert (job.kind, job.invisible, job.used) == ("RecaptchaV2TokenTask", wall == "invisible", True)
    assert {call.path for call in service.calls} == {"/v2/createTask", "/v2/getTaskResult"}
    assert all(call.authorised for call in service.calls)
    assert (crawled.count("jobs/solved"), crawled.count("cost_usd")) == (1, 0.00055)
    assert (crawled.failures, crawled.said(), crawled.bugs) == ([], [], [])


def test_another_service_of_the_protocol_opens_a_wall_too(crawl, service, walled):
    service.task_shape = TaskShape(task_id="number", created="idle", running="idle", solution="both", failed="code")
    service.next_job("fail")
    site = walled("session")
    settings = {
        **service.settings,
        "OMOCAPTCHA_API_URL": service.origin,
        "OMOCAPTCHA_TASK_TYPE": "RecaptchaV2TaskProxyless",
        "OMOCAPTCHA_PRICE": 0.003,
    }
    crawled = crawl(spider(f"{site.url}/page/1"), settings)
    assert [page.status for page in crawled.pages] == [200]
    assert [(job.kind, job.state) for job in service.jobs] == [
        ("RecaptchaV2TaskProxyless", "failed"),
        ("RecaptchaV2TaskProxyless", "solved"),
    ]
    assert {call.path for call in service.calls} == {"/createTask", "/getTaskResult"}
    assert {call.body["taskId"] for call in service.calls if call.name == "getTaskResult"} == {1000001, 1000002}
    assert crawled.count("cost_usd") == pytest.approx(0.006)
    assert (crawled.failures, crawled.bugs) == ([], [])


def test_a_create_call_that_met_a_passing_error_is_repeated_and_bought_once(crawl, service, walled):
    service.next_job("refused", code="ERROR_NO_SLOT_AVAILABLE")
    site = walled("session")
    crawled = crawl(spider(f"{site.url}/page/1"), service.settings)
    assert [page.status for page in crawled.pages] == [200]
    assert [call.name for call in service.calls].count("createTask") == 2
    assert (len(service.jobs), crawled.count("jobs/created"), crawled.count("cost_usd")) == (1, 1, 0.00055)


def test_a_price_that_cannot_be_asked_is_said_once_and_costs_no_call(crawl, service, walled):
    site = walled("session")
    crawled = crawl(spider(f"{site.url}/page/1"), {**service.settings, "OMOCAPTCHA_PRICE": "auto"})
    assert [page.status for page in crawled.pages] == [200]
    (said,) = crawled.said()
    assert "set OMOCAPTCHA_PRICE" in said
    assert crawled.count("cost_usd") == 0.00055
    assert "getServicePrice" not in [call.name for call in service.calls]


def test_an_account_that_cannot_buy_is_said_at_the_first_code_that_says_so(crawl, walled):
    with OmoCaptchaService(api_version=2, balance=0.0) as poor:
        site = walled("session")
        crawled = crawl(spider(f"{site.url}/page/1", f"{site.url}/page/2"), poor.settings)
        assert [error.reason for error in crawled.failures] == ["account", "account"]
        assert [call.name for call in poor.calls] == ["createTask"]
    assert any("ERROR_ZERO_BALANCE" in line and "OMOCAPTCHA_API_TOKEN" in line for line in crawled.said())
