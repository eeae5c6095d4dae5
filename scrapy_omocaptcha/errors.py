"""Define the errors that users of this package can meet, and say in words what those of libraries mean.

::

    OmoCaptchaError
    ├── ApiError                  a call to the service failed
    │   ├── ApiUnreachable        no answer: refused, reset, timed out, TLS, DNS, service down
    │   ├── ApiBadAnswer          an answer in none of the documented formats
    │   ├── ApiRefused            the service rejected the call
    │   └── AccountError          the service takes no job from this account or of this kind
    ├── JobError                  a job gave no token
    │   ├── JobFailed             the service reports that it could not solve it
    │   ├── JobLost               no usable answer to the create call; the job counts as bought
    │   └── JobTimeout            no result within OMOCAPTCHA_JOB_TIMEOUT
    ├── NotBought                 nothing was bought; the reason says why
    ├── HandoverBroke             a request that carried a token got no response
    ├── TokenUnused               a token was not sent (also an IgnoreRequest)
    ├── MiddlewareFailed          a middleware of the project failed on a request of this package
    ├── CrawlClosing              the crawl is closing, so waiting is pointless
    └── ChallengeNotSolved        what a spider's errback receives (also an IgnoreRequest)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scrapy.exceptions import IgnoreRequest

from scrapy_omocaptcha.scrapy_versions import DownloadFailedError

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_omocaptcha.challenge import Challenge


_WORDS = {
    "Refused": "{host} refused the connection",
    "DNS|Resolve": "{host} cannot be resolved",
    "TimedOut|Timeout": "{host} did not answer in time",
    "[Cc]ertificate": "the certificate of {host} is not trusted, or names another",
    "Connection|Disconnected|DataLoss|DownloadFailed|Payload|Response(?:Failed|Never)": "{host} gave no whole answer",
}
"""Meaning of the errors of network libraries, by words in the names of their classes; the first one counts."""


def in_words(error: BaseException | None, host: str = "the host") -> str:
    """Return what an error of a network means, or the name of its class; its text may repeat what was sent."""
    # aiohttp and redis-py wrap the error of the operating system. Twisted tells only in words what was wrong with TLS.
    errors = (error, getattr(error, "os_error", None), getattr(error, "__context__", None))
    names = [kind.__name__ for each in errors for kind in type(each).__mro__] + [str(getattr(error, "reasons", ""))]
    words = (words for pattern, words in _WORDS.items() if re.search(pattern, " ".join(names)))
    return next(words, type(error).__name__).format(host=host)


class OmoCaptchaError(Exception):
    """Base class of all errors of this package; ``reason`` is the word that the stats count the error under."""

    reason = "error"


class ApiError(OmoCaptchaError):
    """A call to the service returned nothing usable.

    ``is_foreign`` is True if the answer is not the API's but a web server's: an HTTP status such as 404, a redirect, or
    a page. ``taken`` is True if the service may have done what the call was for. ``retry_after`` is the pause that the
    service asked for, in seconds, None if it asked for none. ``cure`` says what to do, where that is known.
    """

    is_foreign = False
    taken = False
    cure = ""

    def __init__(self, message: str, *, taken: bool | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.taken = self.taken if taken is None else taken
        self.retry_after = retry_after

    @property
    def with_cure(self) -> str:
        """Return the message, and what to do."""
        return "; ".join(filter(None, [str(self).rstrip("."), self.cure]))


class ApiUnreachable(ApiError):
    """No answer arrived: connection refused or reset, timeout, TLS or DNS failure, HTTP 5xx, or the service is down.

    ``taken`` is False only if the service has not received the call or says that it takes none now, so that repeating
    it costs nothing.
    """

    reason = "unreachable"
    taken = True
    cure = "try again later, or check OMOCAPTCHA_API_URL"


class ApiBadAnswer(ApiError):
    """The answer is not JSON, is too long, or has none of the documented formats."""

    reason = "bad_answer"
    taken = True


class ApiRefused(ApiError):
    """The service rejected the call; the message quotes it."""

    reason = "refused"


class AccountError(ApiError):
    """The service takes no job: the API token is wrong, the account is empty, or the kind of job is not supported.

    All buying stops.
    """

    reason = "account"
    cure = "check OMOCAPTCHA_API_TOKEN and the balance of the account"


class JobError(OmoCaptchaError):
    """A job was bought and gave no token."""


class JobFailed(JobError):
    """The service reports that it could not solve the job."""

    reason = "failed"


class JobLost(JobError):
    """The create call has no usable answer: the job may be running under an unknown id and counts as bought."""

    reason = "lost"


class JobTimeout(JobError):
    """The job had no result within ``OMOCAPTCHA_JOB_TIMEOUT``."""

    reason = "timeout"


class NotBought(OmoCaptchaError):
    """Nothing was bought: ``reason`` names the limit or refusal, and the message says how to change it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class HandoverBroke(OmoCaptchaError):
    """A request that carried a token got no response, or one that says that the site is overloaded.

    From ``solve_page``: the page was gone when the token came, did not answer any more, or has no button to press. The
    site may have used the token, unless ``is_sent`` is False.
    """

    def __init__(self, message: str, *, is_sent: bool = True, kind: type[Exception] = DownloadFailedError) -> None:
        super().__init__(message)
        self.is_sent = is_sent
        # The class of the error that Scrapy would have got for a request of its own, which it may retry.
        self.kind = kind


class TokenUnused(OmoCaptchaError, IgnoreRequest):
    """A token was not sent; ``reason`` says why.

    As an ``IgnoreRequest``, it is no failure of the site or of a proxy to the project's middlewares.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the token was not sent ({reason})")
        self.reason = reason


class MiddlewareFailed(OmoCaptchaError):
    """A downloader middleware of the project raised, or returned something invalid, on a request of this package."""


class CrawlClosing(OmoCaptchaError):
    """The crawl is closing: everything that waits for something raises this at once."""

    def __init__(self, message: str = "the crawl is closing") -> None:
        super().__init__(message)


class ChallengeNotSolved(OmoCaptchaError, IgnoreRequest):
    """A page did not come though a job was bought for it, or there was no token for a request that wants one.

    ``reason`` is the word that the stats count it under, ``challenge`` is the challenge, and ``response`` is the page
    with the challenge, or None if a token was needed before anything was sent.
    """

    def __init__(self, reason: str, message: str, *, challenge: Challenge, response: Response | None) -> None:
        super().__init__(message)
        self.reason = reason
        self.challenge = challenge
        self.response = response
