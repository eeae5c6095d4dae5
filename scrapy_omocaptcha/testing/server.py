"""Run an HTTP server on loopback, in a thread with its own event loop.

Spiders under any reactor, spiders in other processes, and plain tests use the offline service and the sites, which
therefore must not share an event loop with them.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from typing_extensions import Self

T = TypeVar("T")

MAX_BODY = 16 * 2**20
"""Longest body of a request, in bytes. Hostile forms have a few MB."""
_BACKLOG = 1024
"""Connections that may wait to be accepted. Any more would be delayed by a second or longer."""
_PORT_ATTEMPTS = 20
"""Ports that are tried to find one that is free on every host."""


class LoopbackServer(ABC):
    """HTTP server that runs from :meth:`start` to :meth:`stop`, or as long as a ``with`` block.

    :param hosts: loopback addresses to listen on, all with the same port.
    :param port: 0 for any free port. It is then stored in ``port``, and kept when the server is started again.
    """

    def __init__(self, hosts: Sequence[str], port: int) -> None:
        self.hosts = tuple(hosts)
        self.port = port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    @abstractmethod
    async def _handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request. This runs in the server's thread."""

    @property
    def origin(self) -> str:
        """Return scheme, first host and port, such as ``http://127.0.0.1:41234``."""
        return f"http://{self.hosts[0]}:{self.port}"

    def start(self) -> None:
        """Start to accept connections.

        :raises OSError: when an address is not available.
        """
        sockets = _listen(self.hosts, self.port)
        self.port = sockets[0].getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(sockets, ready)), daemon=True)
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Abort all requests, close all connections, and end the thread. Does nothing when not running.

        Connections are refused until the next :meth:`start`.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return
        assert self._loop is not None
        assert self._stopping is not None
        with suppress(RuntimeError):  # The loop is closed, since the thread has ended by itself.
            self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _pause(self, seconds: float | None) -> None:
        """Wait for ``seconds``, or for ever if None, but not when the server is being stopped."""
        assert self._stopping is not None
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _run(self, sockets: list[socket.socket], ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        # The handler that hangs ends when its client disconnects, by handler_cancellation.
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        try:
            await runner.setup()
            for listening in sockets:
                await web.SockSite(runner, listening, backlog=_BACKLOG).start()
            ready.set()
            await self._stopping.wait()
        finally:
            ready.set()
            await runner.cleanup()


def read_json(text: str | bytes) -> Any:
    """Return decoded JSON, or None if ``text`` is not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def check_choice(value: T, choices: Collection[T]) -> T:
    """Return ``value``; raise ``ValueError`` unless it is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{value!r} is not one of {', '.join(map(str, choices))}")
    return value


def _listen(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Return a listening socket for each host, all on the same port."""
    for attempts_left in reversed(range(_PORT_ATTEMPTS)):
        sockets: list[socket.socket] = []
        try:
            for host in hosts:
                sockets.append(socket.create_server((host, sockets[0].getsockname()[1] if sockets else port)))
        except OSError:
            for opened in sockets:
                opened.close()
            if port or not attempts_left:
                raise
        else:
            return sockets
    raise AssertionError("the last attempt returns or raises")
