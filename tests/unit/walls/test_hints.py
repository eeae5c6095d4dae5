"""What users are told about requests: by the class alone, with nothing sent."""

from __future__ import annotations

from scrapy import Request

from scrapy_omocaptcha.walls.hints import Hints


def test_a_key_that_looks_like_ours_is_noticed_in_any_request_and_told_once(caplog):
    hints = Hints()
    for meta in ({"depth": 1}, {"depth": 1, "omo_captcha": True}, {"depth": 1, "omo_captcha": True}):
        hints.check(Request("https://shop.example/", meta=meta))
    assert [record.args[0] for record in caplog.records] == ["omo_captcha"]


def test_the_keys_that_were_checked_are_bounded():
    hints = Hints()
    for number in range(3000):
        hints.check(Request("https://shop.example/", meta={f"key {number}": True}))
    assert len(hints._seen) <= 1000
