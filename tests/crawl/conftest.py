"""Fixtures of whole crawls, which are simulated in virtual time unless a test is about sockets, threads or memory."""

import pytest

from tests.helpers.scrapy_versions import NEEDS_REACTOR


@pytest.fixture
def crawl(request):
    """``crawl(spider_class, settings, **spider_arguments)`` → the finished crawl, simulated as are its servers.

    With the mark ``sockets``, or a Scrapy that needs a reactor, both are real.
    """
    if NEEDS_REACTOR or request.node.get_closest_marker("sockets"):
        yield request.getfixturevalue("real_crawl")
        return
    from tests.simulation.simulation import simulated

    with simulated() as simulation:
        yield simulation


@pytest.fixture
def service(crawl, service):
    """Start the service only once it is known whether it is simulated."""
    return service
