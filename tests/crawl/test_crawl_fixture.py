"""The fixture omocaptcha_crawl: crawls in the process of a test, whose errors the test sees."""

import asyncio
import logging
import threading

import pytest
import scrapy
from scrapy.exceptions import DontCloseSpider

from scrapy_omocaptcha.testing import Crawl

pytest_plugins = ["scrapy_omocaptcha.testing.pytest_plugin"]
pytestmark = pytest.mark.sockets


class ShopSpider(scrapy.Spider):
    name = "shop"
    custom_settings = {  # noqa: RUF012
        "OMOCAPTCHA_API_URL": "https://real.example/api",
        "OMOCAPTCHA_API_VERSION": 2,
        "OMOCAPTCHA_MAX_COST_PER_DAY": 5,
        "OMOCAPTCHA_REDIS_URL": "redis://real.example",
        "OMOCAPTCHA_DRY_RUN": True,
        "RETRY_TIMES": 0,
    }
    site = ""
    paths = ("/catalogue/",)

    async def start(self):
        for path in self.paths:
            yield scrapy.Request(f"{self.site}{path}")

    def parse(self, response):
        self.logger.info("Parsing %s", response.url)
        yield {"title": response.css("h1::text").get()}
        if "raise" in response.url:
            raise LookupError(response.url)


class RaisesAtStart(ShopSpider):
    async def start(self):
        yield scrapy.Request(f"{self.site}/catalogue/")
        raise LookupError("no start")


class Bought(ShopSpider):
    """Has its time pass as soon as the service has a job."""

    async def start(self):
        async for request in super().start():
            yield request
        while not self.service.jobs:
            await asyncio.sleep(0.01)
        pass_time(60)


class Blocking(ShopSpider):
    free = threading.Event()

    async def start(self):
        self.free.wait()
        yield scrapy.Request(self.site)


class Insists(ShopSpider):
    """Sets at the highest priority, and late, what only the fixture may say."""

    @classmethod
    def update_settings(cls, settings):
        super().update_settings(settings)
        settings.set("OMOCAPTCHA_API_URL", "http://127.0.0.1:1/api", priority="cmdline")

    @classmethod
    def from_crawler(cls, crawler, *args, **keywords):
        crawler.settings.set("OMOCAPTCHA_API_TOKEN", "real", priority="cmdline")
        return super().from_crawler(crawler, *args, **keywords)


def pass_time(seconds):
    """Let time pass for the event loop that runs: what its timers have waited for comes at once.

    Nobody else keeps that clock, so that it needs not be put back.
    """
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds


class Component:
    """Serves as a pipeline, or as an extension that raises or keeps the spider open until its time is up."""

    is_idle = False

    def __init__(self, crawler):
        wanted = crawler.settings["COMPONENT"]
        if wanted == "does not start":
            raise LookupError(wanted)
        if wanted == "keeps open":
            crawler.signals.connect(self.keep_open, scrapy.signals.spider_idle)
        if wanted == "raises in a signal":
            crawler.signals.connect(self.fail, scrapy.signals.spider_opened)

    @classmethod
    def from_crawler(cls, crawler):
        return cls(crawler)

    def keep_open(self):
        if not self.is_idle:
            self.is_idle = True
            pass_time(60)
        raise DontCloseSpider

    def fail(self):
        raise LookupError("signal")

    def process_item(self, item):
        raise LookupError("pipeline")


def test_a_test_has_several_crawls_with_items_stats_and_log(omocaptcha_crawl, omocaptcha_service, omocaptcha_site):
    level, handlers = logging.getLogger().level, list(logging.getLogger().handlers)
    open_site, site = omocaptcha_site("rate"), omocaptcha_site("session", status=429)
    # The spider's own settings hold; only those that say where jobs are bought and recorded do not.
    crawl = omocaptcha_crawl(ShopSpider, site=site.url)
    assert isinstance(crawl, Crawl)
    assert (crawl.items, omocaptcha_service.jobs) == ([], ())
    assert crawl.stats["omocaptcha/challenges"] == 1
    # A setting in the call wins over the spider's.
    crawl = omocaptcha_crawl(ShopSpider, site=site.url, OMOCAPTCHA_DRY_RUN=False)
    assert (crawl.items, len(omocaptcha_service.jobs)) == ([{"title": "Catalogue"}], 1)
    assert crawl.stats["finish_reason"] == "finished"
    assert crawl.stats["omocaptcha/jobs/created"] == 1
    said = [record.getMessage() for record in crawl.log]
    assert f"Parsing {site.url}/catalogue/" in said
    assert any(record.levelno == logging.DEBUG for record in crawl.log)
    assert crawl.spider.site == site.url
    crawl = omocaptcha_crawl(ShopSpider, site=open_site.url, LOG_LEVEL="WARNING", ADDONS={})
    assert (len(crawl.items), crawl.log) == (1, [])
    assert not any(name.startswith("omocaptcha") for name in crawl.stats)
    with pytest.raises(KeyError, match="Spider not found: nobody"):
        omocaptcha_crawl("nobody")
    assert (logging.getLogger().level, logging.getLogger().handlers) == (level, handlers)


def test_what_a_crawl_raises_is_raised_in_the_test(omocaptcha_crawl, omocaptcha_site):
    site = omocaptcha_site("rate").url
    component = f"{__name__}.Component"
    with pytest.raises(LookupError, match=r"/catalogue/\?raise") as raised:
        omocaptcha_crawl(ShopSpider, site=site, paths=["/catalogue/?raise", "/catalogue/"])
    assert raised.traceback[-1].name == "parse"
    with pytest.raises(LookupError, match="no start"):
        omocaptcha_crawl(RaisesAtStart, site=site)
    with pytest.raises(LookupError, match="pipeline"):
        omocaptcha_crawl(ShopSpider, site=site, ITEM_PIPELINES={component: 1})
    with pytest.raises(LookupError, match="signal"):
        omocaptcha_crawl(ShopSpider, site=site, EXTENSIONS={component: 1}, COMPONENT="raises in a signal")
    with pytest.raises(LookupError, match="does not start"):
        omocaptcha_crawl(ShopSpider, site=site, EXTENSIONS={component: 1}, COMPONENT="does not start")
    with pytest.raises(ImportError):
        omocaptcha_crawl(ShopSpider, site=site, EXTENSIONS={"no.such.module": 1})
    # A download that fails is not an error of the spider, and crawls go on after all this.
    crawl = omocaptcha_crawl(ShopSpider, site="http://127.0.0.1:1")
    assert "Error downloading" in "".join(record.getMessage() for record in crawl.log)
    assert len(omocaptcha_crawl(ShopSpider, site=site).items) == 1


def test_a_crawl_buys_at_the_offline_service_only(omocaptcha_crawl, omocaptcha_service, omocaptcha_site, monkeypatch):
    monkeypatch.setenv("OMOCAPTCHA_API_TOKEN", "real")
    monkeypatch.setenv("OMOCAPTCHA_REDIS_URL", "redis://127.0.0.1:1")
    site = omocaptcha_site("session").url
    assert len(omocaptcha_crawl(Insists, site=site, OMOCAPTCHA_DRY_RUN=False).items) == 1
    assert len(omocaptcha_service.jobs) == 1
    for url in ("", None, "https://api.omocaptcha.com/v2", "http://127.0.0.1.example"):
        with pytest.raises(ValueError, match="must be an address on loopback"):
            omocaptcha_crawl(ShopSpider, site=site, OMOCAPTCHA_API_URL=url)
    for host in ("localhost", "[::1]", "127.0.0.2"):
        omocaptcha_crawl(ShopSpider, site=site, OMOCAPTCHA_API_URL=f"http://{host}:1/api")


def test_a_crawl_that_does_not_end_is_stopped(omocaptcha_crawl, omocaptcha_service, omocaptcha_site):
    component = f"{__name__}.Component"
    site = omocaptcha_site("session")
    with pytest.raises(TimeoutError, match="'shop' has not ended within 60 s, and was stopped"):
        omocaptcha_crawl(ShopSpider, site=site.url, EXTENSIONS={component: 1}, COMPONENT="keeps open", timeout=60)
    omocaptcha_service.next_job("never")
    with pytest.raises(TimeoutError, match="'shop' has not ended within 60 s, and was stopped"):
        omocaptcha_crawl(Bought, site=site.url, service=omocaptcha_service, OMOCAPTCHA_DRY_RUN=False, timeout=60)
    assert len(omocaptcha_crawl(ShopSpider, site=omocaptcha_site("rate").url).items) == 1


def test_a_crawl_that_blocks_its_thread_does_not_block_the_test(omocaptcha_crawl, omocaptcha_site):
    site = omocaptcha_site("rate").url
    # The first crawl imports much, which also blocks the thread.
    omocaptcha_crawl(ShopSpider, site=site)
    try:
        with pytest.raises(TimeoutError, match=r"within 0\.2 s: a callback has not returned"):
            omocaptcha_crawl(Blocking, site=site, timeout=0.2)
    finally:
        Blocking.free.set()
    assert len(omocaptcha_crawl(ShopSpider, site=site).items) == 1
