"""The concurrency of slots, on a reactor on which Scrapy itself keeps to it.

On asyncio, Scrapy 2.19 exceeds it when several requests are queued in one turn of the loop.
"""

from __future__ import annotations

import pytest

from tests.helpers.commands import crawl_process
from tests.helpers.crawl_process import SELECT
from tests.helpers.many_pages import ManyPages
from tests.helpers.nightly import nightly
from tests.helpers.walled_pages import WalledPages

HOST = "127.0.0.23"
SETTINGS = {
    "CONCURRENT_REQUESTS": {"CONCURRENT_REQUESTS": 2},
    "CONCURRENT_REQUESTS_PER_DOMAIN": {"CONCURRENT_REQUESTS_PER_DOMAIN": 2},
    "DOWNLOAD_SLOTS": {"DOWNLOAD_SLOTS": {HOST: {"concurrency": 2}}},
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("wall", ["per_page", *map(nightly, ("session", "redirect", "rate", "expiring"))])
def test_a_host_never_gets_more_requests_at_once_than_the_settings_say(service, tmp_path, wall, setting):
    with WalledPages(ManyPages(delay=0.03), service, wall, hosts=(HOST,)) as site:
        urls = [f"{site.origin}/page/{number}" for number in range(16)]
        told = {
            "urls": urls,
            "out": str(tmp_path / "out"),
            "settings": {**service.settings, **SELECT, **SETTINGS[setting], "OMOCAPTCHA_MAX_ATTEMPTS": 9},
        }
        done = crawl_process(told)
    assert done.returncode == 0, done.stdout
    assert sorted((tmp_path / "out").read_text().split()[1::2]) == sorted(urls)
    assert site.most["all"] <= 2
