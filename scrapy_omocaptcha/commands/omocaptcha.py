"""Define ``scrapy omocaptcha``, an entry point in Scrapy's ``scrapy.commands``.

Every call of ``scrapy`` imports this module, so it imports the subcommands only when ``scrapy omocaptcha`` is called.
"""

import argparse
import inspect
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Any

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

_SUBCOMMANDS = {
    "detect": ("commands.detect", "URL|FILE"),
    "report": ("commands.report", "[FILE…]"),
    "check": ("commands.check", ""),
    "simulate": ("testing.simulate", ""),
}
"""The module and the arguments of each subcommand. The module has ``add_options(parser)``, and a function with the name
of the subcommand that is called with (command, opts) and returns the exit status. Its docstring is the help: the first
paragraph before the options, the others after them."""

_QUIET: dict[str, Any] = {"LOG_LEVEL": "CRITICAL", "LOG_STDOUT": False, "LOG_FILE": None}
"""Settings that turn off the log, wherever the project writes that of its crawls; ``-L`` turns it on."""


class OmoCaptchaCommand(ScrapyCommand):
    """Dispatches to the subcommands, which have options of their own besides Scrapy's global ones."""

    def syntax(self) -> str:
        return "<subcommand> [options]"

    def short_desc(self) -> str:
        return "Inspect reCAPTCHA v2 walls, report what was paid, test spiders offline"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        assert self.settings is not None
        self.settings.setdict(_QUIET, priority="cmdline")
        subparsers = parser.add_subparsers(
            dest="subcommand", title="Subcommands", metavar="<subcommand>", prog="scrapy omocaptcha"
        )
        for name, (path, arguments) in _SUBCOMMANDS.items():
            module = import_module(f"scrapy_omocaptcha.{path}")
            run = getattr(module, name)
            summary, _, details = (inspect.getdoc(run) or "").partition("\n\n")
            subparser = subparsers.add_parser(
                name,
                usage=f"scrapy omocaptcha {name} [options] {arguments}".rstrip(),
                help=summary,
                description=summary,
                epilog=details,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
            subparser.set_defaults(run=run)
            module.add_options(subparser)
            super().add_options(subparser)

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        if opts.subcommand is None:
            raise UsageError
        if args:
            raise UsageError(f"unrecognized arguments: {' '.join(args)}", print_help=False)
        assert self.settings is not None
        if opts.logfile:
            self.settings.set("LOG_LEVEL", "DEBUG", priority="cmdline")  # A file that is named gets lines.
        super().process_options(args, opts)
        self.requires_crawler_process = opts.subcommand == "detect"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="replace")  # The terminal's encoding may lack characters of a page.
        if not self.requires_crawler_process:
            from scrapy.utils.log import configure_logging

            configure_logging(self.settings)  # A crawler process would do so itself.
        try:
            self.exitcode = opts.run(self, opts)
            sys.stdout.flush()
        except KeyboardInterrupt:
            self.exitcode = 130  # Shells report this of a program that Ctrl-C has ended.
        except BrokenPipeError:
            # The reader of the output, such as head, has enough. Python would write the rest when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
