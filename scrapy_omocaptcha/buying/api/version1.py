"""Implement version 1 of the API: createJob, getJobResult, getBalance, getService.

Documents of several years contradict each other, and every documented answer is understood. ``success`` alone decides
nothing while other fields are there, and an unknown status means that the job still runs.
"""

import re
from typing import Any

from scrapy_omocaptcha.buying.api import protocol
from scrapy_omocaptcha.buying.records import JobId, JobRequest
from scrapy_omocaptcha.errors import AccountError, ApiBadAnswer, ApiError, ApiRefused, JobFailed

# One documented result is the token as a bare string in braces, which is not JSON.
_BARE_STRING = re.compile(r'\{\s*("[^"\\{}]*")\s*\}')
_CONTENT = ("job_id", "status", "result", "balance", "service")
_CURE = "set OMOCAPTCHA_API_VERSION = 2, since the service now documents only version 2, or check OMOCAPTCHA_API_URL"
_NUMBER = re.compile("0|[1-9][0-9]{0,17}")


class Version1Api(protocol.Api):
    """Client of version 1, in which the kind of captcha is ``"1"`` for reCAPTCHA v2."""

    async def create_job(self, job: JobRequest) -> JobId:
        # Older and newer servers differ in how they spell two of the fields, so both spellings are sent.
        data = {
            "type_job_id": self.kind,
            "websiteURL": job.page,
            "website_url": job.page,
            "websiteKey": job.sitekey,
            "website_key": job.sitekey,
            "isInvisible": job.invisible,
        }
        answer = await self._call("/createJob", data=data)
        job_id = protocol.read_job_id(answer.get("job_id"), "/createJob")
        # The documents send a number, whichever type they received.
        return int(job_id) if isinstance(job_id, str) and _NUMBER.fullmatch(job_id) else job_id

    async def job_result(self, job_id: JobId) -> str | None:
        answer = await self._call("/getJobResult", job_id=job_id)
        token = _find_token(answer)
        if token is None and protocol.job_status(answer) == "success":
            raise ApiBadAnswer("/getJobResult: success without a token")
        return token

    async def price(self) -> float | None:
        answer = await self._call("/getService")
        return protocol.find_price(answer.get("service"), "id", self.kind, "/getService")

    async def _call(self, path: str, **body: Any) -> dict[str, Any]:
        try:
            text = await self.transport.post(path, {"api_token": self.token, **body})
            answer = protocol.parse(_BARE_STRING.sub(r"\1", text), path)
        except ApiError as error:
            if error.is_foreign:
                error.cure = _CURE
            raise
        message = self._message(answer)
        if path == "/getJobResult" and protocol.job_status(answer) in protocol.FAILED:
            raise JobFailed(message or protocol.NOT_SOLVED)
        if _is_error(answer):
            error_class = AccountError if protocol.is_about_account(message) else ApiRefused
            raise error_class(f"{path}: {message or protocol.NO_MESSAGE}")
        return answer

    def _message(self, answer: dict[str, Any]) -> str:
        message = protocol.as_text(answer.get("message")) or protocol.as_text(answer.get("errorDescription"))
        return protocol.clean_message(message, self.token)


def _is_error(answer: dict[str, Any]) -> bool:
    """Return whether the answer is an error. One document has ``success: false`` beside ``error: false``."""
    if "error" in answer or "errorId" in answer:
        return protocol.is_error(answer)
    empty = all(answer.get(key) is None for key in _CONTENT)
    return empty and protocol.as_text(answer.get("success")).lower() == "false"


def _find_token(answer: dict[str, Any]) -> str | None:
    """Return the token in ``result``. A result that is a text may also be a remark on a job that still runs."""
    value = answer.get("result")
    if isinstance(value, dict):
        value = value.get("gRecaptchaResponse")
    elif protocol.job_status(answer) not in {"success", ""}:
        return None
    return protocol.read_token(value)
