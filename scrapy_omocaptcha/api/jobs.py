"""Version 1 of the API: createJob, getJobResult, getBalance, getService.

The documents of several years contradict each other; the rule that reads all of them is written at each step. It
never judges by ``success`` alone, and a state it does not know means "not ready".
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.errors import AccountError, ApiBadAnswer, ApiRefused, JobFailed

if TYPE_CHECKING:
    from scrapy_omocaptcha.api.protocol import JobRequest
    from scrapy_omocaptcha.api.transport import Transport
    from scrapy_omocaptcha.settings import Secret

_FAILED = {"fail", "failed"}
_BAD_TOKEN = re.compile(r"\b(?:invalid|wrong|incorrect|unknown)\W+(?:api\W*)?(?:token|key)\b", re.IGNORECASE)
_EMPTY_ACCOUNT = re.compile(
    r"(?:not enough|insufficient|no|zero|low|out of)\W+(?:balance|money|funds?|credits?)"
    r"|(?:balance|money|funds?|credits?)\W+(?:is\W+|are\W+)?(?:not enough|insufficient|empty|too low|zero)"
    r"|số dư",
    re.IGNORECASE,
)
# One sample of a solved job has the token as a bare string inside braces, which is not JSON.
_BARE_STRING = re.compile(r'\{\s*("[^"\\{}]*")\s*\}')
_LONGEST_MESSAGE = 200
_LONGEST_NUMBER = 19


class JobsApi:
    """Calls of version 1.

    :param type_job_id: the kind of captcha; ``"1"`` is reCAPTCHA v2.
    """

    def __init__(self, transport: Transport, api_token: Secret, type_job_id: str) -> None:
        self._transport = transport
        self._api_token = api_token
        self._type_job_id = type_job_id

    async def create_job(self, job: JobRequest) -> str:
        # Both spellings of the two fields, so that either generation of the server finds its own.
        data = {
            "type_job_id": self._type_job_id,
            "websiteURL": job.page,
            "website_url": job.page,
            "websiteKey": job.sitekey,
            "website_key": job.sitekey,
            "isInvisible": job.invisible,
        }
        answer = await self._call("/createJob", data=data)
        job_id = answer.get("job_id")
        if isinstance(job_id, bool) or not isinstance(job_id, (int, str)) or not str(job_id).strip():
            raise ApiBadAnswer("/createJob: an answer without an error and without a job_id")
        return str(job_id)

    async def job_result(self, job_id: str) -> str | None:
        # The documents show the id as a number; a text that is one is sent back as one.
        is_number = job_id.isascii() and job_id.isdigit() and len(job_id) < _LONGEST_NUMBER
        answer = await self._call("/getJobResult", job_id=int(job_id) if is_number else job_id)
        if _status(answer) in _FAILED:
            raise JobFailed(self._message(answer) or "the service could not solve it")
        token = _token(answer.get("result"))
        if token is None and _status(answer) == "success":
            raise ApiBadAnswer("/getJobResult: success without a token")
        return token

    async def balance(self) -> float:
        answer = await self._call("/getBalance")
        return _usd(answer.get("balance"), "/getBalance")

    async def price(self) -> float | None:
        answer = await self._call("/getService")
        services = answer.get("service")
        if not isinstance(services, list):
            raise ApiBadAnswer("/getService: an answer without a list of services")
        for service in services:
            if isinstance(service, dict) and str(service.get("id")) == self._type_job_id:
                return _usd(service.get("price"), "/getService")
        return None

    async def close(self) -> None:
        await self._transport.close()

    async def _call(self, path: str, **body: Any) -> dict[str, Any]:
        text = await self._transport.post(path, {"api_token": self._api_token.reveal(), **body})
        answer = _parse(text, path)
        # "fail" is a result of a job, whatever stands beside it.
        if _is_error(answer) and _status(answer) not in _FAILED:
            message = self._message(answer)
            if _BAD_TOKEN.search(message) or _EMPTY_ACCOUNT.search(message):
                raise AccountError(f"{path}: {message}")
            raise ApiRefused(f"{path}: {message or 'an error without words'}")
        return answer

    def _message(self, answer: dict[str, Any]) -> str:
        """The service's own words, on one line and not without end: they reach the log, the credential must not."""
        message = answer.get("message") or answer.get("errorDescription") or ""
        return " ".join(str(message).replace(self._api_token.reveal(), "***").split())[:_LONGEST_MESSAGE]


def _parse(text: str, path: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        try:
            answer = json.loads(_BARE_STRING.sub(r"\1", text))
        except (ValueError, RecursionError):
            raise ApiBadAnswer(f"{path}: the answer is not JSON") from None
    if not isinstance(answer, dict):
        raise ApiBadAnswer(f"{path}: the answer is JSON, but not an object")
    return answer


def _is_error(answer: dict[str, Any]) -> bool:
    """``error`` is true (also as text), or ``errorId`` is not zero; ``success`` contradicts both in one document."""
    return str(answer.get("error", "")).lower() in {"true", "1"} or str(answer.get("errorId") or "0") != "0"


def _status(answer: dict[str, Any]) -> str:
    return str(answer.get("status", "")).lower()


def _token(result: Any) -> str | None:
    """A token out of ``result``, which is an object or the bare token; None where there is none that could be one."""
    value = result.get("gRecaptchaResponse") if isinstance(result, dict) else result
    if not isinstance(value, str):
        return None
    value = value.strip()
    usable = value.isascii() and value.isprintable() and not any(c.isspace() for c in value)
    return value if value and usable else None


def _usd(value: Any, path: str) -> float:
    try:
        usd = float(value)
    except (TypeError, ValueError):
        raise ApiBadAnswer(f"{path}: an amount that is not a number") from None
    if not 0 <= usd < float("inf"):
        raise ApiBadAnswer(f"{path}: an amount below zero or without end")
    return usd
