"""Carry requests to servers in the same process: those of spiders to sites, and those of the add-on to the service.

The servers are those of ``scrapy_omocaptcha.testing`` or derived from them, unchanged: each gets an ordinary request of
aiohttp, and answers it as over a socket. Only what is between them and the crawl is simulated.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urldefrag, urlsplit
from zlib import decompressobj

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpVersion11, RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from scrapy import signals
from scrapy.core.downloader.handlers.base import BaseDownloadHandler
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
    StopDownload,
)
from scrapy.http import Headers
from scrapy.responsetypes import responsetypes
from scrapy.utils.url import add_http_if_no_scheme
from twisted.internet.error import DNSLookupError
from twisted.python.failure import Failure
from yarl import URL

from scrapy_omocaptcha.buying.api.transport import Call, Transport, check_head
from scrapy_omocaptcha.testing.server import MAX_BODY, LoopbackServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response


_FIRST_PORT = 20_000
_CLIENT = "192.0.2.1"
"""Address of the crawl, as sites see it unless a proxy is in between."""

NAME = "X-Request"
"""The header by which a request of a simulated crawl tells which one it is."""
PLACE = "X-Exchange"
"""The header that tells a site where such a request stands among the exchanges."""
_WINDOW = 4
"""Parts of a body that a server may write before the client has read them."""
_ROUND_TRIP = 0.01
"""Seconds after which a server looks whether the client has read them."""


class Refused(Exception):
    """Nothing listens at the address."""


class Unresolved(DNSLookupError):
    """The host has no address."""


class Broken(Exception):
    """The connection broke."""


class Cut(Broken):
    """The connection broke in the midst of a body."""


class Reply(AbstractStreamWriter):
    """What a server writes to one connection, for the client to read; it is the connection's transport as well."""

    def __init__(self, timeout: float) -> None:
        loop = asyncio.get_running_loop()
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self._head: asyncio.Future[None] = loop.create_future()
        self._failed: asyncio.Future[Exception] = loop.create_future()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._is_whole = False
        self._late: asyncio.Future[None] = loop.create_future()
        self._timer = loop.call_later(timeout, self._time_out)

    # What a server calls

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        """Send the head."""
        self._check()
        self.status = int(status_line.split()[1])
        self.headers = list(headers.items())
        self._head.set_result(None)

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Send a part of the body."""
        self._check()
        self._chunks.put_nowait(bytes(chunk))
        while self._chunks.qsize() > _WINDOW and not self._failed.done():
            await asyncio.sleep(_ROUND_TRIP)

    async def write_eof(self, chunk: bytes = b"") -> None:
        """Send the last part of the body."""
        self._check()
        self._is_whole = True
        self._chunks.put_nowait(bytes(chunk))
        self._chunks.put_nowait(None)

    def _check(self) -> None:
        if self._failed.done():
            raise ConnectionResetError("the connection is closed")

    async def drain(self) -> None:
        """Do nothing: the client reads as fast as the server writes."""

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
        """Do nothing: the servers compress whole bodies only, before they are written."""

    def enable_chunking(self) -> None:
        """Do nothing: there are no bytes on a wire."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return nothing about the connection."""
        return default

    def is_closing(self) -> bool:
        """Tell whether the connection is closed."""
        return self._failed.done()

    def abort(self) -> None:
        """Break the connection."""
        self.fail(Cut("the connection was closed in the midst of the body") if self._head.done() else Broken("reset"))

    close = abort

    # What a client calls

    def fail(self, error: Exception) -> None:
        """Raise an error where the client waits for the answer."""
        if not self._failed.done() and not self._is_whole:
            self._failed.set_result(error)
            self._chunks.put_nowait(None)

    def _time_out(self) -> None:
        self._late.set_result(None)
        self.fail(TimeoutError())

    async def pause(self, seconds: float) -> None:
        """Wait for some seconds, or until the time of the exchange is over."""
        await asyncio.wait({self._late}, timeout=seconds)
        if self._late.done():
            raise TimeoutError

    async def head(self) -> None:
        """Wait until the head is there."""
        await asyncio.wait({self._head, self._failed}, return_when=asyncio.FIRST_COMPLETED)
        if not self._head.done():
            raise self._failed.result()

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body in parts.

        :raises Cut: when the connection breaks before its end.
        """
        while (chunk := await self._chunks.get()) is not None:
            yield chunk
        if not self._is_whole:
            raise self._failed.result()

    def done(self) -> None:
        """End the exchange, whose client has read what it wants."""
        self._timer.cancel()
        self.abort()


@dataclass(eq=False)
class Exchange:
    """A request to a server, as its client sees it."""

    server: LoopbackServer | None
    method: str
    url: str
    crawler: Crawler | None
    """The crawl that sends it; None for a call to the service."""
    began: float
    headers: dict[str, str]
    status: int = 0
    has_arrived: bool = False
    is_answered: bool = False
    """Whether the client has read the answer."""
    ended: float = math.inf


class Network:
    """The hosts of a simulation.

    :param latency: returns for how many seconds a request to a host is on its way, and its answer as well.
    """

    def __init__(self, latency: Callable[[str], float] = lambda host: 0.0) -> None:
        self._latency = latency
        self._servers: dict[tuple[str, int], LoopbackServer] = {}
        self.exchanges: list[Exchange] = []
        """All exchanges, in the order in which they began."""
        self.transports: set[Transport] = set()
        """Those of the service's API that have not been closed."""
        self._next_port = _FIRST_PORT

    @property
    def settings(self) -> dict[str, Any]:
        """Return Scrapy's settings for crawls in this network."""
        handler = type("Handler", (SimulatedHandler,), {"network": self})
        return {
            "TWISTED_REACTOR_ENABLED": False,
            "REMOTE_CONTROL_ENABLED": False,
            "DOWNLOAD_HANDLERS": {"http": handler, "https": handler},
        }

    def build_transport(self, url: str, timeout: float) -> Transport:
        """Build the transport of the service's API, in the place of the function in ``buying.api.factory``."""
        transport = SimulatedTransport(self, url, timeout=timeout)
        self.transports.add(transport)
        return transport

    def start(self, server: LoopbackServer) -> None:
        """Let a server accept connections, in the place of :meth:`LoopbackServer.start`."""
        if not server.port:
            server.port = self._next_port
            self._next_port += 1
        server._stopping = asyncio.Event()
        for host in server.hosts:
            self._servers[host, server.port] = server

    def stop(self, server: LoopbackServer) -> None:
        """Refuse connections to a server from now on, in the place of :meth:`LoopbackServer.stop`."""
        for host in server.hosts:
            self._servers.pop((host, server.port), None)
        if server._stopping is not None:
            server._stopping.set()

    def restart(self) -> None:
        """Let the servers go on in another loop."""
        for server in self._servers.values():
            server._stopping = asyncio.Event()
        self.transports.clear()

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        *,
        timeout: float,
        proxy: str | None = None,
        crawler: Crawler | None = None,
        connected: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[Reply]:
        """Send a request, and yield its answer as soon as the head is there.

        :param timeout: seconds for the whole exchange.
        :param proxy: URL of the proxy that gets the request. One on loopback is a server of the network; any other one
            sends the request on, and the server sees its address.
        :param crawler: the crawl whose spider sends the request.
        :param connected: called before anything is sent.
        :raises Unresolved: when the host is none of the network's, and no IP address.
        :raises Refused: when nothing listens there.
        :raises Broken: when the connection breaks before the head is there.
        :raises TimeoutError: when the time is over.
        """
        host, port = _address(url)
        client, target = _CLIENT, _target(url)
        if proxy is not None:
            client, _ = _address(proxy)
            if client.startswith("127."):
                (host, port), client, target = _address(proxy), _CLIENT, urldefrag(url).url
        server = self._servers.get((host, port))
        reply = Reply(timeout)
        answering = None
        now = asyncio.get_running_loop().time
        exchange = Exchange(server, method, url, crawler, now(), dict(headers))
        place = len(self.exchanges)
        self.exchanges.append(exchange)
        try:
            await reply.pause(self._latency(host))
            if server is None:
                raise Refused(url) if _is_known(host, self._servers) else Unresolved(url)
            if url.startswith("https:"):
                raise Broken("the server speaks no TLS")
            connected()
            exchange.has_arrived = True
            if NAME in exchange.headers:
                headers = [*headers, (PLACE, str(place))]
            request = _request(method, target, urlsplit(url).netloc, headers, body, reply, client)
            answering = asyncio.ensure_future(_answer(server, request, reply))
            await reply.head()
            exchange.status = reply.status
            await reply.pause(self._latency(host))
            yield reply
            exchange.is_answered = True
        finally:
            exchange.ended = now()
            reply.done()
            if answering is not None:
                answering.cancel()


def _is_known(host: str, servers: dict[tuple[str, int], LoopbackServer]) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or any(host == known for known, _ in servers)
    return True


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _target(url: str) -> str:
    """Return what the first line of a request asks for, unless it goes to a proxy."""
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


async def _answer(server: LoopbackServer, request: web.Request, reply: Reply) -> None:
    try:
        try:
            answer = await server._handle(request)
        except web.HTTPException as error:
            answer = error
        await answer.prepare(request)
        await answer.write_eof()
    except ConnectionResetError:
        return
    except Exception as error:
        # A server that fails is a mistake of the test, so it is not hidden as a broken connection.
        reply.fail(error)


def _request(
    method: str, target: str, host: str, headers: Sequence[tuple[str, str]], body: bytes, reply: Reply, client: str
) -> web.Request:
    """Return the request as aiohttp's server makes it."""
    loop = asyncio.get_running_loop()
    connection: Any = SimpleNamespace(
        transport=reply,
        peername=(client, 50_000),
        ssl_context=None,
        sockname=None,
        max_field_size=8190,
        max_headers=128,
    )
    payload = StreamReader(BaseProtocol(loop), MAX_BODY, loop=loop)
    payload.feed_data(body)
    payload.feed_eof()
    sent = CIMultiDict(headers)
    sent.setdefault("Host", host.rpartition("@")[2])
    if body or method not in ("GET", "HEAD"):
        sent["Content-Length"] = str(len(body))
    raw = tuple((name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in sent.items())
    line = URL(target, encoded=True)
    message = RawRequestMessage(
        method, target, HttpVersion11, CIMultiDictProxy(sent), raw, False, None, False, False, line
    )
    task: Any = asyncio.current_task()
    return web.Request(message, payload, connection, reply, task, loop, client_max_size=MAX_BODY)


class SimulatedTransport(Transport):
    """Transport of the service's API over a simulated network."""

    def __init__(self, network: Network, base_url: str, *, timeout: float) -> None:
        super().__init__(base_url, timeout=timeout)
        self._network = network

    async def _exchange(self, call: Call) -> None:
        def connected() -> None:
            call.sent = True

        headers = list(call.headers.items())
        sent = self._network.exchange(
            call.method, call.url, headers, call.body or b"", timeout=self._timeout, connected=connected
        )
        async with sent as reply:
            answered = dict(reply.headers)
            check_head(reply.status, answered.get("Content-Type", ""), answered.get("Retry-After", ""))
            unpack = decompressobj(31).decompress if answered.get("Content-Encoding") == "gzip" else bytes
            async for data in reply.body():
                if not call.receive(unpack(data)):
                    break

    async def close(self) -> None:
        self._network.transports.remove(self)


class SimulatedHandler(BaseDownloadHandler):
    """Scrapy's download handler for http and https over the network in ``network``.

    It derives from no handler that sends something, since these differ from version to version.
    """

    network: ClassVar[Network]
    """Set in a subclass of each network, since Scrapy copies whatever else is in its settings."""

    async def download_request(self, request: Request) -> Response:
        since = time.monotonic()
        try:
            async with self._send(request) as reply:
                request.meta["download_latency"] = time.monotonic() - since
                return await self._read(reply, request)
        except TimeoutError as error:
            raise DownloadTimeoutError(f"Getting {request.url} took too long.") from error
        except Unresolved as error:
            raise CannotResolveHostError(str(error)) from error
        except Refused as error:
            raise DownloadConnectionRefusedError(str(error)) from error
        except Cut as error:
            raise ResponseDataLossError(str(error)) from error
        except Broken as error:
            raise DownloadFailedError(str(error)) from error

    def _send(self, request: Request) -> AbstractAsyncContextManager[Reply]:
        proxy = request.meta.get("proxy")
        headers = [
            (name.decode(), value.decode("utf-8", "surrogateescape"))
            for name, values in request.headers.items()
            for value in values
        ]
        asked = request.method, request.url, headers, request.body
        # What this package sends without the middlewares has the timeout of Scrapy's own handlers.
        timeout = request.meta.get("download_timeout", 10.0)
        proxy = proxy and add_http_if_no_scheme(proxy)
        return self.network.exchange(*asked, timeout=timeout, proxy=proxy, crawler=self.crawler)

    async def _read(self, reply: Reply, request: Request) -> Response:
        headers = Headers()
        for name, value in reply.headers:
            headers.appendlist(name, value)
        length = headers.get("Content-Length")
        size = None if length is None else int(length)
        self._check_size(request, size or 0)
        body, flags = bytearray(), []
        stopped = self._stopped_by(signals.headers_received, request, headers=headers, body_length=size)
        try:
            chunks = reply.body()
            while not stopped and (data := await anext(chunks, None)) is not None:
                body += data
                stopped = self._stopped_by(signals.bytes_received, request, data=data)
                self._check_size(request, len(body))
        except Cut:
            if request.meta.get("download_fail_on_dataloss", self.crawler.settings["DOWNLOAD_FAIL_ON_DATALOSS"]):
                raise
            flags.append("dataloss")
        url, content = urldefrag(request.url).url, bytes(body)
        response = responsetypes.from_args(headers=headers, url=url, body=content)(
            url=url,
            status=reply.status,
            headers=headers,
            body=content,
            flags=flags,
            ip_address=ipaddress.ip_address("192.0.2.2"),
            protocol="HTTP/1.1",
        )
        if stopped is not None:
            response.flags.append("download_stopped")
            stopped.response = response
            if stopped.fail:
                raise stopped
        return response

    def _check_size(self, request: Request, size: int) -> None:
        most = request.meta.get("download_maxsize", self.crawler.settings.getint("DOWNLOAD_MAXSIZE"))
        if most and size > most:
            raise DownloadCancelledError(f"{request} has an answer of {size} bytes or more, and {most} are allowed")

    def _stopped_by(self, signal: object, request: Request, **told: Any) -> StopDownload | None:
        """Send a signal, and return the error of a handler that wants no more of the answer."""
        answers = self.crawler.signals.send_catch_log(signal, request=request, spider=self.crawler.spider, **told)
        errors = [answer.value for _, answer in answers if isinstance(answer, Failure)]
        return next((error for error in errors if isinstance(error, StopDownload)), None)
