"""The two lines that all of them need: which key a page shows, and the form with a token in it."""

from __future__ import annotations

from scrapy import FormRequest, Request
from scrapy.http import Response


def sitekey_of(response: Response) -> str | None:
    return response.css("[data-sitekey]::attr(data-sitekey)").get()


def submission(request: Request, response: Response, token: str) -> Request:
    return FormRequest.from_response(
        response,
        formdata={"g-recaptcha-response": token},
        callback=request.callback,
        errback=request.errback,
        cb_kwargs=request.cb_kwargs,
        dont_filter=True,
    )
