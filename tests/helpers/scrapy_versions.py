"""What tests need of Scrapy that not all of its versions have, and marks for what some versions do otherwise."""

from __future__ import annotations

import asyncio

import pytest
from scrapy import signals, version_info
from scrapy.utils.asyncio import call_later, is_asyncio_available
from twisted.internet.defer import Deferred

NEEDS_REACTOR = version_info < (2, 15)
"""Whether no crawl runs without a Twisted reactor, so that none can be simulated: tests crawl over sockets then."""


async def sleep(seconds: float) -> None:
    """Sleep with or without a reactor, as Scrapy's own function does from 2.18 on."""
    if is_asyncio_available():
        await asyncio.sleep(seconds)
    else:
        done: Deferred[None] = Deferred()
        call_later(seconds, done.callback, None)
        await done


tells_robots_rules = pytest.mark.skipif(
    not hasattr(signals, "robots_parsed"), reason="Scrapy 2.18 was the first to send robots_parsed"
)
calls_start_requests = pytest.mark.skipif(
    version_info >= (2, 16), reason="Scrapy 2.16 and later do not call start_requests"
)
calls_no_start_requests = pytest.mark.skipif(version_info < (2, 16), reason="this Scrapy calls start_requests")
