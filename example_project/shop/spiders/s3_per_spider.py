"""One spider's own rules: what it may buy, which pages are worth it, and what becomes of those it does not get.

The site of this one wants a token for every page (``--wall per_page``).
"""

from urllib.parse import urlsplit

import scrapy


class PerSpider(scrapy.Spider):
    name = "per_spider"
    site = "http://127.0.0.1:6081"  # -a site=…

    custom_settings = {
        # Two pages of the catalogue are paid for, with one job each, and no more.
        "OMOCAPTCHA_MAX_JOBS": 2,
        "OMOCAPTCHA_MAX_ATTEMPTS": 1,
        # A page that stays closed comes to the callback, in the place of a call of the errback.
        "OMOCAPTCHA_ON_FAILURE": "response",
    }
    # What omocaptcha_trigger leaves alone is to Scrapy an ordinary page with status 403.
    handle_httpstatus_list = [403]

    async def start(self):
        for path in ("/item/7", "/page/1", "/page/2", "/page/3"):
            yield scrapy.Request(self.site + path)

    def omocaptcha_trigger(self, response, challenge):
        """Items stand in the catalogue as well, so that no job is bought for them; None: judge as usual."""
        return False if urlsplit(response.url).path.startswith("/item/") else None

    def parse(self, response):
        yield {"path": urlsplit(response.url).path, "passed": response.status == 200}
