"""A crawl in a process of its own, for what ends or kills a process or needs a reactor of its own.

``python -m tests.helpers.crawl_process JSON``. The JSON object holds ``urls``, ``settings``, ``run`` (the name of
Scrapy's class that runs the crawl), ``meta`` (that of each request) and ``out``, a file to which each callback and
errback adds a line. ``urls`` may be several lists: each is then crawled by a crawler of its own, at the same time. In
``meta``, page methods of scrapy-playwright are lists of their arguments.
"""

import asyncio
import json
import sys

import scrapy
from scrapy.crawler import AsyncCrawlerProcess, AsyncCrawlerRunner, CrawlerProcess, CrawlerRunner
from scrapy.utils.reactor import install_reactor

ASYNCIO = {"TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor"}
SELECT = {"TWISTED_REACTOR": "twisted.internet.selectreactor.SelectReactor"}
EPOLL = {"TWISTED_REACTOR": "twisted.internet.epollreactor.EPollReactor"}
NONE = {"TWISTED_REACTOR_ENABLED": False}
"""The settings for each reactor, and for none."""
SCRAPY_REDIS = {
    "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
    "SCHEDULER_PERSIST": True,
    "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
}
"""The settings with which workers share a queue, and a filter that lets one of them alone request each URL."""


class WritingSpider(scrapy.Spider):
    name = "writing"

    def __init__(self, urls, out, meta, **kwargs):
        super().__init__(**kwargs)
        self._urls = urls
        self._out = out
        self._meta = meta

    async def start(self):
        for url in self._urls:
            meta = dict(self._meta)
            if "playwright_page_methods" in meta:
                from scrapy_playwright.page import PageMethod

                meta["playwright_page_methods"] = [PageMethod(*told) for told in meta["playwright_page_methods"]]
            yield scrapy.Request(url, callback=self.page, errback=self.failed, meta=meta)

    async def page(self, response):
        self._write("page", response.request.url)
        await self._close_page(response.request)

    async def failed(self, failure):
        # Of a challenge that is left alone, the flags have the reason.
        flags = getattr(getattr(failure.value, "response", None), "flags", ())
        reasons = [flag.partition(":")[2] for flag in flags if flag.startswith("omocaptcha:")]
        told = getattr(failure.value, "reason", type(failure.value).__name__)
        asked = failure.request.meta.get("redirect_urls", [failure.request.url])[0]
        self._write(reasons[0] if reasons else told, asked)
        await self._close_page(failure.request)

    async def _close_page(self, request):
        # In a loop of another thread, a page cannot be closed from here.
        if "playwright_page" in request.meta and not self.settings.getbool("_PLAYWRIGHT_THREADED_LOOP"):
            await request.meta["playwright_page"].close()

    def _write(self, what, url):
        with open(self._out, "a") as file:
            file.write(f"{what} {url}\n")


def crawls(runner, told):
    """Begin the crawls, and return what ``crawl`` returns for each."""
    urls = told["urls"]
    groups = urls if isinstance(urls[0], list) else [urls]
    return [runner.crawl(WritingSpider, urls=group, out=told["out"], meta=told.get("meta", {})) for group in groups]


def process(process_class, settings, told):
    process = process_class(settings)
    crawls(process, told)
    process.start()


def runner(settings, told):
    """Run the crawls as a program does that has a reactor already."""
    install_reactor(settings["TWISTED_REACTOR"])
    from twisted.internet import reactor

    runner = CrawlerRunner(settings)
    crawls(runner, told)
    # A crawl that cannot even begin has failed before the reactor runs.
    runner.join().addBoth(lambda _: reactor.callWhenRunning(reactor.stop))
    reactor.run()


def async_runner(settings, told):
    """Run the crawls as coroutines, in asyncio's own loop or in a reactor's."""
    if settings.get("TWISTED_REACTOR_ENABLED", True):
        from twisted.internet.defer import Deferred
        from twisted.internet.task import react

        install_reactor(ASYNCIO["TWISTED_REACTOR"])
        react(lambda _: Deferred.fromFuture(asyncio.ensure_future(_all(settings, told))))
    else:
        asyncio.run(_all(settings, told))


async def _all(settings, told):
    await asyncio.gather(*crawls(AsyncCrawlerRunner(settings), told))


def main(told):
    settings = {
        "ADDONS": {"scrapy_omocaptcha.Addon": 500},
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        "OMOCAPTCHA_PRICE": 0.00055,
        **told["settings"],
    }
    run = told.get("run", "CrawlerProcess")
    if run == "CrawlerRunner":
        runner(settings, told)
    elif run == "AsyncCrawlerRunner":
        async_runner(settings, told)
    else:
        process({"CrawlerProcess": CrawlerProcess, "AsyncCrawlerProcess": AsyncCrawlerProcess}[run], settings, told)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
