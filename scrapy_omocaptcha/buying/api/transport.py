"""One HTTP call to the service: POST a JSON body, or GET a public list; the text of the answer.

What any transport promises, whichever HTTP client it is built on: connections of its own, verified TLS, no proxy and
no credential of the environment, no redirect followed, one time-out over the whole call and a bound on the body. It
neither repeats a call nor understands an answer, and no error of it shows what was sent.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from scrapy_omocaptcha.errors import ApiBadAnswer, ApiError, ApiRefused, ApiUnreachable
from scrapy_omocaptcha.settings.secret import Secret, masked

MAX_BODY = 1024 * 1024
"""Bytes of an answer. The longest real one, the list of services, has some 10 KB."""
IDLE_SECONDS = 4.0
"""For how long an unused connection is kept: less than servers do, some of which close it after five. A call that is
sent at the very moment at which the server closes is lost, and may have bought a job."""
_LONGEST_PAUSE = 10
"""Digits of a Retry-After that is believed."""


@dataclass
class Call:
    """What is sent, and whether any of it may have left this machine."""

    method: str
    url: str
    body: bytes | None = field(default=None, repr=False)
    sent: bool = False

    @property
    def headers(self) -> dict[str, str]:
        accept = {"Accept": "application/json"}
        return accept if self.body is None else {**accept, "Content-Type": "application/json"}


class Transport(ABC):
    """Calls below one base URL, over as many connections as there are calls at once. How many is decided elsewhere.

    :param base_url: the API's base URL, without a slash at its end.
    :param timeout: seconds for a whole call, body included.
    :param idle: seconds for which a connection is kept for the next call.
    """

    def __init__(self, base_url: str, *, timeout: float, idle: float = IDLE_SECONDS) -> None:
        self._base_url = base_url
        self._timeout = timeout
        self._idle = idle

    async def post(self, path: str, body: dict[str, Any]) -> str:
        """Send a call and return the text of its answer.

        :param body: what JSON can say. A :class:`~.settings.Secret` in it is revealed only where it is written, and
            masked in the answer.
        :raises ApiUnreachable: no answer, or an HTTP status that is not the API's (5xx, 429, a redirect).
        :raises ApiRefused: another HTTP error without a JSON answer.
        :raises ApiBadAnswer: a body that is too long or not text.
        """
        call = Call("POST", self._base_url + path, json.dumps(body, default=Secret.reveal).encode())
        try:
            text = await self._answer(path, call)
        finally:
            # The traceback of an error keeps the call for as long as somebody keeps the error.
            call.body = None
        for value in body.values():
            if isinstance(value, Secret):
                text = masked(text, value.reveal())
        return text

    async def get(self, url: str) -> str:
        """Ask a public address and return the text of its answer. Raises as :meth:`post` does.

        :param url: the whole address, which need not be below the base URL; no credential goes there.
        """
        # Asking costs nothing: whether it arrived is not looked into.
        return await self._answer(url, Call("GET", url, sent=True))

    async def _answer(self, name: str, call: Call) -> str:
        try:
            answer = await self._exchange(call)
        except ApiError:
            raise
        except Exception as error:
            # Whatever the network stack raises. Its kind alone is told: its text could repeat what was sent.
            raise ApiUnreachable(f"{name}: {type(error).__name__}", taken=call.sent) from None
        try:
            return answer.decode()
        except UnicodeDecodeError:
            raise ApiBadAnswer(f"{name}: the answer is not UTF-8") from None

    @abstractmethod
    async def _exchange(self, call: Call) -> bytes:
        """Send ``call`` once; the answer's body, of at most :data:`MAX_BODY` bytes.

        ``call.sent`` is True from just before the first byte of a POST is sent. Where :func:`judge` finds something,
        that is raised and the body is not read; whatever else goes wrong is raised as it comes.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close the connections; nothing is called afterwards."""


def judge(status: int, content_type: str, retry_after: str) -> ApiError | None:
    """What the head of an answer says is wrong; None when the body is to be read.

    :param content_type: the header's value, or nothing. So is ``retry_after``.
    """
    refused = 400 <= status < 500 and status not in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    if status == HTTPStatus.OK or (refused and "json" in content_type.lower()):
        return None
    # Business errors come with 200. All else was said by something before the service, so its text is not read.
    if refused:
        return ApiRefused(f"HTTP status {status} without a JSON answer: is OMOCAPTCHA_API_URL right?")
    return ApiUnreachable(
        f"HTTP status {status}",
        taken=status != HTTPStatus.TOO_MANY_REQUESTS,
        retry_after=_seconds(retry_after),
    )


def too_long() -> ApiBadAnswer:
    """The error for a body beyond :data:`MAX_BODY`."""
    return ApiBadAnswer(f"an answer of more than {MAX_BODY} bytes")


def _seconds(value: str) -> float | None:
    """A Retry-After: seconds, or the date at which they are over."""
    if value.isascii() and value.isdigit() and len(value) < _LONGEST_PAUSE:
        return float(value)
    try:
        date = parsedate_to_datetime(value)
        return max(0.0, (date - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        # Neither; a date without a zone included.
        return None
