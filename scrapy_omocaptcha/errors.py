"""Everything that this package raises on purpose.

::

    OmoCaptchaError
    ├── ApiError                  the service, or the way to it
    │   ├── ApiUnreachable        no answer: refused, reset, timed out, TLS, DNS, service down
    │   ├── ApiBadAnswer          an answer that is none of the documented shapes
    │   ├── ApiRefused            the service says no to this call
    │   └── AccountError          the service says no to this account: bad token, empty balance
    ├── JobError                  a job that gave no token
    │   ├── JobFailed             the service reports that it could not solve it
    │   ├── JobLost               the answer to the create call never arrived; the job counts as bought
    │   └── JobTimeout            no answer by OMOCAPTCHA_JOB_TIMEOUT
    ├── NotBought                 nothing was bought, for the reason that it names
    ├── HookFailed                the spider's omocaptcha_submit gave no request to the site
    ├── HandoverBroke             no answer came to a request that carried a token
    ├── CrawlClosing              the crawl closes while something waits
    └── ChallengeNotSolved        what reaches a spider's errback (also an IgnoreRequest)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.exceptions import IgnoreRequest

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_omocaptcha.challenge import Challenge


class OmoCaptchaError(Exception):
    """Base of every error of this package. ``reason`` is a word of a closed list, as counted in the stats."""

    reason = "error"


class ApiError(OmoCaptchaError):
    """A call to the service gave nothing that could be used."""


class ApiUnreachable(ApiError):
    """No answer arrived: connection refused or reset, time-out, TLS or name resolution failed, an HTTP 5xx, or the
    service's word that it cannot serve just now.

    ``taken`` is False only where the service cannot have seen the call, so that a repetition costs nothing;
    ``retry_after`` is the pause in seconds that the service asked for, or None.
    """

    reason = "unreachable"

    def __init__(self, message: str, *, taken: bool = True, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.taken = taken
        self.retry_after = retry_after


class ApiBadAnswer(ApiError):
    """The answer is not JSON, too long, or none of the documented shapes."""

    reason = "bad_answer"


class ApiRefused(ApiError):
    """The service answered that it will not do this; its own words are in the message.

    ``unclear`` is False where an error code says that it is not about the account; mere words leave that open.
    """

    reason = "refused"

    def __init__(self, message: str, *, unclear: bool = True) -> None:
        super().__init__(message)
        self.unclear = unclear


class AccountError(ApiError):
    """The account cannot buy: its API token is wrong or its balance is empty. All buying stops."""

    reason = "account"


class JobError(OmoCaptchaError):
    """A job was bought and gave no token."""

    reason = "job"


class JobFailed(JobError):
    """The service reports that it could not solve the job."""

    reason = "failed"


class JobLost(JobError):
    """The answer to the create call never arrived; the job may run, its id is unknown, and it counts as bought."""

    reason = "lost"


class JobTimeout(JobError):
    """The job had no answer by ``OMOCAPTCHA_JOB_TIMEOUT``."""

    reason = "timeout"


class NotBought(OmoCaptchaError):
    """Nothing was bought; ``reason`` says which limit or refusal it was, the message how to change it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class HookFailed(OmoCaptchaError):
    """The spider's ``omocaptcha_submit`` raised, or returned no request to the site of the challenge."""

    reason = "hook"


class HandoverBroke(OmoCaptchaError):
    """No answer came to a request that carried a token; the token may have been used all the same."""

    reason = "broke"


class CrawlClosing(OmoCaptchaError):
    """The crawl closes: whatever waited gives up at once."""

    reason = "closing"


class ChallengeNotSolved(OmoCaptchaError, IgnoreRequest):
    """The page stayed behind its challenge. This is what a request's errback gets.

    ``reason`` is the word under which it is counted, ``challenge`` the challenge, ``response`` the page that
    carried it, or None where a token was wanted before anything was sent.
    """

    def __init__(self, reason: str, message: str, *, challenge: Challenge, response: Response | None) -> None:
        super().__init__(message)
        self.reason = reason
        self.challenge = challenge
        self.response = response
