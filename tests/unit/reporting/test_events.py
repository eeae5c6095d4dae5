"""Log lines about single challenges that must not flood the log."""

import logging

import pytest
from scrapy import Request
from scrapy.utils.test import get_crawler

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.reporting.events import Events
from tests.helpers.clock import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def events(clock):
    crawler = get_crawler()
    return Events(crawler, Stats(crawler.stats), clock)


def test_each_job_that_opens_a_page_has_a_line_but_one_for_many_of_a_host_in_ten_seconds(events, clock, caplog):
    caplog.set_level(logging.INFO)
    solved = (("shop", 1, 0), ("shop", 1, 5), ("other", 1, 0), ("shop", 0, 10), ("shop", 1, 0), ("shop", 1, 0))
    for number, (host, jobs, seconds) in enumerate(solved):
        clock.now += seconds
        url = f"https://{host}.example/{number}"
        events.solved(Request(url), Challenge(url, None), jobs, seconds=12.0, cost_usd=0.00055, outcome="accepted")
    told = "Through the reCAPTCHA at https://{} in 12.0 s; jobs bought by this request: 1 (0.00055 USD)"
    assert caplog.messages == [told.format(at) for at in ("shop.example/0", "other.example/2", "shop.example/4")]


def test_a_line_names_what_was_asked_for_before_a_redirect_to_the_wall(events, caplog):
    caplog.set_level(logging.INFO)
    wall, asked = "https://shop.example/captcha", "https://shop.example/page/7"
    request = Request(f"{wall}?next=7", meta={"redirect_urls": [f"{asked}?q=secret", f"{asked}/more"]})
    events.handing_in(request, "POST")
    events.failed(request, Challenge(wall, None), "dry_run", "why", is_paid=False)
    events.failed(request, Challenge(wall, None), "attempts", "why", is_paid=True)
    assert caplog.messages == [
        f"Handing in a token for {asked}: POST",
        f"The challenge at {wall} for {asked} is left alone (dry_run): why",
        f"No way through at {asked} (attempts): why",
    ]


def test_what_stops_all_buying_has_a_line_for_all_hosts_and_what_has_cost_a_job_one_each_time(events, caplog):
    requests = [Request(f"https://{host}.example/") for host in ("shop", "other")]
    for request in requests:
        for reason, is_paid in (("account", False), ("redis", False), ("attempts", True), ("attempts", True)):
            events.failed(request, Challenge(request.url, None), reason, "why", is_paid=is_paid)
    lost = [f"No way through at {request.url} (attempts): why" for request in requests for _ in range(2)]
    assert caplog.messages == ["The challenge at https://shop.example/ is left alone (redis): why", *lost]


def test_no_line_shows_the_query_of_an_address(events, caplog):
    caplog.set_level(logging.DEBUG)
    request = Request("https://shop.example/find?password=secret")
    challenge = Challenge(request.url, None)
    events.buying(request, 1, None)
    events.handing_in(request, "POST")
    events.rejected(request, 1, 3)
    events.solved(request, challenge, 1, seconds=12.0, cost_usd=0.00055, outcome="accepted")
    events.unknown(request, challenge, "no_page", "it is empty", 12.0, 0.00055)
    for is_paid in (False, True):
        events.failed(request, challenge, "attempts", "why", is_paid=is_paid)
    assert len(caplog.messages) == 7
    assert "secret" not in caplog.text
