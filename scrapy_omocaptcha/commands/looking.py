"""Look at all that a crawl needs to buy jobs, and say of each thing whether it is in order."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from scrapy import Spider
from scrapy import __version__ as scrapy_version
from scrapy.settings import BaseSettings
from scrapy.utils.conf import closest_scrapy_cfg

from scrapy_omocaptcha.addon import Addon, is_listed
from scrapy_omocaptcha.buying.api.aiohttp_transport import AiohttpTransport
from scrapy_omocaptcha.buying.api.factory import build_apis
from scrapy_omocaptcha.buying.api.transport import Transport
from scrapy_omocaptcha.buying.database import explain, read_ledger
from scrapy_omocaptcha.buying.records import Balance
from scrapy_omocaptcha.engine.private_names import TESTED_WITH
from scrapy_omocaptcha.errors import AccountError, ApiError
from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware
from scrapy_omocaptcha.reporting.format import count
from scrapy_omocaptcha.settings import LIMITS, Settings, token_source, why_off
from scrapy_omocaptcha.settings.checks import check_settings, find_mistakes

_REDIS_TIMEOUT = 2.0
"""Longest wait for Redis, in seconds."""


class Status(IntEnum):
    """Whether something is in order, or why nothing can be bought because of it: the exit status of the command."""

    OK = 0
    WRONG = 1
    SETTINGS = 2
    NO_TOKEN = 3
    NO_SERVICE = 4
    EMPTY = 5
    MIN_BALANCE = 6


class Line(NamedTuple):
    """What was found out about one thing."""

    name: str
    message: str
    status: Status = Status.OK


class Account(NamedTuple):
    """What the service says of the account."""

    balance: Balance
    price: float
    """Price of a job in USD by which crawls count."""


async def look(settings: Settings, tell: Callable[[Line], None]) -> Account | None:
    """Look at all but the settings, and return what the service says of the account, if any version of its API answers.

    :param tell: called with each line as soon as it is known.
    """
    tell(_check_scrapy())
    working, answers, status = await _ask_versions(settings)
    account = None
    if working is None:
        tell(Line("api", "; ".join(answers), status))
    else:
        number, balance = working
        # What other versions have said, such as that the token is wrong, is of no use here.
        tell(Line("api", next(answer for answer in answers if answer.startswith(f"version {number} "))))
        line, price = await _check_price(replace(settings, api_version=number), balance)
        tell(_check_balance(settings, balance, price))
        tell(line)
        account = Account(balance, price)
    tell(_check_ledger(settings))
    if settings.redis_url is not None:
        tell(await _check_redis(settings))
    return account


def _build_transport(url: str, timeout: float) -> Transport:
    """Build a transport for the event loop of the command, which runs no Twisted reactor."""
    return AiohttpTransport(url, timeout=timeout)


def look_at_settings(settings: Settings, project: BaseSettings) -> list[Line]:
    """Return what there is to say of the settings, which can be read."""
    config = closest_scrapy_cfg()
    where = f"of the project of {config}" if config else "of no project: there is no scrapy.cfg here or above"
    lines = [Line("settings", f"{where}; API token *** from {token_source(project)}")]
    # As crawls have them, where the add-on is switched on.
    with_addon = project.copy()
    Addon().update_settings(with_addon)
    mistakes = [*why_off(project), *find_mistakes(settings, with_addon, OmoCaptchaMiddleware)]
    if config and not is_listed(project):
        mistakes.append('add ADDONS = {"scrapy_omocaptcha.Addon": 500} to switch it on')
    lines += [Line("settings", mistake, Status.SETTINGS) for mistake in mistakes]
    warnings = check_settings(settings, with_addon, Spider("check"), OmoCaptchaMiddleware)
    return lines + [Line("settings", warning) for warning in warnings]


def _check_scrapy() -> Line:
    first, last = (tuple(map(int, number.split("."))) for number in TESTED_WITH.split(" to "))
    used = tuple(int(part) for part in scrapy_version.split(".")[:2])
    if first <= used <= last:
        return Line("scrapy", f"{scrapy_version}, which is among those that it was tested with ({TESTED_WITH})")
    return Line("scrapy", f"{scrapy_version} has not been tested with it ({TESTED_WITH} have)")


async def _ask_versions(settings: Settings) -> tuple[tuple[int, Balance] | None, list[str], Status]:
    """Ask each version of the API for the balance.

    :returns: the version that crawls use, what each has answered, and the status if there is none.
    """
    working: dict[int, Balance] = {}
    answers, cures = [], []
    status = Status.NO_SERVICE
    for number, api in build_apis(settings, _build_transport).items():
        began = time.monotonic()
        try:
            working[number] = await api.balance()
            said = "answers"
        except ApiError as error:
            said = str(error).rstrip(".")
            cures.append(error.cure)
            if isinstance(error, AccountError):
                status = Status.NO_TOKEN
        finally:
            await api.close()
        url, seconds = settings.api_urls[number], time.monotonic() - began
        answers.append(f"version {number} at {url}: {said} (after {seconds:.1f} s)")
    if not working:
        answers.append(next(filter(None, reversed(cures)), "try again later"))
    return next(iter(working.items()), None), answers, status


def _check_balance(settings: Settings, balance: Balance, price: float) -> Line:
    said = f"{balance.usd:.5f} USD" + (f", {balance.solves:,} solves left of a package" if balance.solves else "")
    if balance.solves or balance.usd - price >= settings.min_balance:
        return Line("balance", said)
    if balance.usd < price:
        return Line("balance", f"{said}, which buys no job: top up the account", Status.EMPTY)
    message = f"{said}, and a job would leave less than OMOCAPTCHA_MIN_BALANCE ({settings.min_balance:g})"
    return Line("balance", f"{message}: top up the account, or lower it", Status.MIN_BALANCE)


async def _check_price(settings: Settings, balance: Balance) -> tuple[Line, float]:
    """Return what a job costs and how many can be bought, and the price by which crawls count."""
    (api,) = build_apis(settings, _build_transport).values()
    listed = None
    try:
        listed = await api.price()
        said = "is not listed" if listed is None else f"{listed:.5f} USD a job in the service's list"
    except ApiError as error:
        said = f"is not known ({error})"
    finally:
        await api.close()
    price = settings.price if settings.price is not None else listed or settings.assumed_price
    said = f"{said}; crawls count {price:.5f} for each job"
    for name, limit in LIMITS.items():
        most = getattr(settings, name)
        if most and price and name != "min_balance":
            jobs = most if limit.counts_jobs else round(most / price, 6) // 1
            said += f"; OMOCAPTCHA_{name.upper()} allows {jobs:,.0f} jobs"
    if price and not balance.solves:
        said += f"; the balance buys {round(balance.usd / price, 6) // 1:,.0f}"
    return Line("price", said), price


def _check_ledger(settings: Settings) -> Line:
    if settings.ledger is None:
        return Line(
            "ledger", "none: what was bought is forgotten at the end of a crawl; set OMOCAPTCHA_LEDGER to keep it"
        )
    path = Path(settings.ledger).absolute()
    if not path.exists():
        if os.access(path.parent, os.W_OK):
            return Line("ledger", f"{path} can be written")
        return Line("ledger", f"{path}: its folder is missing, or cannot be written", Status.WRONG)
    try:
        jobs = len(read_ledger(path))
    except (sqlite3.Error, OSError) as error:
        return Line("ledger", f"{path}: {explain(error)}", Status.WRONG)
    if not os.access(path, os.W_OK):
        return Line("ledger", f"{path} cannot be written", Status.WRONG)
    return Line("ledger", f"{path} can be written, and has {count(jobs, 'job')}")


async def _check_redis(settings: Settings) -> Line:
    assert settings.redis_url is not None
    try:
        from redis.asyncio import Redis

        client = Redis.from_url(settings.redis_url.reveal(), socket_connect_timeout=_REDIS_TIMEOUT)
        async with client:
            await asyncio.wait_for(client.ping(), _REDIS_TIMEOUT)
    except ImportError:
        return Line("redis", "OMOCAPTCHA_REDIS_URL needs: pip install 'scrapy-omocaptcha[redis]'", Status.WRONG)
    except Exception as error:
        # Its text may hold the password.
        return Line("redis", f"OMOCAPTCHA_REDIS_URL does not answer ({type(error).__name__})", Status.WRONG)
    return Line("redis", "answers")
