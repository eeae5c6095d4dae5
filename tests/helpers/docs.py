"""Parse the pages of the documentation with docutils, which takes the markup of Sphinx for text.

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
# That of the wheel, if the wheel is tested.
PACKAGE = Path(scrapy_omocaptcha.__file__).parent
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):.*   ## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


class _Silent(Directive):
    """Directive that Sphinx fills in; its name and arguments are kept as the text of a comment."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = dict.fromkeys(
        [
            *("caption", "hidden", "language", "maxdepth", "no-index", "no-value"),
            *("members", "inherited-members", "no-members", "no-undoc-members", "exclude-members"),
        ],
        directives.unchanged,
    )

    def run(self) -> list[nodes.Node]:
        node = nodes.comment("", " ".join([self.name, *self.arguments]))
        return [node]


class _Glossary(Directive):
    """Directive whose content is a list of words and their meanings."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        node = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


class _Setting(Directive):
    """Directive that describes a setting: ``.. confval::``."""

    has_content = True
    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"type": directives.unchanged, "default": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        node = nodes.container(ids=[self.arguments[0]], classes=["setting"])
        node.attributes.update(self.options)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def _text(name: str, rawtext: str, text: str, *_: Any) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    shown, _, target = text.partition(" <")
    return [nodes.literal(rawtext, shown, target=target.removesuffix(">") or shown, classes=[name])], []


for _role in ("doc", "ref", "term", "class", "func", "attr", "meth", "confval", "setting"):
    # As a canonical one, its first use would leave a message in the page.
    roles.register_local_role(_role, _text)
for _directive in ("toctree", "index", "automodule", "autoclass", "autofunction", "autodata", "currentmodule"):
    directives.register_directive(_directive, _Silent)
for _directive in ("class", "method", "data", "literalinclude"):
    # docutils' own "class" is not used in these pages.
    directives.register_directive(_directive, _Silent)
for _directive in ("settings-overview", "module-tables", "subcommand-options", "wall-table"):
    directives.register_directive(_directive, _Silent)
directives.register_directive("confval", _Setting)
directives.register_directive("glossary", _Glossary)


@cache
def page(name: str | Path) -> nodes.document:
    """Parse a page by its name, such as ``reference/stats``, or by its path."""
    path = name if isinstance(name, Path) else DOCS / f"{name}.rst"
    return publish_doctree(
        path.read_text(encoding="utf-8"),
        source_path=str(path),
        settings_overrides={"report_level": 2, "halt_level": 2, "_disable_config": True},
    )


def pages() -> list[Path]:
    return sorted(DOCS.rglob("*.rst"))


def tables(tree: nodes.document, heading: str) -> list[list[list[nodes.entry]]]:
    """Return the rows of each table whose first column has that heading."""
    found = [[list(row.findall(nodes.entry)) for row in t.findall(nodes.row)] for t in tree.findall(nodes.table)]
    return [rows[1:] for rows in found if rows[0][0].astext() == heading]


def first_column(tree: nodes.document, heading: str) -> list[str]:
    return [row[0].astext() for rows in tables(tree, heading) for row in rows]


def code(tree: nodes.document, name: str) -> str:
    """Return the code block of that name."""
    (block,) = [block for block in tree.findall(nodes.literal_block) if name in block["ids"]]
    return block.astext() + "\n"


def consoles(tree: nodes.document) -> list[list[str]]:
    """Return the lines of each console block: a command after ``$``, and what it prints."""
    blocks = [block for block in tree.findall(nodes.literal_block) if "console" in block["classes"]]
    return [block.astext().splitlines() for block in blocks]


def offline_box(tree: nodes.document, name: str) -> nodes.admonition:
    """Return the next box "Run it offline" after the code block of that name."""
    (block,) = [block for block in tree.findall(nodes.literal_block) if name in block["ids"]]
    following = list(tree.findall())
    boxes = [node for node in following[following.index(block) :] if isinstance(node, nodes.admonition)]
    return next(box for box in boxes if box.next_node(nodes.title).astext() == "Run it offline")


def written_instead(box: nodes.admonition) -> dict[str, str]:
    """Return what a box, and the page on running recipes, say to write: ``NEW instead of OLD``, as ``{OLD: NEW}``."""
    paragraphs = [*page("recipes/offline").findall(nodes.paragraph), *box.findall(nodes.paragraph)]
    parts = [part.astext() for paragraph in paragraphs for part in paragraph.children]
    return {
        old: new for new, words, old in zip(parts, parts[1:], parts[2:], strict=False) if plain(words) == "instead of"
    }


def set_addons(settings: Path, told: str) -> None:
    """Write the settings that a page tells where Scrapy's template has ``ADDONS = {}``, or at the end if it has not."""
    made = settings.read_text(encoding="utf-8")
    start, found, end = made.partition("ADDONS = {}\n")
    settings.write_text(start + told + end if found else made + told, encoding="utf-8")


def module(source: str, folder: Path) -> dict[str, Any]:
    """Run ``source`` and return what it defines. It is in a file, since Scrapy reads the source of callbacks."""
    name = f"code_{crc32(source.encode())}"
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return vars(made)


def settings_told() -> dict[str, nodes.container]:
    """Return what the reference says of each setting."""
    return {node["ids"][0]: node for node in page("reference/settings").findall(nodes.container)}


def filled_in(tree: nodes.document, directive: str) -> set[str]:
    """Return the arguments of a directive that Sphinx fills in."""
    said = (node.astext() for node in tree.findall(nodes.comment))
    return {words.partition(" ")[2].partition("(")[0] for words in said if words.partition(" ")[0] == directive}


def plain(text: str) -> str:
    return " ".join(text.split())


def sources(pattern: str) -> set[str]:
    """Return what a pattern matches in the source of the package, with ``{reason}`` in place of any expression."""
    found = {match for path in PACKAGE.rglob("*.py") for match in re.findall(pattern, path.read_text(encoding="utf-8"))}
    return {re.sub(r"\{.*?\}", "{reason}", match) for match in found}
