"""Tell by which call other services are told of tokens that a site has rejected, where their documents name one."""

from typing import Any, NamedTuple


class ReportingCall(NamedTuple):
    """A call about one job of version 2 of the API."""

    path: str
    details: dict[str, Any]
    """What the body has beside ``clientKey`` and ``taskId``."""


REPORTING_CALLS = {
    "api.2captcha.com": ReportingCall("/reportIncorrect", {}),
    "api.anti-captcha.com": ReportingCall("/reportIncorrectRecaptcha", {}),
    "api.capmonster.cloud": ReportingCall("/reportIncorrectTokenCaptcha", {}),
    "api.capsolver.com": ReportingCall("/feedbackTask", {"result": {"invalid": True}}),
}
"""The calls by the host of the API. ``docs/internals.rst`` names the sources."""
