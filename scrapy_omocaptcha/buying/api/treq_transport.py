"""Make calls with treq, for processes with a Twisted reactor of any kind."""

import sys
import zlib
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any

from scrapy.utils.defer import maybe_deferred_to_future
from service_identity import VerificationError
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, FileBodyProducer, GzipDecoder, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers

from scrapy_omocaptcha.buying.api.transport import IDLE_SECONDS, MAX_BODY, Call, Transport, check_head
from scrapy_omocaptcha.errors import ApiError

if TYPE_CHECKING:
    from treq.client import HTTPClient


class TreqTransport(Transport):
    """Transport on treq and the running Twisted reactor."""

    _unresolved = DNSLookupError

    def __init__(self, base_url: str, *, timeout: float, reactor: Any, idle: float = IDLE_SECONDS) -> None:
        super().__init__(base_url, timeout=timeout, idle=idle)
        self._reactor = reactor
        self._pool = HTTPConnectionPool(reactor)  # type: ignore[no-untyped-call]
        # Twisted may retry what a broken connection has lost: no POST today, nor ever, since it could buy a job twice.
        self._pool.retryAutomatically = False
        # With the default of two, many simultaneous jobs would open a new connection for nearly every call.
        self._pool.maxPersistentPerHost = sys.maxsize
        self._pool.cachedConnectionTimeout = idle  # type: ignore[assignment]

    @cached_property
    def _client(self) -> "HTTPClient":
        from treq.client import HTTPClient  # A crawl that makes no call starts sooner without it.

        agent = Agent(self._reactor, pool=self._pool, connectTimeout=self._timeout)  # type: ignore[no-untyped-call]
        return HTTPClient(agent)  # type: ignore[arg-type]  # zope's interfaces

    async def _exchange(self, call: Call) -> None:
        sent = self._client.request(
            call.method,
            call.url,
            data=None if call.body is None else _Producer(call, call.body),  # type: ignore[arg-type]  # zope's interfaces
            headers=Headers({name: [value] for name, value in call.headers.items()}),
            allow_redirects=False,
            unbuffered=True,
        )
        done: Deferred[None] = sent.addCallback(_read, call, self._reactor)
        # On the Deferred of a coroutine, a timeout would raise asyncio's CancelledError, which is not an Exception.
        done.addTimeout(self._timeout, self._reactor)
        try:
            await maybe_deferred_to_future(done)
        except Exception as error:
            if _is_rejected_certificate(error):
                # Twisted writes the call before the TLS handshake, which fails before any of it is sent.
                call.sent = False
            raise

    async def close(self) -> None:
        await maybe_deferred_to_future(self._pool.closeCachedConnections())  # type: ignore[no-untyped-call]


def _is_rejected_certificate(error: Exception) -> bool:
    """Return whether the server's certificate was rejected, which happens before anything is sent."""
    reasons = (failure.value for failure in getattr(error, "reasons", ()))
    return any(isinstance(r, VerificationError) or "certificate verify failed" in str(r) for r in reasons)


def _read(response: Any, call: Call, reactor: Any) -> Deferred[None]:
    """Read the body into ``call``, or close the connection where the head is an error."""
    raw, is_gzip = response.original, isinstance(response.original, GzipDecoder)
    body = _Body(call, reactor, is_gzip=is_gzip)
    # Twisted's decoder has no limit: a kilobyte becomes a megabyte.
    (raw.original if is_gzip else raw).deliverBody(body)
    try:
        check_head(response.code, _header(response, b"Content-Type"), _header(response, b"Retry-After"))
    except ApiError:
        body.done.addErrback(lambda _: None)
        body.done.cancel()
        raise
    return body.done


def _header(response: Any, name: bytes) -> str:
    return str(response.headers.getRawHeaders(name, [b""])[0], "latin-1")


class _Producer(FileBodyProducer):
    """Body of a call. It marks the call as sent when Twisted starts to write it, just after the head."""

    def __init__(self, call: Call, body: bytes) -> None:
        super().__init__(BytesIO(body))  # type: ignore[no-untyped-call]
        self._call = call

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        self._call.sent = True
        return super().startProducing(consumer)  # type: ignore[no-any-return,no-untyped-call]


class _Body(Protocol):
    """Receiver of a response's body. Cancelling ``done`` closes the connection, as does a body that is too long."""

    def __init__(self, call: Call, reactor: Any, *, is_gzip: bool) -> None:
        self.done: Deferred[None] = Deferred(lambda _: self._disconnect())
        self._call = call
        self._reactor = reactor
        self._gzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if is_gzip else None
        self._is_complete = False

    def dataReceived(self, data: bytes) -> None:
        if self.done.called:
            return
        if self._gzip is not None:
            try:
                data = self._gzip.decompress(data, MAX_BODY + 1)
            except zlib.error as error:
                self._disconnect()
                self.done.errback(error)
                return
        if not self._call.receive(data):
            self._disconnect()
            self.done.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_complete = True
        if self.done.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):  # type: ignore[no-untyped-call]
            self.done.callback(None)
        else:
            self.done.errback(reason)

    def _disconnect(self) -> None:
        """Close the connection once Twisted has read what has arrived, unless that completes the body.

        A complete body returns the connection to the pool even while it is being closed, and the next call would be
        lost with it.
        """
        if self.transport is not None:
            close = self.transport.loseConnection  # type: ignore[misc]
            self._reactor.callLater(0, lambda: self._is_complete or close())
