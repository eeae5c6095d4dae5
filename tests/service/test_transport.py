"""Calls of each transport over real sockets: the errors of faults, and that nothing is sent elsewhere."""

from __future__ import annotations

import gc
import gzip
import socket
import socketserver
import ssl
import struct
import threading
from contextlib import ExitStack, contextmanager, suppress

import pytest
from scrapy.utils.defer import deferred_from_coro
from twisted.internet.defer import gatherResults
from twisted.logger import LogLevel, globalLogPublisher

from scrapy_omocaptcha.buying.api.aiohttp_transport import AiohttpTransport
from scrapy_omocaptcha.buying.api.transport import MAX_BODY, Transport
from scrapy_omocaptcha.buying.api.treq_transport import TreqTransport
from scrapy_omocaptcha.errors import ApiBadAnswer, ApiError, ApiUnreachable
from scrapy_omocaptcha.settings.secret import Secret
from scrapy_omocaptcha.testing import OmoCaptchaService
from tests.helpers.certificates import self_signed
from tests.helpers.leaks import Search
from tests.helpers.timeouts import set_timeout

SECRET = "omo-Secret-4711-0815"
BODY = {"api_token": Secret(SECRET)}
EVERYTHING = Search({SECRET})


class Client:
    """Transport whose calls run in the reactor's thread."""

    def __init__(self, reactor, transport):
        self._call = reactor.call
        self.transport = transport

    def post(self, path="/getBalance", body=BODY):
        return self._call(lambda: deferred_from_coro(self.transport.post(path, body)))

    def posts(self, number):
        """Make ``number`` calls at once."""
        calls = (deferred_from_coro(self.transport.post("/getBalance", BODY)) for _ in range(number))
        return self._call(lambda: gatherResults(calls))

    def posts_in_a_row(self, number):
        """Make ``number`` calls, each just after the answer to the one before was wrong, and return their errors."""
        errors = []

        async def post():
            for _ in range(number):
                with pytest.raises(ApiUnreachable) as raised:
                    await self.transport.post("/getBalance", BODY)
                errors.append(str(raised.value))

        self._call(lambda: deferred_from_coro(post()))
        return errors

    def get(self, url):
        return self._call(lambda: deferred_from_coro(self.transport.get(url)))

    def close(self):
        self._call(lambda: deferred_from_coro(self.transport.close()))


@pytest.fixture(params=["treq", "aiohttp"])
def client(request, reactor):
    clients = []

    def start(url, timeout=10.0):
        if request.param == "treq":
            transport = TreqTransport(url, timeout=timeout, reactor=reactor.reactor)
        else:
            transport = AiohttpTransport(url, timeout=timeout)
        clients.append(Client(reactor, transport))
        return clients[-1]

    yield start
    for started in clients:
        started.close()


@pytest.fixture(autouse=True)
def _no_error_is_unhandled(reactor):
    """Fail if an error was not handled, which Twisted logs when the garbage is collected."""
    events = []

    def observe(event):
        if event["log_level"] >= LogLevel.error:
            events.append(str(event.get("log_failure") or event.get("log_format")))

    globalLogPublisher.addObserver(observe)
    yield
    reactor.call(gc.collect)
    globalLogPublisher.removeObserver(observe)
    assert events == []


class PlainServer(socketserver.TCPServer):
    """Server that answers each call with the same bytes, and records what it receives.

    It ends each connection after an answer, unless it is to ``keep_open``.
    """

    def __init__(self, answer: bytes, *, keep_open: bool = False, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), self._serve)
        self.answer, self.keep_open, self._tls = answer, keep_open, tls
        self.received, self.connections = b"", 0
        self.port = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.ended = threading.Semaphore(0)

    def _serve(self, connection, address, server):
        self.connections += 1
        connection.settimeout(10)
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._answer_calls(connection)
        connection.close()
        self.ended.release()

    def _answer_calls(self, connection):
        while data := connection.recv(65536):
            self.received += data
            # The head and the body of a call may arrive separately.
            if self.received.endswith(b"}") or self.received.startswith(b"GET "):
                # A client that has the answer may change this for its next call.
                is_last = not self.keep_open
                connection.sendall(self.answer)
                if is_last:
                    return


def serving(*args, **kwargs):
    return serving_by(PlainServer(*args, **kwargs))


@contextmanager
def serving_by(server):
    with server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def response(status="200 OK", body=b"{}", *headers, length=None):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def shown(error):
    """Return what an error reporter would get to see of the secret."""
    return EVERYTHING.in_objects(
        [error], keepers=(Secret, PlainServer, OmoCaptchaService, pytest.FixtureRequest, pytest.Item)
    )


def failure(client, url, timeout=10.0):
    """Return the error of a call, having checked that it does not show the secret."""
    with pytest.raises(ApiError) as raised:
        client(url, timeout).post()
    assert shown(raised.value) == []
    return raised.value


# -- an answer ------------------------------------------------------------------------------------------------------


def test_a_public_list_is_requested_without_a_body(client):
    with serving(response(body=b"[]")) as server:
        once = client("https://omocaptcha.invalid/api")
        assert once.get(f"http://127.0.0.1:{server.port}/list?type=service") == "[]"
    assert server.received.startswith(b"GET /list?type=service HTTP/1.1\r\n")
    assert server.received.endswith(b"\r\n\r\n")
    assert b"content-type" not in server.received.lower()


def test_calls_share_a_connection_that_close_closes(client, monkeypatch):
    monkeypatch.setattr(Transport, "idle_seconds", 60)
    with serving(response(), keep_open=True) as server:
        once = client(server.url)
        assert once.post() == "{}"
        assert once.post() == "{}"
        assert server.connections == 1
        assert server.received.lower().count(b"content-type: application/json") == 2
        once.close()
        assert server.ended.acquire(timeout=10), "the server did not see the connection end"


def test_an_idle_connection_is_closed(client, monkeypatch):
    monkeypatch.setattr(Transport, "idle_seconds", 0.1)
    with serving(response(), keep_open=True) as server:
        once = client(server.url)
        once.post()
        assert server.ended.acquire(timeout=10), "the server did not see the connection end"
        once.post()
        assert server.connections == 2


def test_a_call_is_not_sent_over_a_connection_that_is_being_closed(client):
    with serving(response("502 Bad Gateway", b"a page"), keep_open=True) as server:
        once = client(server.url)
        assert len(set(once.posts_in_a_row(3))) == 1
        once.close()


# -- faults of the service, beside those of test_api_contract -------------------------------------------------------


def test_a_compressed_answer_is_decompressed(client):
    with serving(response("200 OK", gzip.compress(b'{"error": false}'), "Content-Encoding: gzip")) as server:
        assert client(server.url).post() == '{"error": false}'


@pytest.mark.parametrize("kind", ["hang", "slow"])
def test_the_timeout_covers_the_whole_call_which_may_be_taken(client, service, kind):
    once = client(service.url)
    # On a busy machine, connecting alone could take as long as the call is waited for, and so could an answer.
    once.post(body={"api_token": service.api_token})
    service.fault("getBalance", kind, seconds=60)
    set_timeout(once.transport, 1.0)
    with pytest.raises(ApiUnreachable) as raised:
        once.post()
    assert (type(raised.value), raised.value.taken) == (ApiUnreachable, True)
    assert str(raised.value).endswith("/getBalance: the host 127.0.0.1 did not answer in time")
    assert shown(raised.value) == []
    set_timeout(once.transport, 10.0)
    assert "balance" in once.post(body={"api_token": service.api_token}), "the next call is answered"


@pytest.mark.parametrize(
    ("host", "words"),
    [
        *(("127.0.0.1", "did not answer in time"), ("localhost", "did not answer in time")),
        ("omocaptcha.invalid", "cannot be resolved"),
    ],
)
def test_a_call_that_gets_no_connection_in_time_is_not_taken(client, host, words):
    with full_queue() as port:
        error = failure(client, f"http://{host}:{port}", timeout=10.0 if words.endswith("resolved") else 0.1)
    assert type(error) is ApiUnreachable
    assert str(error) == f"/getBalance: the host {host} {words}"
    assert not error.taken


@contextmanager
def full_queue():
    """Open a port whose queue of connections is full and never accepted, so that connecting takes for ever."""
    with ExitStack() as opened:
        server = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


# -- HTTP -----------------------------------------------------------------------------------------------------------


def test_proxies_and_netrc_of_the_environment_are_ignored(client, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(response()) as server, serving(response()) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert client(server.url).post() == "{}"
    assert proxy.connections == 0
    assert b"authorization" not in server.received.lower()


RETRY_AFTER = {b"7": 7.0, b"": None, b"\xff7": None}


@pytest.mark.parametrize("value", RETRY_AFTER)
def test_retry_after_is_read_from_the_response(client, value):
    answer = response("429 Later", b"", "Retry-After: VALUE").replace(b"VALUE", value)
    with serving(answer) as server:
        assert failure(client, server.url).retry_after == RETRY_AFTER[value]


BROKEN = {
    "nothing at all": b"",
    "no HTTP": b"220 mail.example ESMTP\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": response(body=b"{", length=50),
    "a broken chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_invalid_http_response_is_unreachable_and_may_be_taken(client, case):
    with serving(BROKEN[case]) as server:
        error = failure(client, server.url)
    assert (type(error), error.taken) == (ApiUnreachable, True)
    assert "in time" not in str(error), "what is broken is not waited for"


def test_a_body_that_is_not_utf_8_is_a_bad_answer(client):
    with serving(response(body='{"error": false}'.encode("utf-16"))) as server:
        assert type(failure(client, server.url)) is ApiBadAnswer


def test_a_body_of_the_maximum_length_is_read_and_a_longer_one_is_a_bad_answer(client):
    most = b" " * MAX_BODY
    with serving(response(body=most)) as server:
        assert len(client(server.url).post()) == len(most)
    with serving(response(body=most + b" ")) as server:
        assert type(failure(client, server.url)) is ApiBadAnswer


# -- TLS ------------------------------------------------------------------------------------------------------------


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])


def tls_context(path, *hosts, version=ssl.TLSVersion.TLSv1_3, dns_names=()):
    path.write_bytes(self_signed(*hosts, dns_names=dns_names))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(path)
    return context


def tls_server(path, *hosts, keep_open=False, **certificate):
    return serving(response(), keep_open=keep_open, tls=tls_context(path, *hosts, **certificate))


FOREIGN = {
    "none": ("localhost", []),
    "another": ("localhost", ["omocaptcha.example"]),
    "a wildcard for all": ("localhost", ["*"]),
    "an address": ("localhost", ["127.0.0.1"]),
    "another address": ("127.0.0.1", ["localhost", "omocaptcha.example"]),
}
"""The host that is called, and the names in the certificate of the server."""


@VERSIONS
@pytest.mark.parametrize("case", FOREIGN)
def test_tls_with_a_trusted_certificate_that_does_not_name_the_host_sends_nothing(
    client, tmp_path, monkeypatch, case, version
):
    host, names = FOREIGN[case]
    path = tmp_path / "server.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with tls_server(path, dns_names=names, version=version) as server:
        sends_nothing(client, host, server)


@VERSIONS
def test_tls_with_an_untrusted_certificate_sends_nothing(client, tmp_path, version):
    with tls_server(tmp_path / "server.pem", "localhost", version=version) as server:
        sends_nothing(client, "localhost", server)


def sends_nothing(client, host, server):
    error = failure(client, f"https://{host}:{server.port}")
    assert server.ended.acquire(timeout=10)
    assert server.received == b""
    assert type(error) is ApiUnreachable
    assert str(error) == f"/getBalance: the certificate of the host {host} is not trusted, or names another"
    assert not error.taken, "nothing was sent, so no job can have been bought"


@VERSIONS
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_tls_with_a_trusted_certificate_works_and_closes(client, tmp_path, monkeypatch, host, version):
    path = tmp_path / "server.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with tls_server(path, "localhost", "127.0.0.1", version=version, keep_open=True) as server:
        once = client(f"https://{host}:{server.port}")
        assert once.post() == "{}"
        assert once.post() == "{}"
        assert server.connections == 1
        once.close()
        assert server.ended.acquire(timeout=10), "the server did not see the connection end"


def resets(connection, hello, tls):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closes(connection, hello, tls):
    pass


def alerts(connection, hello, tls):
    connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")


def speaks_no_tls(connection, hello, tls):
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def hangs(connection, hello, tls):
    connection.recv(65536)


def resets_after_its_certificate(connection, hello, tls):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(hello)
    with suppress(ssl.SSLWantReadError):
        tls.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    connection.sendall(outgoing.read())
    # The client has begun to answer, and with TLS 1.2 it waits for the end of the handshake.
    connection.recv(65536)
    resets(connection, hello, tls)


class HandshakeServer(PlainServer):
    """Server that gets the first message of a handshake, and ends it by ``end``."""

    def __init__(self, end, tls):
        super().__init__(b"")
        self._end, self._context = end, tls

    def _answer_calls(self, connection):
        self._end(connection, connection.recv(65536), self._context)


@pytest.mark.parametrize(
    "end", [resets, closes, alerts, speaks_no_tls, hangs, resets_after_its_certificate], ids=lambda end: end.__name__
)
def test_a_call_whose_tls_handshake_fails_is_not_taken(client, tmp_path, monkeypatch, end):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    tls = tls_context(tmp_path / "server.pem", "localhost", version=ssl.TLSVersion.TLSv1_2)
    with serving_by(HandshakeServer(end, tls)) as server:
        error = failure(client, f"https://localhost:{server.port}", timeout=1.0 if end is hangs else 10.0)
    assert (type(error), error.taken) == (ApiUnreachable, False)


@VERSIONS
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_a_call_that_was_sent_over_tls_and_has_no_answer_may_be_taken(
    client, tmp_path, monkeypatch, answer, is_first, version
):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    with tls_server(tmp_path / "server.pem", "localhost", version=version, keep_open=not is_first) as server:
        once = client(f"https://localhost:{server.port}")
        if not is_first:
            once.post()
        server.answer, server.keep_open = answer, False
        with pytest.raises(ApiUnreachable) as raised:
            once.post()
        assert server.connections == 1
    assert raised.value.taken
