"""Define what all versions of the service's API have in common: their calls, and how answers are read.

An implementation translates calls to HTTP requests; it doesn't wait, retry or count.

Documents of several years, and several services, disagree in details: a number may be a string, a field may be
missing, a message may repeat what was sent. Functions that take ``call``, the name of the call, raise
:class:`~.errors.ApiBadAnswer` with that name when a value is missing or unusable.
"""

import json
import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from scrapy_omocaptcha.buying.api.transport import Transport
from scrapy_omocaptcha.buying.records import Balance, JobId, JobRequest
from scrapy_omocaptcha.errors import ApiBadAnswer
from scrapy_omocaptcha.settings.secret import Secret, masked

FAILED = {"fail", "failed"}
NO_MESSAGE = "an error without a message"
NOT_SOLVED = "the service could not solve it"
_ABOUT_ACCOUNT = re.compile(
    r"\b(?:invalid|wrong|incorrect|unknown)\W+(?:api[\W_]*)?(?:token|key)\b(?!\W+type)"
    r"|(?:not enough|insufficient|no|zero|low|out of)\W+(?:balance|money|funds?|credits?)"
    r"|(?:balance|money|funds?|credits?)\W+(?:is\W+|are\W+)?(?:not enough|insufficient|empty|too low|zero)"
    r"|số dư",
    re.IGNORECASE,
)
"""Messages that say that the API token is wrong or the balance is empty, as far as words can tell."""
_MAX_MESSAGE = 200
_MAX_JOB_ID = 100


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

    async def balance(self) -> Balance:
        """Return the balance, with vouchers and with what is left of a package where the answer has them."""
        call = "/getBalance"
        answer = await self._call(call)
        vouchers = answer.get("voucher_balance", answer.get("voucherBalance"))
        parts = [answer.get("balance"), 0 if vouchers is None else vouchers]
        usd = read_amount(sum(read_amount(part, call) for part in parts), call)
        solves = answer.get("quantity")
        return Balance(usd, 0 if solves is None else max(0, int(read_amount(solves, call))))

    @abstractmethod
    async def price(self) -> float | None:
        """Return the price of a job in USD, or None when the service has no price list or doesn't list this kind."""

    @abstractmethod
    async def _call(self, path: str, **body: Any) -> dict[str, Any]:
        """Return the answer to a call with the API token, unless it is an error."""

    async def close(self) -> None:
        """Close the connections. No call may follow."""
        await self.transport.close()


def parse(text: str, call: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        error = ApiBadAnswer(f"{call}: the answer is not JSON")
        error.is_foreign = text.lstrip().startswith("<")
        raise error from None
    if not isinstance(answer, dict):
        raise ApiBadAnswer(f"{call}: the answer is JSON, but not an object")
    return answer


def as_text(value: Any) -> str:
    """Return a string, number or boolean as text, and an empty text for anything else."""
    return str(value) if isinstance(value, (str, int, float)) else ""


def is_error(answer: dict[str, Any]) -> bool:
    """Return whether ``error`` is true (as a boolean or text), or ``errorId`` is not zero."""
    error_id = answer.get("errorId")
    return as_text(answer.get("error")).lower() in {"true", "1"} or bool(error_id and error_id != "0")


def is_about_account(message: str) -> bool:
    """Return whether a message says that the account can buy nothing."""
    return _ABOUT_ACCOUNT.search(message) is not None


def job_status(answer: dict[str, Any]) -> str:
    """Return the status of a job in lower case, as the service spells it."""
    return as_text(answer.get("status")).lower()


def read_job_id(value: Any, call: str) -> JobId:
    """Return the id of a job with the type that it has in the answer."""
    if isinstance(value, str):
        value = value.strip()
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not text or len(text) > _MAX_JOB_ID or not text.isprintable():
        raise ApiBadAnswer(f"{call}: the answer has neither an error nor a job id")
    return value  # type: ignore[no-any-return]


def read_token(value: Any) -> str | None:
    """Return the token, stripped, or None if it could not be sent in a form field or a header."""
    value = value.strip() if isinstance(value, str) else ""
    return value if re.fullmatch("[!-~]+", value) else None


def read_amount(value: Any, call: str) -> float:
    """Return an amount of money, which may be negative."""
    try:
        amount = float(as_text(value))
    except ValueError:
        amount = math.nan
    if not math.isfinite(amount):
        raise ApiBadAnswer(f"{call}: the amount is not a number")
    return amount


def find_price(services: Any, field: str, kind: str, call: str) -> float | None:
    """Return the price of the service whose ``field`` is ``kind``, or None if it is not listed."""
    if not isinstance(services, list):
        raise ApiBadAnswer(f"{call}: the answer has no list of services")
    for service in services:
        if isinstance(service, dict) and as_text(service.get(field)) == kind:
            price = read_amount(service.get("price"), call)
            if price <= 0:
                raise ApiBadAnswer(f"{call}: the price is not above zero")
            return price
    return None


def clean_message(text: str, secret: Secret) -> str:
    """Return a message of the service for the log: on one line, shortened, and with ``secret`` masked."""
    text = masked(text, secret.reveal())
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_MAX_MESSAGE]
