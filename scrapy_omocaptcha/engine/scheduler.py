"""Derive the scheduler of a crawl from the project's, so that what is known of a request goes through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy import Request

if TYPE_CHECKING:
    from scrapy.core.scheduler import Scheduler as _Base

    from scrapy_omocaptcha.engine.request_state import RequestStates
else:
    _Base = object


class SchedulerMixin(_Base):
    """Tells the states of a crawl's requests what a scheduler takes in and gives out."""

    _omocaptcha_states: RequestStates

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._omocaptcha_states.scheduler = self

    def enqueue_request(self, request: Request) -> bool:
        return self._omocaptcha_states.enqueue(request, super().enqueue_request)

    def next_request(self) -> Request | None:
        request = super().next_request()
        self._omocaptcha_states.taken_out = request
        return request

    def close(self, reason: str) -> Any:
        if reason != "finished":
            for request in self._omocaptcha_states.left():
                self.enqueue_request(request)
        # Scrapy calls it only where there is one.
        close = getattr(super(), "close", None)
        return None if close is None else close(reason)
