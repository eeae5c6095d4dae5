"""First-run help: what is missing or misplaced is said in one WARNING when the spider opens, with the cure."""

from __future__ import annotations

import pytest
from scrapy.downloadermiddlewares.retry import RetryMiddleware

from scrapy_omocaptcha import OmoCaptchaMiddleware
from tests.helpers.crawling import RecordingSpider

RETRY = "scrapy.downloadermiddlewares.retry.RetryMiddleware"
OURS = "scrapy_omocaptcha.OmoCaptchaMiddleware"


class PatientRetry(RetryMiddleware):
    """As projects have one of their own."""


def opened(crawl, service, settings=None, **attributes):
    """The warnings of a crawl that asks for nothing."""
    spider = type("Spider", (RecordingSpider,), attributes)
    crawled = crawl(spider, {**service.settings, **(settings or {})})
    assert crawled.bugs == []
    return [line for line in crawled.said() if line.startswith(("OMOcaptcha: ", "Disabled "))]


def placed(place, **others):
    return {"DOWNLOADER_MIDDLEWARES": {OURS: place, **others}}


@pytest.mark.parametrize(
    ("settings", "attributes"),
    [
        ({}, {}),
        (placed(581), {}),
        (placed(589), {}),
        (placed(585, **{RETRY: None}) | {"COOKIES_ENABLED": True}, {}),
        ({"DOWNLOADER_MIDDLEWARES": {OmoCaptchaMiddleware: 585, RETRY: None, PatientRetry: 550}}, {}),
        ({"CONCURRENT_REQUESTS": 1}, {}),
        ({"CONCURRENT_REQUESTS": 0, "OMOCAPTCHA_MAX_WAITING": 0}, {}),
        ({"OMOCAPTCHA_MAX_WAITING": 0}, {}),
        ({"OMOCAPTCHA_ALLOWED_DOMAINS": ["shop.example"]}, {"start_urls": ["https://www.shop.example/"]}),
        ({"OMOCAPTCHA_ALLOWED_DOMAINS": ["www.shop.example"]}, {"allowed_domains": ["shop.example"]}),
        ({"OMOCAPTCHA_ALLOWED_DOMAINS": ["shop.example"]}, {"allowed_domains": ["www.Shop.example", "a.example"]}),
        ({}, {"allowed_domains": ["shop.example"], "start_urls": ["https://shop.example/"]}),
    ],
)
def test_nothing_is_said_of_what_works(crawl, service, settings, attributes):
    assert opened(crawl, service, settings, **attributes) == []


def test_a_missing_api_token_is_said_with_the_cure(crawl, service, monkeypatch):
    monkeypatch.delenv("OMOCAPTCHA_API_TOKEN", raising=False)
    (said,) = opened(crawl, service, {"OMOCAPTCHA_API_TOKEN": None})
    assert said.startswith("Disabled ")
    assert "no API token" in said
    assert "set OMOCAPTCHA_API_TOKEN in the settings or in the environment" in said


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (placed(543), "RetryMiddleware and MetaRefreshMiddleware"),
        (placed(560), "MetaRefreshMiddleware"),
        (placed(595), "HttpCompressionMiddleware"),
        (placed(900), "HttpCompressionMiddleware and RedirectMiddleware and CookiesMiddleware"),
        (placed(585, **{RETRY: 620}), "RetryMiddleware"),
        ({"DOWNLOADER_MIDDLEWARES": {RETRY: None, PatientRetry: 620}}, "PatientRetry"),
    ],
)
def test_a_place_in_the_chain_where_it_cannot_work_is_said_with_the_one_where_it_can(crawl, service, settings, wrong):
    (said,) = opened(crawl, service, settings)
    assert f"OmoCaptchaMiddleware is on the wrong side of {wrong} in DOWNLOADER_MIDDLEWARES" in said
    assert "leave its place to ADDONS, which is 585" in said


def test_it_is_true_that_it_does_not_work_there(crawl, service, walled):
    site = walled("session", status=429)
    spider = type("Spider", (RecordingSpider,), {"urls": (f"{site.url}/page/1",)})
    settings = {**service.settings, "RETRY_HTTP_CODES": [429]}
    crawl(spider, {**settings, **placed(543)})
    asked_for_nothing = site.challenges
    crawl(spider, {**settings, **placed(585)})
    assert (asked_for_nothing, site.challenges - asked_for_nothing) == (3, 1)


def test_cookies_that_are_switched_off_are_said(crawl, service, walled):
    (said,) = opened(crawl, service, {"COOKIES_ENABLED": False})
    assert "COOKIES_ENABLED is False" in said
    assert "set it to True" in said
    # And it is true.
    site = walled("session")
    spider = type("Spider", (RecordingSpider,), {"urls": (f"{site.url}/page/1",)})
    crawled = crawl(spider, {**service.settings, "COOKIES_ENABLED": False})
    assert [failure.reason for failure in crawled.failures] == ["cookies"]


def test_too_little_room_to_hold_anything_is_said(crawl, service):
    (said,) = opened(crawl, service, {"CONCURRENT_REQUESTS": 2, "OMOCAPTCHA_MAX_WAITING": 0})
    assert "CONCURRENT_REQUESTS (2) and OMOCAPTCHA_MAX_WAITING (0)" in said
    assert "raise OMOCAPTCHA_MAX_WAITING" in said


@pytest.mark.parametrize(
    ("settings", "attributes", "said"),
    [
        (
            {},
            {"allowed_domains": ["shop.example"], "start_urls": ["https://shop.test/", "https://shop.example/"]},
            "no job may be bought for shop.test, where the spider starts, since it is not in the spider's "
            "allowed_domains (shop.example): name it there",
        ),
        (
            {"OMOCAPTCHA_ALLOWED_DOMAINS": ["shop.example"]},
            {"start_urls": ["https://a.test/", "https://b.test/"]},
            "no job may be bought for a.test, b.test, where the spider starts, since it is not in the "
            "setting OMOCAPTCHA_ALLOWED_DOMAINS (shop.example): name it there",
        ),
        (
            {"OMOCAPTCHA_ALLOWED_DOMAINS": ["shop.example"]},
            {"allowed_domains": ["shop.test"]},
            "the setting OMOCAPTCHA_ALLOWED_DOMAINS (shop.example) and the spider's allowed_domains (shop.test) have "
            "no host in common, so that no job is ever bought: name the spider's hosts there",
        ),
    ],
)
def test_domains_that_shut_the_spiders_own_host_out_are_said(crawl, service, settings, attributes, said):
    # A spider without urls asks for nothing, whatever its start_urls.
    assert opened(crawl, service, settings, **attributes) == [f"OMOcaptcha: {said}"]


SHARED = {
    "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
    "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
    "SCHEDULER_PERSIST": True,
}


def test_a_queue_that_is_shared_without_its_limits_or_that_ends_with_one_worker_is_said(crawl, service, redis):
    shared = {**SHARED, "REDIS_URL": redis.url, "OMOCAPTCHA_REDIS_URL": redis.url}
    assert opened(crawl, service, shared) == []
    (said,) = opened(crawl, service, {**shared, "OMOCAPTCHA_REDIS_URL": None})
    assert "each worker has limits of its own" in said
    assert opened(crawl, service, {**shared, "OMOCAPTCHA_REDIS_URL": None, "OMOCAPTCHA_DRY_RUN": True}) == []
    (said,) = opened(crawl, service, {**shared, "SCHEDULER_PERSIST": False})
    assert "SCHEDULER_PERSIST is False" in said


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OMOCAPTCHA_MAX_COSTS", ": did you mean OMOCAPTCHA_MAX_COST?"),
        ("OMOCAPTCHA_ENABLE", ": did you mean OMOCAPTCHA_ENABLED?"),
        ("OMOCAPTCHA_XYZ", ""),
    ],
)
def test_a_setting_that_there_is_not_is_said_with_the_one_that_may_be_meant(crawl, service, name, meant):
    assert opened(crawl, service, {name: 1}) == [f"OMOcaptcha: {name} is no setting and changes nothing{meant}"]
