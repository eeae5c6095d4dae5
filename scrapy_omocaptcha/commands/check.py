"""Implement ``scrapy omocaptcha check``: say, before the first crawl, whether everything is in order."""

import argparse
import asyncio
import json
from typing import Any

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import NotConfigured

from scrapy_omocaptcha.commands.looking import Account, Line, Status, look, look_at_settings
from scrapy_omocaptcha.settings import Settings


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all lines, balance and price")


def check(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print whether settings, service, account, limits, ledger and Redis are in order.

    Examples:

      scrapy omocaptcha check

    Examples, while scrapy omocaptcha simulate --port 6080 runs in another terminal:

      scrapy omocaptcha check -s OMOCAPTCHA_API_URL=http://127.0.0.1:6080/api -s OMOCAPTCHA_API_TOKEN=offline-token

    Exit status: 0 when crawls can buy; else that of the first line that is WRONG: 2 when a setting is wrong; 3 when
    there is no API token, or the service does not accept it; 4 when the service cannot be reached; 5 when the balance
    buys no job; 6 when a job would leave less than OMOCAPTCHA_MIN_BALANCE; 1 when something else is in the way.
    """
    assert command.settings is not None
    report = _Report(opts)
    try:
        settings = Settings.for_account(command.settings)
        report.add(*look_at_settings(settings, command.settings))
    except NotConfigured as error:
        report.add(Line("settings", str(error), Status.NO_TOKEN))
        return report.end()
    except (ValueError, ImportError, NameError, TypeError) as error:
        # A component that cannot be loaded ends crawls, too.
        report.add(Line("settings", str(error), Status.SETTINGS))
        return report.end()
    try:
        report.account = asyncio.run(look(settings, report.add))
    except KeyboardInterrupt:
        report.add(Line("stopped", "by Ctrl-C", Status.WRONG))
    return report.end()


class _Report:
    """Prints each line when it is known, or all at the end as JSON."""

    account: Account | None = None

    def __init__(self, opts: argparse.Namespace) -> None:
        self._opts = opts
        self._lines: list[Line] = []

    @property
    def status(self) -> Status:
        """Return the status of the first line that is wrong, or that all is in order."""
        return next((line.status for line in self._lines if line.status), Status.OK)

    def add(self, *lines: Line) -> None:
        self._lines += lines
        if not self._opts.json:
            for line in lines:
                print(f"{line.name:<12}{'WRONG  ' if line.status else 'ok     '}{line.message}", flush=True)

    def end(self) -> int:
        """Print what is left, and return the exit status."""
        if self._opts.json:
            lines = [{"name": name, "message": said, "is_wrong": bool(status)} for name, said, status in self._lines]
            facts: dict[str, Any] = {"ok": not self.status, "lines": lines}
            if self.account is not None:
                balance, price = self.account
                facts |= {"balance_usd": balance.usd, "package_solves": balance.solves, "price_usd": price}
            print(json.dumps(facts))
        else:
            print("Not all is in order." if self.status else "All is in order.")
        return self.status
