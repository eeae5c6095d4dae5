"""Implement ``scrapy omocaptcha balance`` and ``price``: call the service once, without a crawl."""

import argparse
import asyncio
import json
import math
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import NotConfigured

from scrapy_omocaptcha.buying.api.aiohttp_transport import AiohttpTransport
from scrapy_omocaptcha.buying.api.factory import build_api
from scrapy_omocaptcha.buying.api.protocol import Api
from scrapy_omocaptcha.errors import ApiError, ApiUnreachable
from scrapy_omocaptcha.settings import FALLBACK_PRICE, Settings

Result = tuple[dict[str, Any], list[str], str | None]
"""What is printed: facts for JSON, lines for people, and in either case what is wrong, if anything."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object, with 'error' if there is no answer")


def balance(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print the balance of the account.

    Examples:

      scrapy omocaptcha balance
      scrapy omocaptcha balance --json

    Examples, while scrapy omocaptcha simulate --port 6080 runs in another terminal:

      scrapy omocaptcha balance -s OMOCAPTCHA_API_URL=http://127.0.0.1:6080/api -s OMOCAPTCHA_API_TOKEN=offline-token

    Exit status: 0 when the balance is known; 1 when the service cannot be reached or refuses, or the balance buys no
    job or is below OMOCAPTCHA_MIN_BALANCE; 2 when a setting is missing or wrong.
    """
    return _print_answer(command, opts, _balance)


def price(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print the price of a job in the service's list, and how many jobs OMOCAPTCHA_MAX_COST buys.

    Examples:

      scrapy omocaptcha price
      scrapy omocaptcha price --json -s OMOCAPTCHA_MAX_COST=0.5

    Examples, while scrapy omocaptcha simulate --port 6080 runs in another terminal:

      scrapy omocaptcha price -s OMOCAPTCHA_API_URL=http://127.0.0.1:6080/api -s OMOCAPTCHA_API_TOKEN=offline-token

    Exit status: 0 when the price is known; 1 when the service cannot be reached, refuses or does not list it; 2 when a
    setting is missing or wrong.
    """
    return _print_answer(command, opts, _price)


async def _balance(api: Api, settings: Settings) -> Result:
    balance = await api.balance()
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
    elif balance.usd < settings.assumed_price and not balance.solves:
        facts["reason"] = "account"
        message = f"the balance buys no job, which costs {settings.assumed_price:.5f} USD: top up the account"
    return facts, lines, message


async def _price(api: Api, settings: Settings) -> Result:
    listed = await api.price()
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
        return facts, [], message
    lines = [f"{listed:.5f} USD per job in the service's list"]
    if price != listed:
        lines.append(f"{price:.5f} USD per job is what crawls assume (OMOCAPTCHA_PRICE)")
    if jobs is None:
        lines.append("the number of jobs is not limited, since OMOCAPTCHA_MAX_COST or the price is 0")
    else:
        lines.append(f"OMOCAPTCHA_MAX_COST, {settings.max_cost:.5f} USD per crawl, buys {jobs:,} jobs")
    return facts, lines, None


def _print_answer(
    command: ScrapyCommand, opts: argparse.Namespace, ask: Callable[[Api, Settings], Awaitable[Result]]
) -> int:
    """Print the service's answer, or why there is none and what to do, and return the exit status."""
    assert command.settings is not None
    try:
        # These commands work also where crawls are switched off, or are dry runs.
        settings = Settings.for_account(command.settings)
    except (NotConfigured, ValueError) as error:
        return _print_result(opts, ({"reason": "settings"}, [], str(error)), failed=2)
    try:
        result = asyncio.run(_call(settings, ask))  # Without a crawl there is no reactor either.
    except (ApiError, KeyboardInterrupt) as error:
        failure = error if isinstance(error, ApiError) else ApiUnreachable("interrupted")
        message = f"cannot get the {opts.subcommand} from {settings.api_url}: {failure.with_cure}"
        result = {"reason": failure.reason}, [], message
    return _print_result(opts, result)


async def _call(settings: Settings, ask: Callable[[Api, Settings], Awaitable[Result]]) -> Result:
    api = build_api(settings, lambda url, timeout: AiohttpTransport(url, timeout=timeout))
    try:
        return await ask(api, settings)
    finally:
        await api.close()


def _print_result(opts: argparse.Namespace, result: Result, *, failed: int = 1) -> int:
    """Print a result, and return the exit status, which is ``failed`` if anything is wrong."""
    facts, lines, error = result
    if opts.json:
        print(json.dumps(facts if error is None else {**facts, "error": error}))
    else:
        for line in lines:
            print(line, flush=True)
        if error is not None:
            print(error, file=sys.stderr)
    return 0 if error is None else failed
