"""``scrapy omocaptcha simulate``: the offline service and its walls, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_omocaptcha.testing import simulate

if TYPE_CHECKING:
    import argparse

    from scrapy.commands import ScrapyCommand

USAGE = "[options]"
ABOUT = "Run an offline OMOcaptcha and walled sites until Ctrl-C."

add_options = simulate.add_arguments


def run(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Exit status: 0; 1 when a port cannot be had."""
    return simulate.run(opts, lambda line: print(line, flush=True))
