"""The transport on aiohttp, for crawls without a Twisted reactor."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, ClientTimeout, TCPConnector, TraceConfig

from scrapy_omocaptcha.buying.api.transport import IDLE_SECONDS, MAX_BODY, Call, Transport, judge, too_long

if TYPE_CHECKING:
    from types import SimpleNamespace


class AiohttpTransport(Transport):
    """Opens its connections in the event loop of the first call."""

    def __init__(self, base_url: str, *, timeout: float, idle: float = IDLE_SECONDS) -> None:
        super().__init__(base_url, timeout=timeout, idle=idle)
        self._session: ClientSession | None = None

    async def _exchange(self, call: Call) -> bytes:
        if self._session is None:
            self._session = _session(self._timeout, self._idle)
        # aiohttp repeats no POST when a kept connection breaks: a job would be bought twice.
        sent = self._session.request(
            call.method,
            call.url,
            data=call.body,
            headers=call.headers,
            allow_redirects=False,
            trace_request_ctx=call,
        )
        async with sent as response:
            headers = response.headers
            refusal = judge(response.status, headers.get("Content-Type", ""), headers.get("Retry-After", ""))
            if refusal is not None:
                # Left unread, the body takes its connection with it.
                raise refusal
            answer = bytearray()
            async for part in response.content.iter_any():
                answer += part
                if len(answer) > MAX_BODY:
                    raise too_long()
            return bytes(answer)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _session(timeout: float, idle: float) -> ClientSession:
    trace = TraceConfig()
    trace.on_request_headers_sent.append(_note_sent)
    return ClientSession(
        connector=TCPConnector(ssl=ssl.create_default_context(), limit=0, keepalive_timeout=idle),
        timeout=ClientTimeout(total=timeout),
        # aiohttp would ask for whatever the libraries that happen to be installed can unpack.
        headers={"Accept-Encoding": "gzip"},
        # Neither the proxies nor the netrc of the environment.
        trust_env=False,
        trace_configs=[trace],
    )


async def _note_sent(_: ClientSession, context: SimpleNamespace, __: Any) -> None:
    """Called just before the head is written, on a connection whose certificate has been judged."""
    context.trace_request_ctx.sent = True
