"""Which version of the API is spoken, by the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_omocaptcha.api.jobs import JobsApi

if TYPE_CHECKING:
    from scrapy_omocaptcha.api.protocol import Api
    from scrapy_omocaptcha.api.transport import Transport
    from scrapy_omocaptcha.settings import Settings


def speak(settings: Settings, transport: Transport) -> Api:
    """The API in the version of ``settings``."""
    return JobsApi(transport, settings.api_token, settings.type_job_id)
