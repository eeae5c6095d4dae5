"""Read the ``OMOCAPTCHA_*`` settings once, into the frozen :class:`Settings` that all other modules get.

No other module spells these names. Invalid values raise ``ValueError`` naming the setting, the value and what is valid;
a missing API token raises ``NotConfigured`` with the cure.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured
from scrapy.settings import BaseSettings
from scrapy.utils.misc import load_object

from scrapy_omocaptcha.settings.secret import Secret
from scrapy_omocaptcha.settings.values import (
    invalid,
    read_base_url,
    read_bool,
    read_choice,
    read_count,
    read_domains,
    read_number,
    read_path,
    read_redis_url,
    read_word,
)

if TYPE_CHECKING:
    from scrapy import Spider
    from scrapy.http import Response

    from scrapy_omocaptcha.challenge import Challenge

Trigger = Callable[["Response", "Challenge"], "bool | None"]

OWN_LIMITS = "own_limits"
FALLBACK_PRICE = 0.00055
"""USD per job in the service's published price list, used until that list has been fetched."""

_API_URLS = {1: "https://omocaptcha.com/api", 2: "https://api.omocaptcha.com/v2"}
"""Default base URL for each version of the service's API."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one crawl: times in seconds, money in USD, 0 for "no limit"."""

    api_token: Secret
    api_version: int
    """1 for jobs, 2 for tasks (the protocol that many other services speak too)."""
    api_url: str
    type_job_id: str
    """Kind of job in version 1."""
    task_type: str
    """Kind of job in version 2."""
    trigger: Trigger | None
    """Decides whether a page is a challenge; None: :attr:`Challenge.blocking` decides."""
    allowed_domains: tuple[str, ...] | None
    """Domains to buy jobs for; None: the spider's ``allowed_domains``, or all hosts if it has none."""
    max_cost: float
    max_cost_per_day: float
    price: float | None
    """USD per job; None: fetch the service's price list before the first job."""
    max_jobs: int
    max_jobs_per_host: int
    close_on_limit: bool
    min_balance: float
    breaker_failures: int
    breaker_pause: float
    max_attempts: int
    concurrent_jobs: int
    max_waiting: int
    job_timeout: float
    api_timeout: float
    poll_interval: float
    token_max_age: float
    on_failure: str
    dry_run: bool
    journal: str | None
    redis_url: Secret | None
    """Redis in which the workers of a fleet share their limits; the URL may contain a password."""
    fleet: str | None
    """Name of the fleet; None: the spider's name."""
    on_redis_failure: str

    def __post_init__(self) -> None:
        if self.max_cost_per_day and self.journal is None and self.redis_url is None:
            raise ValueError(
                "OMOCAPTCHA_MAX_COST_PER_DAY needs OMOCAPTCHA_JOURNAL or OMOCAPTCHA_REDIS_URL, where crawls record "
                "their costs"
            )
        if self.max_cost_per_day and self.redis_url is not None and self.on_redis_failure == OWN_LIMITS:
            raise ValueError(
                "OMOCAPTCHA_MAX_COST_PER_DAY is shared through OMOCAPTCHA_REDIS_URL, so no worker can enforce it "
                "alone: set OMOCAPTCHA_ON_REDIS_FAILURE to 'stop'"
            )

    def domains(self, spider: Spider | None) -> tuple[str, ...]:
        """Return the domains (with their subdomains) that ``spider`` may buy jobs for; empty: all hosts."""
        if self.allowed_domains is not None:
            return self.allowed_domains
        return tuple(domain.lower() for domain in getattr(spider, "allowed_domains", None) or () if domain)

    def fleet_of(self, spider: str) -> str:
        """Return the fleet's name, which defaults to the name of the spider."""
        return self.fleet or spider

    @classmethod
    def from_settings(cls, settings: BaseSettings) -> Settings:
        """Read all settings.

        :raises NotConfigured: when the add-on is disabled or has no API token.
        :raises ValueError: when a value is invalid.
        """
        if not is_enabled(settings):
            raise NotConfigured("OMOCAPTCHA_ENABLED is False")
        dry_run = read_bool(settings, "OMOCAPTCHA_DRY_RUN", False)
        api_version = _api_version(settings)
        return cls(
            api_token=_api_token(settings, needed=not dry_run),
            api_version=api_version,
            api_url=read_base_url(settings, "OMOCAPTCHA_API_URL", _API_URLS[api_version]),
            type_job_id=read_word(settings, "OMOCAPTCHA_TYPE_JOB_ID", "1"),
            task_type=read_word(settings, "OMOCAPTCHA_TASK_TYPE", "RecaptchaV2TokenTask"),
            trigger=_trigger(settings),
            allowed_domains=read_domains(settings, "OMOCAPTCHA_ALLOWED_DOMAINS"),
            max_cost=read_number(settings, "OMOCAPTCHA_MAX_COST", 1.0),
            max_cost_per_day=read_number(settings, "OMOCAPTCHA_MAX_COST_PER_DAY", 0.0),
            price=_price(settings),
            max_jobs=read_count(settings, "OMOCAPTCHA_MAX_JOBS", 0),
            max_jobs_per_host=read_count(settings, "OMOCAPTCHA_MAX_JOBS_PER_HOST", 0),
            close_on_limit=read_bool(settings, "OMOCAPTCHA_CLOSE_ON_LIMIT", False),
            min_balance=read_number(settings, "OMOCAPTCHA_MIN_BALANCE", 0.0),
            breaker_failures=read_count(settings, "OMOCAPTCHA_BREAKER_FAILURES", 5, minimum=1),
            breaker_pause=read_number(settings, "OMOCAPTCHA_BREAKER_PAUSE", 300.0),
            max_attempts=read_count(settings, "OMOCAPTCHA_MAX_ATTEMPTS", 2, minimum=1),
            concurrent_jobs=read_count(settings, "OMOCAPTCHA_CONCURRENT_JOBS", 32, minimum=1),
            max_waiting=read_count(settings, "OMOCAPTCHA_MAX_WAITING", 32 if uses_scrapy_redis(settings) else 256),
            job_timeout=read_number(settings, "OMOCAPTCHA_JOB_TIMEOUT", 180.0, minimum=1.0),
            api_timeout=read_number(settings, "OMOCAPTCHA_API_TIMEOUT", 20.0, minimum=0.1),
            poll_interval=read_number(settings, "OMOCAPTCHA_POLL_INTERVAL", 2.0, minimum=0.01),
            token_max_age=read_number(settings, "OMOCAPTCHA_TOKEN_MAX_AGE", 110.0, minimum=1.0, maximum=120.0),
            on_failure=read_choice(settings, "OMOCAPTCHA_ON_FAILURE", "errback", ("errback", "response")),
            dry_run=dry_run,
            journal=read_path(settings, "OMOCAPTCHA_JOURNAL"),
            redis_url=read_redis_url(settings, "OMOCAPTCHA_REDIS_URL"),
            fleet=read_word(settings, "OMOCAPTCHA_FLEET", None),
            on_redis_failure=read_choice(settings, "OMOCAPTCHA_ON_REDIS_FAILURE", "stop", ("stop", OWN_LIMITS)),
        )

    @classmethod
    def for_detection(cls, settings: BaseSettings) -> Settings:
        """Read the settings to inspect pages with, even if the add-on is disabled or has no API token.

        :raises ValueError: when a value is invalid.
        """
        return cls.from_settings(
            BaseSettings({**settings, "OMOCAPTCHA_ENABLED": True, "OMOCAPTCHA_API_TOKEN": "not-needed"})
        )

    @classmethod
    def for_account(cls, settings: BaseSettings) -> Settings:
        """Read the settings to query the account with, even if the add-on is disabled or in a dry run.

        :raises NotConfigured: when there is no API token.
        :raises ValueError: when a value is invalid.
        """
        return cls.from_settings(BaseSettings({**settings, "OMOCAPTCHA_ENABLED": True, "OMOCAPTCHA_DRY_RUN": False}))


def is_enabled(settings: BaseSettings) -> bool:
    return read_bool(settings, "OMOCAPTCHA_ENABLED", True)


def uses_scrapy_redis(settings: BaseSettings) -> bool:
    """Tell whether scrapy-redis queues the requests: a killed worker loses those that it has taken from the queue."""
    try:
        scheduler = load_object(settings.get("SCHEDULER", ""))
    except (ImportError, NameError, TypeError, ValueError):
        return False  # Scrapy reports it.
    return any(each.__module__.partition(".")[0] == "scrapy_redis" for each in getattr(scheduler, "__mro__", ()))


def _api_token(settings: BaseSettings, *, needed: bool) -> Secret:
    name = "OMOCAPTCHA_API_TOKEN"
    value = settings.get(name) or os.environ.get(name) or ""
    if not isinstance(value, str) or any(c.isspace() or not c.isprintable() for c in value.strip()):
        # The message doesn't show the value, which may be a credential with a typo.
        raise ValueError(f"{name} must be a string without whitespace inside; the current value is not")
    if not value.strip() and needed:
        raise NotConfigured(f"no API token, so no captcha can be solved: set {name} in the settings or the environment")
    return Secret(value.strip())


def _api_version(settings: BaseSettings) -> int:
    name = "OMOCAPTCHA_API_VERSION"
    version = str(settings.get(name, 1)).strip()  # The command line gives a string.
    if version not in map(str, _API_URLS):
        raise invalid(name, settings.get(name), "1 (jobs) or 2 (tasks)")
    return int(version)


def _price(settings: BaseSettings) -> float | None:
    name = "OMOCAPTCHA_PRICE"
    if settings.get(name, "auto") == "auto":
        return None
    try:
        return read_number(settings, name, FALLBACK_PRICE)
    except ValueError:
        raise invalid(name, settings.get(name), "'auto' or the price of a job in USD") from None


def _trigger(settings: BaseSettings) -> Trigger | None:
    name = "OMOCAPTCHA_TRIGGER"
    value = settings.get(name, "challenge")
    if value == "challenge":
        return None
    trigger: Trigger | None = None
    with suppress(ImportError, NameError, TypeError, ValueError):
        trigger = load_object(value)
    if not callable(trigger):
        raise invalid(name, value, "'challenge', or a function (response, challenge) -> bool | None or its import path")
    return trigger
