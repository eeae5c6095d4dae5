"""Implement ``scrapy omocaptcha check``: say, before the first crawl, whether everything is in order."""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import NotConfigured

from scrapy_omocaptcha.commands.looking import Line, look, look_at_settings
from scrapy_omocaptcha.commands.trial import DEMO_PAGE, Step, try_one_job
from scrapy_omocaptcha.settings import Settings

T = TypeVar("T")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--buy", action="store_true", help="buy one job for a page, and see whether its site takes it")
    parser.add_argument("--yes", action="store_true", help="with --buy: do not ask before paying")
    parser.add_argument("--page", default=DEMO_PAGE, help="with --buy: the page (default: Google's demo, %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object with all lines")


def check(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print whether settings, service, account, limits, ledger, Redis and browser are in order.

    Nothing is bought without --buy.

    Examples:

      scrapy omocaptcha check
      scrapy omocaptcha check --buy --yes

    Examples, while scrapy omocaptcha simulate --port 6080 runs in another terminal:

      scrapy omocaptcha check -s OMOCAPTCHA_API_URL=http://127.0.0.1:6080/api -s OMOCAPTCHA_API_TOKEN=offline-token

    Exit status: 0 when crawls can buy, and with --buy when the site accepted the token; 1 when something is in the
    way; 2 when a setting is missing or wrong.
    """
    assert command.settings is not None
    report = _Report(opts)
    try:
        settings = Settings.for_account(command.settings)
        report.add(*look_at_settings(settings, command.settings))
    except (NotConfigured, ValueError, ImportError, NameError, TypeError) as error:
        # A component that cannot be loaded ends crawls, too.
        report.add(Line("settings", str(error), is_wrong=True))
        return report.end()
    try:
        account = asyncio.run(_waited_for(look(settings, command.settings, report.add)))
        if opts.buy and account is not None and not report.is_wrong:
            settings = replace(settings, price=account.price)
            if opts.yes or _may_pay(account.price):
                steps = try_one_job(settings, opts.page, account.balance)
                asyncio.run(_waited_for(_add_all(report, steps)))
            else:
                report.add(Line("buy", "nothing was bought: say yes, or without a terminal add --yes", is_wrong=True))
    except KeyboardInterrupt:
        report.add(Line("stopped", "by Ctrl-C; a job that was created may be paid" if opts.buy else "by Ctrl-C", True))
    return report.end()


class _Report:
    """Prints each line when it is known, or all at the end as JSON."""

    def __init__(self, opts: argparse.Namespace) -> None:
        self._opts = opts
        self._lines: list[Line] = []

    @property
    def is_wrong(self) -> bool:
        return any(line.is_wrong for line in self._lines)

    def add(self, *lines: Line) -> None:
        self._lines += lines
        if _shows_progress():
            # What shows that something is waited for.
            print(f"\r{' ' * 20}\r", end="", file=sys.stderr, flush=True)
        if not self._opts.json:
            for line in lines:
                print(f"{line.name:<12}{'WRONG  ' if line.is_wrong else 'ok     '}{line.message}", flush=True)

    def end(self) -> int:
        """Print what is left, and return the exit status."""
        if self._opts.json:
            facts = [{"name": line.name, "message": line.message, "is_wrong": line.is_wrong} for line in self._lines]
            print(json.dumps({"ok": not self.is_wrong, "lines": facts}))
        else:
            print("Not all is in order." if self.is_wrong else "All is in order.")
        return 2 if any(line.is_wrong and line.name == "settings" for line in self._lines) else int(self.is_wrong)


async def _add_all(report: _Report, steps: AsyncIterator[Step]) -> None:
    async for step in steps:
        report.add(Line(*step))


def _shows_progress() -> bool:
    """Tell whether errors go to a terminal that can write over a line."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


async def _waited_for(work: Coroutine[Any, Any, T]) -> T:
    """Await something, and show on a terminal that it is waited for."""

    async def show() -> None:
        began = time.monotonic()
        while _shows_progress():
            await asyncio.sleep(1)
            print(f"\r… {time.monotonic() - began:.0f} s", end="", file=sys.stderr, flush=True)

    shown = asyncio.create_task(show())
    try:
        return await work
    finally:
        shown.cancel()


def _may_pay(price: float) -> bool:
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        return False
    print(f"Buy one job for {price:.5f} USD? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
