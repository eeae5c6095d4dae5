"""Run one worker of a fleet: a spider whose queue all workers share through scrapy-redis.

Usage: ``python -m tests.helpers.fleet_worker JSON``, with ``urls``, ``settings`` and ``out``, a file to which each
callback and errback adds a line.
"""

from __future__ import annotations

import json
import sys

import scrapy
from scrapy.crawler import AsyncCrawlerProcess


class WorkerSpider(scrapy.Spider):
    """A spider that starts with all URLs. The filter of scrapy-redis lets one worker alone request each of them."""

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


def main(arguments):
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
            **arguments["settings"],
        }
    )
    process.crawl(WorkerSpider, urls=arguments["urls"], out=arguments["out"])
    process.start()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
