"""Version 2 of the API: createTask, getTaskResult, getBalance.

2captcha, Anti-Captcha, CapMonster, CapSolver and others speak the same protocol, so that this serves them too. They
differ in how they write an id, which states and error codes they have, and where the token stands; all of those ways
are read. An error is sorted by its code: passing, this job's own, or the account's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.buying.api import answers
from scrapy_omocaptcha.errors import AccountError, ApiBadAnswer, ApiRefused, ApiUnreachable, JobFailed

if TYPE_CHECKING:
    from scrapy_omocaptcha.buying.api.protocol import JobId, JobRequest
    from scrapy_omocaptcha.buying.api.transport import Transport
    from scrapy_omocaptcha.settings.secret import Secret

PASSING = frozenset(
    {
        "ERROR_NO_SLOT_AVAILABLE",
        "ERROR_RATE_LIMIT",
        "ERROR_REDIS_JOB_DATA",
        "ERROR_REDIS_UNAVAILABLE",
        "ERROR_SERVICE_UNAVAILABLE",
        "ERROR_SERVICE_UNAVALIABLE",  # so CapSolver spells it
        "ERROR_TASK_IS_MAINTENANCE",
        "ERROR_TOO_MUCH_REQUESTS",
    }
)
"""The service cannot serve just now: no task was made, and a task that runs is asked for again."""

ACCOUNT = frozenset(
    {
        "ERROR_ACCOUNT_SUSPENDED",
        "ERROR_IP_BANNED",
        "ERROR_IP_BLOCKED",
        "ERROR_IP_NOT_ALLOWED",
        "ERROR_KEY_DENIED_ACCESS",
        "ERROR_KEY_DOES_NOT_EXIST",
        "ERROR_WRONG_USER_KEY",
        "ERROR_ZERO_BALANCE",
    }
)
"""Nothing can be bought until a person has seen to the account."""

JOB_OVER = frozenset(
    {
        "ERROR_CAPTCHA_UNSOLVABLE",
        "ERROR_JOB_STATUS",
        "ERROR_RECAPTCHA_INVALID_DOMAIN",
        "ERROR_RECAPTCHA_INVALID_SITEKEY",
        "ERROR_RECAPTCHA_TIMEOUT",
        "ERROR_TASK_TIMEOUT",
    }
)
"""The task has come to an end without a token. A code that is in none of these lists may pass, or may not: the task
is asked for again until its deadline, since another one would be paid for."""

_FAILED = {"fail", "failed"}
# Where the token stands; some services give it both names.
_TOKEN_FIELDS = ("gRecaptchaResponse", "token")


class TasksApi:
    """Calls of version 2.

    :param task_type: the kind of captcha, such as ``"RecaptchaV2TokenTask"``.
    :param price_list: address of OMOcaptcha's list of prices; None for a service that has none we can read.
    """

    def __init__(self, transport: Transport, client_key: Secret, task_type: str, price_list: str | None) -> None:
        self._transport = transport
        self._client_key = client_key
        self._task_type = task_type
        self._price_list = price_list

    async def create_job(self, job: JobRequest) -> JobId:
        task: dict[str, Any] = {"type": self._task_type, "websiteURL": job.page, "websiteKey": job.sitekey}
        if job.invisible:
            # OMOcaptcha's documents of this version do not name the field, the other services need it. For the usual
            # widget nothing is sent that is not documented; for this one a service that does not know it may look away.
            task["isInvisible"] = True
        answer = await self._call("/createTask", task=task)
        return answers.job_id(answer.get("taskId"), "/createTask")

    async def job_result(self, job_id: JobId) -> str | None:
        answer = await self._call("/getTaskResult", taskId=job_id)
        if answers.status(answer) in _FAILED:
            raise JobFailed(self._message(answer) or "the service could not solve it")
        token = _token(answer.get("solution"))
        if token is None and answers.status(answer) == "ready":
            raise ApiBadAnswer("/getTaskResult: ready without a token")
        return token

    async def balance(self) -> float:
        # Solves that are left of a package ("quantity") are no money.
        answer = await self._call("/getBalance")
        vouchers = answer.get("voucher_balance", answer.get("voucherBalance"))
        parts = [answer.get("balance"), 0 if vouchers is None else vouchers]
        return answers.amount(sum(answers.amount(part, "/getBalance") for part in parts), "/getBalance")

    async def price(self) -> float | None:
        if self._price_list is None:
            return None
        call = "/getServicePrice"
        answer = answers.parse(await self._transport.get(self._price_list), call)
        if answers.says_error(answer):
            raise ApiRefused(f"{call}: {self._message(answer) or 'an error without words'}")
        return answers.listed_price(answer.get("typeJob"), "type", self._task_type, call)

    async def close(self) -> None:
        await self._transport.close()

    async def _call(self, path: str, **body: Any) -> dict[str, Any]:
        answer = answers.parse(await self._transport.post(path, {"clientKey": self._client_key, **body}), path)
        if answers.says_error(answer) or ("errorId" not in answer and _code(answer)):
            raise self._error(path, answer)
        return answer

    def _error(self, path: str, answer: dict[str, Any]) -> Exception:
        code = _code(answer).upper()
        message = self._message(answer)
        told = f"{path}: {message or 'an error without words'}"
        if code in PASSING:
            return ApiUnreachable(told, taken=False)
        if code in ACCOUNT:
            return AccountError(told)
        if path == "/getTaskResult" and (code in JOB_OVER or answers.status(answer) in _FAILED):
            return JobFailed(message or "the service could not solve it")
        if code not in JOB_OVER and answers.are_about_account(message):
            return AccountError(told)
        return ApiRefused(told, unclear=not code)

    def _message(self, answer: dict[str, Any]) -> str:
        said = answers.scalar(answer.get("errorDescription")) or answers.scalar(answer.get("message"))
        return answers.words(": ".join(filter(None, (_code(answer), said))), self._client_key)


def _code(answer: dict[str, Any]) -> str:
    return answers.scalar(answer.get("errorCode")).strip()


def _token(solution: Any) -> str | None:
    if not isinstance(solution, dict):
        return None
    tokens = (answers.token(solution.get(field)) for field in _TOKEN_FIELDS)
    return next(filter(None, tokens), None)
