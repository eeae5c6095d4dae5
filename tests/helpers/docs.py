"""The documentation as these tests read it: pages parsed by docutils, with Sphinx's own markup taken for text.

Sphinx itself builds the pages, with warnings as errors, in ``make docs``.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles

import scrapy_omocaptcha

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.rst"
# Of the wheel, where that is what is tested.
PACKAGE = Path(scrapy_omocaptcha.__file__).parent


class _Silent(Directive):
    """Something that Sphinx fills in; its name is kept as the node's text."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = dict.fromkeys(
        ("caption", "maxdepth", "members", "no-members", "undoc-members", "no-value", "exclude-members", "no-index"),
        directives.unchanged,
    )

    def run(self) -> list[nodes.Node]:
        node = nodes.comment("", " ".join([self.name, *self.arguments]))
        return [node]


class _Setting(Directive):
    """``.. confval::``"""

    has_content = True
    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"default": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        node = nodes.container(ids=[self.arguments[0]], classes=["setting"])
        node["default"] = self.options["default"]
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def _text(name: str, rawtext: str, text: str, *_: Any) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    shown, _, target = text.partition(" <")
    return [nodes.literal(rawtext, shown, target=target.removesuffix(">") or shown, classes=[name])], []


for _role in ("doc", "ref", "class", "func", "attr", "meth", "confval"):
    roles.register_canonical_role(_role, _text)
for _directive in ("toctree", "automodule", "autoclass", "autofunction", "autodata", "currentmodule"):
    directives.register_directive(_directive, _Silent)
for _directive in ("class", "method", "data"):
    # docutils' own "class" is not used in these pages.
    directives.register_directive(_directive, _Silent)
directives.register_directive("confval", _Setting)


@cache
def page(name: str | Path) -> nodes.document:
    """``page("reference/stats")``, or of a whole path."""
    path = name if isinstance(name, Path) else DOCS / f"{name}.rst"
    return publish_doctree(
        path.read_text(encoding="utf-8"),
        source_path=str(path),
        settings_overrides={"report_level": 2, "halt_level": 2, "_disable_config": True, "default_role": "literal"},
    )


def pages() -> list[Path]:
    return sorted(DOCS.rglob("*.rst"))


def tables(tree: nodes.document, heading: str) -> list[list[list[nodes.entry]]]:
    """The rows of each table whose first column is called ``heading``."""
    found = [[list(row.findall(nodes.entry)) for row in t.findall(nodes.row)] for t in tree.findall(nodes.table)]
    return [rows[1:] for rows in found if rows[0][0].astext() == heading]


def first_column(tree: nodes.document, heading: str) -> list[str]:
    return [row[0].astext() for rows in tables(tree, heading) for row in rows]


def code(tree: nodes.document, name: str) -> str:
    """The code block of that name."""
    (block,) = [block for block in tree.findall(nodes.literal_block) if name in block["ids"]]
    return block.astext() + "\n"


def module(source: str, folder: Path) -> dict[str, Any]:
    """What ``source`` defines; it stands in a file, since Scrapy reads the source of callbacks."""
    name = f"code_{crc32(source.encode())}"
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return vars(made)


def filled_in(tree: nodes.document, directive: str) -> set[str]:
    """The names that Sphinx is told to fill in by that directive."""
    said = (node.astext() for node in tree.findall(nodes.comment))
    return {words.partition(" ")[2].partition("(")[0] for words in said if words.partition(" ")[0] == directive}


def plain(text: str) -> str:
    return " ".join(text.split())


def sources(pattern: str) -> set[str]:
    """What a pattern finds in the package, ``{reason}`` in the place of whatever is filled in."""
    found = {match for path in PACKAGE.rglob("*.py") for match in re.findall(pattern, path.read_text(encoding="utf-8"))}
    return {re.sub(r"\{.*?\}", "{reason}", match) for match in found}
