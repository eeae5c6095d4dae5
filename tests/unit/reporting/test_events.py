"""Log lines about single challenges that must not flood the log."""

import logging

import pytest
from scrapy import Request
from scrapy.utils.test import get_crawler

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.reporting import events

PAGE = "https://shop.example/page"


@pytest.fixture
def opened(monkeypatch, caplog):
    """``opened(seconds, url)`` → the lines about a page that came ``seconds`` after the one before."""
    crawler = get_crawler()
    told = events.Events(crawler, Stats(crawler.stats))
    now = 1000.0
    caplog.set_level(logging.INFO)

    def opened(seconds, url=PAGE):
        nonlocal now
        now += seconds
        monkeypatch.setattr(events.time, "monotonic", lambda: now)
        caplog.clear()
        told.solved(Request(url), Challenge(url, None), 12.0, 1, 0.00055)
        return caplog.messages

    return opened


def test_after_ten_pages_of_a_host_there_is_a_line_a_minute(opened):
    for _ in range(10):
        (line,) = opened(1)
        assert line == f"Through the reCAPTCHA at {PAGE} in 12.0 s; jobs bought by this request: 1 (0.00055 USD)"
    assert [line for _ in range(59) for line in opened(1)] == []
    assert opened(1) == ["Through the reCAPTCHAs of shop.example: 60 more pages in 60 s"]
    assert opened(59) == []
    assert opened(2) == ["Through the reCAPTCHAs of shop.example: 2 more pages in 61 s"]
    assert len(opened(1, "https://other.example/")) == 1
