"""One crawl in a process that has loaded nothing else: ``python -m benchmarks.bare '{"url": …, "settings": …}'``.

Prints what it cost, as JSON. It must not import anything of the add-on, nor of the rest of the benchmarks.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response


class Bare(scrapy.Spider):
    """Asks for ``pages`` pages; the first ``warm_up`` of them do not count."""

    name = "bare"

    def __init__(self, url: str, pages: int, warm_up: int, **told: Any) -> None:
        super().__init__(**told)
        self.url, self.pages, self.warm_up = url, pages, warm_up
        self.seen = 0

    async def start(self) -> AsyncIterator[scrapy.Request]:
        for number in range(self.pages + self.warm_up):
            yield scrapy.Request(f"{self.url}?{number}", callback=self.page)

    def page(self, response: Response) -> None:
        self.seen += 1
        if self.seen == self.warm_up:
            self.since = time.monotonic(), time.process_time()
        if self.seen == self.warm_up + self.pages:
            since, cpu = self.since
            found = {
                "pages_a_second": self.pages / (time.monotonic() - since),
                "cpu_a_page": (time.process_time() - cpu) / self.pages,
                "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
            print(json.dumps(found))


def main() -> None:
    told = json.loads(sys.argv[1])
    settings = told.pop("settings")
    process = CrawlerProcess(settings)
    process.crawl(Bare, **told)
    process.start()


if __name__ == "__main__":
    main()
