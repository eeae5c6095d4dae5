"""What the offline service writes down of a call: one frozen record, and one line for a person."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scrapy_omocaptcha.testing.faults import Kind

_TOLD = ("job_id", "taskId", "status", "message", "errorCode", "balance")


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request that reached the service, whatever became of it."""

    at: float
    """Seconds of the service's clock."""
    name: str
    """``"createJob"``, ``"createTask"`` and so on; empty for a path that is no call of the API."""
    method: str
    path: str
    body: Any
    """The decoded JSON without its credential; None if it was not JSON."""
    authorised: bool
    """It carried the right API token."""
    status: int
    """Of the answer as it was meant, 0 where nothing was done for the request."""
    answer: str
    """The text of the answer as it was meant."""
    fault: Kind | None
    """What went wrong on the way."""


def line_of(call: Call) -> str:
    """One line for a person; it holds no token."""
    try:
        answer = json.loads(call.answer)
    except ValueError:
        answer = {}
    told = [f"{key}={answer[key]}" for key in _TOLD if key in answer]
    sent = call.body if isinstance(call.body, dict) else {}
    asked = "".join(f" {key}={sent[key]}" for key in ("job_id", "taskId") if key in sent)
    went_wrong = f" [fault: {call.fault}]" if call.fault else ""
    return f"service {call.name or call.path}{asked} -> {' '.join(told) or call.status or 'nothing'}{went_wrong}"
