"""Implement both versions of the API: the decoded body of a call becomes an answer, without HTTP."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.testing.account import Account, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Answer = dict[str, Any]
_ADDRESS = re.compile(r"https?://([\w.-]+|\[[0-9a-f:.]+\])(:\d+)?([/?#]|$)", re.IGNORECASE)
Calls = dict[str, "Callable[[Mapping[str, Any]], Answer]"]


class Version(ABC):
    """One version of the API, for one account."""

    path: str
    """Path of its base URL."""
    credential: str
    """Name of the field with the API token."""

    def __init__(self, account: Account, api_token: str) -> None:
        self._account = account
        self._api_token = api_token

    @property
    @abstractmethod
    def calls(self) -> Calls:
        """Return its calls by name."""

    @abstractmethod
    def refuse(self, refusal: RefusedError) -> Answer:
        """Return the answer to a refused call."""

    def answer(self, name: str, body: object) -> Answer:
        """Return the answer to the call ``name``, whose ``body`` is decoded JSON or None."""
        try:
            if not isinstance(body, dict):
                raise RefusedError("The body is not a JSON object.")
            if body.get(self.credential) != self._api_token:
                raise RefusedError("Invalid api token.", "ERROR_KEY_DOES_NOT_EXIST")
            return self.calls[name](body)
        except RefusedError as refusal:
            return self.refuse(refusal)

    def create(self, data: object, kind: str) -> int:
        """Create a job from ``data``, in which the field ``kind`` has the kind of captcha, and return its id."""
        if not isinstance(data, dict):
            raise RefusedError("The description of the job is missing.")
        page, is_invisible = _text(data, "websiteURL"), data.get("isInvisible", False)
        if not _ADDRESS.match(page):
            raise RefusedError("The URL of the page is invalid.")
        if not isinstance(is_invisible, bool):
            raise RefusedError("Field isInvisible must be a boolean.")
        return self._account.create(
            kind=_text(data, kind), page=page, sitekey=_text(data, "websiteKey"), invisible=is_invisible
        )


class Version1(Version):
    """Version 1: jobs."""

    path = "/api"
    credential = "api_token"

    @property
    def calls(self) -> Calls:
        service = {"id": 1, "name": "reCaptcha v2", "price": f"{self._account.price:f}", "is_active": 1}
        return {
            "createJob": lambda body: _good(
                job_id=self.create(body.get("data"), "type_job_id"), message="Create job success."
            ),
            "getJobResult": lambda body: self._result(body.get("job_id")),
            "getBalance": lambda body: _good(balance=f"{self._account.balance:.5f}", message="Get balance success."),
            "getService": lambda body: _good(service=[service], message="Get service success."),
        }

    def refuse(self, refusal: RefusedError) -> Answer:
        return {"error": True, "message": str(refusal)}

    def _result(self, job_id: object) -> Answer:
        if not re.fullmatch(r"[0-9]{1,12}", str(job_id)):
            raise RefusedError("Missing field: job_id.")
        state, token = self._account.result(int(str(job_id)))
        if state == "running":
            return {"errorId": 0, "status": "processing"}
        if state == "failed":
            return _good(status="fail", result=None)
        return _good(status="success", result={"gRecaptchaResponse": token})


class Version2(Version):
    """Version 2: tasks."""

    path = "/v2"
    credential = "clientKey"
    _uuid = "49f9f60a-07c2-4a5d-9d3e-{:012d}"

    @property
    def calls(self) -> Calls:
        return {
            "createTask": lambda body: _done(taskId=self._uuid.format(self.create(body.get("task"), "type"))),
            "getTaskResult": lambda body: self._result(body.get("taskId")),
            "getBalance": lambda body: _done(
                balance=float(self._account.balance), quantity=self._account.package, voucher_balance=0.0
            ),
        }

    def refuse(self, refusal: RefusedError) -> Answer:
        return {"errorId": 1, "errorCode": refusal.code, "errorDescription": str(refusal)}

    def _result(self, task_id: object) -> Answer:
        known = re.fullmatch(self._uuid.replace("{:012d}", "([0-9]{12})"), str(task_id))
        if known is None:
            raise RefusedError("Task not found.", "ERROR_TASK_NOT_FOUND")
        state, token = self._account.result(int(known[1]))
        if state == "running":
            return _done(status="processing")
        if state == "failed":
            return {**self.refuse(RefusedError("Job failed", "ERROR_JOB_STATUS")), "status": "fail", "solution": {}}
        return _done(status="ready", solution={"gRecaptchaResponse": token})


def _good(**values: object) -> Answer:
    return {"error": False, **values}


def _done(**values: object) -> Answer:
    return {"errorId": 0, **values}


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise RefusedError(f"Field {name} must be a string.")
    return value
