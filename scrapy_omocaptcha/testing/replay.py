"""Answer calls as the service did in a transcript that ``scrapy omocaptcha check --transcript`` has written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from aiohttp import web

from scrapy_omocaptcha.testing.routes import CREDENTIALS
from scrapy_omocaptcha.testing.service import SITEVERIFY_PATH, OmoCaptchaService

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = 1
"""Version of the format of transcripts."""
SOLVED_TOKEN = "SOLVED-TOKEN"
"""What a transcript has in the place of a token that was bought."""
_REPLAYED_HEADERS = ("content-type", "retry-after", "location")


class ReplayService(OmoCaptchaService):
    """Service that answers each call as it was answered in a transcript, with tokens that :class:`WalledSite` accepts.

    The answers to calls of the same path and version come in the order of the transcript, and the last of them again
    and again. A path that the transcript does not have gets 404. Where no answer arrived, the connection is reset at
    once. There are no jobs, and ``next_job`` and ``fault`` change nothing.

    :param transcript: path of the file.
    :raises ValueError: when it cannot be read, is no transcript, or is one of a newer version.
    """

    def __init__(
        self,
        transcript: str | Path,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        on_event: Callable[[str], None] | None = None,
    ) -> None:
        self._answers: dict[tuple[str, str], list[dict[str, Any]]] = {}
        base, version = "", ""
        for call in _read(transcript):
            path = urlsplit(call["url"]).path
            credential = _credential(call.get("body"))
            self._answers.setdefault((path, credential), []).append(call)
            is_there = call.get("status") not in (404, 410) and call.get("status", 200) // 100 != 3
            # By the last call of a version that is there, or else by the first, which is of the version asked first.
            if credential and (is_there or not version):
                base, version = path.rpartition("/")[0], credential
        super().__init__(host, port, api_version=2 if version == CREDENTIALS[1] else 1, on_event=on_event)
        self._base = base
        self._site = ("", "")

    @property
    def url(self) -> str:
        """Return the base URL of the API in the transcript, for ``OMOCAPTCHA_API_URL``."""
        return f"{self.origin}{self._base}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == SITEVERIFY_PATH and request.method == "POST":
            return await self._handle_siteverify(request)
        try:
            body = json.loads(await request.read())
        except ValueError:
            body = None
        call = self._next(request.path, _credential(body))
        self._remember_site(body)
        answer = self._answer(call)
        self._record(request, request.path.rpartition("/")[2], body, answer, None)
        if "error" in call and request.transport is not None:
            request.transport.abort()
        return answer

    def _next(self, path: str, credential: str) -> dict[str, Any]:
        calls = self._answers.get((path, credential), [{"status": 404, "text": "Not found"}])
        return calls.pop(0) if len(calls) > 1 else calls[0]

    def _remember_site(self, body: object) -> None:
        for job in body.values() if isinstance(body, dict) else ():
            if isinstance(job, dict) and "websiteKey" in job:
                self._site = (str(job["websiteKey"]), str(job.get("websiteURL", "")))

    def _answer(self, call: dict[str, Any]) -> web.Response:
        text = json.dumps(call["json"]) if "json" in call else call.get("text", "\0" if "unreadable" in call else "")
        if SOLVED_TOKEN in text:
            text = text.replace(SOLVED_TOKEN, self.mint(*self._site))
        headers = [header.partition(": ") for header in call.get("headers", ())]
        replayed = {name: value for name, _, value in headers if name.lower() in _REPLAYED_HEADERS}
        return web.Response(status=call.get("status", 502), headers=replayed, body=text.encode())


def _credential(body: object) -> str:
    """Return the name of the credential in the body of a call, by which the versions of the API differ; or ``""``."""
    return next((name for name in CREDENTIALS if name in body), "") if isinstance(body, dict) else ""


def _read(path: str | Path) -> list[dict[str, Any]]:
    try:
        transcript = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        transcript = None
    if not isinstance(transcript, dict) or not isinstance(transcript.get("transcript"), int):
        raise ValueError(f"{path} is no transcript of scrapy omocaptcha check")
    if transcript["transcript"] > FORMAT:
        raise ValueError(f"{path} was written by a newer version of scrapy-omocaptcha: update this one")
    calls = transcript.get("calls")
    if not isinstance(calls, list) or not all(map(_is_call, calls)):
        raise ValueError(f"{path} has calls that are none: write the transcript anew")
    return cast("list[dict[str, Any]]", calls)


def _is_call(call: object) -> bool:
    if not isinstance(call, dict) or not isinstance(call.get("url"), str):
        return False
    headers = call.get("headers", [])
    is_head = isinstance(headers, list) and all(isinstance(header, str) for header in headers)
    return is_head and isinstance(call.get("status", 200), int) and isinstance(call.get("text", ""), str)
