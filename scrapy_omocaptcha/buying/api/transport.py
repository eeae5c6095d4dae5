"""Make one HTTP call to the service: POST a JSON body or GET a public list, and return the text of the answer.

Every transport has connections of its own, verifies TLS, ignores the proxies and credentials of the environment,
follows no redirect, applies one timeout to the whole call, and limits the length of the body. It never repeats a call
and never interprets an answer, and its errors don't show what was sent.
"""

import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from scrapy_omocaptcha.errors import ApiBadAnswer, ApiError, ApiRefused, ApiUnreachable, in_words
from scrapy_omocaptcha.settings.secret import Secret, masked

MAX_BODY = 1024 * 1024
"""Longest body of an answer, in bytes. The longest real one, the list of services, has about 10 KB."""


@dataclass
class Call:
    """One HTTP request with its answer. ``sent`` tells whether any of it may have been sent."""

    method: str
    url: str
    body: bytes | None = field(default=None, repr=False)
    sent: bool = False
    answer: bytearray = field(default_factory=bytearray, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"Accept": "application/json"} | ({} if self.body is None else {"Content-Type": "application/json"})

    def receive(self, data: bytes) -> bool:
        """Append ``data`` to the answer, and return whether the answer is still short enough."""
        self.answer += data
        return len(self.answer) <= MAX_BODY


class Transport(ABC):
    """HTTP client for one base URL, with a connection for each simultaneous call. All times are in seconds."""

    idle_seconds = 4.0
    """Time for which an unused connection is kept. Some servers close it after 5 s, and a call that is sent at that
    very moment is lost, although it may have bought a job."""

    def __init__(self, base_url: str, *, timeout: float) -> None:
        self._base_url = base_url
        self._timeout = timeout

    async def post(self, path: str, body: dict[str, Any]) -> str:
        """POST ``body`` as JSON and return the text of the answer.

        Each :class:`~.settings.Secret` in ``body`` is sent in plain text, and masked in the answer.

        :raises ApiUnreachable: when no answer arrives, or one with HTTP status 429, 5xx or a redirect.
        :raises ApiRefused: when another HTTP error arrives without JSON.
        :raises ApiBadAnswer: when the body is too long or not UTF-8.
        """
        call = Call("POST", self._base_url + path, json.dumps(body, default=Secret.reveal).encode())
        try:
            text = await self._answer(path, call)
        finally:
            # The traceback of an error refers to the call for as long as the error is kept.
            call.body = None
        for value in body.values():
            if isinstance(value, Secret):
                text = masked(text, value.reveal())
        return text

    async def get(self, url: str) -> str:
        """GET a public URL, of any host, and return the text of the answer. Raises what :meth:`post` raises."""
        # A call that costs nothing counts as sent: nobody needs to know whether it arrived.
        return await self._answer(url, Call("GET", url, sent=True))

    async def _answer(self, name: str, call: Call) -> str:
        why = None
        try:
            await self._exchange(call)
        except ApiError:
            raise
        except Exception as error:
            why = in_words(error, f"the host {urlsplit(call.url).hostname}")
        if why is not None:
            # The except block is left first, because the frames of the client's error hold what was sent.
            raise ApiUnreachable(f"{name}: {why}", taken=call.sent)
        if len(call.answer) > MAX_BODY:
            raise ApiBadAnswer(f"{name}: the answer is longer than {MAX_BODY} bytes")
        try:
            return call.answer.decode()
        except UnicodeDecodeError:
            raise ApiBadAnswer(f"{name}: the answer is not UTF-8") from None

    @abstractmethod
    async def _exchange(self, call: Call) -> None:
        """Send ``call`` once, check the head of the response, and receive the body until it is too long.

        ``call.sent`` must be True before the first byte of a POST is sent. Any error may be raised.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close the connections. No call may follow."""


def check_head(status: int, content_type: str, retry_after: str) -> None:
    """Raise an ApiError if the head of a response shows that its body is no answer of the API."""
    refused = 400 <= status < 500 and status not in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    if status == HTTPStatus.OK or (refused and "json" in content_type.lower()):
        return
    # The API answers with status 200, errors included. Other statuses come from a proxy or a wrong address.
    error: ApiError
    if refused:
        error = ApiRefused(f"HTTP status {status} without a JSON answer")
        error.cure = "check OMOCAPTCHA_API_URL"
    else:
        # A date is not understood: it is rare, and a pause of our own is as good.
        pause = float(retry_after) if re.fullmatch("[0-9]{1,9}", retry_after) else None
        taken = status != HTTPStatus.TOO_MANY_REQUESTS
        error = ApiUnreachable(f"HTTP status {status}", taken=taken, retry_after=pause)
    error.is_foreign = refused or 300 <= status < 400
    raise error
