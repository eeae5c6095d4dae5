"""One HTTP call to the service: POST a JSON body, get the text of the answer.

Connections of its own, verified TLS, no redirect followed, one time-out over the whole call and a bound on the
body. It neither repeats a call nor understands an answer, and no error of it shows what was sent.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from OpenSSL import SSL
from scrapy.utils.defer import maybe_deferred_to_future
from service_identity import VerificationError
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers

from scrapy_omocaptcha.errors import ApiBadAnswer, ApiError, ApiRefused, ApiUnreachable
from scrapy_omocaptcha.masking import masked
from scrapy_omocaptcha.settings import Secret

if TYPE_CHECKING:
    from twisted.python.failure import Failure
    from twisted.web.iweb import IAgent

MAX_BODY = 1024 * 1024
"""Bytes of an answer. The longest real one, the list of services, has some 10 KB."""
_LONGEST_PAUSE = 10
"""Digits of a Retry-After that is believed."""


class Transport:
    """Calls below one base URL, over connections that are kept for the crawl.

    :param base_url: the API's base URL, without a slash at its end.
    :param timeout: seconds for a whole call, body included.
    :param reactor: the Twisted reactor in use.
    """

    def __init__(self, base_url: str, *, timeout: float, reactor: Any) -> None:
        self._base_url = base_url
        self._timeout = timeout
        self._reactor = reactor
        self._pool = HTTPConnectionPool(reactor)  # type: ignore[no-untyped-call]
        # Twisted repeats a request by itself when a kept connection breaks; a job would be bought twice.
        self._pool.retryAutomatically = False
        agent: IAgent = Agent(reactor, pool=self._pool, connectTimeout=timeout)  # type: ignore[no-untyped-call,assignment]
        self._client = HTTPClient(agent)

    async def post(self, path: str, body: dict[str, Any]) -> str:
        """Send a call and return the text of its answer.

        :param body: what JSON can say. A :class:`~.settings.Secret` in it is revealed only where it is written, and
            masked in an answer that repeats it, so that the traceback of an error, shown with its variables, does not
            show it.
        :raises ApiUnreachable: no answer, or an HTTP status that is not the API's (5xx, 429, a redirect).
        :raises ApiRefused: another HTTP error without a JSON answer.
        :raises ApiBadAnswer: a body that is too long or not text.
        """
        sent = self._client.post(
            self._base_url + path,
            data=json.dumps(body, default=_reveal).encode(),
            headers=Headers({"Content-Type": ["application/json"], "Accept": ["application/json"]}),
            allow_redirects=False,
            unbuffered=True,
        )
        call: Deferred[bytes] = sent.addCallback(_read)
        # On treq's own Deferred: on one of a coroutine it would raise asyncio's CancelledError, which is no Exception.
        call.addTimeout(self._timeout, self._reactor)
        try:
            answer = await maybe_deferred_to_future(call)
        except ApiError:
            raise
        except Exception as error:
            # Whatever the network stack raises: unless nothing was sent, the call may have arrived.
            raise ApiUnreachable(f"{path}: {_words(error)}", taken=not _never_sent(error)) from None
        try:
            text = answer.decode()
        except UnicodeDecodeError:
            raise ApiBadAnswer(f"{path}: the answer is not UTF-8") from None
        for value in body.values():
            if isinstance(value, Secret):
                text = masked(text, value.reveal())
        return text

    async def close(self) -> None:
        closed: Deferred[None] = self._pool.closeCachedConnections()  # type: ignore[no-untyped-call]
        await maybe_deferred_to_future(closed)


def _reveal(secret: Secret) -> str:
    return secret.reveal()


def _never_sent(error: Exception) -> bool:
    """There was no connection, or it broke on the server's certificate, which is judged before anything is sent."""
    if isinstance(error, (ConnectError, DNSLookupError)):
        return True
    reasons = (reason.value for reason in getattr(error, "reasons", ()))
    return any(
        isinstance(reason, VerificationError)
        or (isinstance(reason, SSL.Error) and "certificate verify failed" in str(reason))
        for reason in reasons
    )


def _words(error: Exception) -> str:
    """What went wrong, by kind: the text of a lower error could repeat what was sent."""
    return type(error).__name__


def _read(response: Any) -> Deferred[bytes]:
    status = response.code
    refused = 400 <= status < 500 and status not in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    if status == HTTPStatus.OK or (refused and _is_json(response)):
        body = _Body()
        response.original.deliverBody(body)
        return body.done
    # Business errors come with 200. All else was said by something before the service, so its text is not read.
    dropped = _Body(limit=0)
    dropped.done.addErrback(lambda _: None)
    response.original.deliverBody(dropped)
    if refused:
        raise ApiRefused(f"HTTP status {status} without a JSON answer: is OMOCAPTCHA_API_URL right?")
    raise ApiUnreachable(
        f"HTTP status {status}",
        taken=status != HTTPStatus.TOO_MANY_REQUESTS,
        retry_after=_retry_after(response),
    )


def _is_json(response: Any) -> bool:
    return any(b"json" in value.lower() for value in response.headers.getRawHeaders(b"Content-Type", ()))


def _retry_after(response: Any) -> float | None:
    value = response.headers.getRawHeaders(b"Retry-After", [b""])[0]
    return float(value) if value.isdigit() and len(value) < _LONGEST_PAUSE else None


class _Body(Protocol):
    """Collects a body up to a limit, and drops the connection beyond it or when nobody waits any more."""

    def __init__(self, limit: int = MAX_BODY) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._drop())
        self._limit = limit
        self._parts: list[bytes] = []
        self._length = 0

    def connectionMade(self) -> None:
        if not self._limit:
            self._drop()

    def dataReceived(self, data: bytes) -> None:
        self._length += len(data)
        if self._length <= self._limit:
            self._parts.append(data)
        elif not self.done.called:
            self._drop()
            self.done.errback(ApiBadAnswer(f"an answer of more than {self._limit} bytes"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):  # type: ignore[no-untyped-call]
            self.done.callback(b"".join(self._parts))
        else:
            self.done.errback(reason)

    def _drop(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()  # type: ignore[misc]
