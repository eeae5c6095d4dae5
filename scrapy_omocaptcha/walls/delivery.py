"""Give the spider the page that it asked for, as the response to its own request."""

from __future__ import annotations

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.engine.components import Components


def deliver(request: Request, answer: Response, components: Components) -> Response:
    """Return the page behind a wall as the response to the spider's request, and have HttpCache store it."""
    response = _as_response_to(request, answer, flags=[*answer.flags, "omocaptcha"])
    # Stored for the spider's request, not for the address it was redirected to, which all challenges may share.
    components.store(_request_of(response), response)
    return response


def deliver_challenge(request: Request, answer: Response) -> Response:
    """Return a challenge as the response to the spider's request, to reach the callback whatever its status."""
    response = _as_response_to(request, answer, flags=answer.flags)
    request_state.add_meta(_request_of(response), handle_httpstatus_all=True)
    return response


def _as_response_to(request: Request, answer: Response, *, flags: list[str]) -> Response:
    # Retries and redirects are done with: the requests of this package have had them already.
    request_state.add_meta(request, dont_retry=True, dont_redirect=True)
    return answer.replace(flags=flags, request=request_state.original(request))


def _request_of(response: Response) -> Request:
    assert response.request is not None
    return response.request
