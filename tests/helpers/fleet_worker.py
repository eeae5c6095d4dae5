"""One worker of a fleet, in a process of its own: a spider whose queue all workers share through scrapy-redis.

``python -m tests.helpers.fleet_worker JSON``. The JSON object holds ``urls``, ``settings`` and ``out``, a file to which
each callback and errback adds a line.
"""

from __future__ import annotations

import json
import sys

import scrapy
from scrapy.crawler import AsyncCrawlerProcess


class WorkerSpider(scrapy.Spider):
    """Every worker knows all addresses; scrapy-redis' filter sees to it that each is asked for by one alone."""

    name = "fleet"

    def __init__(self, urls, out, **kwargs):
        super().__init__(**kwargs)
        self._urls = urls
        self._out = out

    async def start(self):
        for url in self._urls:
            yield scrapy.Request(url, callback=self.page, errback=self.failed)

    def page(self, response):
        self._write("page", response.request.url)

    def failed(self, failure):
        self._write(getattr(failure.value, "reason", type(failure.value).__name__), failure.request.url)

    def _write(self, what, url):
        with open(self._out, "a") as file:
            file.write(f"{what} {url}\n")


def main(told):
    process = AsyncCrawlerProcess(
        {
            "ADDONS": {"scrapy_omocaptcha.Addon": 500},
            "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
            "SCHEDULER_PERSIST": True,
            "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
            "TELNETCONSOLE_ENABLED": False,
            "REMOTE_CONTROL_ENABLED": False,
            "LOG_LEVEL": "INFO",
            "OMOCAPTCHA_PRICE": 0.00055,
            **told["settings"],
        }
    )
    process.crawl(WorkerSpider, urls=told["urls"], out=told["out"])
    process.start()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
