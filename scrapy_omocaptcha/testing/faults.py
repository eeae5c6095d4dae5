"""What can go wrong with one answer, and when it does.

Shared by the offline service (where a fault is booked for a call) and the sites (where it is booked for a path).
A connection that is refused cannot be had for one call: stop the server for that, and start it again.
"""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from aiohttp import web

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
"""The faults. Of the first four the server does nothing for the request; all others strike when it is done.

``reset``
    the connection breaks.
``too_many``
    HTTP 429 with a Retry-After of ``seconds``.
``server_error``
    HTTP 500 with an HTML page.
``redirect``
    HTTP 307 to ``location``.
``reset_after``
    the connection breaks in the place of the answer.
``bad_gateway``
    HTTP 502 with an HTML page in the place of the answer.
``slow``
    the answer comes in two halves, ``seconds`` apart.
``hang``
    no answer comes.
``truncated``
    the connection ends in the middle of the body.
``empty``
    HTTP 200 with an empty body.
``html``
    HTTP 200 with an HTML page.
``wrong_type``
    JSON, but a list.
``wrong_encoding``
    the answer in UTF-16, said to be UTF-8.
``wrong_gzip``
    the answer said to be compressed, which it is not.
``endless``
    a body that does not end.
"""

KINDS: tuple[Kind, ...] = get_args(Kind)

NOTHING_DONE: frozenset[Kind] = frozenset({"reset", "too_many", "server_error", "redirect"})
"""Faults that strike before anything was done for the request."""

HTML = (
    "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Something is broken</h1></body></html>"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; ``seconds`` and ``location`` matter to the kinds that say so."""

    kind: Kind
    seconds: float = 1.0
    location: str = "/elsewhere"

    @property
    def nothing_done(self) -> bool:
        return self.kind in NOTHING_DONE


class Faults:
    """Which requests go wrong: those that were booked, then those that chance picks. Safe in any thread."""

    def __init__(self) -> None:
        self._booked: list[tuple[str, Fault]] = []
        self._chance: tuple[random.Random, float, tuple[Fault, ...], frozenset[str]] | None = None
        self._lock = threading.Lock()

    def book(self, target: str, fault: Fault, times: int) -> None:
        """Let the next ``times`` requests for ``target`` (``"*"``: for anything) go wrong."""
        if fault.kind not in KINDS:
            raise ValueError(f"{fault.kind!r} is no fault; there are {', '.join(KINDS)}")
        with self._lock:
            self._booked.extend([(target, fault)] * times)

    def by_chance(self, rate: float, seed: int, faults: Sequence[Fault], targets: Sequence[str]) -> None:
        """Let this share of all requests for ``targets`` (none: for anything) go wrong; rate 0 ends it."""
        with self._lock:
            self._chance = (random.Random(seed), rate, tuple(faults), frozenset(targets))

    def draw(self, target: str) -> Fault | None:
        """What goes wrong with a request for ``target`` that has just arrived."""
        with self._lock:
            for index, (wanted, fault) in enumerate(self._booked):
                if wanted in (target, "*"):
                    del self._booked[index]
                    return fault
            if self._chance is not None:
                dice, rate, faults, targets = self._chance
                if (not targets or target in targets) and dice.random() < rate:
                    return dice.choice(faults)
            return None


async def strike(
    fault: Fault,
    request: web.Request,
    answer: web.Response | None,
    pause: Callable[[float | None], Awaitable[None]],
) -> web.StreamResponse:
    """Answer ``request`` as ``fault`` has it; ``answer`` is what would have been sent, None if nothing was done."""
    body = answer.body if answer is not None and isinstance(answer.body, bytes) else b""
    kind = fault.kind
    if kind in ("reset", "reset_after"):
        _break(request)
        return web.Response()
    if kind == "hang":
        await pause(None)
        _break(request)
        return web.Response()
    if kind == "too_many":
        return web.Response(
            status=429, headers={"Retry-After": f"{fault.seconds:g}"}, text="Too many requests"
        )
    if kind in ("server_error", "bad_gateway"):
        return web.Response(
            status=500 if kind == "server_error" else 502, text=HTML, content_type="text/html"
        )
    if kind == "redirect":
        return web.Response(status=307, headers={"Location": fault.location})
    if kind == "empty":
        return web.Response(body=b"", content_type="application/json")
    if kind == "html":
        return web.Response(text=HTML, content_type="text/html")
    if kind == "wrong_type":
        return web.Response(text='["unexpected"]', content_type="application/json")
    if kind == "wrong_encoding":
        utf16 = body.decode("utf-8").encode("utf-16")
        return web.Response(body=utf16, headers={"Content-Type": "application/json; charset=utf-8"})
    if kind == "wrong_gzip":
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        return web.Response(body=body, headers=headers)
    return await _piecemeal(fault, request, answer, body, pause)


async def _piecemeal(
    fault: Fault,
    request: web.Request,
    answer: web.Response | None,
    body: bytes,
    pause: Callable[[float | None], Awaitable[None]],
) -> web.StreamResponse:
    """The faults that write the body bit by bit: slow, truncated, endless."""
    response = web.StreamResponse(
        status=answer.status if answer is not None else 200,
        headers={"Content-Type": answer.headers.get("Content-Type", "text/plain")}
        if answer is not None
        else {},
    )
    if fault.kind != "endless":
        response.content_length = len(body)
    await response.prepare(request)
    half = len(body) // 2
    await response.write(body[:half])
    if fault.kind == "truncated":
        if request.transport is not None:
            request.transport.close()
        return response
    if fault.kind == "slow":
        await pause(fault.seconds)
        await response.write(body[half:])
        return response
    while request.transport is not None and not request.transport.is_closing():
        await response.write(b" " * 65536)
        await asyncio.sleep(0)  # a client that reads as fast as we write must not keep others out
    return response


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
