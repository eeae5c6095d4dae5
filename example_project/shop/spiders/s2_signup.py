"""Submit a form that needs a token among its fields. Its page is not behind a wall."""

import scrapy
from scrapy_omocaptcha import form_request


class SignupSpider(scrapy.Spider):
    name = "signup"
    site = "http://127.0.0.1:6081"  # -a site=…

    async def start(self):
        yield scrapy.Request(f"{self.site}/signup")

    def parse(self, response):
        data = {"name": "Ada", "email": "ada@shop.example"}
        yield form_request(response, data, rejected=".error", callback=self.signed_up)

    def signed_up(self, response):
        yield {"welcome": response.css("h1 .name::text").get()}
