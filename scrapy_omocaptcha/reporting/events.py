"""Report single challenges: log lines, signals, and the count of challenges that were not solved.

Addresses are logged without their query, and no line holds a token or a credential.
"""

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha import signals
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.reporting.format import asked, waiting_requests
from scrapy_omocaptcha.settings.limits import LIMITS
from scrapy_omocaptcha.urls import host_of, public_address

logger = logging.getLogger(__name__)

_SAME_ON_ALL_HOSTS = {"account", "redis", *(reason for reason, limit in LIMITS.items() if limit.closes_with)}
"""Reasons that are logged once for the crawl, not once for each host."""
_MAX_LOGGED = 10_000
"""Lines that are remembered, by what they are about."""
_PAUSE = 10.0
"""Seconds in which a host has one line about jobs that have opened its walls."""


class Events:
    """Reports what happens to the challenges of one crawl."""

    def __init__(self, crawler: Crawler, stats: Stats, clock: Callable[[], float]) -> None:
        self._crawler = crawler
        self._stats = stats
        self._clock = clock
        self._logged: LocalCache[tuple[str, str], float] = LocalCache(_MAX_LOGGED)
        """When a line was logged last, by its kind or reason and what it is about."""
        # The error that closed the account was logged.
        self._logged["account", ""] = clock()
        self.dry_run: defaultdict[str, Counter[object]] = defaultdict(Counter)
        """The number of challenges that a dry run did not solve, by host and session."""
        self.not_solved: Counter[str] = Counter()
        """The number of challenges that were not solved, by reason."""
        self.noticed: Counter[str] = Counter()
        """What else a user may want to look at, with its host; see ``Run.noticed``."""

    def detected(self, request: Request, challenge: Challenge, verdict: str) -> None:
        """Report and count a challenge that was met; its verdict is ``"solve"``, or the reason why it is not solved."""
        self._stats.inc("challenges")
        self._send(signals.challenge_detected, request, challenge, verdict=verdict)

    def solved(self, request: Request, challenge: Challenge, jobs: int, **values: Any) -> None:
        """Report that the page that was asked for has come, by a signal with ``values``, and as INFO.

        Those of a host for which no job was bought, or whose last line is not ten seconds old, have a DEBUG line.
        """
        self._send(signals.challenge_solved, request, challenge, **values)
        message = "Through the reCAPTCHA at %s in %.1f s; jobs bought by this request: %d (%.5f USD)"
        pause = _PAUSE if jobs else math.inf
        self._tell("solved", asked(request), message, values["seconds"], jobs, values["cost_usd"], pause=pause)

    def buying(self, request: Request | str, waiting: int, usual_seconds: float | None) -> None:
        """Report that a token is bought: as INFO once for its host, since nothing else is told until it is there."""
        usual = "15 to 60 s" if usual_seconds is None else f"{usual_seconds:.0f} s in this crawl"
        address = public_address(request) if isinstance(request, str) else asked(request)
        message = "Solving the reCAPTCHA at %s: a token usually takes %s; %s so far"
        self._tell("buying", address, message, usual, waiting_requests(waiting))

    def handing_in(self, request: Request, what: str) -> None:
        """Report what is sent with a token: as INFO once for its host."""
        self._tell("handing_in", asked(request), "Handing in a token for %s: %s", what)

    def rejected(self, request: Request, jobs: int, most: int) -> None:
        """Report that a token was rejected, the useless one number ``jobs`` of ``most``: as INFO once for its host."""
        message = "The site rejected a token for %s (useless job %d of at most %d for this request)"
        self._tell("rejected", asked(request), message, jobs, most)

    def unknown(
        self, request: Request, challenge: Challenge, reason: str, message: str, seconds: float, cost: float
    ) -> None:
        """Report that it is not known whether the site accepted a token: as WARNING once for its host."""
        self._send(signals.challenge_unknown, request, challenge, reason=reason, seconds=seconds, cost_usd=cost)
        text = "Whether %s accepted a token is not known (%s): %s"
        self._tell("unknown", asked(request), text, reason, message, level=logging.WARNING)

    def failed(self, request: Request, challenge: Challenge, reason: str, message: str, *, is_paid: bool) -> None:
        """Report that a challenge was not solved: always as WARNING if a job was bought for the request."""
        self._send(signals.challenge_failed, request, challenge, reason=reason)
        self.left_alone(reason, challenge.url, message, request, is_paid=is_paid)

    def left_alone(self, reason: str, url: str, message: str, request: Request, *, is_paid: bool = False) -> None:
        """Report that a challenge is not solved: as WARNING once for its host or the crawl.

        :param is_paid: whether jobs were bought for the request, whose page is lost: this is always a WARNING.
        """
        self.not_solved[reason] += 1
        self._stats.inc(f"skipped/{reason}")
        # The breaker's message names the host or domain for which nothing is bought.
        about = message if reason == "breaker" else "" if reason in _SAME_ON_ALL_HOSTS else urlsplit(url).netloc
        where, text = asked(request), "No way through at %s (%s): %s"
        if not is_paid:
            where = " for ".join(dict.fromkeys([public_address(url), where]))
            text = "The challenge at %s is left alone (%s): %s"
        self._log((reason, about), logging.WARNING, text, where, reason, message, pause=0 if is_paid else math.inf)

    def notice(self, what: str, url: str) -> None:
        """Count what a user may want to look at: ``"left_alone"``, ``"not_resent"`` or ``"bound"``."""
        self._stats.inc(f"noticed/{what}")
        self.noticed[f"{what} at {host_of(url)}"] += 1

    def _tell(
        self, kind: str, address: str, message: str, *values: object, level: int = logging.INFO, pause: float = math.inf
    ) -> None:
        self._log((kind, urlsplit(address).netloc), level, message, address, *values, pause=pause)

    def _log(self, about: tuple[str, str], level: int, message: str, *values: object, pause: float = math.inf) -> None:
        """Log a line at ``level``, unless the last one about the same is less than ``pause`` seconds old: at DEBUG."""
        now, last = self._clock(), self._logged.get(about)
        if last is not None and now - last < pause:
            level = logging.DEBUG
        else:
            self._logged[about] = now
        logger.log(level, message, *values)

    def _send(self, signal: object, request: Request, challenge: Challenge, **values: Any) -> None:
        spider = self._crawler.spider
        self._crawler.signals.send_catch_log(signal, spider=spider, request=request, challenge=challenge, **values)
