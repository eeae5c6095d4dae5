"""What can go wrong with one answer, and when it does.

Shared by the offline service (where a fault is booked for a call) and the sites (where it is booked for a
path). A connection that is refused cannot be had for one call: stop the server for that, and start it again.
"""

from __future__ import annotations

import random
import threading
from contextlib import suppress
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

HTML = "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>It is broken</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; ``seconds`` and ``location`` matter to the kinds that say so."""

    kind: Kind
    seconds: float = 1.0
    location: str = "/elsewhere"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is no fault; there are {', '.join(KINDS)}")

    @property
    def nothing_done(self) -> bool:
        """It strikes before anything was done for the request."""
        return self.kind in NOTHING_DONE


class Faults:
    """Which requests go wrong: those that were booked, then those that chance picks. Safe in any thread."""

    def __init__(self) -> None:
        self._booked: list[tuple[str, Fault]] = []
        self._chance: tuple[random.Random, float, tuple[Fault, ...], frozenset[str]] | None = None
        self._lock = threading.Lock()

    def book(self, target: str, fault: Fault, times: int) -> None:
        """Let the next ``times`` requests for ``target`` (``"*"``: for anything) go wrong."""
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
    pause: Callable[[float | None], Awaitable[bool]],
) -> web.StreamResponse:
    """Answer ``request`` as ``fault`` has it.

    :param answer: what would have been sent; None if nothing was done for the request.
    :param pause: lets seconds pass (None: all the time there is); True when the server is to stop.
    """
    if fault.kind == "hang":
        await pause(None)
    if fault.kind in ("reset", "reset_after", "hang"):
        _break(request)
        return web.Response()
    if answer is None:
        return _refusal(fault)
    if fault.kind in ("slow", "truncated", "endless"):
        return await _piecemeal(fault, request, answer, pause)
    return _spoilt(fault, answer)


def _refusal(fault: Fault) -> web.Response:
    """What a server says that did nothing."""
    if fault.kind == "too_many":
        return web.Response(status=429, headers={"Retry-After": f"{fault.seconds:g}"})
    if fault.kind == "redirect":
        return web.Response(status=307, headers={"Location": fault.location})
    return web.Response(status=500, text=HTML, content_type="text/html")


def _spoilt(fault: Fault, answer: web.Response) -> web.Response:
    """A whole answer that is not what it should be."""
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


async def _piecemeal(
    fault: Fault,
    request: web.Request,
    answer: web.Response,
    pause: Callable[[float | None], Awaitable[bool]],
) -> web.StreamResponse:
    """An answer that comes bit by bit: slow, truncated, endless."""
    body = _body(answer)
    half = len(body) // 2
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.cookies.update(answer.cookies)
    if fault.kind != "endless":
        response.content_length = len(body) + (fault.kind == "truncated")
    # Such an answer may well end with its client: either this is cancelled, or the next write tells.
    with suppress(ConnectionResetError):
        await response.prepare(request)
        await response.write(body[:half])
        if fault.kind == "slow":
            await pause(fault.seconds)
            await response.write(body[half:])
            return response
        # The pause also lets others in while a client reads as fast as this writes.
        while fault.kind == "endless" and not await pause(0):
            await response.write(b" " * 65536)
    if request.transport is not None:
        request.transport.close()
    return response


def _body(answer: web.Response) -> bytes:
    return answer.body if isinstance(answer.body, bytes) else b""


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
