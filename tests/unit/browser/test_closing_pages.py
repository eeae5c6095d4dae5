"""Pages that the browser does not close."""

from __future__ import annotations

import asyncio
import logging

from scrapy import Request

from scrapy_omocaptcha.browser import playwright
from scrapy_omocaptcha.browser.playwright import PlaywrightBrowser


class StuckPage:
    """A page that the browser never closes, as Chromium does while it is on its way elsewhere."""

    url = "https://shop.example/find?q=boat"

    def is_closed(self):
        return False

    async def close(self):
        await asyncio.Event().wait()


def test_a_page_that_the_browser_does_not_close_holds_up_nothing(monkeypatch, caplog):
    monkeypatch.setattr(playwright, "_CLOSE_TIMEOUT", 0.01)
    request = Request("https://shop.example/", meta={"playwright_page": StuckPage()})
    with caplog.at_level(logging.WARNING):
        asyncio.run(asyncio.wait_for(PlaywrightBrowser(frozenset()).close_page(request), 60))
    (record,) = caplog.records
    assert record.getMessage().startswith("The browser does not close the page https://shop.example/find, ")
