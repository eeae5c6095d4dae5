"""Break the answers of the offline service on purpose.

The offline service applies faults to calls, the sites to paths. A single connection cannot be refused: stop the server
for that, and start it again.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from aiohttp import web

from scrapy_omocaptcha.testing.server import LoopbackServer, check_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Kind = Literal[
    "reset",
    "too_many",
    "server_error",
    "redirect",
    "reset_after",
    "bad_gateway",
    "slow",
    "hang",
    "truncated",
    "empty",
    "html",
]
"""Kinds of faults. The first four happen before the request is processed, all others afterwards.

- ``reset``: the connection is reset.
- ``too_many``: HTTP 429 with a Retry-After of ``seconds``.
- ``server_error``: HTTP 500 with an HTML page.
- ``redirect``: HTTP 307 to ``/elsewhere``.
- ``reset_after``: the connection is reset instead of the answer.
- ``bad_gateway``: HTTP 502 with an HTML page instead of the answer.
- ``slow``: the answer is sent in two halves, ``seconds`` apart.
- ``hang``: no answer is sent.
- ``truncated``: the connection is closed in the middle of the body.
- ``empty``: HTTP 200 with an empty body.
- ``html``: HTTP 200 with an HTML page.
"""

KINDS: tuple[Kind, ...] = get_args(Kind)

UNPROCESSED: frozenset[Kind] = frozenset({"reset", "too_many", "server_error", "redirect"})
"""Faults that happen before the request is processed."""

_HTML = "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>It is broken</h1></body></html>"
_WHOLE = {
    "too_many": (429, ""),
    "server_error": (500, _HTML),
    "redirect": (307, ""),
    "bad_gateway": (502, _HTML),
    "empty": (200, ""),
    "html": (200, _HTML),
}
"""Status and body of the answers that are whole."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Only some kinds use ``seconds``."""

    kind: Kind
    seconds: float = 1.0

    def __post_init__(self) -> None:
        check_choice(self.kind, KINDS)


class FaultyServer(LoopbackServer):
    """Server whose answers can be broken, and that tells of each with a line of text."""

    def __init__(self, hosts: Sequence[str], port: int, on_event: Callable[[str], None] | None) -> None:
        super().__init__(hosts, port)
        self._planned: list[tuple[str, Fault]] = []
        self._lock = threading.Lock()
        self._on_event = on_event or (lambda line: None)

    def fault(self, target: str, kind: Kind, *, times: int = 1, seconds: float = 1.0) -> None:
        """Break the next ``times`` requests to ``target``, where ``"*"`` stands for any.

        :param target: name of a call for the service, path for a site.
        :param kind: see :data:`~scrapy_omocaptcha.testing.Kind`, also for ``seconds``.
        """
        fault = Fault(kind, seconds)
        with self._lock:
            self._planned.extend([(target, fault)] * times)

    def take_fault(self, target: str) -> Fault | None:
        """Return the fault for a new request to ``target``, if one is planned, which it then is no more."""
        with self._lock:
            for planned in self._planned:
                if planned[0] in (target, "*"):
                    self._planned.remove(planned)
                    return planned[1]
        return None

    async def _break(self, fault: Fault, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Answer ``request`` with ``fault`` in place of ``answer``, which is None if the request was not processed."""
        if fault.kind in _WHOLE:
            status, text = _WHOLE[fault.kind]
            headers = {"too_many": {"Retry-After": f"{fault.seconds:g}"}, "redirect": {"Location": "/elsewhere"}}
            return web.Response(status=status, text=text, content_type="text/html", headers=headers.get(fault.kind))
        if fault.kind == "hang":
            await self._pause(None)
        if fault.kind in ("reset", "reset_after", "hang") or answer is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        # The answer is sent in parts: slow, or truncated.
        body = answer.body if isinstance(answer.body, bytes) else b""
        half = len(body) // 2
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.cookies.update(answer.cookies)
        response.content_length = len(body) + (fault.kind == "truncated")
        # The client may disconnect at any time, which cancels this coroutine or makes the next write fail.
        with suppress(ConnectionResetError):
            await response.prepare(request)
            await response.write(body[:half])
            if fault.kind == "slow":
                await self._pause(fault.seconds)
                await response.write(body[half:])
            elif request.transport is not None:
                request.transport.close()
        return response
