"""Implement version 2 of the API (tasks), as documented and as other services implement it.

The body of a call becomes the text of its answer, without HTTP.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from scrapy_omocaptcha.testing import fields
from scrapy_omocaptcha.testing.account import Account, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CREDENTIAL = "clientKey"

_UUID = "49f9f60a-07c2-4a5d-9d3e-{:012d}"


@dataclass(frozen=True, slots=True)
class TaskShape:
    """Variants of the answers, among those of all services with this protocol. The defaults are OMOcaptcha's."""

    task_id: Literal["uuid", "number", "digits"] = "uuid"
    """A UUID, a number, or a string of digits. Results must be requested with the same."""
    created: Literal["plain", "idle"] = "plain"
    """The answer to createTask has only the id, or also ``"status": "idle"``."""
    running: Literal["processing", "idle"] = "processing"
    failed: Literal["fail", "code", "status"] = "fail"
    """``ERROR_JOB_STATUS`` with ``"status": "fail"``; ``ERROR_CAPTCHA_UNSOLVABLE`` without a status; or ``"status":
    "failed"`` without an error."""
    solution: Literal["gRecaptchaResponse", "token", "both"] = "gRecaptchaResponse"
    """Name of the field with the token."""


class Version2:
    """The calls of version 2 for one account."""

    def __init__(self, account: Account, client_key: str, shape: Callable[[], TaskShape]) -> None:
        self._shape = shape
        self._account = account
        self._client_key = client_key
        self.calls: dict[str, Callable[[Mapping[str, Any]], str]] = {
            "createTask": self._create_task,
            "getTaskResult": self._get_task_result,
            "getBalance": self._get_balance,
        }

    def answer(self, call: str, body: object) -> str:
        """Return the text of the answer to ``call``, whose ``body`` is decoded JSON or None."""
        try:
            return self.calls[call](fields.checked(body, CREDENTIAL, self._client_key))
        except RefusedError as refusal:
            return _error(1, refusal.code, str(refusal))

    def price_list(self) -> str:
        """Return the public list of services, which needs no account."""
        listed = {"name": "reCAPTCHA v2", "price": f"{self._account.price:f}", "type": "RecaptchaV2TokenTask"}
        return json.dumps({"error": False, "typeJob": [listed]})

    def _create_task(self, body: Mapping[str, Any]) -> str:
        task = body.get("task")
        if not isinstance(task, dict):
            raise RefusedError("Missing field: task.")
        job_id = self._account.create(
            kind=fields.text(task, "type"),
            page=fields.address(task, "websiteURL"),
            sitekey=fields.text(task, "websiteKey"),
            invisible=fields.flag(task, "isInvisible"),
        )
        state = {} if self._shape().created == "plain" else {"status": self._shape().created}
        return _good(**state, taskId=self._spell(job_id))

    def _get_task_result(self, body: Mapping[str, Any]) -> str:
        state, token = self._account.result(self._read(body.get("taskId")))
        if state == "running":
            return _good(status=self._shape().running)
        if state == "failed":
            return self._failed()
        names = ("gRecaptchaResponse", "token") if self._shape().solution == "both" else (self._shape().solution,)
        return _good(status="ready", solution=dict.fromkeys(names, token))

    def _get_balance(self, body: Mapping[str, Any]) -> str:
        return _good(balance=float(self._account.balance), quantity=self._account.package, voucher_balance=0.0)

    def _failed(self) -> str:
        if self._shape().failed == "code":
            return _error(12, "ERROR_CAPTCHA_UNSOLVABLE", "The captcha could not be solved.")
        if self._shape().failed == "status":
            return _good(status="failed", solution={})
        return _error(1, "ERROR_JOB_STATUS", "Job failed", status="fail", solution={})

    def _spell(self, job_id: int) -> str | int:
        if self._shape().task_id == "number":
            return job_id
        return str(job_id) if self._shape().task_id == "digits" else _UUID.format(job_id)

    def _read(self, task_id: object) -> int:
        """Return the job of a task, whose id must have the same form as when it was created."""
        found = re.search(r"\d{1,12}\Z", str(task_id))
        if found is None or self._spell(int(found[0])) != task_id:
            raise RefusedError("Task not found.", "ERROR_TASK_NOT_FOUND")
        return int(found[0])


def _good(**values: object) -> str:
    return json.dumps({"errorId": 0, **values})


def _error(number: int, code: str, description: str, **values: object) -> str:
    return json.dumps({"errorId": number, "errorCode": code, "errorDescription": description, **values})
