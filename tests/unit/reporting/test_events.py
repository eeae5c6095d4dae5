"""Log lines about single challenges that must not flood the log."""

import logging

import pytest
from scrapy import Request
from scrapy.utils.test import get_crawler

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.reporting.events import Events


@pytest.fixture
def events():
    crawler = get_crawler()
    return Events(crawler, Stats(crawler.stats))


def test_the_first_page_behind_the_walls_of_a_host_has_a_line(events, caplog):
    caplog.set_level(logging.INFO)
    first, other = "https://shop.example/page", "https://other.example/"
    for url in (first, "https://shop.example/page/2", other):
        events.solved(Request(url), Challenge(url, None), 1, seconds=12.0, cost_usd=0.00055, outcome="accepted")
    told = "Through the reCAPTCHA at {} in 12.0 s; jobs bought by this request: 1 (0.00055 USD)"
    assert caplog.messages == [told.format(first), told.format(other)]


def test_what_stops_all_buying_has_a_line_for_all_hosts_and_what_has_cost_a_job_one_each_time(events, caplog):
    requests = [Request(f"https://{host}.example/") for host in ("shop", "other")]
    for request in requests:
        for reason, jobs in (("account", 0), ("redis", 0), ("attempts", 1), ("attempts", 1)):
            events.failed(request, Challenge(request.url, None), reason, "why", jobs=jobs)
    lost = [f"No way through at {request.url} (attempts): why" for request in requests for _ in range(2)]
    assert caplog.messages == ["The challenge at https://shop.example/ is left alone (redis): why", *lost]


def test_no_line_shows_the_query_of_an_address(events, caplog):
    caplog.set_level(logging.DEBUG)
    request = Request("https://shop.example/find?password=secret")
    challenge = Challenge(request.url, None)
    events.buying(request.url, 1, None)
    events.handing_in(request, "POST")
    events.rejected(request, 1, 3)
    events.solved(request, challenge, 1, seconds=12.0, cost_usd=0.00055, outcome="accepted")
    events.unknown(request, challenge, "no_page", "it is empty", 12.0, 0.00055)
    for jobs in (0, 1):
        events.failed(request, challenge, "attempts", "why", jobs=jobs)
    assert len(caplog.messages) == 7
    assert "secret" not in caplog.text
