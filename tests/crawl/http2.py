"""Serve a walled site over HTTP/2, by Twisted: aiohttp speaks HTTP/1.1 alone."""

from __future__ import annotations

import time
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl

from multidict import CIMultiDict
from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from scrapy_omocaptcha.testing.visit import Visit
from tests.helpers.certificates import self_signed


class Http2Site(Resource):
    """Serves the pages of a :class:`~tests.helpers.walled_pages.WalledPages` that is not started itself.

    It runs in the reactor's thread, so the pages must not wait.
    """

    isLeaf = True  # noqa: N815

    def __init__(self, reactor, pages):
        super().__init__()
        self._pages = pages
        self.protocols = set()
        """The protocols of the requests."""
        host = pages.hosts[0]
        self._listening = reactor.listenSSL(
            0, Site(self), ssl.PrivateCertificate.loadPEM(self_signed(host)).options(), interface=host
        )
        pages.port = self._listening.getHost().port
        self.url = f"https://{host}:{pages.port}"

    def close(self):
        return self._listening.stopListening()

    def render(self, request):
        """Answer a request."""
        self.protocols.add(request.clientproto)
        Deferred.fromCoroutine(self._pages.respond(_visit(request))).addCallback(_write, request)
        return NOT_DONE_YET


def _visit(request):
    headers = CIMultiDict(
        (name.decode(), value.decode())
        for name, values in request.requestHeaders.getAllRawHeaders()
        for value in values
    )
    path, _, query = request.uri.decode().partition("?")
    body = request.content.read()
    is_form = "urlencoded" in headers.get("Content-Type", "")
    return Visit(
        at=time.monotonic(),
        method=request.method.decode(),
        host=request.getRequestHostname().decode(),
        path=path,
        url=f"https://host{request.uri.decode()}",
        query=tuple(parse_qsl(query, keep_blank_values=True)),
        form=tuple(parse_qsl(body.decode(), keep_blank_values=True)) if is_form else (),
        headers=headers,
        cookies={
            name: morsel.value
            for header in headers.getall("Cookie", ())
            for name, morsel in SimpleCookie(header).items()
        },
        body=body,
    )


def _write(response, request):
    request.setResponseCode(response.status)
    for name, value in response.headers.items():
        request.responseHeaders.addRawHeader(name, value)
    for morsel in response.cookies.values():
        request.responseHeaders.addRawHeader("Set-Cookie", morsel.OutputString())
    body = response.body or b""
    request.responseHeaders.setRawHeaders("Content-Length", [str(len(body))])
    request.write(body)
    request.finish()
