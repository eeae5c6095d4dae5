"""Implement ``scrapy omocaptcha report``: summarise ledgers."""

import argparse
import json
import sqlite3
import sys
from operator import attrgetter
from pathlib import Path

from scrapy.commands import ScrapyCommand

from scrapy_omocaptcha.buying.database import explain, read_ledger, read_runs
from scrapy_omocaptcha.buying.ledger import JOBDIR_LEDGER
from scrapy_omocaptcha.buying.records import Record, Run
from scrapy_omocaptcha.reporting.format import printable
from scrapy_omocaptcha.reporting.html import web_page
from scrapy_omocaptcha.reporting.text import ledger_report
from scrapy_omocaptcha.reporting.totals import Totals, grouped
from scrapy_omocaptcha.settings import ledger_of


def add_options(parser: argparse.ArgumentParser) -> None:
    ledgers = "ledgers, as OMOCAPTCHA_LEDGER has them, or folders of JOBDIR (default: the ledger of the project)"
    parser.add_argument("ledgers", nargs="*", metavar="FILE", help=ledgers)
    parser.add_argument("--by", choices=("spider", "host", "day", "crawl"), help="add a table; days are in UTC")
    parser.add_argument("--html", metavar="FILE", help="also write a web page with plots")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with times in UTC")


def report(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print what was bought and what came of it, from the ledgers of any number of crawls, also while these run.

    Examples:

      scrapy omocaptcha report
      scrapy omocaptcha report monday.sqlite tuesday.sqlite --by host --html report.html
      scrapy omocaptcha report crawls/shop-1 --json

    Exit status: 0 with a report; 1 when a file cannot be read or written, or is not a ledger; 2 for wrong usage.
    """
    assert command.settings is not None
    try:
        own = None if opts.ledgers else ledger_of(command.settings)
    except ValueError as error:
        return _print_error(str(error), status=2)
    if opts.html is not None and not opts.html.endswith((".html", ".htm")):
        return _print_error(f"--html writes a web page, so not {opts.html}: name it as in --html report.html", status=2)
    if not opts.ledgers and own is None:
        return _print_error("name the ledgers, or set OMOCAPTCHA_LEDGER in the project", status=2)
    in_folders = ((name, Path(name, JOBDIR_LEDGER)) for name in opts.ledgers or [own])
    names = [str(ledger) if ledger.is_file() else name for name, ledger in in_folders]
    # A ledger that is named twice must not be counted twice.
    sources = list({Path(name).resolve(): name for name in names}.values())
    records: list[Record] = []
    runs: list[Run] = []
    source = ""
    try:
        for source in sources:
            records += read_ledger(Path(source))
            runs += read_runs(Path(source))
    except (sqlite3.Error, OSError, ValueError) as error:
        return _print_error(f"{source}: {explain(error)}")
    totals = Totals(records, runs=sorted(runs, key=attrgetter("time")))
    try:
        if opts.html is not None:
            Path(opts.html).write_text(web_page(totals, sources=sources), encoding="utf-8")
            print(printable(f"The web page is in {Path(opts.html).absolute()}."), file=sys.stderr)
    except OSError as error:
        return _print_error(f"{error.filename}: {error.strerror}")
    if opts.json:
        facts = totals.as_json()
        if opts.by:
            facts["by"] = [{opts.by: group.name, **group.as_json()} for group in grouped(totals, opts.by)]
        print(json.dumps(facts))
    else:
        print(ledger_report(totals, sources=sources, by=opts.by))
    return 0


def _print_error(error: str, *, status: int = 1) -> int:
    """Print why there is no report, and return the exit status."""
    print(printable(f"scrapy omocaptcha report: {error}"), file=sys.stderr)
    return status
