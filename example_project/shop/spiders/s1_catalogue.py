"""Crawl a catalogue with an ordinary spider, although its pages are behind a wall."""

import scrapy


class CatalogueSpider(scrapy.Spider):
    name = "catalogue"
    site = "http://127.0.0.1:6081"  # -a site=…

    async def start(self):
        yield scrapy.Request(f"{self.site}/catalogue/")

    def parse(self, response):
        for thing in response.css("li.item"):
            yield {
                "name": thing.css("a::text").get(),
                "price": thing.css(".price::text").get(),
                "page": response.url,
            }
        yield from response.follow_all(css="a.next")
