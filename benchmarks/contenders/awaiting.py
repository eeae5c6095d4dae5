"""``capmonstercloudclient`` awaited where the challenge is met."""

from __future__ import annotations

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response
from typing_extensions import Self

from benchmarks.clients import capmonstercloudclient
from benchmarks.contenders.submitting import sitekey_of, submission

SETTINGS = {"DOWNLOADER_MIDDLEWARES": {"benchmarks.contenders.awaiting.AwaitingMiddleware": 585}}


class AwaitingMiddleware:
    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        middleware = cls()
        middleware.solve = capmonstercloudclient(crawler.settings["SERVICE"], crawler.settings["SPEED"])
        return middleware

    async def process_response(self, request: Request, response: Response) -> Request | Response:
        sitekey = sitekey_of(response)
        if sitekey is None:
            return response
        return submission(request, response, await self.solve(response.url, sitekey))
