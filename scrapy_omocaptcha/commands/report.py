"""Implement ``scrapy omocaptcha report``."""

import argparse
import json
import sys
from pathlib import Path

from scrapy.commands import ScrapyCommand

from scrapy_omocaptcha.buying.journal import Record, read_journal
from scrapy_omocaptcha.reporting.format import printable
from scrapy_omocaptcha.reporting.text import journal_report
from scrapy_omocaptcha.reporting.totals import Totals, grouped

_MAX_WARNINGS = 10
"""Warnings printed per journal, since a file that is no journal would cause thousands."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("journals", nargs="+", metavar="JOURNAL", help="files written because of OMOCAPTCHA_JOURNAL")
    parser.add_argument("--by", choices=("spider", "host", "day"), help="add a table; days are in UTC")
    parser.add_argument("--html", metavar="FILE", help="also write a web page with plots (needs the extra 'report')")
    parser.add_argument("--json", action="store_true", help="print one JSON object; times are in UTC")


def report(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print what was bought and what came of it, from the journals of any number of crawls.

    Exit status: 0 with a report, even if lines of a journal cannot be read; 1 when a file cannot be read or written.
    """
    try:
        # A journal that is named twice must not be counted twice.
        sources = list({Path(name).resolve(): name for name in opts.journals}.values())
        records, unreadable = _read(sources)
        if opts.html is not None:
            # matplotlib is an optional dependency, and loads slowly.
            from scrapy_omocaptcha.reporting.html import web_page

            page = web_page(records, sources=sources, unreadable=unreadable)
            Path(opts.html).write_text(page, encoding="utf-8")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "matplotlib":
            raise
        return _print_failure("--html needs matplotlib: pip install 'scrapy-omocaptcha[report]'")
    except OSError as error:
        return _print_failure(f"{error.filename}: {error.strerror}")
    if opts.json:
        facts = {**Totals(records).as_json(), "unreadable": unreadable}
        if opts.by:
            facts["by"] = [{opts.by: group.name, **group.as_json()} for group in grouped(records, opts.by)]
        print(json.dumps(facts))
    else:
        print(journal_report(records, sources=sources, by=opts.by))
    return 0


def _read(sources: list[str]) -> tuple[list[Record], int]:
    """Return the records of the journals and the number of unreadable lines, which are named on stderr."""
    records: list[Record] = []
    unreadable = 0
    for source in sources:
        found, warnings = read_journal(source)
        records += found
        unreadable += len(warnings)
        if len(warnings) > _MAX_WARNINGS:
            warnings[_MAX_WARNINGS:] = [f"{len(warnings) - _MAX_WARNINGS} more lines of {source} are left out"]
        for warning in warnings:
            print(printable(warning), file=sys.stderr)
    return records, unreadable


def _print_failure(why: str) -> int:
    print(printable(f"scrapy omocaptcha report: {why}"), file=sys.stderr)
    return 1
