"""What the user has set, read once.

The only file that spells ``OMOCAPTCHA_*``. Everything else gets the frozen :class:`Settings`. Nonsense raises
``ValueError`` that names the setting, the value and what is valid; a missing credential raises ``NotConfigured``
with the cure.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured
from scrapy.settings import BaseSettings
from scrapy.utils.misc import load_object

from scrapy_omocaptcha.settings.secret import Secret
from scrapy_omocaptcha.settings.values import (
    nonsense,
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
"""USD a job, from the service's published list; used until that list has been asked."""

_API_URLS = {1: "https://omocaptcha.com/api", 2: "https://api.omocaptcha.com/v2"}
"""The service's own base URL, by version of its API."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The ``OMOCAPTCHA_*`` settings of one crawl; times in seconds, money in USD, 0 means "no limit"."""

    api_token: Secret
    api_version: int
    """1: jobs; 2: tasks, as many other services speak it."""
    api_url: str
    type_job_id: str
    """The kind of job in version 1."""
    task_type: str
    """The kind of job in version 2."""
    trigger: Trigger | None
    """None: a page is a challenge when :attr:`Challenge.blocking` says so."""
    allowed_domains: tuple[str, ...] | None
    """None: the spider's ``allowed_domains``, or every host where it has none."""
    max_cost: float
    max_cost_per_day: float
    price: float | None
    """None: ask the service's list before the first job."""
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
    """Path of the journal."""
    redis_url: Secret | None
    """Where the workers of a fleet share their limits; it may hold a password."""
    fleet: str | None
    """Name of the fleet; None: the spider's."""
    on_redis_failure: str

    def domains(self, spider: Spider | None) -> tuple[str, ...]:
        """Hosts for which ``spider`` may have jobs bought, those below them included; none: every host."""
        if self.allowed_domains is not None:
            return self.allowed_domains
        return tuple(domain.lower() for domain in getattr(spider, "allowed_domains", None) or () if domain)

    def fleet_of(self, spider: str) -> str:
        """The name of the fleet, given that of the spider."""
        return self.fleet or spider

    @classmethod
    def from_settings(cls, settings: BaseSettings) -> Settings:
        """Read all of them.

        :raises NotConfigured: switched off, or no API token.
        :raises ValueError: a value that means nothing.
        """
        if not is_switched_on(settings):
            raise NotConfigured("OMOCAPTCHA_ENABLED is False")
        dry_run = read_bool(settings, "OMOCAPTCHA_DRY_RUN", False)
        journal = read_path(settings, "OMOCAPTCHA_JOURNAL")
        redis_url = read_redis_url(settings, "OMOCAPTCHA_REDIS_URL")
        on_redis_failure = read_choice(settings, "OMOCAPTCHA_ON_REDIS_FAILURE", "stop", ("stop", OWN_LIMITS))
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
            max_cost_per_day=_per_day(
                settings, journal, shared=redis_url is not None, own_limits=on_redis_failure == OWN_LIMITS
            ),
            price=_price(settings),
            max_jobs=read_count(settings, "OMOCAPTCHA_MAX_JOBS", 0),
            max_jobs_per_host=read_count(settings, "OMOCAPTCHA_MAX_JOBS_PER_HOST", 0),
            close_on_limit=read_bool(settings, "OMOCAPTCHA_CLOSE_ON_LIMIT", False),
            min_balance=read_number(settings, "OMOCAPTCHA_MIN_BALANCE", 0.0),
            breaker_failures=read_count(settings, "OMOCAPTCHA_BREAKER_FAILURES", 5, least=1),
            breaker_pause=read_number(settings, "OMOCAPTCHA_BREAKER_PAUSE", 300.0),
            max_attempts=read_count(settings, "OMOCAPTCHA_MAX_ATTEMPTS", 2, least=1),
            concurrent_jobs=read_count(settings, "OMOCAPTCHA_CONCURRENT_JOBS", 32, least=1),
            max_waiting=read_count(settings, "OMOCAPTCHA_MAX_WAITING", 32 if queue_is_shared(settings) else 256),
            job_timeout=read_number(settings, "OMOCAPTCHA_JOB_TIMEOUT", 180.0, least=1.0),
            api_timeout=read_number(settings, "OMOCAPTCHA_API_TIMEOUT", 20.0, least=0.1),
            poll_interval=read_number(settings, "OMOCAPTCHA_POLL_INTERVAL", 2.0, least=0.01),
            token_max_age=read_number(settings, "OMOCAPTCHA_TOKEN_MAX_AGE", 110.0, least=1.0, most=120.0),
            on_failure=read_choice(settings, "OMOCAPTCHA_ON_FAILURE", "errback", ("errback", "response")),
            dry_run=dry_run,
            journal=journal,
            redis_url=None if redis_url is None else Secret(redis_url),
            fleet=read_word(settings, "OMOCAPTCHA_FLEET", None),
            on_redis_failure=on_redis_failure,
        )

    @classmethod
    def for_looking(cls, settings: BaseSettings) -> Settings:
        """Read them for a look at pages: whether or not they are switched on, and without the credential.

        :raises ValueError: a value that means nothing.
        """
        return cls.from_settings(
            BaseSettings({**settings, "OMOCAPTCHA_ENABLED": True, "OMOCAPTCHA_API_TOKEN": "not-needed"})
        )

    @classmethod
    def for_asking(cls, settings: BaseSettings) -> Settings:
        """Read them for a question to the service by hand: whether or not crawls are switched off or dry.

        :raises NotConfigured: no API token.
        :raises ValueError: a value that means nothing.
        """
        return cls.from_settings(BaseSettings({**settings, "OMOCAPTCHA_ENABLED": True, "OMOCAPTCHA_DRY_RUN": False}))


def is_switched_on(settings: BaseSettings) -> bool:
    """:raises ValueError: neither True nor False."""
    return read_bool(settings, "OMOCAPTCHA_ENABLED", True)


def queue_is_shared(settings: BaseSettings) -> bool:
    """Requests are queued by scrapy-redis, for several processes; who is killed loses what it has taken from there."""
    try:
        scheduler = load_object(settings.get("SCHEDULER", ""))
    except (ImportError, NameError, TypeError, ValueError):
        # Scrapy says so itself.
        return False
    return any(each.__module__.partition(".")[0] == "scrapy_redis" for each in getattr(scheduler, "__mro__", ()))


def _per_day(settings: BaseSettings, journal: str | None, *, shared: bool, own_limits: bool) -> float:
    name = "OMOCAPTCHA_MAX_COST_PER_DAY"
    most = read_number(settings, name, 0.0)
    if most and journal is None and not shared:
        raise ValueError(
            f"{name} needs OMOCAPTCHA_JOURNAL, in which the crawls of a day say what they have spent, or "
            "OMOCAPTCHA_REDIS_URL"
        )
    if most and shared and own_limits:
        raise ValueError(
            f"{name} is a limit of all that share OMOCAPTCHA_REDIS_URL, which no worker can hold by itself: set "
            "OMOCAPTCHA_ON_REDIS_FAILURE to 'stop'"
        )
    return most


def _api_token(settings: BaseSettings, *, needed: bool) -> Secret:
    name = "OMOCAPTCHA_API_TOKEN"
    value = settings.get(name) or os.environ.get(name) or ""
    if not isinstance(value, str) or any(c.isspace() or not c.isprintable() for c in value.strip()):
        # The value itself must not be shown: it may be a credential with a slip in it.
        raise ValueError(f"{name} must be a text without spaces inside; the one that is set is not")
    if not value.strip() and needed:
        raise NotConfigured(
            f"no API token, so that no captcha can be solved: set {name} in the settings or in the environment"
        )
    return Secret(value.strip())


def _api_version(settings: BaseSettings) -> int:
    name = "OMOCAPTCHA_API_VERSION"
    for version in _API_URLS:
        # as a text where it comes from the command line
        if str(settings.get(name, 1)).strip() == str(version):
            return version
    raise nonsense(name, settings.get(name), "1 (jobs) or 2 (tasks)")


def _price(settings: BaseSettings) -> float | None:
    name = "OMOCAPTCHA_PRICE"
    if settings.get(name, "auto") == "auto":
        return None
    try:
        return read_number(settings, name, FALLBACK_PRICE)
    except ValueError:
        raise nonsense(name, settings.get(name), "'auto' or the price of a job in USD") from None


def _trigger(settings: BaseSettings) -> Trigger | None:
    name = "OMOCAPTCHA_TRIGGER"
    value = settings.get(name, "challenge")
    if value == "challenge":
        return None
    valid = "'challenge', or a function (response, challenge) -> bool | None or its import path"
    try:
        trigger: Trigger = load_object(value)
    except (ImportError, NameError, TypeError, ValueError):
        raise nonsense(name, value, valid) from None
    if not callable(trigger):
        raise nonsense(name, value, valid)
    return trigger
