"""Share one crawl between many workers: start this spider as often as you like, on as many machines as you like.

Redis has the queue of requests (scrapy-redis) and counts the jobs of all workers. Start each worker with
``-s REDIS_URL=redis://…`` and ``-s OMOCAPTCHA_REDIS_URL=redis://…``, usually the same, as ``make demo-fleet`` does.
"""

import scrapy


class FleetSpider(scrapy.Spider):
    name = "fleet"
    sites = "http://127.0.0.1:6081"  # -a sites=http://…,http://…
    pages = 5  # -a pages=…, of each site

    custom_settings = {
        "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
        "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
        # Keep the queue when a worker stops. Requests of a stopped worker return to the queue.
        "SCHEDULER_PERSIST": True,
        # Let each worker take few requests at a time, so that there are some for all workers.
        "CONCURRENT_REQUESTS": 4,
    }

    async def start(self):
        # Each worker starts with all pages, and the shared dupefilter accepts each page once.
        for number in range(1, int(self.pages) + 1):
            for site in self.sites.split(","):
                yield scrapy.Request(f"{site}/page/{number}")

    def parse(self, response):
        yield {"page": response.url, "things": response.css("li.item a::text").getall()}
