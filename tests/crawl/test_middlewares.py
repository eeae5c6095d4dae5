"""Whole crawls with downloader middlewares of other people: they are heard, and what they do wrong is told."""

from __future__ import annotations

import logging

import pytest
import scrapy
from scrapy.http import HtmlResponse

from tests.helpers import sites
from tests.helpers.crawling import RecordingSpider

INSIDE, OUTSIDE = 595, 543
"""Priorities on either side of ours; 543 is the one of Scrapy's project template."""


class Visits(RecordingSpider):
    """Visits an open page and one behind the wall; notes what its callback is given."""

    def requests(self):
        self.given = []
        for path in ("/free/1", "/item/1"):
            yield scrapy.Request(self.site + path, callback=self.page, errback=self.failed, meta=self.meta(path))

    def meta(self, path):
        return {}

    def page(self, response, **kwargs):
        self.pages.append(response)
        self.given.append(kwargs)


def settings(service, middleware, priority):
    return {**service.settings, "DOWNLOADER_MIDDLEWARES": {middleware: priority}}


# -- they are heard --------------------------------------------------------------------------------------------------


class Writes:
    def process_response(self, request, response):
        request.cb_kwargs["page"] = response.status
        request.meta["note"] = "seen"
        return response


@pytest.mark.parametrize("wall", ["session", "redirect", "per_page"])
@pytest.mark.parametrize("priority", [INSIDE, OUTSIDE, 10, 850])
def test_what_a_middleware_writes_into_the_request_reaches_the_callback(crawl, service, walled, wall, priority):
    crawled = crawl(Visits, settings(service, Writes, priority), site=walled(wall).url)
    assert crawled.failures == []
    assert [page.meta["note"] for page in crawled.pages] == ["seen"] * 2
    assert crawled.spider.given == [{"page": 200}] * 2
    assert len(service.jobs) == 1


class LikeSelenium:
    """Answers with what a browser of its own shows."""

    def process_request(self, request):
        return HtmlResponse(request.url, body=sites.CHALLENGE, encoding="utf-8", request=request)


class PassesMetaOn(LikeSelenium):
    """Is given the meta of another response."""

    def process_request(self, request):
        request.meta["download_slot"] = "127.0.0.1"
        return super().process_request(request)


@pytest.mark.parametrize("priority", [INSIDE, OUTSIDE])
@pytest.mark.parametrize("made_by", [LikeSelenium, PassesMetaOn])
def test_a_page_that_a_middleware_has_made_is_refused_as_a_browsers(crawl, service, walled, made_by, priority):
    site = walled()
    crawled = crawl(Visits, settings(service, made_by, priority), site=site.url)
    assert [page.status for page in crawled.pages] == [200] * 2
    assert crawled.count("skipped/browser") == 2
    assert service.jobs == site.requests == ()


# -- as others have written them -------------------------------------------------------------------------------------


class LikeScrapyProxies:
    """Reads a key of its own wherever it finds a proxy that it has set before."""

    def process_request(self, request):
        if "proxy" in request.meta:
            assert request.meta["exception"] is False
        request.meta.update(exception=False, proxy="")


class LikeRotatingProxies:
    """Looks after the answer for the proxy that it has given to the request."""

    def process_request(self, request):
        if "proxy" not in request.meta:
            request.meta.update(proxy="", _rotating_proxy=True)

    def process_response(self, request, response):
        assert request.meta["_rotating_proxy"] is True
        return response

    def process_exception(self, request, exception):
        assert request.meta["_rotating_proxy"] is True


@pytest.mark.parametrize("wall", ["session", "redirect", "per_page"])
@pytest.mark.parametrize(("middleware", "priority"), [(LikeScrapyProxies, 100), (LikeRotatingProxies, 610)])
def test_middlewares_find_what_they_have_put_into_meta(crawl, service, walled, wall, middleware, priority):
    crawled = crawl(Visits, settings(service, middleware, priority), site=walled(wall).url)
    assert (crawled.failures, len(crawled.pages), len(service.jobs)) == ([], 2, 1)


# -- what they do wrong ----------------------------------------------------------------------------------------------


class _OnOurs:
    """Does wrong to requests that carry a token."""

    def is_meant(self, request):
        return b"g-recaptcha-response" in request.body


class RaisesOnTheRequest(_OnOurs):
    def process_request(self, request):
        if self.is_meant(request):
            raise LookupError("of the project")


class RaisesOnTheResponse(_OnOurs):
    def process_response(self, request, response):
        if self.is_meant(request):
            raise LookupError("of the project")
        return response


class ReturnsNothing(_OnOurs):
    def process_response(self, request, response):
        return None if self.is_meant(request) else response


class ReturnsAnotherRequest(_OnOurs):
    def process_request(self, request):
        return scrapy.Request(request.url + "?elsewhere") if self.is_meant(request) else None


class AnswersWithARequest(_OnOurs):
    def process_response(self, request, response):
        return scrapy.Request(request.url + "?elsewhere") if self.is_meant(request) else response


WRONG = [RaisesOnTheRequest, RaisesOnTheResponse, ReturnsNothing, ReturnsAnotherRequest, AnswersWithARequest]


@pytest.mark.parametrize("wall", ["session", "redirect", "per_page"])
@pytest.mark.parametrize("middleware", WRONG, ids=lambda middleware: middleware.__name__)
def test_a_middleware_that_breaks_a_request_of_ours_is_named_and_costs_one_job(
    crawl, service, walled, wall, middleware
):
    crawled = crawl(Visits, settings(service, middleware, INSIDE), site=walled(wall).url)
    assert [page.url.rpartition("/")[0][-4:] for page in crawled.pages] == ["free"]
    assert len(crawled.failures) == 1
    assert len(service.jobs) == 1
    assert any(middleware.__name__ in line for line in crawled.said(logging.WARNING))
    assert crawled.bugs == []


class RaisesOnceItIsOpen(RaisesOnTheRequest):
    """Raises on requests that go with a clearance. It stands inside of the cookies."""

    def is_meant(self, request):
        return b"clearance" in request.headers.get("Cookie", b"")


class RaisesOnThePage(RaisesOnTheResponse):
    def is_meant(self, request):
        return request.url.endswith("/item/1")


@pytest.mark.parametrize(
    ("wall", "middleware", "priority"),
    [
        *(("session", RaisesOnceItIsOpen, 750), ("redirect", RaisesOnceItIsOpen, 750)),
        *(("session", RaisesOnThePage, OUTSIDE), ("redirect", RaisesOnThePage, OUTSIDE)),
        ("per_page", RaisesOnThePage, OUTSIDE),
    ],
)
def test_an_error_of_a_middleware_on_the_page_itself_reaches_the_errback(
    crawl, service, walled, wall, middleware, priority
):
    crawled = crawl(Visits, settings(service, middleware, priority), site=walled(wall).url)
    assert [type(error) for error in crawled.failures] == [LookupError]
    assert len(crawled.pages) == 1
    assert len(service.jobs) == 1
