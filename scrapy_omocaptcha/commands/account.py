"""Implement ``scrapy omocaptcha balance`` and ``price``: call the service once, without a crawl."""

import argparse
import asyncio
import json
import math
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import NotConfigured

from scrapy_omocaptcha.buying.api.aiohttp_transport import AiohttpTransport
from scrapy_omocaptcha.buying.api.factory import build_api
from scrapy_omocaptcha.buying.api.protocol import Api
from scrapy_omocaptcha.errors import ApiError, ApiUnreachable
from scrapy_omocaptcha.settings import FALLBACK_PRICE, Settings

T = TypeVar("T")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object, with 'error' if there is no answer")


def balance(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print the balance of the account.

    Exit status: 0 when the balance is known; 1 when the service cannot be reached or refuses, or the balance is below
    OMOCAPTCHA_MIN_BALANCE; 2 when a setting is missing or wrong.
    """
    settings = _read_settings(command, opts)
    if settings is None:
        return 2
    try:
        balance = _call(settings, lambda api: api.balance())
    except ApiError as error:
        return _print_api_error(opts, settings, "balance", error)
    facts: dict[str, Any] = {"balance_usd": balance.usd}
    lines = [f"{balance.usd:.5f} USD"]
    if balance.solves:
        facts["package_solves"] = balance.solves
        lines.append(f"{balance.solves:,} solves left of a package")
    message = None
    if balance.usd < settings.min_balance and not balance.solves:
        facts["reason"] = "min_balance"
        message = (
            f"the balance is below OMOCAPTCHA_MIN_BALANCE ({settings.min_balance:.5f} USD), so crawls buy nothing: "
            "top up the account or lower the setting"
        )
    return _print_result(opts, facts, lines, message)


def price(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print the price of a job in the service's list, and how many jobs OMOCAPTCHA_MAX_COST buys.

    Exit status: 0 when the price is known; 1 when the service cannot be reached, refuses or does not list it; 2 when a
    setting is missing or wrong.
    """
    settings = _read_settings(command, opts)
    if settings is None:
        return 2
    try:
        listed = _call(settings, lambda api: api.price())
    except ApiError as error:
        return _print_api_error(opts, settings, "price", error)
    # Like a crawl, don't trust a list in which jobs are free.
    price = settings.price if settings.price is not None else listed or FALLBACK_PRICE
    # Rounded before, since 0.0018 / 0.0006 is 2.9999999999999996.
    jobs = math.floor(round(settings.max_cost / price, 6)) if settings.max_cost and price else None
    facts = {"price_usd": listed, "reckoned_usd": price, "max_cost_usd": settings.max_cost, "jobs": jobs}
    if listed is None:
        message = (
            f"the price list of {settings.api_url} does not include this kind of job; crawls assume {price:.5f} USD "
            "(set OMOCAPTCHA_PRICE to change it)"
        )
        return _print_result(opts, facts, [], message)
    lines = [f"{listed:.5f} USD per job in the service's list"]
    if price != listed:
        lines.append(f"{price:.5f} USD per job is what crawls assume (OMOCAPTCHA_PRICE)")
    if jobs is None:
        lines.append("the number of jobs is not limited, since OMOCAPTCHA_MAX_COST or the price is 0")
    else:
        lines.append(f"OMOCAPTCHA_MAX_COST, {settings.max_cost:.5f} USD per crawl, buys {jobs:,} jobs")
    return _print_result(opts, facts, lines, None)


def _read_settings(command: ScrapyCommand, opts: argparse.Namespace) -> Settings | None:
    """Read our settings, even if crawls are disabled or dry runs.

    :returns: None when the API token is missing or a value is invalid, which has been printed.
    """
    assert command.settings is not None
    try:
        return Settings.for_account(command.settings)
    except (NotConfigured, ValueError) as error:
        _print_result(opts, {"reason": "settings"}, [], str(error))
        return None


def _call(settings: Settings, method: Callable[[Api], Awaitable[T]]) -> T:
    """Return the service's answer to one API call, or raise its ``ApiError``."""

    async def call_and_close() -> T:
        api = build_api(settings, AiohttpTransport(settings.api_url, timeout=settings.api_timeout))
        try:
            return await method(api)
        finally:
            await api.close()

    try:
        return asyncio.run(call_and_close())  # Without a crawl there is no reactor either.
    except KeyboardInterrupt:
        raise ApiUnreachable("interrupted") from None


def _print_api_error(opts: argparse.Namespace, settings: Settings, what: str, error: ApiError) -> int:
    """Print in one sentence why ``what`` is not known and what to do, and return the exit status."""
    message = f"cannot get the {what} from {settings.api_url}: {error.with_cure}"
    return _print_result(opts, {"reason": error.reason}, [], message)


def _print_result(opts: argparse.Namespace, facts: dict[str, Any], lines: Sequence[str], error: str | None) -> int:
    """Print ``facts`` as JSON or else ``lines``, and ``error`` if there is one, and return the exit status."""
    if opts.json:
        print(json.dumps(facts if error is None else {**facts, "error": error}))
    else:
        for line in lines:
            print(line, flush=True)
        if error is not None:
            print(error, file=sys.stderr)
    return 0 if error is None else 1
