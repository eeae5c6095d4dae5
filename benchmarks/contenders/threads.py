"""The same with the client's calls in Twisted's threads, of which there are ten."""

from __future__ import annotations

from scrapy import Request
from scrapy.http import Response
from scrapy.utils.defer import maybe_deferred_to_future
from twisted.internet.threads import deferToThread

from benchmarks.contenders.blocking import BlockingMiddleware
from benchmarks.contenders.submitting import sitekey_of, submission

SETTINGS = {"DOWNLOADER_MIDDLEWARES": {"benchmarks.contenders.threads.ThreadsMiddleware": 585}}


class ThreadsMiddleware(BlockingMiddleware):
    async def process_response(self, request: Request, response: Response) -> Request | Response:
        sitekey = sitekey_of(response)
        if sitekey is None:
            return response
        token = await maybe_deferred_to_future(deferToThread(self.solve, response.url, sitekey))
        return submission(request, response, token)
