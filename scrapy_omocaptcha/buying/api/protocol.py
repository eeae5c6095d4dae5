"""Define the interface that each version of the service's API implements.

An implementation translates calls to HTTP requests; it doesn't wait, retry or count.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from scrapy_omocaptcha.buying.api.transport import Transport
from scrapy_omocaptcha.buying.records import Balance, JobId, JobRequest
from scrapy_omocaptcha.settings.secret import Secret


@dataclass
class Api(ABC):
    """Client of the service. Each method sends one HTTP request and may raise any :class:`~.errors.ApiError`."""

    transport: Transport
    token: Secret
    kind: str
    """Kind of captcha, as this version of the API names reCAPTCHA v2."""

    @abstractmethod
    async def create_job(self, job: JobRequest) -> JobId:
        """Buy a job.

        :raises ApiRefused: when the service refuses, and nothing says that the account is the reason.
        :raises AccountError: when the API token is wrong or the balance is empty.
        :raises ApiUnreachable: when no answer arrives, or (``taken`` is False) the service takes no jobs at the moment.
        """

    @abstractmethod
    async def job_result(self, job_id: JobId) -> str | None:
        """Return the token of a job, or None while the job runs.

        :raises JobFailed: when the service could not solve it. After any other error the job may still run.
        """

    @abstractmethod
    async def balance(self) -> Balance:
        """Return the balance of the account."""

    @abstractmethod
    async def price(self) -> float | None:
        """Return the price of a job in USD, or None when the service has no price list or doesn't list this kind."""

    async def close(self) -> None:
        """Close the connections. No call may follow."""
        await self.transport.close()
