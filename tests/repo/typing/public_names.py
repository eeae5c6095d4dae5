"""What a type checker makes of a spider that uses the public names. Never run: tests/repo/test_typing.py has mypy read
it.

A comment with E and mypy's codes marks each line that is wrong.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from scrapy import Request, Spider
from scrapy.http import Response
from scrapy.http.request.json_request import JsonRequest
from typing_extensions import assert_type

import scrapy_omocaptcha
from scrapy_omocaptcha import (
    Addon,
    Challenge,
    Form,
    OmoCaptchaMiddleware,
    Token,
    errors,
    find_challenge,
    form_request,
    signals,
    solve,
    submit_token,
)
from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite


class SearchSpider(Spider):
    name = "search"

    def parse(self, response: Response) -> Iterator[Request]:
        assert_type(form_request(response), Request)
        yield form_request(response, {"q": "a", "kind": ["b", "c"], "d": None}, click="button", callback=self.parse)
        yield form_request(response, form="#search", click=False, rejected=".error")
        yield form_request(response, {"page": 2})  # E: dict-item
        yield form_request(response, click=True)  # E: arg-type
        yield form_request(response, meta={"cookiejar": 1}, headers={"Referer": "/"}, cookies=[{"name": "a"}])


class ByHandSpider(Spider):
    name = "by_hand"

    async def parse(self, response: Response) -> AsyncIterator[Request]:
        challenge = find_challenge(response)
        assert_type(challenge, Challenge | None)
        await solve(challenge, crawler=self.crawler)  # E: arg-type
        if challenge is None:
            return
        assert_type(challenge.sitekey, str | None)
        assert_type(challenge.evidence, tuple[str, ...])
        assert_type(challenge.form, Form | None)
        challenge.form.url.lower()  # E: union-attr
        challenge.blocking = True  # E: misc
        try:
            token = await solve(challenge, crawler=self.crawler)
        except errors.NotBought as error:
            assert_type(error.reason, str)
            return
        assert_type(token, Token)
        solve(challenge)  # E: call-arg unused-coroutine
        yield submit_token(response, challenge, token)
        yield submit_token(response, challenge, token.value)
        yield submit_token(response, challenge, None)  # E: arg-type
        yield submit_token(response, token)  # E: call-arg

    def omocaptcha_trigger(self, response: Response, challenge: Challenge) -> bool | None:
        return None

    def omocaptcha_submit(self, response: Response, challenge: Challenge, token: Token) -> Request:
        return JsonRequest(response.urljoin("/verify"), data={"token": token.value})

    def errback(self, error: errors.ChallengeNotSolved) -> None:
        assert_type(error.reason, str)
        assert_type(error.challenge, Challenge)

    def any_error(self, error: errors.OmoCaptchaError) -> None:
        assert_type(error.reason, str)
        error.challenge.sitekey.lower()  # E: attr-defined


def offline() -> dict[str, object]:
    with OmoCaptchaService(solve_seconds="1") as service, WalledSite(service, "session") as site:  # E: arg-type
        assert_type(site.url, str)
        return {**service.settings, "ADDONS": {Addon: 500}, "DOWNLOADER_MIDDLEWARES": {OmoCaptchaMiddleware: 585}}


assert_type(signals.challenge_solved, object)
scrapy_omocaptcha.find_captcha()  # E: attr-defined
