"""What every store of limits has to do: each case buys, step by step, in limits that it is given.

Cases are coroutines ``case(shop)``; a :class:`Shop` buys in a store. A case buys for ``a.example`` unless it says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from scrapy.settings import Settings as ScrapySettings

from scrapy_omocaptcha.buying.records import JobRequest
from scrapy_omocaptcha.errors import NotBought
from scrapy_omocaptcha.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scrapy_omocaptcha.buying.ledger import Entry
    from scrapy_omocaptcha.buying.limits import Limits

PRICE = 0.1


def settings_of(**values: Any) -> Settings:
    """Return settings without limits, except those given by their names without the prefix in lower case."""
    base = {"api_token": "x", "max_cost": 0}
    named = {f"OMOCAPTCHA_{name.upper()}": value for name, value in {**base, **values}.items()}
    return Settings.from_settings(ScrapySettings(named))


def job(host: str = "a.example") -> JobRequest:
    return JobRequest(f"https://{host}/", "key", invisible=False)


class Counts(NamedTuple):
    jobs: int
    spent: float
    """USD."""
    jobs_of_host: int
    """Jobs for ``a.example``."""


class Shop:
    """Buys jobs in the limits of a store.

    :param limits: returns the limits for the next step.
    :param counts: returns what the store has counted, once all that was done has had its effect.
    """

    def __init__(self, limits: Callable[[], Limits], counts: Callable[[], Awaitable[Counts]]) -> None:
        self._limits, self.counts = limits, counts
        self._limits_of: dict[Entry, Limits] = {}
        self.price = PRICE

    async def buy(self, times: int = 1, host: str = "a.example") -> Entry:
        """Buy jobs, each of which must be allowed, and return the last one."""
        for _ in range(times):
            limits = self._limits()
            limits.price = self.price
            entry = await limits.reserve(job(host), host)
            assert entry.record.cost_usd == self.price
            self._limits_of[entry] = limits
        return entry

    def cancel(self, entry: Entry) -> None:
        self._limits_of[entry].cancel(entry)

    async def refused(self, reason: str, host: str = "a.example") -> None:
        """Try to buy a job, which must be refused for ``reason`` and must not be counted."""
        before = await self.counts()
        with pytest.raises(NotBought) as raised:
            await self.buy(host=host)
        assert raised.value.reason == reason
        assert await self.counts() == before


async def so_many_jobs_are_bought_and_not_one_more(shop: Shop) -> None:
    await shop.buy(2)
    await shop.refused("max_jobs")
    await shop.refused("max_jobs", "b.example")
    assert await shop.counts() == Counts(2, 2 * PRICE, 2)


async def so_many_jobs_are_bought_for_one_host_and_others_go_on(shop: Shop) -> None:
    await shop.buy(2)
    await shop.refused("max_jobs_per_host")
    await shop.buy(host="b.example")


async def the_last_cent_is_spent_but_not_more_than_it(shop: Shop) -> None:
    await shop.buy(3)
    await shop.refused("max_cost")
    assert await shop.counts() == Counts(3, 0.3, 3)


async def a_limit_of_zero_is_none(shop: Shop) -> None:
    shop.price = 5.0
    await shop.buy(40)


async def what_was_certainly_not_bought_makes_room_again_at_its_own_price(shop: Shop) -> None:
    cheap = await shop.buy()
    shop.price = 0.5
    await shop.buy()
    await shop.refused("max_cost")
    shop.cancel(cheap)
    assert await shop.counts() == Counts(1, 0.5, 1)
    await shop.buy()


CASES: dict[Callable[[Shop], Awaitable[None]], dict[str, Any]] = {
    so_many_jobs_are_bought_and_not_one_more: {"max_jobs": 2},
    so_many_jobs_are_bought_for_one_host_and_others_go_on: {"max_jobs_per_host": 2},
    the_last_cent_is_spent_but_not_more_than_it: {"max_cost": 0.3},
    a_limit_of_zero_is_none: {"max_jobs": 0, "max_jobs_per_host": 0},
    what_was_certainly_not_bought_makes_room_again_at_its_own_price: {"max_cost": 1.0},
}
"""The cases, with the settings of each by their names without the prefix in lower case."""
