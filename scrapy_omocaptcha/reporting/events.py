"""Report single challenges: log lines, signals, and the count of challenges that were not solved.

Addresses are logged without their query, and no line holds a token or a credential.
"""

import logging
from collections import Counter, defaultdict
from typing import Any
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha import signals
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.reporting.format import waiting_requests
from scrapy_omocaptcha.settings import LIMITS
from scrapy_omocaptcha.urls import host_of, public_address

logger = logging.getLogger(__name__)

_MESSAGES = {
    "solved": "Through the reCAPTCHA at %s in %.1f s; jobs bought by this request: %d (%.5f USD)",
    "buying": "Solving the reCAPTCHA at %s: a token usually takes %s; %s so far",
    "handing_in": "Handing in a token for %s: %s",
    "rejected": "The site rejected a token for %s (useless job %d of at most %d for this request)",
    "unknown": "Whether %s accepted a token is not known (%s): %s",
}
"""Messages about a request by their kind; the first value of each is the address."""
_SAME_ON_ALL_HOSTS = {"account", "redis", *(reason for reason, limit in LIMITS.items() if limit.closes_with)}
"""Reasons that are logged once for the crawl, not once for each host."""
_MAX_WARNED = 10_000
"""First warnings that are remembered, by reason and host."""


class Events:
    """Reports what happens to the challenges of one crawl."""

    def __init__(self, crawler: Crawler, stats: Stats) -> None:
        self._crawler = crawler
        self._stats = stats
        self._warned: LocalCache[tuple[str, str], bool] = LocalCache(_MAX_WARNED)
        # The error that closed the account was logged.
        self._warned["account", ""] = True
        self.dry_run: defaultdict[str, Counter[object]] = defaultdict(Counter)
        """The number of challenges that a dry run did not solve, by host and session."""
        self.not_solved: Counter[str] = Counter()
        """The number of challenges that were not solved, by reason."""
        self.not_solved_at: Counter[str] = Counter()
        """The same, by host."""
        self.first_left_alone = ""
        """Address of the first page with a widget that was left alone, but may be a challenge."""

    def detected(self, request: Request, challenge: Challenge, verdict: str) -> None:
        """Report and count a challenge that was met; its verdict is ``"solve"``, or the reason why it is not solved."""
        self._stats.inc("challenges")
        self._send(signals.challenge_detected, request, challenge, verdict=verdict)

    def solved(self, request: Request, challenge: Challenge, jobs: int, **values: Any) -> None:
        """Report that the page that was asked for has come, by a signal with ``values``: as INFO once for its host."""
        self._send(signals.challenge_solved, request, challenge, **values)
        self._tell("solved", request.url, values["seconds"], jobs, values["cost_usd"])

    def buying(self, url: str, waiting: int, usual_seconds: float | None) -> None:
        """Report that a token is bought: as INFO once for its host, since nothing else is told until it is there."""
        usual = "15 to 60 s" if usual_seconds is None else f"{usual_seconds:.0f} s in this crawl"
        self._tell("buying", url, usual, waiting_requests(waiting))

    def handing_in(self, request: Request, what: str) -> None:
        """Report what is sent with a token: as INFO once for its host."""
        self._tell("handing_in", request.url, what)

    def rejected(self, request: Request, jobs: int, most: int) -> None:
        """Report that a token was rejected, the useless one number ``jobs`` of ``most``: as INFO once for its host."""
        self._tell("rejected", request.url, jobs, most)

    def unknown(
        self, request: Request, challenge: Challenge, reason: str, message: str, seconds: float, cost: float
    ) -> None:
        """Report that it is not known whether the site accepted a token: as WARNING once for its host."""
        self._send(signals.challenge_unknown, request, challenge, reason=reason, seconds=seconds, cost_usd=cost)
        self._tell("unknown", request.url, reason, message, level=logging.WARNING)

    def failed(self, request: Request, challenge: Challenge, reason: str, message: str, *, jobs: int) -> None:
        """Report that a challenge was not solved: as WARNING if ``jobs`` were bought for it, whose page is lost."""
        self._send(signals.challenge_failed, request, challenge, reason=reason)
        self.left_alone(reason, challenge.url, message, paid_for=request if jobs else None)

    def left_alone(self, reason: str, url: str, message: str, *, paid_for: Request | None = None) -> None:
        """Report that a challenge is not solved: as WARNING once for its host or the crawl.

        :param paid_for: the request whose page is lost though jobs were bought for it, which is always a WARNING.
        """
        self.not_solved[reason] += 1
        self.not_solved_at[host_of(url)] += 1
        self._stats.inc(f"skipped/{reason}")
        # The breaker's message names the host or domain for which nothing is bought.
        level = self._level(reason, url, subject=message if reason == "breaker" else None)
        if paid_for is None:
            logger.log(level, "The challenge at %s is left alone (%s): %s", public_address(url), reason, message)
        else:
            logger.warning("No way through at %s (%s): %s", public_address(paid_for.url), reason, message)

    def page_left_alone(self, address: str) -> None:
        """Count a page with a widget that is not taken for a challenge, but may be one."""
        self._stats.inc("left_alone")
        self.first_left_alone = self.first_left_alone or address

    def limit_near(self, reason: str, host: str, message: str) -> None:
        """Report that most of a limit is used."""
        logger.warning("OMOcaptcha: %s", message)
        values = {"reason": reason, "host": host, "message": message}
        self._crawler.signals.send_catch_log(signals.limit_near, spider=self._crawler.spider, **values)

    def _tell(self, kind: str, url: str, *values: object, level: int = logging.INFO) -> None:
        logger.log(self._level(kind, url, level), _MESSAGES[kind], public_address(url), *values)

    def _level(self, reason: str, url: str, first: int = logging.WARNING, subject: str | None = None) -> int:
        """Return the level ``first`` for the first message of a kind about a subject, host or crawl, then DEBUG."""
        subject = subject or ("" if reason in _SAME_ON_ALL_HOSTS else urlsplit(url).netloc)
        is_first = (reason, subject) not in self._warned
        self._warned[reason, subject] = True
        return first if is_first else logging.DEBUG

    def _send(self, signal: object, request: Request, challenge: Challenge, **values: Any) -> None:
        spider = self._crawler.spider
        self._crawler.signals.send_catch_log(signal, spider=spider, request=request, challenge=challenge, **values)
