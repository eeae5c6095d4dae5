"""Whole crawls over HTTP/2, which Scrapy speaks where Twisted has h2: the session's submission goes the same way."""

from __future__ import annotations

import pytest

from tests.crawl.features import HOST, Tree
from tests.helpers.many_pages import ManyPages
from tests.helpers.views import Seen
from tests.helpers.walled_pages import WalledPages

pytestmark = pytest.mark.sockets
HANDLERS = {"https": "scrapy.core.downloader.handlers.http2.H2DownloadHandler"}


@pytest.fixture
def run(reactor, crawl, service):
    """``run(wall)`` → what was seen of a crawl, and the site."""
    from tests.crawl.http2 import Http2Site

    def run(wall):
        pages = WalledPages(ManyPages(), service, wall, hosts=(HOST,))
        site = reactor.call(Http2Site, reactor.reactor, pages)
        try:
            settings = {"DOWNLOAD_HANDLERS": HANDLERS, **(service.settings if wall else {"ADDONS": {}})}
            crawled = crawl(Tree, settings, origin=site.url)
            return Seen.of([crawled], pages), site, pages
        finally:
            reactor.call(site.close)

    return run


# Twisted's own TLS warns of how it uses pyOpenSSL.
@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
@pytest.mark.parametrize("wall", ["session", "redirect", "per_page"])
def test_a_crawl_over_http2_is_the_same_behind_a_wall(run, service, wall):
    without, *_ = run(None)
    behind, site, pages = run(wall)
    assert '"protocol": "h2"' in behind.views[0]
    assert site.protocols == {b"HTTP/2"}
    assert pages.challenges > 0
    assert len(service.jobs) > 0
    differences = behind.differences(without)
    assert not differences, "\n".join(differences)
