"""Implement version 1 of the API (jobs), with all the contradictory answers that its documents show.

The body of a call becomes the text of its answer, without HTTP.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from scrapy_omocaptcha.testing import fields
from scrapy_omocaptcha.testing.account import Account, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CREDENTIAL = "api_token"

_VERDICTS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "error": ({"error": False}, {"error": True}),
    "text": ({"error": False}, {"error": "true"}),
    "success": ({"success": True}, {"success": False}),
    "contradiction": ({"error": False, "success": False}, {"error": True}),
}
"""The members of a good and of a bad answer that say so, by ``Shape.verdict``."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Variants of the answers, among those in the documents."""

    verdict: Literal["error", "text", "success", "contradiction"] = "error"
    """``{"error": false}``; the same with the string ``"true"`` for true; ``{"success": true}``; or both ``"error":
    false`` and ``"success": false`` in a good answer."""
    job_id: Literal["number", "text"] = "number"
    running: Literal["running", "processing", "waiting"] = "processing"
    result: Literal["object", "text", "broken"] = "object"
    """``{"gRecaptchaResponse": TOKEN}``, the token as a string, or that string in braces (which is not JSON)."""


class Version1:
    """The calls of version 1 for one account."""

    def __init__(self, account: Account, api_token: str, shape: Callable[[], Shape]) -> None:
        self._shape = shape
        self._account = account
        self._api_token = api_token
        self.calls: dict[str, Callable[[Mapping[str, Any]], str]] = {
            "createJob": self._create_job,
            "getJobResult": self._get_job_result,
            "getBalance": self._get_balance,
            "getService": self._get_service,
        }

    def answer(self, call: str, body: object) -> str:
        """Return the text of the answer to ``call``, whose ``body`` is decoded JSON or None."""
        try:
            return self.calls[call](fields.checked(body, CREDENTIAL, self._api_token))
        except RefusedError as refusal:
            return self._error(str(refusal))

    def _create_job(self, body: Mapping[str, Any]) -> str:
        data = body.get("data")
        if not isinstance(data, dict):
            raise RefusedError("Missing field: data.")
        job_id = self._account.create(
            kind=fields.text(data, "type_job_id"),
            page=fields.address(data, "websiteURL", "website_url"),
            sitekey=fields.text(data, "websiteKey", "website_key"),
            invisible=fields.flag(data, "isInvisible"),
        )
        spelled = job_id if self._shape().job_id == "number" else str(job_id)
        return self._good(job_id=spelled, message="Create job success.")

    def _get_job_result(self, body: Mapping[str, Any]) -> str:
        job_id = body.get("job_id")
        if isinstance(job_id, str) and job_id.isascii() and job_id.isdigit():
            job_id = int(job_id)
        if not isinstance(job_id, int) or isinstance(job_id, bool):
            raise RefusedError("Missing field: job_id.")
        state, token = self._account.result(job_id)
        if state == "running":
            if self._shape().running == "processing":
                return json.dumps({"errorId": 0, "status": "processing"})
            return self._good(status=self._shape().running)
        if state == "failed":
            return self._good(status="fail", result=None)
        if self._shape().result == "broken":
            return self._good(status="success", result=[token]).replace("[", "{").replace("]", "}")
        result = {"gRecaptchaResponse": token} if self._shape().result == "object" else token
        return self._good(status="success", result=result)

    def _get_balance(self, body: Mapping[str, Any]) -> str:
        return self._good(balance=f"{self._account.balance:.5f}", message="Get balance success.")

    def _get_service(self, body: Mapping[str, Any]) -> str:
        service = {"id": 1, "name": "reCaptcha v2", "price": f"{self._account.price:f}", "is_active": 1}
        return self._good(service=[service], message="Get service success.")

    def _good(self, **fields: object) -> str:
        good, _ = _VERDICTS[self._shape().verdict]
        return json.dumps(good | fields)

    def _error(self, message: str) -> str:
        _, bad = _VERDICTS[self._shape().verdict]
        return json.dumps(bad | {"message": message})
