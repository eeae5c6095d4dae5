"""Implement ``scrapy omocaptcha check``: say, before the first crawl, whether everything is in order."""

import argparse
import asyncio
import json
import os
import sqlite3
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from scrapy import Spider
from scrapy import __version__ as scrapy_version
from scrapy.commands import ScrapyCommand
from scrapy.exceptions import NotConfigured
from scrapy.settings import BaseSettings
from scrapy.utils.conf import closest_scrapy_cfg

from scrapy_omocaptcha.addon import Addon, is_listed
from scrapy_omocaptcha.buying.api.factory import build_apis
from scrapy_omocaptcha.buying.api.protocol import Api
from scrapy_omocaptcha.buying.database import explain, read_ledger
from scrapy_omocaptcha.buying.records import Balance
from scrapy_omocaptcha.errors import AccountError, ApiError, in_words
from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware
from scrapy_omocaptcha.reporting.format import count
from scrapy_omocaptcha.scrapy_versions import TESTED_WITH
from scrapy_omocaptcha.settings import Settings, token_source, why_off
from scrapy_omocaptcha.settings.checks import check_settings, find_mistakes, tell_closer
from scrapy_omocaptcha.settings.limits import LIMITS
from scrapy_omocaptcha.settings.secret import Secret

_REDIS_TIMEOUT = 2.0
"""Longest wait for Redis, in seconds."""


class _Status(IntEnum):
    """Results of a check, by the exit status of the command."""

    OK = 0
    WRONG = 1
    SETTINGS = 2
    NO_TOKEN = 3
    NO_SERVICE = 4
    EMPTY = 5
    MIN_BALANCE = 6


class _Line(NamedTuple):
    """The result of one check."""

    name: str
    message: str
    status: _Status = _Status.OK


class _Report:
    """Prints each line when it is known, or all at the end as JSON."""

    def __init__(self, *, is_json: bool) -> None:
        self._is_json = is_json
        self._lines: list[_Line] = []
        self.account: dict[str, float] = {}
        """Balance and price, as JSON has them."""

    @property
    def status(self) -> _Status:
        """Return the status of the first line that is wrong, or that all is in order."""
        return next((line.status for line in self._lines if line.status), _Status.OK)

    def add(self, *lines: _Line) -> None:
        self._lines += lines
        if self._is_json:
            return
        for line in lines:
            print(f"{line.name:<12}{'WRONG  ' if line.status else 'ok     '}{line.message}", flush=True)

    def end(self) -> int:
        """Print what is left, and return the exit status."""
        if self._is_json:
            lines = [{"name": name, "message": said, "is_wrong": bool(wrong)} for name, said, wrong in self._lines]
            print(json.dumps({"ok": not self.status, "lines": lines, **self.account}))
        else:
            print("Not all is in order." if self.status else "All is in order.")
        return self.status


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all lines, balance and price")


def check(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print whether settings, service, account, limits, ledger and Redis are in order.

    Nothing is bought.

    Examples:

      scrapy omocaptcha check

    Examples, while scrapy omocaptcha simulate --port 6080 runs in another terminal:

      scrapy omocaptcha check -s OMOCAPTCHA_API_URL=http://127.0.0.1:6080/api -s OMOCAPTCHA_API_TOKEN=offline-token

    Exit status: 0 when crawls can buy; else that of the first line that is WRONG: 2 when a setting is wrong; 3 when
    there is no API token, or the service does not accept it; 4 when the service cannot be reached; 5 when the balance
    buys no job; 6 when a job would leave less than OMOCAPTCHA_MIN_BALANCE; 1 when something else is in the way.
    """
    assert command.settings is not None
    report = _Report(is_json=opts.json)
    try:
        settings = Settings.for_command(command.settings, dry_run=False)
        report.add(*_check_settings(settings, command.settings))
    except NotConfigured as error:
        report.add(_Line("settings", str(error), _Status.NO_TOKEN))
        return report.end()
    except (ValueError, ImportError, NameError, TypeError) as error:
        # A component that cannot be loaded also ends crawls.
        report.add(_Line("settings", str(error), _Status.SETTINGS))
        return report.end()
    report.add(_check_scrapy())
    try:
        asyncio.run(_check_others(settings, report))
    except KeyboardInterrupt:
        report.add(_Line("stopped", "by Ctrl-C", _Status.WRONG))
    return report.end()


def _check_settings(settings: Settings, project: BaseSettings) -> list[_Line]:
    config = closest_scrapy_cfg()
    where = f"of the project of {config}" if config else "of no project: there is no scrapy.cfg here or above"
    lines = [_Line("settings", f"{where}; API token *** from {token_source(project)}")]
    # Crawls in which the add-on is switched on have these settings.
    with_addon = project.copy()
    Addon().update_settings(with_addon)
    mistakes = [*why_off(project), *find_mistakes(settings, with_addon, OmoCaptchaMiddleware)]
    if config and not is_listed(project):
        mistakes.append('add ADDONS = {"scrapy_omocaptcha.Addon": 500} to switch it on')
    lines += [_Line("settings", mistake, _Status.SETTINGS) for mistake in mistakes]
    warnings = check_settings(settings, with_addon, Spider("check"), OmoCaptchaMiddleware)
    told = (*tell_closer(with_addon, OmoCaptchaMiddleware), *warnings)
    return lines + [_Line("settings", sentence) for sentence in told]


def _check_scrapy() -> _Line:
    first, last = (tuple(map(int, number.split("."))) for number in TESTED_WITH.split(" to "))
    used = tuple(int(part) for part in scrapy_version.split(".")[:2])
    if first <= used <= last:
        return _Line("scrapy", f"{scrapy_version}, which is among those that it was tested with ({TESTED_WITH})")
    return _Line("scrapy", f"{scrapy_version} has not been tested with it ({TESTED_WITH} have)")


async def _check_others(settings: Settings, report: _Report) -> None:
    await _check_account(settings, report)
    report.add(_check_ledger(settings))
    if settings.redis_url is not None:
        report.add(await _check_redis(settings.redis_url))


async def _check_account(settings: Settings, report: _Report) -> None:
    """Report what the first version of the API that answers says of the account, or what each of them has said."""
    answers, cure, status = [], "try again later", _Status.NO_SERVICE
    for number, api in build_apis(settings).items():
        where = f"version {number} at {settings.api_urls[number]}"
        try:
            balance = await api.balance()
            report.add(_Line("api", f"{where}: answers"))
            line, price = await _check_price(settings, api, balance)
            report.add(_check_balance(settings, balance, price), line)
            report.account = {"balance_usd": balance.usd, "package_solves": balance.solves, "price_usd": price}
            return
        except ApiError as error:
            answers.append(f"{where}: {str(error).rstrip('.')}")
            cure = error.cure or cure
            if isinstance(error, AccountError):
                status = _Status.NO_TOKEN
        finally:
            await api.close()
    report.add(_Line("api", "; ".join([*answers, cure]), status))


def _check_balance(settings: Settings, balance: Balance, price: float) -> _Line:
    said = f"{balance.usd:.5f} USD" + (f", {balance.solves:,} solves left of a package" if balance.solves else "")
    if balance.solves or balance.usd - price >= settings.min_balance:
        return _Line("balance", said)
    if balance.usd < price:
        return _Line("balance", f"{said}, which buys no job: top up the account", _Status.EMPTY)
    message = f"{said}, and a job would leave less than OMOCAPTCHA_MIN_BALANCE ({settings.min_balance:g})"
    return _Line("balance", f"{message}: top up the account, or lower it", _Status.MIN_BALANCE)


async def _check_price(settings: Settings, api: Api, balance: Balance) -> tuple[_Line, float]:
    """Return what a job costs and how many can be bought, and the price by which crawls count."""
    listed = None
    try:
        listed = await api.price()
        said = "is not listed" if listed is None else f"{listed:.5f} USD a job in the service's list"
    except ApiError as error:
        said = f"is not known ({error})"
    if listed is None and settings.needs_price:
        said += ", and no limit in USD would hold: set OMOCAPTCHA_PRICE"
        return _Line("price", said, _Status.SETTINGS), settings.assumed_price
    price = settings.price if settings.price is not None else listed or settings.assumed_price
    cure = " unless OMOCAPTCHA_PRICE is set" if listed is None and settings.price is None else ""
    said = f"{said}; crawls count {price:.5f} for each job{cure}"
    for name, most in settings.limits.items():
        if price and name != "min_balance":
            jobs = most if LIMITS[name].counts_jobs else round(most / price, 6) // 1
            said += f"; {LIMITS[name].setting} allows {jobs:,.0f} jobs"
    if price and not balance.solves:
        said += f"; the balance buys {round(balance.usd / price, 6) // 1:,.0f}"
    return _Line("price", said), price


def _check_ledger(settings: Settings) -> _Line:
    if settings.ledger is None:
        return _Line(
            "ledger", "none: what was bought is forgotten at the end of a crawl; set OMOCAPTCHA_LEDGER to keep it"
        )
    path = Path(settings.ledger).absolute()
    if not path.exists():
        if os.access(path.parent, os.W_OK):
            return _Line("ledger", f"{path} can be written")
        return _Line("ledger", f"{path}: its folder is missing, or cannot be written", _Status.WRONG)
    try:
        jobs = len(read_ledger(path))
    except (sqlite3.Error, OSError) as error:
        return _Line("ledger", f"{path}: {explain(error)}", _Status.WRONG)
    if not os.access(path, os.W_OK):
        return _Line("ledger", f"{path} cannot be written", _Status.WRONG)
    return _Line("ledger", f"{path} can be written, and has {count(jobs, 'job')}")


async def _check_redis(url: Secret) -> _Line:
    try:
        from redis.asyncio import Redis

        client = Redis.from_url(url.reveal(), socket_connect_timeout=_REDIS_TIMEOUT)
        async with client:
            await asyncio.wait_for(client.ping(), _REDIS_TIMEOUT)
    except ImportError:
        return _Line("redis", "OMOCAPTCHA_REDIS_URL needs: pip install 'scrapy-omocaptcha[redis]'", _Status.WRONG)
    except Exception as error:
        # The text of the error may hold the password.
        return _Line("redis", f"OMOCAPTCHA_REDIS_URL does not answer ({in_words(error)})", _Status.WRONG)
    return _Line("redis", "answers")
