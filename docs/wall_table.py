"""Sphinx extension: ``wall-table``, a table of the walls of the offline site, in their own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sphinx.util.docutils import SphinxDirective

from scrapy_omocaptcha.testing import WALLS

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx


class WallTable(SphinxDirective):
    """Write a row for each wall: its name, and how it blocks its pages."""

    def run(self) -> list[nodes.Node]:
        rows = "".join(f"   * - ``{name}``\n     - {wall.about}\n" for name, wall in WALLS.items())
        heading = "   * - wall\n     - how it blocks its pages\n"
        return self.parse_text_to_nodes(f".. list-table::\n   :header-rows: 1\n   :widths: 25 75\n\n{heading}{rows}")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("wall-table", WallTable)
    return {"parallel_read_safe": True}
