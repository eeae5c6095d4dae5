"""Fixtures for all tests."""

from __future__ import annotations

import pytest
from tldextract import TLDExtract

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from tests.crawling import Crawls, Reactor


@pytest.fixture(scope="session", autouse=True)
def _public_suffixes():
    """Scrapy has tldextract fetch a list and keep it. Without a network that logs a traceback once: not in a crawl."""
    TLDExtract(include_psl_private_domains=True)("site.example")


@pytest.fixture(scope="session")
def reactor():
    reactor = Reactor()
    yield reactor
    reactor.stop()


@pytest.fixture
def crawl(reactor):
    """``crawl(spider_class, settings, **spider_arguments)`` → what the crawl has left behind."""
    return Crawls(reactor)


@pytest.fixture
def service():
    with OmoCaptchaService() as service:
        yield service


@pytest.fixture
def walled(service):
    """``walled("session", status=429)`` → a site behind that wall, on a loopback address of its own."""
    sites = []

    def start(wall="session", **options):
        # Cookies know no ports: two sites on one address would share a session.
        site = WalledSite(service, wall, **{"hosts": (f"127.0.0.{len(sites) + 2}",), **options})
        site.__enter__()
        sites.append(site)
        return site

    yield start
    for site in sites:
        site.__exit__(None, None, None)
