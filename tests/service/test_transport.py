"""One call to the service over real sockets: what each fault of the way becomes, and that nothing is sent elsewhere.

Each transport passes all of it.
"""

from __future__ import annotations

import datetime
import gc
import gzip
import socket
import ssl
import threading
from contextlib import ExitStack, contextmanager, suppress
from email.utils import format_datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from scrapy.utils.defer import deferred_from_coro
from twisted.internet.defer import gatherResults
from twisted.logger import LogLevel, globalLogPublisher

from scrapy_omocaptcha.buying.api.aiohttp_transport import AiohttpTransport
from scrapy_omocaptcha.buying.api.transport import MAX_BODY
from scrapy_omocaptcha.buying.api.treq_transport import TreqTransport
from scrapy_omocaptcha.errors import ApiBadAnswer, ApiError, ApiRefused, ApiUnreachable
from scrapy_omocaptcha.testing import OmoCaptchaService
from tests.helpers.crowded import Crowded

SECRET = "omo-Secret-4711"
BODY = {"api_token": SECRET}


class Client:
    """A transport whose calls are made in the reactor's thread."""

    def __init__(self, reactor, transport):
        self._call = reactor.call
        self.transport = transport

    def post(self, path="/getBalance", body=BODY):
        return self._call(lambda: deferred_from_coro(self.transport.post(path, body)))

    def posts(self, number):
        """So many calls at once."""
        calls = (deferred_from_coro(self.transport.post("/getBalance", BODY)) for _ in range(number))
        return self._call(lambda: gatherResults(calls))

    def get(self, url):
        return self._call(lambda: deferred_from_coro(self.transport.get(url)))

    def close(self):
        self._call(lambda: deferred_from_coro(self.transport.close()))


@pytest.fixture(params=["treq", "aiohttp"])
def client(request, reactor):
    clients = []

    def start(url, timeout=10.0, **options):
        if request.param == "treq":
            transport = TreqTransport(url, timeout=timeout, reactor=reactor.reactor, **options)
        else:
            transport = AiohttpTransport(url, timeout=timeout, **options)
        clients.append(Client(reactor, transport))
        return clients[-1]

    yield start
    for started in clients:
        started.close()


@pytest.fixture(autouse=True)
def _nothing_is_left_unhandled(reactor):
    """Errors that nobody waited for, as Twisted would log them when the garbage is collected."""
    events = []

    def observe(event):
        if event["log_level"] >= LogLevel.error:
            events.append(str(event.get("log_failure") or event.get("log_format")))

    globalLogPublisher.addObserver(observe)
    yield
    reactor.call(gc.collect)
    globalLogPublisher.removeObserver(observe)
    assert events == []


class PlainServer:
    """Gives each connection one answer, byte for byte, and keeps what it was sent."""

    def __init__(self, answer: bytes, *, keep_open: bool = False, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.received = b""
        self.connections = 0
        self._keep_open = keep_open
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.ended = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(10)
            try:
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self._answer(connection)
            except OSError:
                pass
            finally:
                connection.close()
                self.ended.release()

    def _answer(self, connection):
        while True:
            data = connection.recv(65536)
            self.received += data
            if not data:
                return
            # Head and body of a call may come in two pieces.
            if self.received.endswith(b"}") or self.received.startswith(b"GET "):
                connection.sendall(self.answer)
                if not self._keep_open:
                    return

    def stop(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@contextmanager
def serving(*args, **kwargs):
    server = PlainServer(*args, **kwargs)
    try:
        yield server
    finally:
        server.stop()


def answered(status="200 OK", body=b"{}", *headers, length=None):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def failure(client, url, timeout=10.0):
    """The error of one call; it never shows what was sent."""
    with pytest.raises(ApiError) as raised:
        client(url, timeout).post()
    assert SECRET not in f"{raised.value!s} {raised.value!r} {raised.value.args}"
    return raised.value


# -- an answer ------------------------------------------------------------------------------------------------------


def test_an_answer_is_its_text_and_the_call_is_json(client, service):
    assert '"balance": "10.00000"' in client(service.url).post(body={"api_token": service.api_token})
    assert [(call.method, call.name, call.authorised) for call in service.calls] == [("POST", "getBalance", True)]


def test_a_public_list_may_be_elsewhere_and_is_sent_nothing(client):
    with serving(answered(body=b"[]")) as server:
        once = client("https://omocaptcha.invalid/api")
        assert once.get(f"http://127.0.0.1:{server.port}/list?type=service") == "[]"
    assert server.received.startswith(b"GET /list?type=service HTTP/1.1\r\n")
    assert server.received.endswith(b"\r\n\r\n")


def test_a_public_list_that_is_not_there_raises_as_a_call_does(client, service):
    with serving(answered("302 Found", b"", f"Location: {service.url}/getBalance")) as server:
        once = client(f"http://127.0.0.1:{server.port}")
        with pytest.raises(ApiUnreachable, match="302"):
            once.get(f"http://127.0.0.1:{server.port}/list")
    with pytest.raises(ApiUnreachable):
        once.get("https://omocaptcha.invalid/list")
    assert service.calls == ()


def test_a_refusal_with_an_http_error_is_read_when_it_is_json(client):
    with serving(answered("400 Bad Request", b'{"error": true}', "Content-Type: application/json")) as server:
        assert client(f"http://127.0.0.1:{server.port}").post() == '{"error": true}'


def test_a_body_that_comes_in_pieces_is_put_together(client, service):
    service.fault("getBalance", "slow", seconds=0.05)
    assert "balance" in client(service.url).post(body={"api_token": service.api_token})


def test_calls_share_a_connection_and_closing_closes_it(client):
    with serving(answered(), keep_open=True) as server:
        once = client(f"http://127.0.0.1:{server.port}")
        assert (once.post(), once.post()) == ("{}", "{}")
        assert server.connections == 1
        once.close()
        assert server.ended.acquire(timeout=10), "the server saw the connection end"


def test_as_many_connections_are_kept_as_there_were_calls_at_once(client):
    with Crowded(5) as service:
        once = client(service.url)
        for _ in range(2):
            assert len(once.posts(5)) == 5
        assert len(service.connections) == 5


def test_a_connection_that_nobody_uses_is_closed_before_the_server_would(client):
    with serving(answered(), keep_open=True) as server:
        once = client(f"http://127.0.0.1:{server.port}", idle=0.1)
        once.post()
        assert server.ended.acquire(timeout=10), "the server saw the connection end"
        once.post()
        assert server.connections == 2


def test_a_kept_connection_that_broke_is_not_silently_used_for_the_same_call_twice(client):
    with serving(answered(), keep_open=True) as server:
        once = client(f"http://127.0.0.1:{server.port}")
        once.post()
        server.answer = b""
        server._keep_open = False
        with pytest.raises(ApiUnreachable) as raised:
            once.post("/createJob")
        assert raised.value.taken
        assert server.received.count(b"POST /createJob") == 1


# -- faults of the service ------------------------------------------------------------------------------------------

UNREACHABLE = {
    # kind of fault: may the service have taken the call?
    "reset": True,
    "reset_after": True,
    "too_many": False,
    "server_error": True,
    "bad_gateway": True,
    "redirect": True,
    "truncated": True,
}


@pytest.mark.parametrize("kind", UNREACHABLE)
def test_a_fault_of_the_way_is_unreachable_and_says_whether_the_call_may_have_been_taken(client, service, kind):
    service.fault("getBalance", kind)
    error = failure(client, service.url)
    assert type(error) is ApiUnreachable
    assert error.taken is UNREACHABLE[kind]
    assert len(service.calls) == 1, "no call is repeated"


@pytest.mark.parametrize("kind", ["endless", "wrong_encoding"])
def test_an_answer_that_is_no_text_is_a_bad_answer(client, service, kind):
    service.fault("getBalance", kind)
    assert type(failure(client, service.url)) is ApiBadAnswer


def test_an_answer_that_is_not_compressed_as_it_says_is_none(client, service):
    service.fault("getBalance", "wrong_gzip")
    # aiohttp says what is wrong; treq gives what it could unpack.
    with suppress(ApiUnreachable):
        assert client(service.url).post() == ""


def test_a_compressed_answer_is_unpacked(client):
    with serving(answered("200 OK", gzip.compress(b'{"error": false}'), "Content-Encoding: gzip")) as server:
        assert client(f"http://127.0.0.1:{server.port}").post() == '{"error": false}'


def test_a_small_answer_that_unpacks_without_end_is_a_bad_answer(client):
    bomb = gzip.compress(bytes(30 * 1024 * 1024))
    with serving(answered("200 OK", bomb, "Content-Encoding: gzip")) as server:
        assert type(failure(client, f"http://127.0.0.1:{server.port}")) is ApiBadAnswer


@pytest.mark.parametrize("kind", ["hang", "slow"])
def test_the_time_out_is_over_the_whole_call_and_the_call_may_have_been_taken(client, service, kind):
    service.fault("getBalance", kind, seconds=60)
    error = failure(client, service.url, timeout=0.3)
    assert type(error) is ApiUnreachable
    assert error.taken


def test_after_a_time_out_the_next_call_is_answered(client, service):
    service.fault("getBalance", "hang")
    once = client(service.url, 0.3)
    with pytest.raises(ApiUnreachable):
        once.post()
    assert "balance" in once.post(body={"api_token": service.api_token})


def test_a_connection_that_is_refused_has_certainly_taken_nothing(client):
    service = OmoCaptchaService()
    with service:
        url = service.url
    error = failure(client, url)
    assert type(error) is ApiUnreachable
    assert not error.taken


def test_a_name_that_does_not_exist_has_certainly_taken_nothing(client):
    error = failure(client, "https://omocaptcha.invalid/api")
    assert type(error) is ApiUnreachable
    assert not error.taken


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_connection_that_never_comes_about_has_certainly_taken_nothing(client, host):
    with full_queue() as port:
        error = failure(client, f"http://{host}:{port}", timeout=0.3)
    assert type(error) is ApiUnreachable
    assert not error.taken


@contextmanager
def full_queue():
    """The port of a server that accepts nothing and whose queue is full, so that connecting takes for ever."""
    with ExitStack() as opened:
        server = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


# -- HTTP -----------------------------------------------------------------------------------------------------------


def test_neither_a_proxy_nor_a_password_of_the_environment_is_used(client, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(answered()) as server, serving(answered()) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert client(f"http://127.0.0.1:{server.port}").post() == "{}"
    assert proxy.connections == 0
    assert b"authorization" not in server.received.lower()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_so_that_the_credential_goes_nowhere_else(client, service, status):
    with serving(answered(f"{status} Elsewhere", b"", f"Location: {service.url}/getBalance")) as server:
        error = failure(client, f"http://127.0.0.1:{server.port}")
    assert type(error) is ApiUnreachable
    assert service.calls == ()


RETRY_AFTER = {
    "7": 7.0,
    "0": 0.0,
    "soon": None,
    "-5": None,
    "1.5": None,
    "²": None,
    "٣": None,
    "": None,
    "Fri, 31 Dec 1999 23:59:59 GMT": 0.0,
    "Fri, 31 Dec 1999 23:59:59 -0000": None,
    "Fri, 99 Dec 2027 23:59:59 GMT": None,
    "9" * 400: None,
    b"\xff7": None,
}


@pytest.mark.parametrize("value", RETRY_AFTER, ids=lambda value: value[:30])
@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_that_the_service_asks_for_is_read_and_nonsense_is_none(client, status, value):
    raw = value if isinstance(value, bytes) else value.encode()
    answer = answered(f"{status} Later", b"", "Retry-After: VALUE").replace(b"VALUE", raw)
    with serving(answer) as server:
        error = failure(client, f"http://127.0.0.1:{server.port}")
    assert type(error) is ApiUnreachable
    assert error.retry_after == RETRY_AFTER[value]
    assert error.taken is (status == 503)


def test_a_pause_may_be_told_by_its_end(client):
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    told = f"Retry-After: {format_datetime(end.replace(microsecond=0), usegmt=True)}"
    with serving(answered("429 Later", b"", told)) as server:
        error = failure(client, f"http://127.0.0.1:{server.port}")
    assert 3000 < error.retry_after <= 3600


@pytest.mark.parametrize("status", ["204 No Content", "302 Found", "408 Request Timeout", "500 X", "599 X"])
@pytest.mark.parametrize("body", [b"", b"a page of words" * 9])
def test_any_other_status_is_no_answer_of_the_service_and_its_words_are_not_read(client, status, body):
    if status.startswith("204"):
        body = b""
    with serving(answered(status, body, "Content-Type: application/json")) as server:
        error = failure(client, f"http://127.0.0.1:{server.port}")
    assert (type(error), error.taken) == (ApiUnreachable, True)
    assert status[:3] in str(error)
    assert "words" not in str(error)


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "404 Not Found"])
def test_a_client_error_without_json_asks_whether_the_address_is_right(client, status):
    with serving(answered(status, b"<h1>words</h1>", "Content-Type: text/html")) as server:
        error = failure(client, f"http://127.0.0.1:{server.port}")
    assert type(error) is ApiRefused
    assert "OMOCAPTCHA_API_URL" in str(error)
    assert "words" not in str(error)


BROKEN = {
    "nothing at all": b"",
    "no HTTP": b"220 mail.example ESMTP\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": answered(body=b"{", length=50),
    "an impossible length": b"HTTP/1.1 200 OK\r\nContent-Length: lots\r\n\r\n{}",
    "a broken chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
    "a status that is none": b"HTTP/1.1 two hundred\r\n\r\n",
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_http_is_unreachable_and_may_have_been_taken(client, case):
    with serving(BROKEN[case]) as server:
        error = failure(client, f"http://127.0.0.1:{server.port}")
    assert (type(error), error.taken) == (ApiUnreachable, True)


def test_a_body_of_the_greatest_length_is_read_and_one_byte_more_is_a_bad_answer(client):
    most = b" " * MAX_BODY
    with serving(answered(body=most)) as server:
        assert len(client(f"http://127.0.0.1:{server.port}").post()) == len(most)
    with serving(answered(body=most + b" ")) as server:
        assert type(failure(client, f"http://127.0.0.1:{server.port}")) is ApiBadAnswer


# -- TLS ------------------------------------------------------------------------------------------------------------


def certificate_for(folder, *names):
    """A self-signed certificate with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def tls_server(path, version=ssl.TLSVersion.TLSv1_3, *, keep_open=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(path)
    return serving(answered(), keep_open=keep_open, tls=context)


def assert_never_sent(client, server):
    error = failure(client, f"https://localhost:{server.port}")
    assert server.ended.acquire(timeout=10)
    assert server.received == b""
    assert type(error) is ApiUnreachable
    assert not error.taken, "nothing was sent, so no job can have been bought"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
def test_a_server_without_a_trusted_certificate_never_sees_the_call(client, tmp_path, version):
    with tls_server(certificate_for(tmp_path, "localhost"), version) as server:
        assert_never_sent(client, server)


def test_a_server_with_the_certificate_of_another_name_never_sees_the_call(client, tmp_path, monkeypatch):
    path = certificate_for(tmp_path, "omocaptcha.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with tls_server(path) as server:
        assert_never_sent(client, server)


def test_a_server_with_a_trusted_certificate_of_its_name_is_called_and_left_again(client, tmp_path, monkeypatch):
    path = certificate_for(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with tls_server(path, keep_open=True) as server:
        once = client(f"https://localhost:{server.port}")
        assert once.post() == "{}"
        once.close()
        assert server.ended.acquire(timeout=10), "the server saw the connection end"
