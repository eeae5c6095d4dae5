"""``anticaptchaofficial`` called where the challenge is met: ten lines, and the whole crawl stands still."""

from __future__ import annotations

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response
from typing_extensions import Self

from benchmarks.clients import anticaptchaofficial
from benchmarks.contenders.submitting import sitekey_of, submission

SETTINGS = {"DOWNLOADER_MIDDLEWARES": {"benchmarks.contenders.blocking.BlockingMiddleware": 585}}


class BlockingMiddleware:
    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        middleware = cls()
        middleware.solve = anticaptchaofficial(crawler.settings["SERVICE"], crawler.settings["SPEED"])
        return middleware

    def process_response(self, request: Request, response: Response) -> Request | Response:
        sitekey = sitekey_of(response)
        if sitekey is None:
            return response
        return submission(request, response, self.solve(response.url, sitekey))
