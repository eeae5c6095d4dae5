"""Break the answers of the offline service on purpose.

The offline service applies faults to calls, the sites to paths. A single connection cannot be refused: stop the server
for that, and start it again.
"""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from aiohttp import web

from scrapy_omocaptcha.testing.server import LoopbackServer, check_choice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

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
    "wrong_type",
    "wrong_encoding",
    "wrong_gzip",
    "endless",
]
"""Kinds of faults. The first four happen before the request is processed, all others afterwards.

- ``reset``: the connection is reset.
- ``too_many``: HTTP 429 with a Retry-After of ``seconds``.
- ``server_error``: HTTP 500 with an HTML page.
- ``redirect``: HTTP 307 to ``location``.
- ``reset_after``: the connection is reset instead of the answer.
- ``bad_gateway``: HTTP 502 with an HTML page instead of the answer.
- ``slow``: the answer is sent in two halves, ``seconds`` apart.
- ``hang``: no answer is sent.
- ``truncated``: the connection is closed in the middle of the body.
- ``empty``: HTTP 200 with an empty body.
- ``html``: HTTP 200 with an HTML page.
- ``wrong_type``: a JSON list.
- ``wrong_encoding``: the answer in UTF-16, declared as UTF-8.
- ``wrong_gzip``: the answer declared as gzip, but not compressed.
- ``endless``: a body without an end.
"""

KINDS: tuple[Kind, ...] = get_args(Kind)

UNPROCESSED: frozenset[Kind] = frozenset({"reset", "too_many", "server_error", "redirect"})
"""Faults that happen before the request is processed."""

HTML = "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>It is broken</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Only some kinds use ``seconds`` and ``location``."""

    kind: Kind
    seconds: float = 1.0
    location: str = "/elsewhere"

    def __post_init__(self) -> None:
        check_choice(self.kind, KINDS)

    @property
    def unprocessed(self) -> bool:
        """Tell whether it happens before the request is processed."""
        return self.kind in UNPROCESSED


class FaultyServer(LoopbackServer):
    """Server whose answers can be broken, and that tells of each with a line of text."""

    def __init__(self, hosts: Sequence[str], port: int, on_event: Callable[[str], None] | None) -> None:
        super().__init__(hosts, port)
        self._planned: list[tuple[str, Fault]] = []
        self._chance: tuple[random.Random, float, list[Fault], Sequence[str]] | None = None
        self._lock = threading.Lock()
        self._on_event = on_event or (lambda line: None)

    def fault(
        self, target: str, kind: Kind, *, times: int = 1, seconds: float = 1.0, location: str = "/elsewhere"
    ) -> None:
        """Break the next ``times`` requests to ``target``, where ``"*"`` stands for any.

        :param target: name of a call for the service, path for a site.
        :param kind: see :data:`~scrapy_omocaptcha.testing.Kind`, also for ``seconds`` and ``location``.
        """
        fault = Fault(kind, seconds, location)
        with self._lock:
            self._planned.extend([(target, fault)] * times)

    def random_faults(
        self,
        rate: float,
        *,
        seed: int,
        kinds: Sequence[Kind] = KINDS,
        targets: Sequence[str] = (),
        seconds: float = 1.0,
        location: str = "/elsewhere",
    ) -> None:
        """Break a random share of all requests, or of those to ``targets``.

        :param rate: share between 0 and 1.
        :param seed: seed that selects the same requests each time, if their order is the same.
        """
        faults = [Fault(kind, seconds, location) for kind in kinds]
        with self._lock:
            self._chance = (random.Random(seed), rate, faults, targets)

    def _take_fault(self, target: str) -> Fault | None:
        """Return the fault for a new request to ``target``; a planned one comes only once."""
        with self._lock:
            for planned in self._planned:
                if planned[0] in (target, "*"):
                    self._planned.remove(planned)
                    return planned[1]
            if self._chance is not None:
                dice, rate, faults, targets = self._chance
                if (not targets or target in targets) and dice.random() < rate:
                    return dice.choice(faults)
            return None


async def apply_fault(
    fault: Fault,
    request: web.Request,
    answer: web.Response | None,
    pause: Callable[[float | None], Awaitable[bool]],
) -> web.StreamResponse:
    """Answer ``request`` with ``fault``.

    :param answer: the answer without the fault, or None if the request was not processed.
    :param pause: function that waits for a number of seconds (None: for ever) and returns whether the server is being
        stopped.
    """
    if fault.kind == "hang":
        await pause(None)
    if fault.kind in ("reset", "reset_after", "hang"):
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    if answer is None:
        return _refuse(fault)
    if fault.kind in ("slow", "truncated", "endless"):
        return await _stream(fault, request, answer, pause)
    return _spoil(fault, answer)


def _refuse(fault: Fault) -> web.Response:
    """Return the answer of a server that did not process the request."""
    if fault.kind == "too_many":
        return web.Response(status=429, headers={"Retry-After": f"{fault.seconds:g}"})
    if fault.kind == "redirect":
        return web.Response(status=307, headers={"Location": fault.location})
    return web.Response(status=500, text=HTML, content_type="text/html")


def _spoil(fault: Fault, answer: web.Response) -> web.Response:
    """Return a complete but wrong answer."""
    headers = {"Content-Type": answer.headers["Content-Type"]}
    body = _body(answer)
    if fault.kind == "bad_gateway":
        return web.Response(status=502, text=HTML, content_type="text/html")
    if fault.kind == "empty":
        return web.Response(headers=headers)
    if fault.kind == "html":
        return web.Response(text=HTML, content_type="text/html")
    if fault.kind == "wrong_type":
        return web.json_response(["unexpected"])
    if fault.kind == "wrong_encoding":
        return web.Response(body=body.decode().encode("utf-16"), headers=headers)
    return web.Response(body=body, headers={**headers, "Content-Encoding": "gzip"})


async def _stream(
    fault: Fault,
    request: web.Request,
    answer: web.Response,
    pause: Callable[[float | None], Awaitable[bool]],
) -> web.StreamResponse:
    """Send an answer in parts: slow, truncated, or endless."""
    body = _body(answer)
    half = len(body) // 2
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.cookies.update(answer.cookies)
    if fault.kind != "endless":
        response.content_length = len(body) + (fault.kind == "truncated")
    # The client may disconnect at any time, which cancels this coroutine or makes the next write fail.
    with suppress(ConnectionResetError):
        await response.prepare(request)
        await response.write(body[:half])
        if fault.kind == "slow":
            await pause(fault.seconds)
            await response.write(body[half:])
            return response
        # The pause lets other requests run even if the client reads as fast as this coroutine writes.
        while fault.kind == "endless" and not await pause(0):
            await response.write(b" " * 65536)
    if request.transport is not None:
        request.transport.close()
    return response


def _body(answer: web.Response) -> bytes:
    return answer.body if isinstance(answer.body, bytes) else b""
