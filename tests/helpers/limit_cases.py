"""Scenarios that every store of limits has to pass: what may be bought, step by step.

``run`` goes through the steps of a case with a ``Driver``, of which there is one for each store. A case buys for
``a.example`` unless a step says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pytest
from scrapy.settings import Settings as ScrapySettings

from scrapy_omocaptcha.buying.records import Balance, JobRequest
from scrapy_omocaptcha.errors import NotBought
from scrapy_omocaptcha.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from scrapy_omocaptcha.buying.limits import Limits, Reservation

PRICE = 0.1


def settings_of(**values: Any) -> Settings:
    """Return settings without limits, except those given by their names without the prefix in lower case."""
    base = {"api_token": "x", "max_cost": 0}
    named = {f"OMOCAPTCHA_{name.upper()}": value for name, value in {**base, **values}.items()}
    return Settings.from_settings(ScrapySettings(named))


def job(host: str = "a.example") -> JobRequest:
    return JobRequest(f"https://{host}/", "key", invisible=False)


class Step(NamedTuple):
    action: str
    """Name of a method of ``_World``."""
    arguments: tuple[Any, ...]
    options: dict[str, Any]


class Case(NamedTuple):
    name: str
    limits: dict[str, Any]
    """Settings, by their names without the prefix in lower case."""
    steps: tuple[Step, ...]

    @property
    def is_shared(self) -> bool:
        """Tell whether all workers of a fleet know of it, whichever takes a step."""
        return not self.name.startswith("min_balance")


class Counts(NamedTuple):
    jobs: int
    spent: float
    """USD."""
    jobs_of_host: int
    """Jobs for ``a.example``."""


class Driver(Protocol):
    def limits(self) -> Limits:
        """Return the limits for the next step."""

    async def settle(self) -> None:
        """Wait until the last step has had its effect."""

    def counts(self) -> Counts:
        """Return what has been counted so far."""


# -- running -----------------------------------------------------------------------------------------------------------


async def run(case: Case, driver: Driver) -> None:
    """Go through the steps of a case, asserting what each of them expects."""
    world = _World(driver)
    for number, (action, arguments, options) in enumerate(case.steps, 1):
        try:
            await getattr(world, action)(*arguments, **options)
        except (AssertionError, NotBought) as error:
            raise AssertionError(f"step {number}, {action} {arguments} {options}: {error}") from error
        await driver.settle()


class _World:
    """What the steps of one case act on: each method is a step."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._bought: dict[str | None, Reservation] = {}
        self._price = PRICE

    def _limits(self) -> Limits:
        limits = self._driver.limits()
        limits.price = self._price
        return limits

    async def buy(self, name: str | None = None, *, times: int = 1, host: str = "a.example") -> None:
        """Buy jobs, each of which must be allowed; ``name`` is for later steps."""
        for _ in range(times):
            limits = self._limits()
            reservation = await limits.reserve(job(host), host)
            assert reservation.entry.record.cost_usd == self._price
            self._bought[name] = reservation

    async def refused(self, reason: str, *, host: str = "a.example") -> None:
        """Try to buy a job, which must be refused for ``reason`` and must not be counted."""
        before = self._driver.counts()
        with pytest.raises(NotBought) as raised:
            await self._limits().reserve(job(host), host)
        assert raised.value.reason == reason
        await self._driver.settle()
        assert self._driver.counts() == before

    async def allowed(self, *, host: str = "a.example") -> None:
        """Buy a job, which must be allowed, and cancel it."""
        (await self._limits().reserve(job(host), host)).cancel()

    async def cancel(self, name: str) -> None:
        self._bought[name].cancel()

    async def price(self, usd: float) -> None:
        self._price = usd

    async def balance(self, usd: float) -> None:
        """Learn the balance of the account, which includes all charges so far."""
        limits = self._limits()
        limits.set_balance(Balance(usd), self._driver.counts().spent)

    async def counted(self, jobs: int, spent: float, jobs_of_host: int) -> None:
        assert self._driver.counts() == Counts(jobs, spent, jobs_of_host)


def _step(action: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Step]:
    """Return what makes a step of the method ``action`` with its arguments."""
    return lambda *arguments, **options: Step(action.__name__, arguments, options)


buy = _step(_World.buy)
refused = _step(_World.refused)
allowed = _step(_World.allowed)
cancel = _step(_World.cancel)
price = _step(_World.price)
balance = _step(_World.balance)
counted = _step(_World.counted)

# -- cases -------------------------------------------------------------------------------------------------------------

CASES = [
    Case(
        "max_jobs: so many jobs are bought and not one more",
        {"max_jobs": 2},
        (buy(times=2), refused("max_jobs"), refused("max_jobs", host="b.example"), counted(2, 2 * PRICE, 2)),
    ),
    Case(
        "max_jobs_per_host: so many jobs are bought for one host and others go on",
        {"max_jobs_per_host": 2},
        (buy(times=2), refused("max_jobs_per_host"), allowed(host="b.example")),
    ),
    Case(
        "max_cost: the last cent is spent but not more than it",
        {"max_cost": 0.3},
        (buy(times=3), refused("max_cost"), counted(3, 0.3, 3)),
    ),
    Case(
        "a limit of zero is none",
        {"max_jobs": 0, "max_jobs_per_host": 0, "max_cost": 0},
        (price(5.0), buy(times=40), allowed()),
    ),
    Case(
        "a price that rises counts from then on, and what was reserved keeps its own",
        {"max_cost": 1.0},
        (buy("cheap"), price(0.5), buy(), refused("max_cost"), cancel("cheap"), counted(1, 0.5, 1), allowed()),
    ),
    Case(
        "what was certainly not bought makes room again",
        {"max_jobs": 1, "max_jobs_per_host": 1, "max_cost": PRICE},
        (buy("cancelled"), refused("max_jobs"), cancel("cancelled"), counted(0, 0.0, 0), buy(), refused("max_jobs")),
    ),
    Case(
        "min_balance: a balance is spent down to its floor and no further",
        {"min_balance": 2.0},
        (buy(times=3), balance(2.25), buy(times=2), refused("min_balance")),
    ),
]
