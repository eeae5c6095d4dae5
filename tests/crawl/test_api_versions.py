"""Whole crawls through a wall with version 2 of the API, and with the one that tells the balance."""

import logging

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from tests.helpers.sites import pages_of, spider


@pytest.fixture
def service():
    with OmoCaptchaService(api_version=2) as service:
        yield service


def test_an_account_with_a_package_buys_though_its_balance_is_zero_and_below_the_floor(crawl):
    with (
        OmoCaptchaService(api_version=2, balance=0.0, package=3) as packed,
        WalledSite(packed, "per_page", catalogue_pages=5) as site,
    ):
        packed.next_job("refused", message="Busy")
        settings = {**packed.settings, "OMOCAPTCHA_MIN_BALANCE": 1, "CONCURRENT_REQUESTS_PER_DOMAIN": 1}
        crawled = crawl(pages_of(site, 5), settings)
    assert crawled.reasons == ["service", "min_balance"]
    assert len(crawled.pages) == 3
    assert len(packed.jobs) == 3
    assert packed.charged == 0


def test_a_type_of_task_that_the_service_does_not_support_stops_all_buying_and_names_the_setting(
    crawl, service, walled
):
    site = walled("session")
    service.next_job("refused", code="ERROR_TASK_NOT_SUPPORTED", times=9)
    settings = {**service.settings, "OMOCAPTCHA_TASK_TYPE": "NoCaptchaTask"}
    crawled = crawl(spider(f"{site.url}/page/1", f"{site.url}/page/2"), settings)
    assert crawled.reasons == ["account", "account"]
    assert [call.name for call in service.calls] == ["createTask"]
    (said,) = crawled.said(logging.ERROR)
    assert "set OMOCAPTCHA_TASK_TYPE, which is 'NoCaptchaTask', to a type that this service supports" in said


AUTO = dict.fromkeys(["OMOCAPTCHA_API_VERSION", "OMOCAPTCHA_PRICE"], "auto") | {
    "OMOCAPTCHA_MAX_COST": 0,
    "OMOCAPTCHA_MAX_JOBS": 5,
}


def test_the_version_that_tells_the_balance_is_used(crawl, service, walled):
    crawled = crawl(pages_of(walled("session"), 2), {**service.settings, **AUTO})
    assert len(crawled.pages) == 2
    assert ["names no price" in line for line in crawled.said()] == [True]
    assert [call.path for call in service.calls] == [
        *("/v2/getBalance", "/v2/getBalance"),  # at version 1's address, there is none
        *("/v2/createTask", "/v2/getTaskResult"),
    ]
    crawled = crawl(pages_of(walled("session"), 2), {**service.settings, **AUTO, "OMOCAPTCHA_API_VERSION": 2})
    assert ["names no price" in line for line in crawled.said()] == [True]


@pytest.mark.parametrize("kind", ["redirect", "too_many", "server_error"])
def test_what_is_wrong_for_a_moment_leads_to_no_other_version_and_ends_nothing(crawl, kind):
    with OmoCaptchaService() as service, WalledSite(service, "session") as site:
        service.fault("*", kind)
        crawled = crawl(pages_of(site, 2), {**service.settings, **AUTO})
        assert len(crawled.pages) == 2
        assert len(service.jobs) == 1
        assert crawled.count("account/closed") == 0


def test_a_service_of_which_no_version_answers_buys_nothing_and_is_told_once(crawl, service, walled):
    site = walled("session")
    settings = {**service.settings, **AUTO, "OMOCAPTCHA_API_URL": f"{service.origin}/gone"}
    crawled = crawl(spider(f"{site.url}/page/1", f"{site.url}/page/2"), settings)
    assert crawled.reasons == ["account", "account"]
    (said,) = crawled.said(logging.ERROR)
    assert "it has answered HTTP status 404" in said
    assert "check OMOCAPTCHA_API_URL" in said
    assert (service.jobs, crawled.count("account/closed")) == ((), 1)
