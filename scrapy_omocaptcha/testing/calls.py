"""Record a call to the offline service, and format it as a log line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.testing.server import read_json

if TYPE_CHECKING:
    from scrapy_omocaptcha.testing.faults import Kind

_LOGGED_FIELDS = ("job_id", "taskId", "status", "message", "errorCode", "balance")


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to the service."""

    at: float
    """Time of arrival by the service's clock, in seconds."""
    name: str
    """Name such as ``"createJob"`` or ``"createTask"``, empty for a path outside of the API."""
    method: str
    path: str
    body: Any
    """Decoded JSON without the credential, or None if it was not JSON."""
    authorised: bool
    """Whether the API token was right."""
    status: int
    """HTTP status of the answer before a fault changed it; 0 if a fault replaced the answer."""
    answer: str
    """Text of the answer before a fault changed it."""
    fault: Kind | None
    """Fault that was applied."""


def format_call(call: Call) -> str:
    """Format a call as a line for the log, without any token."""
    received = _logged_fields(read_json(call.answer)) or f" {call.status or 'nothing'}"
    fault = f" [fault: {call.fault}]" if call.fault else ""
    return f"service {call.name or call.path}{_logged_fields(call.body)} ->{received}{fault}"


def _logged_fields(value: object) -> str:
    fields = value if isinstance(value, dict) else {}
    return "".join(f" {name}={fields[name]}" for name in _LOGGED_FIELDS if name in fields)
