"""What all transports share: the errors of HTTP clients, and the heads of responses."""

import importlib
import inspect
import re

import pytest

from scrapy_omocaptcha.buying.api.transport import Transport, check_head
from scrapy_omocaptcha.errors import ApiError, ApiRefused, ApiUnreachable
from scrapy_omocaptcha.settings.secret import Secret

SECRET = "omo-Secret-4711"
MODULES = [
    *("asyncio.exceptions", "socket", "ssl", "OpenSSL.SSL", "service_identity.exceptions"),
    *("aiohttp.client_exceptions", "aiohttp.http_exceptions"),
    *("twisted.internet.defer", "twisted.internet.error", "twisted.internet.ssl", "twisted.names.error"),
    *("twisted.web.client", "twisted.web.error", "twisted.web.http"),
]


def errors_of(name):
    """Return all exceptions in a module, except those that end a task or the process."""
    module = importlib.import_module(name)
    return {
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Exception) and not issubclass(value, Warning)
    }


ERRORS = sorted(set().union(*map(errors_of, MODULES)), key=lambda cls: f"{cls.__module__}.{cls.__qualname__}")


class BrokenTransport(Transport):
    """Transport that raises ``error``, before or after it has started to send the call."""

    def __init__(self, error, sent):
        super().__init__("https://omocaptcha.example/api", timeout=1.0)
        self._error = error
        self._sent = sent

    async def _exchange(self, call):
        call.sent = self._sent
        raise self._error

    async def close(self):
        pass


def raised(cls, sent):
    error = cls.__new__(cls)
    error.args = (f"while sending {SECRET}",)
    call = BrokenTransport(error, sent).post("/createJob", {"api_token": SECRET})
    with pytest.raises(ApiError) as caught:
        call.send(None)
    return caught.value


@pytest.mark.parametrize("sent", [False, True], ids=["not sent", "sent"])
def test_every_error_of_an_http_client_is_unreachable_and_shows_no_secret(sent):
    assert len(ERRORS) > 100
    for cls in ERRORS:
        error = raised(cls, sent)
        assert (type(error), error.taken) == (ApiUnreachable, sent), cls
        assert re.fullmatch(rf"/createJob: ({cls.__name__}|.*the host omocaptcha\.example.*)", str(error)), cls
        assert SECRET not in f"{error!s} {error!r} {error.args}", cls
        assert (error.__cause__, error.__context__) == (None, None), cls


def test_an_api_token_that_an_answer_repeats_is_masked():
    class Echo(BrokenTransport):
        async def _exchange(self, call):
            call.receive(call.body)

    call = Echo(None, True).post("/createJob", {"api_token": Secret(SECRET), "kind": SECRET[:3]})
    with pytest.raises(StopIteration) as ended:
        call.send(None)
    assert ended.value.value == '{"api_token": "***", "kind": "omo"}'


# -- the head of a response -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "pause"), [("7", 7.0), ("0", 0.0), *dict.fromkeys(("", "soon", "²")).items()])
@pytest.mark.parametrize(("status", "taken"), [(429, False), (503, True)])
def test_retry_after_is_a_number_of_seconds(status, taken, value, pause):
    with pytest.raises(ApiUnreachable) as caught:
        check_head(status, "text/html", value)
    assert (caught.value.retry_after, caught.value.taken) == (pause, taken)


ADDRESS = "check OMOCAPTCHA_API_URL"
HEADS = {
    **dict.fromkeys((204, 408, 429, 500, 503, 599), (ApiUnreachable, False, ADDRESS)),
    **dict.fromkeys((300, 301, 307), (ApiUnreachable, True, ADDRESS)),
    **dict.fromkeys((400, 401, 402, 403, 404, 410), (ApiRefused, True, ADDRESS)),
}


@pytest.mark.parametrize("status", HEADS)
def test_a_status_without_json_is_an_error_with_a_cure_and_some_are_not_answers_of_the_api(status):
    with pytest.raises(ApiError) as caught:
        check_head(status, "text/html", "")
    kind, is_foreign, cure = HEADS[status]
    assert (type(caught.value), caught.value.is_foreign) == (kind, is_foreign)
    assert f"HTTP status {status}" in str(caught.value)
    assert cure in caught.value.with_cure
