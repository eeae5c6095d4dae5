"""What tests need of Scrapy that not all of its versions have, and marks for what some versions do otherwise."""

from __future__ import annotations

import asyncio

import pytest
from scrapy import exceptions, signals, version_info
from scrapy.utils.asyncio import call_later, is_asyncio_available
from twisted.internet.defer import Deferred

NEEDS_REACTOR = version_info < (2, 15)
"""Whether no crawl runs without a Twisted reactor, so that none can be simulated: tests crawl over sockets then."""
CALLBACKS_ARE_LATE = version_info < (2, 18)
"""Whether callbacks come after some more answers, so that what they do, or stop, comes later in the crawl."""


async def sleep(seconds: float) -> None:
    """Sleep with or without a reactor, as Scrapy's own function does from 2.18 on."""
    if is_asyncio_available():
        await asyncio.sleep(seconds)
    else:
        done: Deferred[None] = Deferred()
        call_later(seconds, done.callback, None)
        await done


in_virtual_time = pytest.mark.skipif(
    NEEDS_REACTOR, reason="it compares times that are too short for real crawls, which those of Scrapy 2.14 are"
)
zero_is_no_limit = pytest.mark.skipif(
    version_info < (2, 18), reason="with CONCURRENT_REQUESTS = 0, no crawl starts up to Scrapy 2.17"
)
has_errors_of_downloads = pytest.mark.skipif(
    not hasattr(exceptions, "DownloadFailedError"), reason="up to Scrapy 2.14, these errors are Twisted's"
)
tells_robots_rules = pytest.mark.skipif(
    not hasattr(signals, "robots_parsed"), reason="Scrapy 2.18 was the first to send robots_parsed"
)
