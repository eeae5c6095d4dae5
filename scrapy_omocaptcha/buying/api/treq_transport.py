"""Make calls with treq, for processes with a Twisted reactor of any kind."""

import sys
from functools import partial
from io import BytesIO
from typing import Any

from scrapy.utils.defer import maybe_deferred_to_future
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure
from twisted.web.client import Agent, FileBodyProducer, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer  # type: ignore[import-untyped]

from scrapy_omocaptcha.buying.api.transport import Call, Transport, check_head
from scrapy_omocaptcha.errors import ApiError


class TreqTransport(Transport):
    """Transport on treq and the running Twisted reactor."""

    def __init__(self, base_url: str, *, timeout: float, reactor: Any) -> None:
        super().__init__(base_url, timeout=timeout)
        self._reactor = reactor
        self._pool = HTTPConnectionPool(reactor)  # type: ignore[no-untyped-call]
        # Twisted may retry what a broken connection has lost: no POST today, nor ever, since it could buy a job twice.
        self._pool.retryAutomatically = False
        # Many simultaneous jobs would, with the default of two, open a new connection for nearly every call.
        self._pool.maxPersistentPerHost = sys.maxsize
        self._pool.cachedConnectionTimeout = self.idle_seconds  # type: ignore[assignment]

    async def _exchange(self, call: Call) -> None:
        from treq.client import HTTPClient  # A crawl that makes no call starts sooner without it.

        tls = _Tls()
        agent = Agent(self._reactor, tls, self._timeout, pool=self._pool)  # type: ignore[no-untyped-call]
        sent = HTTPClient(agent).request(  # type: ignore[arg-type]  # zope's interfaces
            call.method,
            call.url,
            data=None if call.body is None else _Producer(call, call.body),  # type: ignore[arg-type]  # zope's interfaces
            headers=Headers({name: [value] for name, value in call.headers.items()}),
            allow_redirects=False,
            unbuffered=True,
        )
        done: Deferred[None] = sent.addCallback(_read, call, self._reactor)
        # A timeout on the Deferred of a coroutine would raise asyncio's CancelledError, which is not an Exception.
        done.addTimeout(self._timeout, self._reactor, lambda *_: Failure(TimeoutError()))  # type: ignore[no-untyped-call]
        try:
            await maybe_deferred_to_future(done)
        except Exception:
            # Twisted writes the call before the TLS handshake, and none of it is sent if that fails.
            call.sent = call.sent and not tls.has_failed
            raise

    async def close(self) -> None:
        await maybe_deferred_to_future(self._pool.closeCachedConnections())  # type: ignore[no-untyped-call]


@implementer(IPolicyForHTTPS, IOpenSSLClientConnectionCreator)
class _Tls:
    """Connects one call to a server whose certificate is trusted and names the host.

    Twisted does the same, but from 26.4 on lets a certificate pass that service_identity refuses to read.
    """

    def __init__(self) -> None:
        self._connections: list[Any] = []

    @property
    def has_failed(self) -> bool:
        """Tell whether connections were made for the call, and the handshake of none was completed."""
        return bool(self._connections) and not any(each.get_peer_finished() for each in self._connections)

    def creatorForNetloc(self, hostname: bytes, port: int) -> "_Tls":
        host = hostname.decode("ascii")
        is_address = isIPAddress(host) or isIPv6Address(host)
        self._identity = IPAddress_ID(host) if is_address else DNS_ID(host)
        self._creator: Any = optionsForClientTLS(host)
        return self

    def clientConnectionForTLS(self, protocol: Any) -> Any:
        connection = self._creator.clientConnectionForTLS(protocol)
        connection.set_verify(connection.get_verify_mode(), partial(_is_of_host, self._identity))
        self._connections.append(connection)
        return connection


def _is_of_host(identity: Any, connection: Any, certificate: Any, error: int, depth: int, is_trusted: int) -> bool:
    """Return whether OpenSSL trusts a certificate, and that of the server, which has depth 0, names the host."""
    if is_trusted and not depth:
        try:
            verify_service_identity(extract_patterns(certificate), [identity], [])
        except Exception:
            return False
    return bool(is_trusted)


def _read(response: Any, call: Call, reactor: Any) -> Deferred[None]:
    """Read the body into ``call``, or close the connection where the head is an error."""
    body = _Body(call, reactor)
    response.deliverBody(body)
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

    def __init__(self, call: Call, reactor: Any) -> None:
        self.done: Deferred[None] = Deferred(lambda _: self._disconnect())
        self._call = call
        self._reactor = reactor
        self._is_complete = False

    def dataReceived(self, data: bytes) -> None:
        if not self.done.called and not self._call.receive(data):
            self.done.callback(None)
            self._disconnect()

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
