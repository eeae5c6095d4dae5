"""Implement ``scrapy omocaptcha check``: say, before the first crawl, whether everything is in order."""

import argparse
import asyncio
import json
import os
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from scrapy import __version__ as scrapy_version
from scrapy.commands import ScrapyCommand
from scrapy.exceptions import NotConfigured
from scrapy.settings import BaseSettings
from scrapy.utils.conf import closest_scrapy_cfg

from scrapy_omocaptcha.browser import find_schemes
from scrapy_omocaptcha.buying.api.factory import BuildTransport, build_api
from scrapy_omocaptcha.buying.database import explain, open_ledger, read_ledger
from scrapy_omocaptcha.buying.records import Balance
from scrapy_omocaptcha.commands.transcript import Transcript
from scrapy_omocaptcha.commands.trial import DEMO_PAGE, try_one_job
from scrapy_omocaptcha.engine.private_names import TESTED_WITH
from scrapy_omocaptcha.errors import ApiError
from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware
from scrapy_omocaptcha.settings import LIMITS, Settings, token_source, why_off
from scrapy_omocaptcha.settings.checks import find_mistakes

_REDIS_TIMEOUT = 2.0
"""Longest wait for Redis, in seconds."""


class Line(NamedTuple):
    """What was found out about one thing."""

    name: str
    message: str
    is_wrong: bool = False
    """Whether nothing can be bought because of it."""

    @property
    def facts(self) -> dict[str, object]:
        return {"name": self.name, "message": self.message, "is_wrong": self.is_wrong}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--buy", action="store_true", help="buy one job for a page, and see whether its site takes it")
    parser.add_argument("--yes", action="store_true", help="with --buy: do not ask before paying")
    parser.add_argument("--page", default=DEMO_PAGE, help="with --buy: the page (default: Google's demo, %(default)s)")
    parser.add_argument("--transcript", metavar="FILE", help="write all calls and answers, without what is secret")
    parser.add_argument("--json", action="store_true", help="print one JSON object with all lines")


def check(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print whether settings, service, account, limits, ledger, Redis and browser are in order; nothing is bought.

    Exit status: 0 when crawls can buy, and with --buy when the site accepted the token; 1 when something is in the
    way; 2 when a setting is missing or wrong.
    """
    assert command.settings is not None
    lines: list[Line] = []
    status = 0
    try:
        settings = Settings.for_account(command.settings)
    except (NotConfigured, ValueError) as error:
        lines, status = [Line("settings", str(error), is_wrong=True)], 2
        _print(opts, lines[0])
    else:
        try:
            asyncio.run(_run(settings, command.settings, opts, lines))
        except KeyboardInterrupt:
            lines.append(Line("stopped", "by Ctrl-C", is_wrong=True))
            _print(opts, lines[-1])
        status = int(any(line.is_wrong for line in lines))
    if opts.json:
        print(json.dumps({"ok": not status, "lines": [line.facts for line in lines]}))
    elif not opts.buy:
        print("All is in order." if not status else "Not all is in order.")
    return status


async def _run(settings: Settings, project: BaseSettings, opts: argparse.Namespace, lines: list[Line]) -> None:
    transcript = Transcript()
    waiting = asyncio.create_task(_show_waiting())
    try:
        async for line in _all_lines(settings, project, opts, transcript.build_transport):
            lines.append(line)
            _print(opts, line)
    finally:
        waiting.cancel()
        if opts.transcript is not None:
            lines.append(_write(transcript, opts.transcript))
            _print(opts, lines[-1])


async def _all_lines(
    settings: Settings, project: BaseSettings, opts: argparse.Namespace, build_transport: BuildTransport
) -> AsyncIterator[Line]:
    is_in_order = True
    async for line in _look(settings, project, build_transport):
        is_in_order &= not line.is_wrong
        yield line
    if not opts.buy or not is_in_order:
        return
    if not (opts.yes or _may_pay(settings)):
        yield Line("buy", "nothing was bought: say yes, or without a terminal add --yes", is_wrong=True)
        return
    async for step in try_one_job(settings, opts.page, build_transport):
        yield Line(*step)


def _write(transcript: Transcript, path: str) -> Line:
    try:
        transcript.write(path)
    except OSError as error:
        return Line("transcript", f"{path}: {error.strerror}", is_wrong=True)
    return Line("transcript", f"is in {path}: read it before you publish it")


async def _show_waiting() -> None:
    """Show on a terminal for how long the next line has been waited for."""
    began = time.monotonic()
    while sys.stderr.isatty():
        await asyncio.sleep(1)
        print(f"\r… {time.monotonic() - began:.0f} s", end="", file=sys.stderr, flush=True)


def _may_pay(settings: Settings) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"Buy one job for about {settings.assumed_price:.5f} USD? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _print(opts: argparse.Namespace, line: Line) -> None:
    if sys.stderr.isatty():
        print(f"\r{' ' * 20}\r", end="", file=sys.stderr, flush=True)
    if not opts.json:
        print(f"{line.name:<10}{'WRONG  ' if line.is_wrong else 'ok     '}{line.message}", flush=True)


async def _look(settings: Settings, project: BaseSettings, build_transport: BuildTransport) -> AsyncIterator[Line]:
    for line in _check_settings(settings, project):
        yield line
    yield _check_scrapy()
    working, answers = await _ask_versions(settings, build_transport)
    said = "; ".join(answers)
    if working is None:
        yield Line("api", said, is_wrong=True)
    else:
        number, balance = working
        yield Line("api", f"version {number} is used ({said})")
        yield _check_balance(settings, balance)
        yield await _check_price(replace(settings, api_version=number), balance, build_transport)
    yield _check_ledger(settings)
    if settings.redis_url is not None:
        yield await _check_redis(settings)
    if find_schemes(project):
        yield await _check_browser(project)


def _check_settings(settings: Settings, project: BaseSettings) -> list[Line]:
    config = closest_scrapy_cfg()
    where = f"of the project of {config}" if config else "of no project: there is no scrapy.cfg here or above"
    lines = [Line("settings", f"{where}; API token *** from {token_source(project)}")]
    mistakes = find_mistakes(settings, project, OmoCaptchaMiddleware)
    lines += [Line("settings", mistake, is_wrong=True) for mistake in mistakes]
    lines += [Line("settings", why, is_wrong=True) for why in why_off(project)]
    named = [str(name) for name in (*project.getdict("ADDONS"), *project.getdict("DOWNLOADER_MIDDLEWARES"))]
    if config and not any("scrapy_omocaptcha" in name for name in named):
        lines.append(Line("settings", 'add ADDONS = {"scrapy_omocaptcha.Addon": 500} to switch it on', is_wrong=True))
    return lines


def _check_scrapy() -> Line:
    first, last = (tuple(map(int, number.split("."))) for number in TESTED_WITH.split(" to "))
    used = tuple(int(part) for part in scrapy_version.split(".")[:2])
    if first <= used <= last:
        return Line("scrapy", f"{scrapy_version}, which is among those that it was tested with ({TESTED_WITH})")
    return Line("scrapy", f"{scrapy_version} has not been tested with it ({TESTED_WITH} have)")


async def _ask_versions(
    settings: Settings, build_transport: BuildTransport
) -> tuple[tuple[int, Balance] | None, list[str]]:
    """Ask each version of the API for the balance; return the one that crawls use, and what each has answered."""
    working: dict[int, Balance] = {}
    answers, cures = [], []
    for number, url in settings.api_urls.items():
        api = build_api(replace(settings, api_version=number, api_url=url), build_transport)
        began = time.monotonic()
        try:
            working[number] = await api.balance()
            said = "answers"
        except ApiError as error:
            said = str(error)
            cures.append(error.cure)
        finally:
            await api.close()
        answers.append(f"version {number} at {url}: {said}, {time.monotonic() - began:.1f} s")
    if not working:
        answers.append(next(filter(None, cures), "try again later"))
    return next(iter(working.items()), None), answers


def _check_balance(settings: Settings, balance: Balance) -> Line:
    said = f"{balance.usd:.5f} USD" + (f", {balance.solves:,} solves left of a package" if balance.solves else "")
    if balance.solves or balance.usd >= max(settings.min_balance, settings.assumed_price):
        return Line("balance", said)
    message = f"{said}, which buys no job: top up the account, or see OMOCAPTCHA_MIN_BALANCE"
    return Line("balance", message, is_wrong=True)


async def _check_price(settings: Settings, balance: Balance, build_transport: BuildTransport) -> Line:
    api = build_api(settings, build_transport)
    listed = None
    try:
        listed = await api.price()
        said = "is not listed" if listed is None else f"{listed:.5f} USD a job in the service's list"
    except ApiError as error:
        said = f"is not known ({error})"
    finally:
        await api.close()
    price = settings.price if settings.price is not None else listed or settings.assumed_price
    said = f"{said}, crawls reckon with {price:.5f}"
    for name, limit in LIMITS.items():
        most = getattr(settings, name)
        if most and price and name != "min_balance":
            jobs = most if limit.counts_jobs else round(most / price, 6) // 1
            said += f"; OMOCAPTCHA_{name.upper()} allows {jobs:,.0f} jobs"
    if price and not balance.solves:
        said += f"; the balance buys {round(balance.usd / price, 6) // 1:,.0f}"
    return Line("price", said)


def _check_ledger(settings: Settings) -> Line:
    if settings.ledger is None:
        return Line("ledger", "none: set OMOCAPTCHA_LEDGER to keep what was bought beyond a crawl")
    path = Path(settings.ledger).absolute()
    is_new = not path.exists()
    try:
        open_ledger(path).close()
        jobs = len(read_ledger(path))
    except (sqlite3.Error, OSError) as error:
        return Line("ledger", f"{path}: {explain(error)}", is_wrong=True)
    finally:
        if is_new:
            for name in (path, f"{path}-wal", f"{path}-shm"):
                Path(name).unlink(missing_ok=True)
    return Line("ledger", f"{path} can be written" + ("" if is_new else f", and has {jobs:,} jobs"))


async def _check_redis(settings: Settings) -> Line:
    assert settings.redis_url is not None
    try:
        from redis.asyncio import Redis

        client = Redis.from_url(settings.redis_url.reveal(), socket_connect_timeout=_REDIS_TIMEOUT)
        async with client:
            await asyncio.wait_for(client.ping(), _REDIS_TIMEOUT)
    except ImportError:
        return Line("redis", "OMOCAPTCHA_REDIS_URL needs: pip install 'scrapy-omocaptcha[redis]'", is_wrong=True)
    except Exception as error:
        # Its text may hold the password.
        return Line("redis", f"OMOCAPTCHA_REDIS_URL does not answer ({type(error).__name__})", is_wrong=True)
    return Line("redis", "answers")


async def _check_browser(project: BaseSettings) -> Line:
    try:
        from playwright.async_api import async_playwright

        said = f"scrapy-playwright {version('scrapy-playwright')}, Playwright {version('playwright')}"
    except (ImportError, PackageNotFoundError):
        message = "DOWNLOAD_HANDLERS needs: pip install 'scrapy-omocaptcha[playwright]'"
        return Line("browser", message, is_wrong=True)
    path = project.getdict("PLAYWRIGHT_LAUNCH_OPTIONS").get("executable_path")
    if path is None:
        async with async_playwright() as playwright:
            path = getattr(playwright, project.get("PLAYWRIGHT_BROWSER_TYPE", "chromium")).executable_path
    if os.access(path, os.X_OK):
        return Line("browser", f"{said}, {path}")
    message = f"{said}, but {path} is not there: run playwright install, or see PLAYWRIGHT_LAUNCH_OPTIONS"
    return Line("browser", message, is_wrong=True)
