"""One HTTP server on loopback, in a thread with an event loop of its own.

The thread is the point: the offline service and the sites are used from spiders under any reactor, from
spiders in other processes and from plain tests, so they must not share an event loop with what they are used
by. Nothing here knows what is served.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from abc import ABC, abstractmethod
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

LARGEST_BODY = 16 * 2**20
"""Bytes of a request that are read; hostile forms are a few MB."""

CROWD = 1024
"""Connections that may come at once; the system lets each that is beyond wait for a second or more."""

PORT_TRIES = 20
"""How often a free port is looked for that is free on every one of several addresses."""


class LoopbackServer(ABC):
    """A server that runs from :meth:`start` to :meth:`stop`, or as long as a ``with`` block.

    :param hosts: loopback addresses to listen on, all with the same port.
    :param port: 0 takes a free one; ``port`` then holds it, and a server that is started again keeps it.
    """

    def __init__(self, hosts: Sequence[str], port: int) -> None:
        self.hosts = tuple(hosts)
        self.port = port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    @abstractmethod
    async def _handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; runs in the server's thread."""

    @property
    def origin(self) -> str:
        """Scheme, first host and port, such as ``http://127.0.0.1:41234``."""
        return f"http://{self.hosts[0]}:{self.port}"

    def start(self) -> None:
        """Listen; once this returns, connections are accepted.

        :raises OSError: an address cannot be listened on.
        :raises RuntimeError: the server runs already.
        """
        if self._thread is not None:
            raise RuntimeError(f"{type(self).__name__} runs already, at {self.origin}")
        sockets = _listen(self.hosts, self.port)
        self.port = sockets[0].getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(sockets, ready)),
            name=f"{type(self).__name__}:{self.port}",
            daemon=True,
        )
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Drop what is under way, close all connections and end the thread. Harmless when not running.

        Until the next :meth:`start` connections are refused: this is how a test takes the service down.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return
        assert self._loop is not None
        assert self._stopping is not None
        with suppress(RuntimeError):  # the loop is closed: the thread has ended by itself
            self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _pause(self, seconds: float | None) -> bool:
        """Let ``seconds`` pass (None: for ever). True, and at once, when the server is to stop."""
        assert self._stopping is not None
        try:
            return await asyncio.wait_for(self._stopping.wait(), seconds)
        except asyncio.TimeoutError:
            return False

    async def _run(self, sockets: list[socket.socket], ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        # A handler that is cancelled when its client goes away lets a hanging answer end with its client.
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        try:
            await runner.setup()
            for listening in sockets:
                await web.SockSite(runner, listening, backlog=CROWD).start()
            ready.set()
            await self._stopping.wait()
        finally:
            ready.set()
            await runner.cleanup()


def _listen(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Listening sockets on one port of every host."""
    for attempt in range(PORT_TRIES):
        with ExitStack() as opened:
            try:
                first = opened.enter_context(socket.create_server((hosts[0], port)))
                chosen = first.getsockname()[1]
                rest = [opened.enter_context(socket.create_server((host, chosen))) for host in hosts[1:]]
            except OSError:
                if port or attempt == PORT_TRIES - 1:
                    raise
                continue
            opened.pop_all()
            return [first, *rest]
    raise AssertionError("the last try returns or raises")
