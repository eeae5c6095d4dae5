"""Open Google's public reCAPTCHA demo page with a real account, for the price of one job.

This needs the network and OMOCAPTCHA_API_TOKEN in the environment.
"""

import scrapy


class GoogleDemoSpider(scrapy.Spider):
    name = "google_demo"
    page = "https://www.google.com/recaptcha/api2/demo"  # -a page=…

    custom_settings = {"OMOCAPTCHA_MAX_JOBS": 1}

    async def start(self):
        # True means that the page is a challenge, although it has other fields too.
        yield scrapy.Request(self.page, meta={"omocaptcha": True}, errback=self.failed)

    def parse(self, response):
        yield {"passed": True, "says": " ".join(response.css("body ::text").getall()).strip()}

    def failed(self, failure):
        yield {"passed": False, "says": failure.getErrorMessage()}
