"""Implement ``scrapy omocaptcha simulate``."""

from __future__ import annotations

import argparse

from scrapy.commands import ScrapyCommand

from scrapy_omocaptcha.testing import simulate

add_options = simulate.add_options


def run(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Run an offline OMOcaptcha service and walled sites until Ctrl-C.

    Exit status: 0 when it was stopped; 1 when a port is not available.
    """
    return simulate.run(opts)
