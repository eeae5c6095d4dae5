"""Let two workers share a queue and the limits of a fleet, in the parts of scrapy-redis and Redis."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from fakeredis import FakeAsyncRedis, FakeServer
from scrapy.utils.request import request_from_dict

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request, Spider
    from scrapy.crawler import Crawler

URL = "redis://fleet.example:6379/0"


class SharedScheduler:
    """Scheduler whose queue and filter of duplicates all workers of a fleet share, as those of scrapy-redis do.

    Requests are queued in the order of their priority, as dictionaries.
    """

    __module__ = "scrapy_redis.scheduler"
    queue: ClassVar[deque[tuple[int, dict[str, Any]]]]
    seen: ClassVar[set[bytes]]

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> SharedScheduler:
        return cls(crawler)

    def open(self, spider: Spider) -> None:
        """Begin to work for a spider."""
        self._spider = spider

    def close(self, reason: str) -> None:
        """Leave the queue to the others."""

    def has_pending_requests(self) -> bool:
        """Tell whether any request is queued."""
        return bool(self.queue)

    def enqueue_request(self, request: Request) -> bool:
        """Queue a request, unless it is a duplicate."""
        fingerprint = self._crawler.request_fingerprinter.fingerprint(request)
        if not request.dont_filter and fingerprint in self.seen:
            return False
        self.seen.add(fingerprint)
        at = next((at for at, (priority, _) in enumerate(self.queue) if priority < request.priority), len(self.queue))
        self.queue.insert(at, (request.priority, request.to_dict(spider=self._spider)))
        return True

    def next_request(self) -> Request | None:
        """Take the next request out of the queue."""
        return request_from_dict(self.queue.popleft()[1], spider=self._spider) if self.queue else None


def settings_of_fleet() -> dict[str, Any]:
    """Return the settings of the workers of one fleet."""
    shared = {"queue": deque(), "seen": set(), "__module__": SharedScheduler.__module__}
    return {"SCHEDULER": type("Scheduler", (SharedScheduler,), shared), "OMOCAPTCHA_REDIS_URL": URL}


def redis_clients() -> Callable[..., FakeAsyncRedis]:
    """Return what stands in for ``redis.asyncio.Redis.from_url``: all clients share one Redis in the process."""
    server = FakeServer()
    return lambda url, **options: FakeAsyncRedis(server=server, decode_responses=True)
