"""Crawl pages that a browser renders with scrapy-playwright, behind a wall that only a script of the page can open.

It needs ``pip install 'scrapy-omocaptcha[playwright]'`` and ``playwright install chromium``.
"""

import scrapy


class JavascriptSpider(scrapy.Spider):
    name = "javascript"
    site = "http://127.0.0.1:6081"  # -a site=…

    # In a project whose spiders all use a browser, these are in settings.py.
    custom_settings = {
        "DOWNLOAD_HANDLERS": {
            "http": "scrapy_playwright.handler.ScrapyPlaywrightDownloadHandler",
            "https": "scrapy_playwright.handler.ScrapyPlaywrightDownloadHandler",
        },
        "TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
    }

    async def start(self):
        yield self.rendered(f"{self.site}/catalogue/")

    def rendered(self, url):
        """Return a request for a page that is there once it lists its items."""
        # Imported here, because the other spiders of this project work without it.
        from scrapy_playwright.page import PageMethod

        methods = [PageMethod("wait_for_selector", "li.item"), PageMethod("title")]
        meta = {"playwright": True, "playwright_page_methods": methods}
        return scrapy.Request(url, meta=meta)

    def parse(self, response):
        title = response.meta["playwright_page_methods"][1].result
        for thing in response.css("li.item"):
            yield {"name": thing.css("a::text").get(), "page": response.url, "title": title}
        for link in response.css("a.next::attr(href)"):
            yield self.rendered(response.urljoin(link.get()))
