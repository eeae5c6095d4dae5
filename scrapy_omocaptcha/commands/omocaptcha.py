"""``scrapy omocaptcha …``: the entry point of Scrapy's ``scrapy.commands``.

Scrapy imports this module at every call of ``scrapy``; the verbs are imported when one of them is asked for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, ClassVar

from scrapy.commands import ScrapyCommand, ScrapyHelpFormatter
from scrapy.exceptions import UsageError

if TYPE_CHECKING:
    import argparse

_VERBS = ("detect", "report", "balance", "price", "simulate")
"""Each is a module of ``verbs`` with ``USAGE``, ``ABOUT``, ``add_options(parser)`` and ``run(command, opts)``, which
returns the exit status."""


class OmoCaptchaCommand(ScrapyCommand):
    """The verbs, each with options of its own besides Scrapy's global ones."""

    # A person reads what is found, not a crawl's log; the project's own LOG_LEVEL and -L say otherwise.
    default_settings: ClassVar[dict[str, Any]] = {"LOG_LEVEL": "CRITICAL"}

    def syntax(self) -> str:
        return "<verb> [options]"

    def short_desc(self) -> str:
        return "Say what reCAPTCHA v2 walls there are and what was paid; try spiders on walls offline"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", title="Verbs", metavar="<verb>", prog="scrapy omocaptcha")
        for name in _VERBS:
            verb = _verb(name)
            added = verbs.add_parser(
                name,
                usage=f"scrapy omocaptcha {name} {verb.USAGE}",
                help=verb.ABOUT,
                description=verb.ABOUT,
                epilog=verb.run.__doc__,
                formatter_class=ScrapyHelpFormatter,
            )
            verb.add_options(added)
            super().add_options(added)

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        if opts.verb is None:
            raise UsageError
        if args:
            raise UsageError(f"unrecognized arguments: {' '.join(args)}", print_help=False)
        super().process_options(args, opts)
        self.requires_crawler_process = opts.verb == "detect"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="replace")  # pages hold any letters, a terminal may not know them all
        if not self.requires_crawler_process:
            from scrapy.utils.log import configure_logging

            configure_logging(self.settings)  # as a crawler process does
        self.exitcode = _verb(opts.verb).run(self, opts)


def _verb(name: str) -> Any:
    return import_module(f"scrapy_omocaptcha.commands.{name}")
