"""Version 1 of the API: createJob, getJobResult, getBalance, getService.

The documents of several years contradict each other; the rule that reads all of them is written at each step. It
never judges by ``success`` alone, and a state it does not know means "not ready".
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.errors import AccountError, ApiBadAnswer, ApiRefused, JobFailed
from scrapy_omocaptcha.masking import masked

if TYPE_CHECKING:
    from scrapy_omocaptcha.api.protocol import JobRequest
    from scrapy_omocaptcha.api.transport import Transport
    from scrapy_omocaptcha.settings import Secret

_FAILED = {"fail", "failed"}
_BAD_TOKEN = re.compile(r"\b(?:invalid|wrong|incorrect|unknown)\W+(?:api[\W_]*)?(?:token|key)\b", re.IGNORECASE)
_EMPTY_ACCOUNT = re.compile(
    r"(?:not enough|insufficient|no|zero|low|out of)\W+(?:balance|money|funds?|credits?)"
    r"|(?:balance|money|funds?|credits?)\W+(?:is\W+|are\W+)?(?:not enough|insufficient|empty|too low|zero)"
    r"|số dư",
    re.IGNORECASE,
)
# One sample of a solved job has the token as a bare string inside braces, which is not JSON.
_BARE_STRING = re.compile(r'\{\s*("[^"\\{}]*")\s*\}')
_CONTENT = ("job_id", "status", "result", "balance", "service")
_LONGEST_MESSAGE = 200
_LONGEST_ID = 100
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
        job_id = _scalar(answer.get("job_id")).strip()
        # It reaches the log.
        if not job_id or isinstance(answer["job_id"], (bool, float)) or not _is_short_line(job_id):
            raise ApiBadAnswer("/createJob: an answer without an error and without a job_id")
        return job_id

    async def job_result(self, job_id: str) -> str | None:
        # The documents show the id as a number; a text that is one is sent back as one.
        is_number = len(job_id) < _LONGEST_NUMBER and job_id.isdecimal() and str(int(job_id)) == job_id
        answer = await self._call("/getJobResult", job_id=int(job_id) if is_number else job_id)
        if _status(answer) in _FAILED:
            raise JobFailed(self._message(answer) or "the service could not solve it")
        token = _token(answer)
        if token is None and _status(answer) == "success":
            raise ApiBadAnswer("/getJobResult: success without a token")
        return token

    async def balance(self) -> float:
        answer = await self._call("/getBalance")
        return _amount(answer.get("balance"), "/getBalance")

    async def price(self) -> float | None:
        answer = await self._call("/getService")
        services = answer.get("service")
        if not isinstance(services, list):
            raise ApiBadAnswer("/getService: an answer without a list of services")
        for service in services:
            if isinstance(service, dict) and _scalar(service.get("id")) == self._type_job_id:
                price = _amount(service.get("price"), "/getService")
                if price < 0:
                    raise ApiBadAnswer("/getService: a price below zero")
                return price
        return None

    async def close(self) -> None:
        await self._transport.close()

    async def _call(self, path: str, **body: Any) -> dict[str, Any]:
        text = await self._transport.post(path, {"api_token": self._api_token, **body})
        answer = _parse(text, path)
        # "fail" is a result of a job, whatever stands beside it.
        is_result = path == "/getJobResult" and _status(answer) in _FAILED
        if _is_error(answer) and not is_result:
            message = self._message(answer)
            if _BAD_TOKEN.search(message) or _EMPTY_ACCOUNT.search(message):
                raise AccountError(f"{path}: {message}")
            raise ApiRefused(f"{path}: {message or 'an error without words'}")
        return answer

    def _message(self, answer: dict[str, Any]) -> str:
        """The service's own words, on one line and not without end: they reach the log, the credential must not."""
        message = _scalar(answer.get("message")) or _scalar(answer.get("errorDescription"))
        message = masked(message, self._api_token.reveal())
        return " ".join("".join(c if c.isprintable() else " " for c in message).split())[:_LONGEST_MESSAGE]


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
    """``error`` is true (also as text), or ``errorId`` is not zero.

    ``success`` contradicts both in one document; it is believed only in an answer that says nothing else.
    """
    if "error" in answer or "errorId" in answer:
        error_id = answer.get("errorId")
        return _scalar(answer.get("error")).lower() in {"true", "1"} or bool(error_id and error_id != "0")
    empty = all(answer.get(key) is None for key in _CONTENT)
    return empty and _scalar(answer.get("success")).lower() == "false"


def _scalar(value: Any) -> str:
    """``value`` as text; empty for what is no text, number or truth value."""
    return str(value) if isinstance(value, (str, int, float)) else ""


def _status(answer: dict[str, Any]) -> str:
    return _scalar(answer.get("status")).lower()


def _is_short_line(text: str) -> bool:
    return len(text) <= _LONGEST_ID and text.isprintable()


def _token(answer: dict[str, Any]) -> str | None:
    """A token out of ``result``: an object, or the bare token where the state does not say that there is none yet."""
    value = answer.get("result")
    if isinstance(value, dict):
        value = value.get("gRecaptchaResponse")
    elif _status(answer) not in {"success", ""}:
        return None
    if not isinstance(value, str):
        return None
    value = value.strip()
    usable = value.isascii() and value.isprintable() and not any(c.isspace() for c in value)
    return value if value and usable else None


def _amount(value: Any, path: str) -> float:
    """An amount of money; a balance may be below zero."""
    try:
        amount = float(_scalar(value)) if not isinstance(value, bool) else math.nan
    except ValueError:
        amount = math.nan
    if not math.isfinite(amount):
        raise ApiBadAnswer(f"{path}: an amount that is not a number")
    return amount
