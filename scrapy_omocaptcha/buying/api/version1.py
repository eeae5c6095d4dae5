"""Version 1 of the API: createJob, getJobResult, getBalance, getService.

The documents of several years contradict each other; the rule that reads all of them is written at each step. It
never judges by ``success`` alone, and a state it does not know means "not ready".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.buying.api import answers
from scrapy_omocaptcha.errors import AccountError, ApiBadAnswer, ApiRefused, JobFailed

if TYPE_CHECKING:
    from scrapy_omocaptcha.buying.api.protocol import JobId, JobRequest
    from scrapy_omocaptcha.buying.api.transport import Transport
    from scrapy_omocaptcha.settings.secret import Secret

_FAILED = {"fail", "failed"}
# One sample of a solved job has the token as a bare string inside braces, which is not JSON.
_BARE_STRING = re.compile(r'\{\s*("[^"\\{}]*")\s*\}')
_CONTENT = ("job_id", "status", "result", "balance", "service")
_LONGEST_NUMBER = 19


class JobsApi:
    """Calls of version 1.

    :param type_job_id: the kind of captcha; ``"1"`` is reCAPTCHA v2.
    """

    def __init__(self, transport: Transport, api_token: Secret, type_job_id: str) -> None:
        self._transport = transport
        self._api_token = api_token
        self._type_job_id = type_job_id

    async def create_job(self, job: JobRequest) -> JobId:
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
        return _as_documented(answers.job_id(answer.get("job_id"), "/createJob"))

    async def job_result(self, job_id: JobId) -> str | None:
        answer = await self._call("/getJobResult", job_id=job_id)
        if answers.status(answer) in _FAILED:
            raise JobFailed(self._message(answer) or "the service could not solve it")
        token = _token(answer)
        if token is None and answers.status(answer) == "success":
            raise ApiBadAnswer("/getJobResult: success without a token")
        return token

    async def balance(self) -> float:
        answer = await self._call("/getBalance")
        return answers.amount(answer.get("balance"), "/getBalance")

    async def price(self) -> float | None:
        answer = await self._call("/getService")
        return answers.listed_price(answer.get("service"), "id", self._type_job_id, "/getService")

    async def close(self) -> None:
        await self._transport.close()

    async def _call(self, path: str, **body: Any) -> dict[str, Any]:
        text = await self._transport.post(path, {"api_token": self._api_token, **body})
        answer = _parse(text, path)
        # "fail" is a result of a job, whatever stands beside it.
        is_result = path == "/getJobResult" and answers.status(answer) in _FAILED
        if _is_error(answer) and not is_result:
            message = self._message(answer)
            if answers.are_about_account(message):
                raise AccountError(f"{path}: {message}")
            raise ApiRefused(f"{path}: {message or 'an error without words'}")
        return answer

    def _message(self, answer: dict[str, Any]) -> str:
        said = answers.scalar(answer.get("message")) or answers.scalar(answer.get("errorDescription"))
        return answers.words(said, self._api_token)


def _parse(text: str, path: str) -> dict[str, Any]:
    try:
        return answers.parse(text, path)
    except ApiBadAnswer:
        return answers.parse(_BARE_STRING.sub(r"\1", text), path)


def _is_error(answer: dict[str, Any]) -> bool:
    """``success`` contradicts ``error`` in one document; it is believed only in an answer that says nothing else."""
    if "error" in answer or "errorId" in answer:
        return answers.says_error(answer)
    empty = all(answer.get(key) is None for key in _CONTENT)
    return empty and answers.scalar(answer.get("success")).lower() == "false"


def _as_documented(job_id: JobId) -> JobId:
    """The documents ask with a number, also where the id came as a text that is one."""
    is_number = isinstance(job_id, str) and len(job_id) < _LONGEST_NUMBER and job_id.isdecimal()
    return int(job_id) if is_number and str(int(job_id)) == job_id else job_id


def _token(answer: dict[str, Any]) -> str | None:
    """A token out of ``result``: an object, or the bare token where the state does not say that there is none yet."""
    value = answer.get("result")
    if isinstance(value, dict):
        value = value.get("gRecaptchaResponse")
    elif answers.status(answer) not in {"success", ""}:
        return None
    return answers.token(value)
