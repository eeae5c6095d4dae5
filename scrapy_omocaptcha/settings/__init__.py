"""Read the ``OMOCAPTCHA_*`` settings once, into the frozen :class:`Settings` that all other modules get.

No other module reads them by name. Invalid values raise ``ValueError`` naming the setting, the value and what is valid;
a missing API token raises ``NotConfigured`` with the cure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from scrapy import Spider
from scrapy.exceptions import NotConfigured
from scrapy.settings import BaseSettings
from scrapy.utils.misc import load_object

from scrapy_omocaptcha.settings import values
from scrapy_omocaptcha.settings.limits import LIMITS
from scrapy_omocaptcha.settings.secret import Secret
from scrapy_omocaptcha.settings.values import setting
from scrapy_omocaptcha.urls import host_of, is_allowed

FALLBACK_PRICE = 0.00055
"""USD per job in the service's published price list, used where that list was not fetched."""

_API_URLS = {1: "https://omocaptcha.com/api", 2: "https://api.omocaptcha.com/v2"}
"""Default base URL for each version of the service's API."""


def _read_api_url(settings: BaseSettings, name: str) -> str:
    version = values.read_choice(settings, "OMOCAPTCHA_API_VERSION", "auto", values.API_VERSIONS)
    return values.read_base_url(settings, name, _API_URLS[version or 1])


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one crawl: times in seconds, money in USD, 0 for "no limit"."""

    api_token: Secret = setting("OMOCAPTCHA_API_TOKEN", values.read_api_token)
    api_version: int | None = setting("OMOCAPTCHA_API_VERSION", values.read_choice, "auto", values.API_VERSIONS)
    """1 for jobs, 2 for tasks (the protocol that many other services speak too); None: the first that answers."""
    api_url: str = setting("OMOCAPTCHA_API_URL", _read_api_url)
    """Base URL of the API; of version 1 where the version is not known."""
    type_job_id: str = setting("OMOCAPTCHA_TYPE_JOB_ID", values.read_word, "1")
    """Kind of job in version 1."""
    task_type: str = setting("OMOCAPTCHA_TASK_TYPE", values.read_word, "RecaptchaV2TokenTask")
    """Kind of job in version 2."""
    allowed_domains: tuple[str, ...] | None = setting("OMOCAPTCHA_ALLOWED_DOMAINS", values.read_domains)
    """Domains to buy jobs for; None: the spider's ``allowed_domains``, or all hosts if it has none."""
    walled_hosts: tuple[str, ...] | None = setting("OMOCAPTCHA_WALLED_HOSTS", values.read_domains)
    """Domains where a page with a widget, whose form asks for nothing and names no deed, is a challenge."""
    max_jobs: int = setting("OMOCAPTCHA_MAX_JOBS", values.read_count, 0)
    max_jobs_per_host: int = setting("OMOCAPTCHA_MAX_JOBS_PER_HOST", values.read_count, 0)
    max_cost: float = setting("OMOCAPTCHA_MAX_COST", values.read_number, 1.0)
    min_balance: float = setting("OMOCAPTCHA_MIN_BALANCE", values.read_number, 0.0)
    max_cost_per_day: float = setting("OMOCAPTCHA_MAX_COST_PER_DAY", values.read_number, 0.0)
    price: float | None = setting("OMOCAPTCHA_PRICE", values.read_price)
    """USD per job, where 0 is a price too; None: fetch the service's price list before the first job."""
    close_on_limit: bool = setting("OMOCAPTCHA_CLOSE_ON_LIMIT", values.read_bool, False)
    breaker_failures: int = setting("OMOCAPTCHA_BREAKER_FAILURES", values.read_count, 5, minimum=1)
    breaker_pause: float = setting("OMOCAPTCHA_BREAKER_PAUSE", values.read_number, 300.0)
    max_attempts: int = setting("OMOCAPTCHA_MAX_ATTEMPTS", values.read_count, 3, minimum=1)
    concurrent_jobs: int = setting("OMOCAPTCHA_CONCURRENT_JOBS", values.read_count, 32, minimum=1)
    job_timeout: float = setting("OMOCAPTCHA_JOB_TIMEOUT", values.read_number, 180.0, minimum=1.0)
    api_timeout: float = setting("OMOCAPTCHA_API_TIMEOUT", values.read_number, 20.0, minimum=0.1)
    poll_interval: float = setting("OMOCAPTCHA_POLL_INTERVAL", values.read_number, 2.0, minimum=0.01)
    token_max_age: float = setting("OMOCAPTCHA_TOKEN_MAX_AGE", values.read_number, 110.0, minimum=1.0, maximum=120.0)
    on_failure: str = setting("OMOCAPTCHA_ON_FAILURE", values.read_choice, "errback", values.ON_FAILURE)
    resend: bool = setting("OMOCAPTCHA_RESEND", values.read_bool, False)
    """Whether POSTs may be sent again that may have been executed."""
    dry_run: bool = setting("OMOCAPTCHA_DRY_RUN", values.read_bool, False)
    ledger: str | None = setting("OMOCAPTCHA_LEDGER", values.read_path)
    redis_url: Secret | None = setting("OMOCAPTCHA_REDIS_URL", values.read_redis_url)
    """Redis in which the workers of a fleet share their limits; the URL may contain a password."""
    fleet: str | None = setting("OMOCAPTCHA_FLEET", values.read_word, None)
    """Name of the fleet; None: the spider's name."""

    def __post_init__(self) -> None:
        if self.max_cost_per_day and self.ledger is None and self.redis_url is None:
            raise ValueError(
                "OMOCAPTCHA_MAX_COST_PER_DAY needs OMOCAPTCHA_LEDGER or OMOCAPTCHA_REDIS_URL, where crawls record "
                "their costs"
            )
        if self.fleet is not None and self.redis_url is None:
            raise ValueError("OMOCAPTCHA_FLEET needs OMOCAPTCHA_REDIS_URL, where its workers share their limits")

    @property
    def assumed_price(self) -> float:
        """USD per job, as far as it is known before the service's price list has been fetched."""
        return FALLBACK_PRICE if self.price is None else self.price

    @property
    def api_urls(self) -> dict[int, str]:
        """Return the base URLs of the versions that may be used, in the order in which they are tried."""
        if self.api_version is not None:
            return {self.api_version: self.api_url}
        return _API_URLS if self.api_url == _API_URLS[1] else dict.fromkeys(_API_URLS, self.api_url)

    @property
    def is_omocaptcha(self) -> bool:
        """Tell whether the service is OMOcaptcha itself, rather than one that speaks the same protocol."""
        return is_allowed(host_of(self.api_url), ["omocaptcha.com"])

    @property
    def limits(self) -> dict[str, float]:
        """Return the limits that are set, by the reason that each gives, in the order in which they are checked."""
        return {reason: most for reason in LIMITS if (most := getattr(self, reason))}

    @property
    def needs_price(self) -> bool:
        """Tell whether there is a limit in USD, which cannot hold unless the service names its price."""
        has_usd_limit = not all(LIMITS[reason].counts_jobs for reason in self.limits)
        return has_usd_limit and self.price is None and not self.is_omocaptcha and not self.dry_run

    def domains(self, spider: Spider | None) -> tuple[str, ...]:
        """Return the domains (with their subdomains) that ``spider`` may buy jobs for; empty: all hosts."""
        if self.allowed_domains is not None:
            return self.allowed_domains
        return tuple(domain.lower() for domain in getattr(spider, "allowed_domains", None) or () if domain)

    @classmethod
    def from_settings(cls, settings: BaseSettings) -> Settings:
        """Read all settings.

        :raises NotConfigured: when the add-on is disabled or has no API token.
        :raises ValueError: when a value is invalid.
        """
        if not is_enabled(settings):
            raise NotConfigured("OMOCAPTCHA_ENABLED is False")
        return cls(**{each.name: each.metadata["read"](settings) for each in fields(cls)})

    @classmethod
    def for_command(cls, settings: BaseSettings, **changes: object) -> Settings:
        """Read the settings for a command, even if the add-on is disabled, with other values of some fields."""
        changed = {f"OMOCAPTCHA_{field.upper()}": value for field, value in changes.items()}
        return cls.from_settings(BaseSettings({**settings, "OMOCAPTCHA_ENABLED": True, **changed}))


def is_enabled(settings: BaseSettings) -> bool:
    return values.read_bool(settings, "OMOCAPTCHA_ENABLED", True)


def why_off(settings: BaseSettings) -> Iterator[str]:
    """Yield why the crawls of a project buy nothing, though the account could."""
    if not is_enabled(settings):
        yield "OMOCAPTCHA_ENABLED is False, so crawls buy nothing"
    if values.read_bool(settings, "OMOCAPTCHA_DRY_RUN", False):
        yield "OMOCAPTCHA_DRY_RUN is True, so crawls buy nothing"


def ledger_of(settings: BaseSettings) -> str | None:
    """Return the path of a project's ledger, also where crawls could buy nothing; None if it has none."""
    return values.read_path(settings, "OMOCAPTCHA_LEDGER")


def uses_scrapy_redis(settings: BaseSettings) -> bool:
    """Tell whether scrapy-redis queues the requests: a killed worker loses those that it has taken from the queue."""
    try:
        scheduler = load_object(settings.get("SCHEDULER", ""))
    except (ImportError, NameError, TypeError, ValueError):
        return False  # Scrapy reports it.
    return any(each.__module__.partition(".")[0] == "scrapy_redis" for each in getattr(scheduler, "__mro__", ()))
