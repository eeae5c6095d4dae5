"""Set limits for one spider, skip pages that are not worth a job, and handle pages that could not be opened.

Use it with a site where each page needs a token (``--wall per_page``).
"""

from urllib.parse import urlsplit

import scrapy


class PerSpider(scrapy.Spider):
    name = "per_spider"
    site = "http://127.0.0.1:6081"  # -a site=…

    custom_settings = {
        # Buy one job each for two pages, and no more.
        "OMOCAPTCHA_MAX_JOBS": 2,
        "OMOCAPTCHA_MAX_ATTEMPTS": 1,
        # Pass pages that could not be opened to the callback instead of the errback.
        "OMOCAPTCHA_ON_FAILURE": "response",
    }
    # Scrapy treats pages that omocaptcha_trigger skips as ordinary responses with status 403.
    handle_httpstatus_list = [403]

    async def start(self):
        for path in ("/item/7", "/page/1", "/page/2", "/page/3"):
            yield scrapy.Request(self.site + path)

    def omocaptcha_trigger(self, response, challenge):
        """Buy no job for the pages of items, which are in the catalogue too. None means to decide as usual."""
        return False if urlsplit(response.url).path.startswith("/item/") else None

    def parse(self, response):
        yield {"path": urlsplit(response.url).path, "passed": response.status == 200}
