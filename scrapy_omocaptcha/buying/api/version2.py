"""Implement version 2 of the API: createTask, getTaskResult, getBalance.

2captcha, Anti-Captcha, CapMonster, CapSolver and others use the same protocol, with differences in ids, statuses, error
codes and the name of the token, all of which are understood.
"""

from dataclasses import dataclass
from typing import Any

from scrapy_omocaptcha.buying.api import protocol
from scrapy_omocaptcha.buying.records import JobId, JobRequest
from scrapy_omocaptcha.errors import AccountError, ApiBadAnswer, ApiRefused, ApiUnreachable, JobFailed

TEMPORARY = {
    "ERROR_NO_SLOT_AVAILABLE",
    "ERROR_RATE_LIMIT",
    "ERROR_REDIS_JOB_DATA",
    "ERROR_REDIS_UNAVAILABLE",
    "ERROR_SERVICE_UNAVAILABLE",
    "ERROR_SERVICE_UNAVALIABLE",  # CapSolver's spelling
    "ERROR_TASK_IS_MAINTENANCE",
    "ERROR_TOO_MUCH_REQUESTS",
}
"""The service is not available at the moment: no task was created, and an existing one may still be solved."""
ACCOUNT = {
    "ERROR_ACCOUNT_SUSPENDED",
    "ERROR_IP_BANNED",
    "ERROR_IP_BLOCKED",
    "ERROR_IP_NOT_ALLOWED",
    "ERROR_KEY_DENIED_ACCESS",
    "ERROR_KEY_DOES_NOT_EXIST",
    "ERROR_WRONG_USER_KEY",
    "ERROR_ZERO_BALANCE",
}
"""Nothing can be bought until a person has put the account in order."""
UNSUPPORTED = "ERROR_TASK_NOT_SUPPORTED"
"""The service does not know the type of the task, so it refuses each one of the crawl."""
JOB_FAILED = {
    "ERROR_CAPTCHA_UNSOLVABLE",
    "ERROR_JOB_STATUS",
    "ERROR_RECAPTCHA_INVALID_DOMAIN",
    "ERROR_RECAPTCHA_INVALID_SITEKEY",
    "ERROR_RECAPTCHA_TIMEOUT",
    "ERROR_TASK_TIMEOUT",
}
"""The task has ended without a token. After a code of no list it may still run, and is polled until its deadline."""


@dataclass
class Version2Api(protocol.Api):
    """Client of version 2, in which the kind of captcha is a word such as ``"RecaptchaV2TokenTask"``."""

    price_list: str | None
    """URL of OMOcaptcha's price list, or None for another service."""

    async def create_job(self, job: JobRequest) -> JobId:
        task: dict[str, Any] = {"type": self.kind, "websiteURL": job.page, "websiteKey": job.sitekey}
        if job.invisible:
            # The other services need this field, but OMOcaptcha doesn't document it, so the usual task goes without.
            task["isInvisible"] = True
        answer = await self._call("/createTask", task=task)
        return protocol.read_job_id(answer.get("taskId"), "/createTask")

    async def job_result(self, job_id: JobId) -> str | None:
        answer = await self._call("/getTaskResult", taskId=job_id)
        if protocol.job_status(answer) in protocol.FAILED:
            raise JobFailed(self._message(answer) or protocol.NOT_SOLVED)
        token = _find_token(answer.get("solution"))
        if token is None and protocol.job_status(answer) == "ready":
            raise ApiBadAnswer("/getTaskResult: ready without a token")
        return token

    async def price(self) -> float | None:
        if self.price_list is None:
            return None
        call = "/getServicePrice"
        answer = protocol.parse(await self.transport.get(self.price_list), call)
        if protocol.is_error(answer):
            raise ApiRefused(f"{call}: {self._message(answer) or protocol.NO_MESSAGE}")
        return protocol.find_price(answer.get("typeJob"), "type", self.kind, call)

    async def _call(self, path: str, **body: Any) -> dict[str, Any]:
        answer = protocol.parse(await self.transport.post(path, {"clientKey": self.token, **body}), path)
        if protocol.is_error(answer) or ("errorId" not in answer and _code(answer)):
            raise self._error(path, answer)
        return answer

    def _error(self, path: str, answer: dict[str, Any]) -> Exception:
        code = _code(answer).upper()
        message = self._message(answer)
        text = f"{path}: {message or protocol.NO_MESSAGE}"
        if code in TEMPORARY:
            return ApiUnreachable(text, taken=False)
        if code in ACCOUNT:
            return AccountError(text)
        if code == UNSUPPORTED:
            error = AccountError(text)
            error.cure = f"set OMOCAPTCHA_TASK_TYPE, which is {self.kind!r}, to a type that this service supports"
            return error
        if path == "/getTaskResult" and (code in JOB_FAILED or protocol.job_status(answer) in protocol.FAILED):
            return JobFailed(message or protocol.NOT_SOLVED)
        if code not in JOB_FAILED and protocol.is_about_account(message):
            return AccountError(text)
        return ApiRefused(text)

    def _message(self, answer: dict[str, Any]) -> str:
        description = protocol.as_text(answer.get("errorDescription")) or protocol.as_text(answer.get("message"))
        return protocol.clean_message(": ".join(filter(None, (_code(answer), description))), self.token)


def _code(answer: dict[str, Any]) -> str:
    return protocol.as_text(answer.get("errorCode")).strip()


def _find_token(solution: Any) -> str | None:
    if not isinstance(solution, dict):
        return None
    return protocol.read_token(solution.get("gRecaptchaResponse")) or protocol.read_token(solution.get("token"))
