"""A crawl in a process of its own, for what ends or kills a process: ``python -m tests.crawl_process JSON``.

The JSON object holds ``urls``, ``settings``, ``wish`` (for ``meta["omocaptcha"]``, or null) and ``out``, a file to
which each callback and errback adds a line.
"""

from __future__ import annotations

import json
import sys

import scrapy
from scrapy.crawler import CrawlerProcess


class WritingSpider(scrapy.Spider):
    name = "writing"

    def __init__(self, urls, out, wish, **kwargs):
        super().__init__(**kwargs)
        self._urls = urls
        self._out = out
        self._meta = {} if wish is None else {"omocaptcha": wish}

    async def start(self):
        for url in self._urls:
            yield scrapy.Request(url, meta=self._meta, callback=self.page, errback=self.failed)

    def page(self, response):
        self._write("page", response.request.url)

    def failed(self, failure):
        self._write(getattr(failure.value, "reason", type(failure.value).__name__), failure.request.url)

    def _write(self, what, url):
        with open(self._out, "a") as file:
            file.write(f"{what} {url}\n")


def main(told):
    process = CrawlerProcess(
        {
            "ADDONS": {"scrapy_omocaptcha.Addon": 500},
            "TELNETCONSOLE_ENABLED": False,
            "OMOCAPTCHA_PRICE": 0.00055,
            **told["settings"],
        }
    )
    process.crawl(WritingSpider, urls=told["urls"], out=told["out"], wish=told["wish"])
    process.start()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
