"""The transport on treq, for crawls with a Twisted reactor of whatever kind."""

from __future__ import annotations

import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any

from OpenSSL import SSL
from scrapy.utils.defer import maybe_deferred_to_future
from service_identity import VerificationError
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.web.client import Agent, FileBodyProducer, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers

from scrapy_omocaptcha.buying.api.transport import IDLE_SECONDS, MAX_BODY, Call, Transport, judge, too_long

if TYPE_CHECKING:
    from twisted.internet.interfaces import IConsumer
    from twisted.python.failure import Failure
    from twisted.web.iweb import IAgent


class TreqTransport(Transport):
    """:param reactor: the Twisted reactor in use."""

    def __init__(self, base_url: str, *, timeout: float, reactor: Any, idle: float = IDLE_SECONDS) -> None:
        super().__init__(base_url, timeout=timeout, idle=idle)
        self._reactor = reactor
        self._pool = HTTPConnectionPool(reactor)  # type: ignore[no-untyped-call]
        # Twisted repeats a request by itself when a kept connection breaks; a job would be bought twice.
        self._pool.retryAutomatically = False
        # It would keep two, and so have a crowd of jobs open a connection for nearly every call.
        self._pool.maxPersistentPerHost = sys.maxsize
        self._pool.cachedConnectionTimeout = idle  # type: ignore[assignment]
        agent: IAgent = Agent(reactor, pool=self._pool, connectTimeout=timeout)  # type: ignore[no-untyped-call,assignment]
        self._client = HTTPClient(agent)

    async def _exchange(self, call: Call) -> bytes:
        sent = self._client.request(
            call.method,
            call.url,
            data=None if call.body is None else _Producer(call, call.body),  # type: ignore[arg-type]  # zope's interfaces
            headers=Headers({name: [value] for name, value in call.headers.items()}),
            allow_redirects=False,
            unbuffered=True,
        )
        answer: Deferred[bytes] = sent.addCallback(_read)
        # On treq's own Deferred: on one of a coroutine it would raise asyncio's CancelledError, which is no Exception.
        answer.addTimeout(self._timeout, self._reactor)
        try:
            return await maybe_deferred_to_future(answer)
        except Exception as error:
            if _distrusted(error):
                # Twisted hands the call to TLS before the handshake, which then keeps it to itself.
                call.sent = False
            raise

    async def close(self) -> None:
        closed: Deferred[None] = self._pool.closeCachedConnections()  # type: ignore[no-untyped-call]
        await maybe_deferred_to_future(closed)


def _distrusted(error: Exception) -> bool:
    """It broke on the server's certificate, which is judged before anything is sent."""
    reasons = (reason.value for reason in getattr(error, "reasons", ()))
    return any(
        isinstance(reason, VerificationError)
        or (isinstance(reason, SSL.Error) and "certificate verify failed" in str(reason))
        for reason in reasons
    )


def _read(response: Any) -> Deferred[bytes]:
    refusal = judge(response.code, _header(response, b"Content-Type"), _header(response, b"Retry-After"))
    body = _Body()
    response.original.deliverBody(body)
    if refusal is not None:
        body.done.addErrback(lambda _: None)
        body.done.cancel()
        raise refusal
    return body.done


def _header(response: Any, name: bytes) -> str:
    value: bytes = response.headers.getRawHeaders(name, [b""])[0]
    return value.decode("latin-1")


class _Producer(FileBodyProducer):
    """Hands the body to the connection, and notes that it does: the head has just been written."""

    def __init__(self, call: Call, body: bytes) -> None:
        super().__init__(BytesIO(body))  # type: ignore[no-untyped-call]
        self._call = call

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        self._call.sent = True
        started: Deferred[None] = super().startProducing(consumer)  # type: ignore[no-untyped-call]
        return started


class _Body(Protocol):
    """Collects a body, and drops the connection when that is too long or nobody waits any more."""

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._drop())
        self._parts: list[bytes] = []
        self._length = 0

    def dataReceived(self, data: bytes) -> None:
        self._length += len(data)
        if self._length <= MAX_BODY:
            self._parts.append(data)
        elif not self.done.called:
            self._drop()
            self.done.errback(too_long())

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
