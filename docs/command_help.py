"""Sphinx extension: ``subcommand-options``, the options and exit status of a subcommand, as ``--help`` has them."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from typing import TYPE_CHECKING

from docutils import nodes
from scrapy.settings import Settings
from sphinx.util.docutils import SphinxDirective

from scrapy_omocaptcha.commands.omocaptcha import OmoCaptchaCommand

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def parser_of(subcommand: str) -> ArgumentParser:
    parser = ArgumentParser()
    command = OmoCaptchaCommand()
    command.settings = Settings()
    command.add_options(parser)
    (choices,) = [action.choices for action in parser._actions if action.choices]
    return choices[subcommand]


class SubcommandOptions(SphinxDirective):
    """Write a list of the options, without those that Scrapy adds to each command, and what follows them."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        parser = parser_of(self.arguments[0])
        formatter = parser._get_formatter()
        options = nodes.definition_list()
        for action in parser._optionals._group_actions:
            if "--help" not in action.option_strings:
                value = formatter._format_args(action, action.dest.upper()) if action.nargs != 0 else ""
                usage = " ".join([*action.option_strings, value]).strip()
                options += nodes.definition_list_item(
                    "",
                    nodes.term("", "", nodes.literal("", usage)),
                    nodes.definition("", paragraph(_sentence(formatter._expand_help(action)))),
                )
        texts = [" ".join(text.split()) for text in (parser.epilog or "").split("\n\n")]
        return [options, *(paragraph(text) for text in texts if text.startswith("Exit status"))]


def paragraph(text: str) -> nodes.paragraph:
    """Return a paragraph in which options and settings are literals."""
    parts = re.split(r"(--[a-z]+|OMOCAPTCHA_[A-Z_]+)", text)
    made = (nodes.literal("", part) if number % 2 else nodes.Text(part) for number, part in enumerate(parts))
    return nodes.paragraph("", "", *made)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("subcommand-options", SubcommandOptions)
    return {"parallel_read_safe": True}
