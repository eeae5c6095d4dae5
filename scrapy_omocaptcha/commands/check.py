"""Implement ``scrapy omocaptcha check``: say, before the first crawl, whether everything is in order."""

import argparse
import asyncio
import os
import sqlite3
from pathlib import Path

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
from scrapy_omocaptcha.errors import ApiError, in_words
from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware
from scrapy_omocaptcha.reporting.format import count
from scrapy_omocaptcha.scrapy_versions import TESTED_WITH
from scrapy_omocaptcha.settings import Settings, why_off
from scrapy_omocaptcha.settings.checks import check_settings, find_mistakes, tell_closer
from scrapy_omocaptcha.settings.secret import Secret

_REDIS_TIMEOUT = 2.0
"""Longest wait for Redis, in seconds."""


class _Report:
    """Prints each line when it is known, and keeps whether any was wrong."""

    is_wrong = False

    def add(self, name: str, message: str, *, is_wrong: bool = False) -> None:
        self.is_wrong |= is_wrong
        print(f"{name:<12}{'WRONG  ' if is_wrong else 'ok     '}{message}", flush=True)

    def end(self) -> int:
        """Print whether all is in order, and return the exit status."""
        print("Not all is in order." if self.is_wrong else "All is in order.")
        return int(self.is_wrong)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add no option: this subcommand has none of its own."""


def check(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print whether settings, service, account, limits, ledger and Redis are in order.

    Nothing is bought.

    Examples:

      scrapy omocaptcha check

    Examples, while scrapy omocaptcha simulate --port 6080 runs in another terminal:

      scrapy omocaptcha check -s OMOCAPTCHA_API_URL=http://127.0.0.1:6080/api -s OMOCAPTCHA_API_TOKEN=offline-token

    Exit status: 0 when crawls can buy; 1 when a line is WRONG.
    """
    assert command.settings is not None
    report = _Report()
    try:
        settings = Settings.for_command(command.settings, dry_run=False)
        _check_settings(settings, command.settings, report)
    except (NotConfigured, ValueError, ImportError, NameError, TypeError) as error:
        # A component that cannot be loaded also ends crawls.
        report.add("settings", str(error), is_wrong=True)
        return report.end()
    report.add("scrapy", f"{scrapy_version}; {TESTED_WITH} were tested")
    asyncio.run(_check_account(settings, report))
    _check_ledger(settings, report)
    if settings.redis_url is not None:
        asyncio.run(_check_redis(settings.redis_url, report))
    return report.end()


def _check_settings(settings: Settings, project: BaseSettings, report: _Report) -> None:
    config = closest_scrapy_cfg()
    where = f"of the project of {config}" if config else "of no project: there is no scrapy.cfg here or above"
    report.add("settings", f"{where}, without custom_settings; API token ***")
    # Crawls in which the add-on is switched on have these settings.
    with_addon = project.copy()
    Addon().update_settings(with_addon)
    mistakes = [*why_off(project), *find_mistakes(settings, with_addon, OmoCaptchaMiddleware)]
    if config and not is_listed(project):
        mistakes.append('add ADDONS = {"scrapy_omocaptcha.Addon": 500} to switch it on')
    for mistake in mistakes:
        report.add("settings", mistake, is_wrong=True)
    warnings = check_settings(settings, with_addon, Spider("check"))
    for sentence in (*tell_closer(with_addon, OmoCaptchaMiddleware), *warnings):
        report.add("settings", sentence)


async def _check_account(settings: Settings, report: _Report) -> None:
    """Report what the first version of the API that answers says of the account, or what each of them has said."""
    answers, cure = [], "try again later"
    for number, api in build_apis(settings).items():
        where = f"version {number} at {settings.api_urls[number]}"
        try:
            balance = await api.balance()
            report.add("api", f"{where}: answers")
            price = await _check_price(settings, api, report)
            _check_balance(settings, balance, price, report)
            return
        except ApiError as error:
            answers.append(f"{where}: {str(error).rstrip('.')}")
            cure = error.cure or cure
        finally:
            await api.close()
    report.add("api", "; ".join([*answers, cure]), is_wrong=True)


def _check_balance(settings: Settings, balance: Balance, price: float, report: _Report) -> None:
    said = f"{balance.usd:.5f} USD" + (f", {balance.solves:,} solves left of a package" if balance.solves else "")
    if is_wrong := not balance.solves and balance.usd - price < settings.min_balance:
        said += f", too little for a job and OMOCAPTCHA_MIN_BALANCE ({settings.min_balance:g}): top up the account"
    report.add("balance", said, is_wrong=is_wrong)


async def _check_price(settings: Settings, api: Api, report: _Report) -> float:
    """Report what a job costs, and return the price by which crawls count."""
    listed = None
    try:
        listed = await api.price()
        said = "is not listed" if listed is None else f"{listed:.5f} USD a job in the service's list"
    except ApiError as error:
        said = f"is not known ({error})"
    price = settings.price if settings.price is not None else listed or settings.assumed_price
    if listed and not listed / 2 <= price <= listed * 2:
        said += ", unlike OMOCAPTCHA_PRICE, which is the price of one job: leave it out"
    is_wrong = listed is None and settings.needs_price
    more = ", and no limit in USD would hold: set OMOCAPTCHA_PRICE"
    report.add("price", said + (more if is_wrong else f"; crawls count {price:.5f} for each job"), is_wrong=is_wrong)
    return price


def _check_ledger(settings: Settings, report: _Report) -> None:
    if settings.ledger is None:
        forgotten = "none: what was bought is forgotten at the end of a crawl; set OMOCAPTCHA_LEDGER to keep it"
        report.add("ledger", forgotten)
        return
    path = Path(settings.ledger).absolute()
    try:
        content = f", and has {count(len(read_ledger(path)), 'job')}" if path.exists() else ""
    except (sqlite3.Error, OSError) as error:
        report.add("ledger", f"{path}: {explain(error)}", is_wrong=True)
        return
    is_writable = os.access(path if content else path.parent, os.W_OK)
    report.add("ledger", f"{path} {'can' if is_writable else 'cannot'} be written{content}", is_wrong=not is_writable)


async def _check_redis(url: Secret, report: _Report) -> None:
    try:
        from redis.asyncio import Redis

        client = Redis.from_url(url.reveal(), socket_connect_timeout=_REDIS_TIMEOUT)
        async with client:
            await asyncio.wait_for(client.ping(), _REDIS_TIMEOUT)
    except ImportError:
        report.add("redis", "OMOCAPTCHA_REDIS_URL needs: pip install 'scrapy-omocaptcha[redis]'", is_wrong=True)
    except Exception as error:
        # The text of the error may hold the password.
        report.add("redis", f"OMOCAPTCHA_REDIS_URL does not answer ({in_words(error)})", is_wrong=True)
    else:
        report.add("redis", "answers")
