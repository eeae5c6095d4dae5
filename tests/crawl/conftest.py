"""Fixtures of whole crawls, which are simulated in virtual time unless a test is about sockets, threads or memory."""

import pytest

from tests.helpers.scrapy_versions import NEEDS_REACTOR

OVER_SOCKETS = ("test_closing", "test_forms", "test_shapes_of_redirects", "test_walls")
"""Modules whose crawls are real with ``--sockets``, and where none can be simulated.

In real time, all others would take an hour, and many of their tests fail with any Scrapy: they expect an order of
answers or a time to the millisecond, wait for a timeout of minutes, or need hosts and proxies that only the simulation
has.
"""


@pytest.fixture
def crawl(request):
    """``crawl(spider_class, settings, **spider_arguments)`` → the finished crawl, simulated as are its servers.

    With the mark ``sockets`` both are real, as those of a few modules are with ``--sockets``, or with a Scrapy that
    needs a reactor.
    """
    is_real = request.config.getoption("--sockets") or NEEDS_REACTOR
    has_time = request.module.__name__.rpartition(".")[2] in OVER_SOCKETS
    if request.node.get_closest_marker("sockets") or (is_real and has_time):
        yield request.getfixturevalue("real_crawl")
        return
    if NEEDS_REACTOR:
        pytest.skip("up to Scrapy 2.14 no crawl runs without a reactor, so none can be simulated")
    from tests.simulation.simulation import simulated

    with simulated() as simulation:
        yield simulation


@pytest.fixture
def service(crawl, service):
    """Start the service only once it is known whether it is simulated."""
    return service
