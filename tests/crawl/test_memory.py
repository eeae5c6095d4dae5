"""What a crawl over many hosts keeps in memory: nothing of its requests, and nothing once it has ended."""

import gc
import logging
import weakref

import pytest
import scrapy
from scrapy import signals
from scrapy.utils.defer import maybe_deferred_to_future
from twisted.internet.task import deferLater

from scrapy_omocaptcha import OmoCaptchaMiddleware
from tests.helpers.components import hears
from tests.helpers.sites import Site, page, redirect

pytestmark = pytest.mark.sockets
HOSTS = tuple(f"127.0.2.{number}" for number in range(1, 9))


class Item:
    """What a spider hands on to its next page."""


@hears(count=signals.spider_closed)
class Counting(scrapy.Spider):
    """Visits pages of each host, and counts what is left of them once nothing is under way any more."""

    name = "counting"

    def __init__(self, port, pages, hosts=HOSTS, **kwargs):
        super().__init__(**kwargs)
        self.port = port
        self.number = pages
        self.hosts = hosts
        self.came = 0
        self.seen = weakref.WeakSet()
        self.left = []
        self.pending = None

    async def start(self):
        for number in range(1, self.number + 1):
            for host in self.hosts:
                item = Item()
                request = scrapy.Request(f"http://{host}:{self.port}/page/{number}", cb_kwargs={"item": item})
                self.seen.add(item)
                yield request

    def parse(self, response, item):
        self.came += 1
        self.seen.update((response, response.request))

    async def count(self):
        from twisted.internet import reactor

        # The last delayed calls of a request are short.
        for _ in range(20):
            gc.collect()
            self.left = sorted(type(thing).__name__ for thing in self.seen)
            if not self.left:
                break
            await maybe_deferred_to_future(deferLater(reactor, 0.1))
        walls = self.crawler.get_downloader_middleware(OmoCaptchaMiddleware)._walls
        self.pending = [target for target in walls.redirects.targets._targets.values() if target.dropped]


@pytest.fixture(autouse=True)
def _nothing_is_logged():
    # pytest keeps what is logged, and that names requests.
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def count(crawl, service):
    """``count(site, pages)`` → the spider after its crawl, of which no request and no response is left."""

    def count(site, pages, came, hosts=HOSTS):
        port = int(site.rpartition(":")[2])
        settings = {**service.settings, "OMOCAPTCHA_MAX_COST": 0}
        spider = crawl(Counting, settings, port=port, pages=pages, hosts=hosts).spider
        assert (spider.came, spider.left) == (came, [])
        return spider

    return count


def test_redirects_that_were_dropped_are_not_kept_once_their_target_is_known(count):
    def answer(request, form):
        return page() if request.path == "/all" else redirect("/all")

    with Site(answer, HOSTS[0]) as site:
        assert count(site.origin, pages=3, came=1, hosts=HOSTS[:1]).pending == []


@pytest.mark.parametrize("wall", ["redirect", "expiring"])
def test_no_request_and_no_response_is_kept_when_its_page_has_been_delivered(count, walled, wall):
    count(walled(wall, hosts=HOSTS, catalogue_pages=100).url, pages=2, came=16)


def test_nothing_of_a_crawl_is_kept_once_it_has_ended(reactor, count, walled):
    left = weakref.ref(count(walled("expiring", hosts=HOSTS, catalogue_pages=100).url, pages=2, came=16).crawler)

    def is_gone():
        gc.collect()
        return left() is None

    # The last delayed calls of a crawl are short.
    for _ in range(100):
        if reactor.call(is_gone):
            break
        reactor.call(lambda: deferLater(reactor.reactor, 0.05))
    assert reactor.call(is_gone)
