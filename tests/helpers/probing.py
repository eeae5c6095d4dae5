"""What probes in the middle of a crawl need: the parts of the middleware and of Scrapy, and a way to wait."""

from __future__ import annotations

import functools
import inspect
import time

import scrapy
from scrapy.utils.defer import deferred_from_coro

from scrapy_omocaptcha import OmoCaptchaMiddleware
from tests.helpers.scrapy_versions import sleep


def in_a_crawl(**settings):
    """Make an async test run in the middle of a crawl with the add-on and these settings, whose ``spider`` it gets."""

    def decorate(test):
        @functools.wraps(test)
        def run(during, **fixtures):
            during(lambda spider: test(spider=spider, **fixtures), settings)

        # What pytest looks at to know the fixtures.
        names = ["during", *(name for name in inspect.signature(test).parameters if name != "spider")]
        run.__signature__ = inspect.Signature(
            [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
        )
        return run

    return decorate


def middleware(spider):
    return spider.crawler.get_downloader_middleware(OmoCaptchaMiddleware)


def lifetime(spider):
    return middleware(spider)._engine.lifetime


def slots(spider):
    return middleware(spider)._engine.slots


def chain(spider):
    return middleware(spider)._chain


def components(spider):
    return chain(spider).components


def downloader(spider):
    return spider.crawler.engine.downloader


def begin(coroutine):
    """Have a coroutine run beside the probe."""
    return deferred_from_coro(coroutine)


def download(spider, url, **options):
    return begin(spider.crawler.engine.download_async(scrapy.Request(url, **options)))


async def until(condition):
    """Wait until a condition holds, and fail where it does not for ten seconds."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "what the test waits for does not come"
        await sleep(0.01)


class Recorder:
    """A middleware that records what it is called for, and does what the meta of a request says."""

    calls: list

    def process_request(self, request):
        self.calls.append((type(self).__name__, "request", request))
        if error := request.meta.get(f"{type(self).__name__} raises"):
            raise error

    def process_response(self, request, response):
        self.calls.append((type(self).__name__, "response", request))
        return request.meta.get(f"{type(self).__name__} returns", response)

    def process_exception(self, request, exception):
        self.calls.append((type(self).__name__, "exception", request))
        return request.meta.get(f"{type(self).__name__} handles")


class Outer(Recorder):
    pass


class Inner(Recorder):
    pass


RECORDERS = {"DOWNLOADER_MIDDLEWARES": {Outer: 543, Inner: 610}}
"""The settings with which two of them stand on either side of ours."""
