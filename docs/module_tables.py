"""Sphinx extension: ``module-tables``, a table of the modules of each folder, made from their docstrings."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PACKAGE = Path(__file__).parents[1] / "scrapy_omocaptcha"


def first_line(path: Path) -> str:
    """Return the first line of a module's docstring.

    :raises ExtensionError: when there is none.
    """
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not docstring:
        raise ExtensionError(f"{path} needs a docstring, whose first line is its row in docs/design.rst")
    return docstring.splitlines()[0]


def folders(names: list[str]) -> list[Path]:
    """Return the package, and then the folders of that names in their order, each followed by those within it."""
    found = [PACKAGE]
    for name in names:
        found += sorted({path.parent for path in (PACKAGE / name).rglob("*.py")})
    return found


def table(folder: Path) -> str:
    """Write the table of a folder as reStructuredText: the folder is the heading, and its modules are the rows."""
    title = folder.relative_to(PACKAGE.parent if folder == PACKAGE else PACKAGE).as_posix()
    rows = [(f"{title}/", first_line(folder / "__init__.py"))]
    rows += [(path.stem, first_line(path)) for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
    written = "".join(f"   * - ``{name}``\n     - {sentence}\n" for name, sentence in rows)
    return f".. list-table::\n   :header-rows: 1\n   :widths: 25 75\n\n{written}\n"


class ModuleTables(SphinxDirective):
    """Write a table for each folder of the package, in the order of the page's block ``order-of-imports``."""

    def run(self) -> list[nodes.Node]:
        blocks = self.state.document.findall(nodes.literal_block)
        (order,) = [block.astext() for block in blocks if "order-of-imports" in block["names"]]
        return self.parse_text_to_nodes("".join(map(table, folders(order.split()))))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("module-tables", ModuleTables)
    return {"parallel_read_safe": True}
