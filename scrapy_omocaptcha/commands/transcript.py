"""Record the calls of the API, and write them to a file without what is secret: fit for a public issue.

``scrapy omocaptcha simulate --replay`` answers as such a file did.
"""

import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import scrapy

from scrapy_omocaptcha.buying.api.aiohttp_transport import AiohttpTransport
from scrapy_omocaptcha.buying.api.transport import MAX_BODY, Call, Transport
from scrapy_omocaptcha.commands.redaction import HIDDEN, Redaction
from scrapy_omocaptcha.errors import ApiError
from scrapy_omocaptcha.settings.secret import Secret
from scrapy_omocaptcha.testing.replay import FORMAT

_SHOWN = ("content-type", "content-encoding", "content-length", "server", "retry-after", "date", "location")
"""Headers whose values are kept. Of the others, such as cookies, only the names are."""


class Transcript:
    """Calls in the order of their answers, in which everything secret is replaced before it is kept."""

    def __init__(self) -> None:
        self.redaction = Redaction()
        self._calls: list[dict[str, Any]] = []

    def build_transport(self, url: str, timeout: float) -> Transport:
        """Build a transport whose calls are recorded, for a process without a Twisted reactor."""
        return _RecordingTransport(self, url, timeout)

    def add(self, call: Call, seconds: float, error: BaseException | None) -> None:
        """Add a call after its answer has arrived, or the ``error`` in its place."""
        redaction = self.redaction
        entry: dict[str, Any] = {"method": call.method, "url": redaction.url(call.url)}
        if call.body is not None:
            entry["body"] = redaction.body(call.body.decode(), is_balance=False).get("json")
        entry["seconds"] = round(seconds, 3)
        if call.status is not None:
            entry["status"] = call.status
            entry["headers"] = [f"{name}: {self._header(name, value)}" for name, value in call.head]
        # An error of the API is about the head, which is there; the body of such an answer is not read.
        if error is not None and not isinstance(error, ApiError):
            entry["error"] = type(error).__name__
        elif error is None:
            entry |= self._answer(call)
        self._calls.append(entry)

    def write(self, path: str | Path) -> None:
        """Write the calls to a file.

        :raises OSError: when it cannot be written.
        """
        versions = {"scrapy-omocaptcha": version("scrapy-omocaptcha"), "scrapy": scrapy.__version__}
        text = json.dumps({"transcript": FORMAT, "versions": versions, "calls": self._calls}, indent=2)
        Path(path).write_text(f"{text}\n", encoding="utf-8")

    def _header(self, name: str, value: str) -> str:
        if name.lower() not in _SHOWN:
            return HIDDEN
        return self.redaction.text(value.partition("?")[0] if name.lower() == "location" else value)

    def _answer(self, call: Call) -> dict[str, Any]:
        try:
            text = call.answer.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text or len(call.answer) > MAX_BODY:
            # In another encoding, nothing secret would be found.
            return {"unreadable": True}
        return self.redaction.body(text, is_balance="balance" in call.url.lower())


class _RecordingTransport(AiohttpTransport):
    def __init__(self, transcript: Transcript, url: str, timeout: float) -> None:
        super().__init__(url, timeout=timeout)
        self._transcript = transcript

    async def post(self, path: str, body: dict[str, Any]) -> str:
        for value in body.values():
            if isinstance(value, Secret):
                self._transcript.redaction.hide_secret(value.reveal())
        return await super().post(path, body)

    async def _exchange(self, call: Call) -> None:
        started = time.monotonic()
        error: BaseException | None = None
        try:
            await super()._exchange(call)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._transcript.add(call, time.monotonic() - started, error)
            error = None  # Its traceback refers to this frame.
