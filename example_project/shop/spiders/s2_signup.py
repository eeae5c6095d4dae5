"""Submit a form that needs a token among its fields. Its page is not behind a wall."""

import scrapy
from scrapy_omocaptcha import find_challenge


class SignupSpider(scrapy.Spider):
    name = "signup"
    site = "http://127.0.0.1:6081"  # -a site=…

    async def start(self):
        yield scrapy.Request(f"{self.site}/signup")

    def parse(self, response):
        widget = find_challenge(response)
        yield scrapy.FormRequest(
            response.urljoin(response.css("form::attr(action)").get()),
            formdata={"name": "Ada", "email": "ada@shop.example"},
            meta={
                "omocaptcha": {
                    "sitekey": widget.sitekey,
                    "page": widget.url,
                    "invisible": widget.invisible,
                    "put": "form:g-recaptcha-response",
                }
            },
            callback=self.signed_up,
        )

    def signed_up(self, response):
        yield {"welcome": response.css("h1 .name::text").get()}
