"""Scenarios that every store of limits has to pass: what may be bought, step by step.

``run`` goes through the steps of a case with a ``Driver``, of which there is one for each store. A case buys for
``a.example`` with the sitekey ``k1`` unless a step says otherwise.
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
PAUSE = 600.0
"""Seconds of OMOCAPTCHA_BREAKER_PAUSE in all cases."""
A_MOMENT = 30.0
"""Seconds that are short beside the pause, and long beside what a step takes."""
FAILURES = 3
"""OMOCAPTCHA_BREAKER_FAILURES in all cases."""


def settings_of(**values: Any) -> Settings:
    """Return settings without limits, except those given by their names without the prefix in lower case."""
    base = {"api_token": "x", "max_cost": 0, "breaker_failures": FAILURES, "breaker_pause": PAUSE}
    named = {f"OMOCAPTCHA_{name.upper()}": value for name, value in {**base, **values}.items()}
    return Settings.from_settings(ScrapySettings(named))


def job(key: str, host: str = "a.example") -> JobRequest:
    return JobRequest(f"https://{host}/", key, invisible=False)


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
        return not self.name.startswith(("breaker", "account", "min_balance"))


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

    def advance(self, seconds: float) -> None:
        """Let time pass."""

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
        self._bought: dict[str | None, tuple[Limits, Reservation, str]] = {}
        self._price = PRICE

    def _limits(self) -> Limits:
        limits = self._driver.limits()
        limits.price = self._price
        return limits

    async def buy(self, name: str | None = None, *, times: int = 1, host: str = "a.example", key: str = "k1") -> None:
        """Buy jobs, each of which must be allowed; ``name`` is for later steps."""
        for _ in range(times):
            limits = self._limits()
            reservation = await limits.reserve(job(key, host), host)
            assert reservation.entry.record.cost_usd == self._price
            limits.create_accepted(reservation.entry, key)
            self._bought[name] = limits, reservation, key

    async def refused(self, reason: str, *, host: str = "a.example", key: str = "k1") -> None:
        """Try to buy a job, which must be refused for ``reason`` and must not be counted."""
        before = self._driver.counts()
        with pytest.raises(NotBought) as raised:
            await self._limits().reserve(job(key, host), host)
        assert raised.value.reason == reason
        await self._driver.settle()
        assert self._driver.counts() == before

    async def allowed(self, *, host: str = "a.example", key: str = "k1") -> None:
        """Buy a job, which must be allowed, and cancel it."""
        (await self._limits().reserve(job(key, host), host)).cancel()

    async def cancel(self, name: str) -> None:
        self._bought[name][1].cancel()

    async def success(self, name: str | None = None, *, host: str = "a.example") -> None:
        """Record that a job was of use, or buy one for this."""
        await self._judge(name, host, "k1", "success")

    async def failure(self, *keys: str, name: str | None = None, host: str = "a.example") -> None:
        """Record that a job was of no use, or buy one for each key for this, or as many as open the breaker."""
        for key in keys or ("k1",) * FAILURES:
            await self._judge(name, host, key, "failure")

    async def _judge(self, name: str | None, host: str, key: str, verdict: str) -> None:
        if name is None:
            await self.buy(host=host, key=key)
        limits, reservation, sitekey = self._bought[name]
        getattr(limits, f"record_{verdict}")(reservation.entry, sitekey)
        # What several workers learn counts in the order in which it arrives.
        await self._driver.settle()

    async def price(self, usd: float) -> None:
        self._price = usd

    async def balance(self, usd: float) -> None:
        """Learn the balance of the account, which includes all charges so far."""
        limits = self._limits()
        limits.set_balance(Balance(usd), self._driver.counts().spent)

    async def closed(self, why: str) -> None:
        """Close the account."""
        assert self._limits().close_account(why)

    async def advance(self, seconds: float) -> None:
        self._driver.advance(seconds)

    async def counted(self, jobs: int, spent: float, jobs_of_host: int) -> None:
        assert self._driver.counts() == Counts(jobs, spent, jobs_of_host)


def _step(action: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Step]:
    """Return what makes a step of the method ``action`` with its arguments."""
    return lambda *arguments, **options: Step(action.__name__, arguments, options)


buy = _step(_World.buy)
refused = _step(_World.refused)
allowed = _step(_World.allowed)
cancel = _step(_World.cancel)
success = _step(_World.success)
failure = _step(_World.failure)
price = _step(_World.price)
balance = _step(_World.balance)
closed = _step(_World.closed)
advance = _step(_World.advance)
counted = _step(_World.counted)

# -- cases -------------------------------------------------------------------------------------------------------------

_ALL_KEYS = ("k1", "k2", "k3")
assert len(_ALL_KEYS) == FAILURES

CASES = [
    Case(
        "max_jobs: so many jobs are bought and not one more",
        {"max_jobs": 2},
        (buy(times=2), refused("max_jobs"), refused("max_jobs", host="b.example"), counted(2, 2 * PRICE, 2)),
    ),
    Case(
        "max_jobs_per_host: so many jobs are bought for one host and others go on",
        {"max_jobs_per_host": 2},
        (buy(times=2), refused("max_jobs_per_host"), refused("max_jobs_per_host", key="k2"), allowed(host="b.example")),
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
    Case(
        "breaker: failures in a row open it for that host and key alone",
        {},
        (
            failure("k1", "k1"),
            allowed(),
            failure("k1"),
            refused("breaker"),
            allowed(host="b.example"),
            allowed(key="k2"),
        ),
    ),
    Case(
        "breaker: a host whose key changes with each failure is paused as a whole, then tried with one job",
        {},
        (
            failure("k1", "k2"),
            allowed(key="k9"),
            failure("k3"),
            refused("breaker", key="k4"),
            allowed(host="b.example", key="k4"),
            advance(PAUSE),
            buy("trial", key="k5"),
            refused("breaker", key="k6"),
            success("trial"),
            allowed(key="k6"),
        ),
    ),
    Case(
        "breaker: of the keys of a host, one counts only once more than the others together",
        {},
        (failure("k1", "k1"), allowed(key="k9"), failure("k2"), refused("breaker", key="k9")),
    ),
    Case(
        "breaker: a key that fails more often than that weighs no more against jobs of use",
        {},
        (success(), failure("k1", "k1", "k1", "k2"), allowed(key="k9")),
    ),
    Case(
        "breaker: it looks at twice as many jobs as open it, and no more",
        {},
        (
            success(),
            success(),
            success(),
            failure("k1", "k1", "k1", "k1"),
            allowed(),
            failure("k1"),
            refused("breaker"),
        ),
    ),
    Case(
        "breaker: it opens where four in five of the last jobs were of no use",
        {},
        (success(), failure("k1", "k1", "k1"), allowed(), failure("k1"), refused("breaker"), allowed(key="k2")),
    ),
    Case(
        "breaker: jobs that run, and were created in between, may be of use",
        {},
        (
            *(step for at in range(FAILURES) for step in (buy(f"slow {at}"), buy(f"fast {at}"))),
            *(failure("k1", name=f"fast {at}") for at in range(FAILURES)),
            allowed(),
            *(failure("k1", name=f"slow {at}") for at in range(FAILURES)),
            refused("breaker"),
        ),
    ),
    Case(
        "breaker: a success ends the pause, unless its job was created before those that were of no use",
        {},
        (
            buy("before"),
            failure("k1", "k1", "k1"),
            buy("last"),
            buy("later"),
            failure("k1", name="last"),
            refused("breaker"),
            success("before"),
            refused("breaker"),
            success("later"),
            allowed(),
        ),
    ),
    Case(
        "breaker: it stays open for its pause and then lets exactly one job through in each pause, until one has ended",
        {},
        (
            failure(),
            advance(PAUSE - A_MOMENT),
            refused("breaker"),
            advance(A_MOMENT),
            buy(),
            refused("breaker"),
            advance(PAUSE),
            buy(),
            refused("breaker"),
        ),
    ),
    Case(
        "breaker: the one job closes it when it succeeds",
        {},
        (failure(), advance(PAUSE), success(), buy(times=5), failure("k1"), allowed()),
    ),
    Case(
        "breaker: the one job opens it for a whole pause when it fails",
        {},
        (
            failure(),
            advance(PAUSE),
            buy("trial"),
            advance(PAUSE / 2),
            failure("k1", name="trial"),
            advance(PAUSE - A_MOMENT),
            refused("breaker"),
            advance(A_MOMENT),
            allowed(),
        ),
    ),
    Case(
        "breaker: the one job that was not bought after all leaves its turn to another, whose pause is whole",
        {},
        (
            failure(),
            advance(PAUSE),
            buy("cancelled"),
            refused("breaker"),
            cancel("cancelled"),
            buy("cancelled late"),
            refused("breaker"),
            advance(PAUSE),
            buy(),
            cancel("cancelled late"),
            refused("breaker"),
        ),
    ),
    Case(
        "breaker: a domain at which no token is accepted is paused as a whole, then tried with one job",
        {},
        (
            failure(host="a.shop.com"),
            *(allowed(host="b.shop.com"), failure("k1", host="b.shop.com")),
            *(refused("breaker", host=host) for host in ("b.shop.com", "c.shop.com", "shop.com")),
            *(allowed(host=host) for host in ("a.other.com", "com", "a.shop.com.example")),
            advance(PAUSE),
            buy("trial", host="c.shop.com"),
            refused("breaker", host="d.shop.com"),
            cancel("trial"),
            buy("trial", host="d.shop.com"),
            refused("breaker", host="c.shop.com"),
            failure("k1", name="trial"),
            advance(PAUSE - A_MOMENT),
            refused("breaker", host="c.shop.com"),
            advance(A_MOMENT),
            success(host="c.shop.com"),
            *(allowed(host=host) for host in ("c.shop.com", "e.shop.com")),
        ),
    ),
    Case(
        "breaker: a domain is paused where half of its last jobs were of no use, and the others run",
        {},
        (
            *(buy(name, host=f"{name}.shop.com") for name in "abcdef"),
            *(failure("k1", name=name) for name in "fe"),
            *(buy("g", host="g.shop.com"), failure("k1", name="g")),
            refused("breaker", host="h.shop.com"),
            success("a"),
            allowed(host="h.shop.com"),
        ),
    ),
    Case(
        "breaker: a domain is not paused where most of its last jobs run",
        {},
        (
            *(buy(name, host=f"{name}.shop.com") for name in "abcdefghij"),
            *(failure("k1", name=name) for name in "bfj"),
            allowed(host="k.shop.com"),
        ),
    ),
    Case(
        "breaker: a domain at which a token was accepted, however early its job, is paused no more",
        {},
        (
            buy("slow", host="www.shop.com"),
            *(failure("k1", host=f"{name}.shop.com") for name in "abc"),
            refused("breaker", host="d.shop.com"),
            success("slow"),
            *(failure("k1", host=f"{name}.shop.com") for name in "defghijk"),
            allowed(host="l.shop.com"),
            failure(host="l.shop.com"),
            *(refused("breaker", host="l.shop.com"), allowed(host="m.shop.com")),
        ),
    ),
    Case(
        "account: nothing is bought once it is closed",
        {},
        (closed("the balance is empty"), refused("account"), refused("account", host="b.example")),
    ),
]
