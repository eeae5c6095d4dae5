"""``scrapyx-mw``, which buys a token before a request is sent when the spider says so; all else is the spider's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from scrapy import Request
from scrapy.http import Response
from scrapy.settings import BaseSettings

from benchmarks.beside import Beside
from benchmarks.clients import KEY
from benchmarks.contenders.submitting import sitekey_of, submission

MOST_TRIES = 10


class ScrapyxSpider(Beside):
    """Sets the flag and knows the key, as its documents tell; hands the token in that the middleware leaves in meta."""

    handle_httpstatus_list = (403,)

    def __init__(self, *args: Any, **told: Any) -> None:
        super().__init__(*args, **told)
        self.site_key = self.sitekey
        self.captcha_needed = True

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        super().update_settings(settings)
        speed = settings.getfloat("SPEED")
        service = {
            "CAPTCHA_CAPSOLVER_BASE": settings["SERVICE"],
            "CAPTCHA_TOKEN_TTL_SECONDS": int(110 / speed),
            "CAPTCHA_POLL_MAX_TIME_S": 180 / speed,
        }
        settings.update(service, priority="spider")

    async def start(self) -> AsyncIterator[Request]:
        # Not sooner: it imports the reactor, which Scrapy has not installed yet.
        from scrapyx_mw.middlewares.captcha_polling import AsyncCaptchaMiddleware

        sleep, speed = AsyncCaptchaMiddleware._sleep, self.settings["SPEED"]
        AsyncCaptchaMiddleware._sleep = lambda self, seconds: sleep(self, seconds / speed)
        async for request in super().start():
            yield request

    def walled_page(self, response: Response, asked: str, tries: int = 0) -> Iterator[Request]:
        if sitekey_of(response) is None:
            super().walled_page(response, asked)
            return
        token = response.meta.get("recaptcha_solution")
        if token is not None and response.request.method == "GET":
            request = response.request.replace(cb_kwargs={"asked": asked, "tries": tries + 1})
            yield submission(request, response, token)
        elif tries < MOST_TRIES:
            self.captcha_needed = True
            again = {"asked": asked, "tries": tries + 1}
            yield Request(asked, self.walled_page, errback=self.lost, cb_kwargs=again, dont_filter=True)


SETTINGS = {
    "ADDONS": {"scrapyx_mw.addon.ScrapyxAddon": 0},
    "SCRAPYX_CAPTCHA_MODE": "polling",
    "SCRAPYX_CAPTCHA_ENABLED": True,
    "CAPTCHA_PROVIDER": "capsolver",
    "CAPTCHA_API_KEY": KEY,
}
