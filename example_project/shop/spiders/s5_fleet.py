"""Many workers, one crawl: the same spider is started as often as one likes, on as many machines as one likes.

What is left to do is in a Redis (scrapy-redis), and so is what all of them together have bought. It takes
``-s REDIS_URL=redis://…`` and ``-s OMOCAPTCHA_REDIS_URL=redis://…``, mostly the same; ``make demo-fleet`` shows it.
"""

import scrapy


class FleetSpider(scrapy.Spider):
    name = "fleet"
    sites = "http://127.0.0.1:6081"  # -a sites=http://…,http://…
    pages = 5  # -a pages=…, of each site

    custom_settings = {
        "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
        "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
        # The queue outlives each worker: one that is stopped puts back what it had.
        "SCHEDULER_PERSIST": True,
        # What one worker takes, no other gets: few at a time, so that all have something to do.
        "CONCURRENT_REQUESTS": 4,
        "OMOCAPTCHA_MAX_WAITING": 4,
    }

    async def start(self):
        # Every worker begins with all pages; the filter that they share lets each one through once.
        for number in range(1, int(self.pages) + 1):
            for site in self.sites.split(","):
                yield scrapy.Request(f"{site}/page/{number}")

    def parse(self, response):
        yield {"page": response.url, "things": response.css("li.item a::text").getall()}
