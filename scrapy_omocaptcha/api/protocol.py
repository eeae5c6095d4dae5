"""What the solver needs of a version of the service's API.

A version translates between these five calls and the wire; it neither waits, retries nor counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a job is bought for."""

    page: str
    """Scheme, host and path of the page that carries the widget; never its query."""
    sitekey: str
    invisible: bool


class Api(Protocol):
    """One version of the API. Each call is one HTTP request and raises :class:`~.errors.ApiError`."""

    async def create_job(self, job: JobRequest) -> str:
        """Buy a job; its id as text.

        :raises ApiRefused: the service says no, in words that tell nothing about the account.
        :raises AccountError: the API token is wrong or the balance is empty.
        """
        ...

    async def job_result(self, job_id: str) -> str | None:
        """The token of a job, or None while it is not ready.

        :raises JobFailed: the service could not solve it.
        """
        ...

    async def balance(self) -> float:
        """What the account holds, in USD.

        :raises AccountError: the API token is wrong.
        """
        ...

    async def price(self) -> float | None:
        """USD a job by the service's list, or None when the list does not name this kind of job."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
