"""Fixtures for the tests of engine/."""

import pytest

from tests.helpers.crawling import RecordingSpider
from tests.helpers.probing import Recorder


@pytest.fixture
def during(crawl, service):
    """``during(probe, settings)`` → what ``await probe(spider)`` returns in the middle of a crawl with the add-on."""

    def run(probe, settings=None):
        class Probing(RecordingSpider):
            result = error = None

            async def start(self):
                try:
                    self.result = await probe(self)
                except Exception as error:
                    self.error = error
                return
                yield

        crawled = crawl(Probing, {**service.settings, **(settings or {})})
        if crawled.spider.error is not None:
            raise crawled.spider.error
        assert crawled.bugs == []
        return crawled.spider.result

    return run


@pytest.fixture
def calls():
    """Return the name of the middleware, the method and the request of each call of a Recorder."""
    Recorder.calls = []
    return Recorder.calls
