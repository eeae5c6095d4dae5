"""A real account against Google's public reCAPTCHA demo page. It costs the price of one job.

It needs the network and OMOCAPTCHA_API_TOKEN in the environment.
"""

import scrapy


class GoogleDemoSpider(scrapy.Spider):
    name = "google_demo"
    page = "https://www.google.com/recaptcha/api2/demo"  # -a page=…

    custom_settings = {"OMOCAPTCHA_MAX_JOBS": 1}

    async def start(self):
        # True: this page is the challenge, although it has other fields as well.
        yield scrapy.Request(self.page, meta={"omocaptcha": True}, errback=self.closed_to_us)

    def parse(self, response):
        yield {"passed": True, "says": " ".join(response.css("body ::text").getall()).strip()}

    def closed_to_us(self, failure):
        yield {"passed": False, "says": failure.getErrorMessage()}
