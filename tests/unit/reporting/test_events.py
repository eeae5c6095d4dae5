"""Log lines about single challenges that must not flood the log."""

import logging

from scrapy import Request
from scrapy.utils.test import get_crawler

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.reporting.events import Events


def test_the_first_page_behind_the_walls_of_a_host_has_a_line(caplog):
    crawler = get_crawler()
    events = Events(crawler, Stats(crawler.stats))
    caplog.set_level(logging.INFO)
    first, other = "https://shop.example/page", "https://other.example/"
    for url in (first, "https://shop.example/page/2", other):
        events.solved(Request(url), Challenge(url, None), 12.0, 1, 0.00055)
    told = "Through the reCAPTCHA at {} in 12.0 s; jobs bought by this request: 1 (0.00055 USD)"
    assert caplog.messages == [told.format(first), told.format(other)]


def test_that_nothing_is_bought_while_redis_is_away_has_a_line_for_all_hosts(caplog):
    crawler = get_crawler()
    events = Events(crawler, Stats(crawler.stats))
    for host in ("shop", "other"):
        events.left_alone("redis", f"https://{host}.example/", "it does not answer")
    assert caplog.messages == ["The challenge at https://shop.example/ is left alone (redis): it does not answer"]
