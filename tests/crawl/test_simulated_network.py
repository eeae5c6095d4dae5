"""The simulated network beside the real one: each request and each call ends alike, and the server sees the same."""

import pytest
import scrapy
from aiohttp import web

from scrapy_omocaptcha.buying.api import factory
from scrapy_omocaptcha.errors import ApiError
from scrapy_omocaptcha.testing.faults import KINDS, UNPROCESSED, Fault, FaultyServer
from tests.helpers.crawling import RecordingSpider
from tests.helpers.sites import Site, page
from tests.simulation.simulation import simulated

SETTINGS = {"DOWNLOAD_MAXSIZE": 2**20, "RETRY_ENABLED": False, "REDIRECT_ENABLED": False}
OTHER = (b"Date", b"Server", b"Connection")
"""Headers that say nothing of the network."""


class Asking(RecordingSpider):
    """Sends ``requests``, one after the other, then a call as of the service; keeps how each has ended."""

    async def start(self):
        self.ends = []
        for request in self.sent:
            try:
                response = await self.crawler.engine.download_async(request)
            except Exception as error:
                self.ends.append(type(error))
                continue
            # Twisted adds a length of 0 where there is no body.
            headers = sorted(each for each in response.headers.items() if each[0] not in OTHER and each[1] != [b"0"])
            self.ends.append((response.status, response.url, response.body, response.flags, response.protocol, headers))
        transport = factory._build_transport(self.origin, self.timeout)
        try:
            self.ends.append(await transport.post("/call", {"a": 1}))
        except ApiError as error:
            self.ends.append((type(error), getattr(error, "taken", None), getattr(error, "retry_after", None)))
        await transport.close()
        return
        yield


class Recording(Site):
    """Site that breaks each answer if it is given a fault."""

    def __init__(self, answer, fault):
        super().__init__(answer)
        self._fault = fault
        self.seen = []

    async def _handle(self, request):
        headers = sorted((name, value) for name, value in request.headers.items() if name.encode() not in OTHER)
        seen = request.method, request.path, request.path_qs, request.scheme, request.host, await request.read()
        # The service's clients name themselves.
        self.seen.append((*seen, [] if request.path == "/call" else headers))
        answer = None if self._fault and self._fault.kind in UNPROCESSED else await super()._handle(request)
        return await FaultyServer._break(self, self._fault, request, answer) if self._fault else answer


def check(real_crawl, asked, answer=lambda *_: page(), fault=None):
    """Compare what the spider gets for requests, and what the server sees of them, in both networks."""

    # Only where no answer comes it is short: in the real network, a busy machine might exceed it.
    timeout = 2 if fault and fault.kind == "hang" else 30

    def run(crawl):
        with Recording(answer, fault) as site:
            host = f"{site.hosts[0]}:{site.port}"
            sent = []
            for each in asked:
                meta = {name: value and value.format(host) for name, value in each.get("meta", {}).items()}
                url = each.get("url", "http://{}/").format(host)
                sent.append(scrapy.Request(**{**each, "url": url, "meta": meta}))
            settings = {**SETTINGS, "DOWNLOAD_TIMEOUT": timeout}
            spider = crawl(Asking, settings, sent=sent, origin=site.origin, timeout=timeout).spider
        return [repr(each).replace(host, "HOST") for each in (*spider.ends, *site.seen)]

    real = run(real_crawl)
    with simulated() as crawl:
        assert run(crawl) == real


@pytest.mark.parametrize(
    "request_",
    [
        {"url": "http://{}/a b/ü%2Fc%7e?q=1%202&x=[]&y='#fragment"},
        {"headers": {"X-One": ["a", "b"], "Cookie": "c=d; e=f", "X-Latin": b"\xfc", "X-Utf": "ü"}},
        {"cookies": {"a": "b", "c": "d"}},
        {"method": "POST", "body": b"a=b&c=%20", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        *({"method": "POST"}, {"body": b"x"}, {"method": "HEAD"}, {"method": "PUT", "body": b"\0" * 100_000}),
        {"url": "http://shop.example:81/a?b#c", "meta": {"proxy": "http://user:word@{}"}},
        *({"url": "http://shop.example/", "meta": {"proxy": "http://127.0.0.1:9"}}, {"url": "https://{}/"}),
        *({"url": "http://nowhere.invalid/"}, {"url": "http://127.0.0.9:9/"}),
    ],
    ids=str,
)
def test_a_request_is_the_same_for_the_server(real_crawl, request_):
    check(real_crawl, [request_])


def cookies(request, form):
    response = page()
    for name in "abc":
        response.set_cookie(name, name)
    return response


def compressed(request, form):
    response = page("x" * 1000)
    response.enable_compression(web.ContentCoding.gzip)
    return response


def raised(request, form):
    raise web.HTTPFound("http://nowhere.invalid/")


@pytest.mark.parametrize(
    "answer",
    [
        *(cookies, compressed, raised, lambda *_: web.Response(status=204)),
        lambda *_: web.Response(status=304, headers={"ETag": '"a"'}),
        lambda *_: web.Response(body=b"a", headers={"X-Name": "ü", "Retry-After": "7"}, status=429),
        lambda *_: web.Response(body=b"\0" * 2**20),
    ],
)
def test_an_answer_is_the_same_for_the_spider(real_crawl, answer):
    check(real_crawl, [{}, {}, {"method": "HEAD"}], answer)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_the_same_for_the_spider_and_the_buying(real_crawl, kind):
    asked = [{}, {"method": "POST", "body": b"a"}, {"meta": {"download_fail_on_dataloss": False}}]
    check(real_crawl, asked[:1] if kind == "hang" else asked, fault=Fault(kind, seconds=0.1))
