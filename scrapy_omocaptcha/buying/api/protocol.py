"""What the solver needs of a version of the service's API.

A version translates between these five calls and the wire; it neither waits, retries nor counts. Every version passes
the same tests against the offline service, over every transport.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

JobId = int | str
"""The id of a job as the service gave it: it goes back as the number or the text that it was."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a job is bought for."""

    page: str
    """Scheme, host and path of the page that carries the widget; never its query."""
    sitekey: str
    invisible: bool


class Api(Protocol):
    """One version of the API. Each call is one HTTP request and raises :class:`~.errors.ApiError`."""

    async def create_job(self, job: JobRequest) -> JobId:
        """Buy a job.

        :raises ApiRefused: the service says no, and nothing says that it is about the account.
        :raises AccountError: the API token is wrong or the balance is empty.
        :raises ApiUnreachable: no answer, or (``taken`` is False) the service takes no jobs just now.
        """
        ...

    async def job_result(self, job_id: JobId) -> str | None:
        """The token of a job, or None while it is not ready.

        :raises JobFailed: the service could not solve it. Any other error leaves open what becomes of the job.
        """
        ...

    async def balance(self) -> float:
        """What the account holds, in USD, vouchers included.

        :raises AccountError: the API token is wrong.
        """
        ...

    async def price(self) -> float | None:
        """USD a job by the service's list, or None when there is no list or it does not name this kind of job."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
