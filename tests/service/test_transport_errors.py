"""Whatever the layers below a transport raise becomes an error of ours that says whether the call may have arrived."""

from __future__ import annotations

import importlib
import inspect

import pytest

from scrapy_omocaptcha.buying.api.transport import Transport
from scrapy_omocaptcha.errors import ApiError, ApiUnreachable

SECRET = "omo-Secret-4711"
MODULES = [
    "OpenSSL.SSL",
    "aiohttp.client_exceptions",
    "aiohttp.http_exceptions",
    "asyncio.exceptions",
    "service_identity.exceptions",
    "socket",
    "ssl",
    "twisted.internet.defer",
    "twisted.internet.error",
    "twisted.internet.ssl",
    "twisted.names.error",
    "twisted.web.client",
    "twisted.web.error",
    "twisted.web.http",
]


def errors_of(name):
    """The exceptions that a module offers, its own or others'; not those that end a task or the process."""
    module = importlib.import_module(name)
    return {
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Exception) and not issubclass(value, Warning)
    }


LOWER = sorted(set().union(*map(errors_of, MODULES)), key=lambda cls: f"{cls.__module__}.{cls.__qualname__}")


class Breaking(Transport):
    """Raises in the place of an exchange, before or after the call has begun to be sent."""

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
    call = Breaking(error, sent).post("/createJob", {"api_token": SECRET})
    with pytest.raises(ApiError) as caught:
        call.send(None)
    return caught.value


@pytest.mark.parametrize("sent", [False, True], ids=["not sent", "sent"])
def test_every_error_from_below_is_unreachable_and_tells_neither_what_was_sent_nor_its_own_words(sent):
    assert len(LOWER) > 100
    for cls in LOWER:
        error = raised(cls, sent)
        assert (type(error), error.taken) == (ApiUnreachable, sent), cls
        assert cls.__name__ in str(error)
        assert SECRET not in f"{error!s} {error!r} {error.args}", cls
        assert (error.__cause__, error.__suppress_context__) == (None, True), cls
