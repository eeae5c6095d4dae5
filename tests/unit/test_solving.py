"""``solve`` refuses what is no key before it asks the crawl, and so before anything is bought."""

import asyncio
import re

import pytest
from scrapy.utils.test import get_crawler

from scrapy_omocaptcha import Challenge, solve


@pytest.mark.parametrize("given", [None, "6L", get_crawler()], ids=["nothing", "a text", "a crawler"])
def test_what_is_no_challenge_is_refused(given):
    with pytest.raises(TypeError, match="not what find_challenge has found"):
        asyncio.run(solve(given, crawler=get_crawler()))


@pytest.mark.parametrize("sitekey", ["6L…", "key", "10000000-ffff-ffff-ffff-000000000001"])
def test_what_is_no_key_is_refused(sitekey):
    said = f"the challenge has sitekey={sitekey!r}, which is no key of reCAPTCHA v2"
    with pytest.raises(ValueError, match=re.escape(said)):
        asyncio.run(solve(Challenge("https://shop.example/signup", sitekey), crawler=get_crawler()))
