"""``scrapy omocaptcha report``: what journals hold, as text, JSON or a web page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy_omocaptcha.reporting.format import harmless

if TYPE_CHECKING:
    import argparse

    from scrapy.commands import ScrapyCommand

    from scrapy_omocaptcha.buying.journal import Record

USAGE = "[options] JOURNAL…"
ABOUT = "Say what was bought and what came of it, from the journals of any number of crawls."

_COMPLAINTS = 10
"""Of one journal; what is none at all has thousands of bad lines."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("journals", nargs="+", metavar="JOURNAL", help="files that OMOCAPTCHA_JOURNAL has named")
    parser.add_argument("--by", choices=("spider", "host", "day"), help="a table beside the sums; days are in UTC")
    parser.add_argument("--html", metavar="FILE", help="write a web page with plots too (needs the extra 'report')")
    parser.add_argument("--json", action="store_true", help="one JSON object; times are in UTC")


def run(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Exit status: 0 with a report, whatever lines of a journal cannot be read; 1 when a file cannot be read or
    written."""
    from scrapy_omocaptcha.reporting.text import journal_report
    from scrapy_omocaptcha.reporting.totals import Sums, grouped

    try:
        if opts.html is not None:
            from scrapy_omocaptcha.reporting.html import web_page
        # A journal that is named twice would count twice.
        sources = list({Path(name).resolve(): name for name in opts.journals}.values())
        records, unreadable = _read(sources)
        if opts.html is not None:
            page = web_page(records, sources=sources, unreadable=unreadable)
            Path(opts.html).write_text(page, encoding="utf-8")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "matplotlib":
            raise
        return _fail("--html needs matplotlib: pip install 'scrapy-omocaptcha[report]'")
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}")
    if opts.json:
        found = {**Sums(records).as_json(), "unreadable": unreadable}
        if opts.by:
            found["by"] = [{opts.by: group.name, **group.as_json()} for group in grouped(records, opts.by)]
        print(json.dumps(found))
    else:
        print(journal_report(records, sources=sources, by=opts.by))
    return 0


def _read(sources: list[str]) -> tuple[list[Record], int]:
    """The records of the journals, and how many lines were none, which are complained of on stderr.

    :raises OSError: one cannot be read.
    """
    from scrapy_omocaptcha.buying.journal import read_journal
    from scrapy_omocaptcha.reporting.totals import one_a_job

    records: list[Record] = []
    unreadable = 0
    for source in sources:
        found, complaints = read_journal(source)
        records += found
        unreadable += len(complaints)
        for complaint in complaints[:_COMPLAINTS]:
            print(harmless(complaint), file=sys.stderr)
        if len(complaints) > _COMPLAINTS:
            print(harmless(f"{len(complaints) - _COMPLAINTS} more lines of {source} are left out"), file=sys.stderr)
    return one_a_job(records), unreadable


def _fail(why: str) -> int:
    print(harmless(f"scrapy omocaptcha report: {why}"), file=sys.stderr)
    return 1
