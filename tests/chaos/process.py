"""Run a crawl of a plan in a process of its own, which can be stopped: ``python -m tests.chaos.process JSON``.

The JSON object holds ``seed``, ``requests``, ``targets``, ``settings``, ``close_after``, ``waits_for_holds`` and
``out``, a file that gets a line for each callback and errback, and at the end one with the stats.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from scrapy.crawler import CrawlerProcess

from tests.chaos.plan import plan
from tests.chaos.spider import ChaosSpider


def main(told: dict[str, Any]) -> None:
    def write(*line: Any) -> None:
        with open(told["out"], "a") as file:
            file.write(json.dumps(line, default=str) + "\n")

    process = CrawlerProcess(told["settings"])
    crawler = process.create_crawler(ChaosSpider)
    planned = plan(told["seed"], told["requests"])
    process.crawl(
        crawler,
        wanted=planned.wanted,
        targets=[tuple(target) for target in told["targets"]],
        note=write,
        # The filter of a resumed crawl remembers earlier requests.
        filters=True,
        passes_meta=planned.passes_meta,
        close_after=told["close_after"],
        waits_for_holds=told["waits_for_holds"],
    )
    process.start()
    for sentence in crawler.spider.wrong:
        write("wrong", sentence)
    write("stats", crawler.stats.get_stats())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
