"""Say which Scrapy this package needs, and make up for what older versions lack or do otherwise.

All that depends on a version is here. Each part names the version that makes it needless: when that is the oldest one
supported, the part goes, and its users do what the branch for newer versions does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scrapy import __version__, signals, version_info
from scrapy.exceptions import CloseSpider

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings

TESTED_WITH = "2.14 to 2.19"
"""The versions of Scrapy that have all that this package uses."""
CURE = (
    f"install Scrapy {TESTED_WITH}, with which this version was tested, or a newer version of scrapy-omocaptcha "
    f"(this is Scrapy {__version__})"
)

if version_info < (2, 14, 2):
    needs = f"scrapy-omocaptcha needs Scrapy 2.14.2 or later, and this is {__version__}: pip install -U scrapy"
    raise ImportError(needs)


@contextmanager
def importing() -> Iterator[None]:
    """Raise what to do, in the place of the bare error, where Scrapy lacks what is imported in the block."""
    try:
        yield
    except ImportError as error:
        if not f"{error.name}.".startswith("scrapy."):
            raise
        raise ImportError(f"{error}: {CURE}") from None


# 2.15: before, download handlers raise Twisted's errors.
if TYPE_CHECKING or version_info >= (2, 15):
    with importing():
        from scrapy.exceptions import CannotResolveHostError as CannotResolveHostError
        from scrapy.exceptions import DownloadConnectionRefusedError as DownloadConnectionRefusedError
        from scrapy.exceptions import DownloadFailedError as DownloadFailedError
        from scrapy.exceptions import ResponseDataLossError as ResponseDataLossError
else:
    from twisted.internet.error import ConnectionRefusedError as DownloadConnectionRefusedError  # noqa: F401
    from twisted.internet.error import DNSLookupError as CannotResolveHostError  # noqa: F401
    from twisted.web.client import ResponseFailed as DownloadFailedError

    class ResponseDataLossError(DownloadFailedError):
        def __init__(self, message: str) -> None:
            super().__init__([message])


def middleware_priorities(settings: BaseSettings) -> Any:
    """Return the priorities of the downloader middlewares, Scrapy's included (2.15: it tells paths from classes)."""
    if version_info >= (2, 15):
        return settings.get_component_priority_dict_with_base("DOWNLOADER_MIDDLEWARES")
    return settings.getwithbase("DOWNLOADER_MIDDLEWARES")


def end_before_first_request(crawler: Crawler, reason: str) -> None:
    """End a crawl from a handler of ``spider_opened`` (2.18: before, any error there is logged and changes nothing)."""
    if version_info >= (2, 18):
        raise CloseSpider(reason)

    async def close() -> None:
        await crawler.engine.close_spider_async(reason=reason)

    crawler.signals.connect(close, signals.engine_started, weak=False)


def jitter_of(slot: Any) -> float:
    """Return by which part the delay of a download slot varies at most (2.19: before, by half, or not at all)."""
    return float(slot.jitter if version_info >= (2, 19) else 0.5)
