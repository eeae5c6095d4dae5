"""Search a register, each time with a token of its own, and read all pages of the results."""

import scrapy
from scrapy_omocaptcha import form_request


class SearchSpider(scrapy.Spider):
    name = "search"
    site = "http://127.0.0.1:6081"  # -a site=…
    names = "Albatross,Bluebird,Curlew,Dolphin,Egret,Fulmar,Gannet,Heron"  # -a names=…

    async def start(self):
        yield scrapy.Request(f"{self.site}/find")

    def parse(self, response):
        for name in self.names.split(","):
            yield form_request(response, {"q": name}, rejected=".error", callback=self.parse_results)

    def parse_results(self, response):
        for boat in response.css(".result::text"):
            yield {"boat": boat.get()}
        yield from response.follow_all(css="a.next", callback=self.parse_results)
