"""Make calls with aiohttp, for processes without a Twisted reactor."""

import ssl
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from aiohttp import ClientSession, ClientTimeout, TCPConnector, TraceConfig

from scrapy_omocaptcha.buying.api.transport import Call, Transport, check_head


class AiohttpTransport(Transport):
    """Transport on aiohttp. It belongs to the event loop of its first call."""

    @cached_property
    def _session(self) -> ClientSession:
        trace = TraceConfig()
        trace.on_request_headers_sent.append(_mark_sent)
        tls = ssl.create_default_context()
        tls.hostname_checks_common_name = False  # Twisted and browsers ignore it, too.
        return ClientSession(
            connector=TCPConnector(ssl=tls, limit=0, keepalive_timeout=self.idle_seconds),
            timeout=ClientTimeout(total=self._timeout),
            trace_configs=[trace],
        )

    async def _exchange(self, call: Call) -> None:
        # aiohttp doesn't retry a POST when a kept connection breaks, which could buy a job twice.
        sent = self._session.request(
            call.method, call.url, data=call.body, headers=call.headers, allow_redirects=False, trace_request_ctx=call
        )
        # Leaving this block before the body has been read closes the connection.
        async with sent as response:
            headers = response.headers
            check_head(response.status, headers.get("Content-Type", ""), headers.get("Retry-After", ""))
            async for data in response.content.iter_any():
                if not call.receive(data):
                    break

    async def close(self) -> None:
        if "_session" in vars(self):  # A call has been made.
            await self._session.close()


async def _mark_sent(_: ClientSession, context: SimpleNamespace, __: Any) -> None:
    """Mark the call as sent. Runs just before the head is written, after the certificate has been verified."""
    context.trace_request_ctx.sent = True
