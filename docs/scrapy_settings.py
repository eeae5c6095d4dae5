"""Sphinx extension: ``settings-overview``, a table of the settings of its page, and links to Scrapy's own settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective, SphinxRole

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ELSEWHERE = {
    "AUTOTHROTTLE_ENABLED": "autothrottle",
    "CLOSESPIDER_PAGECOUNT": "extensions",
    "COOKIES_ENABLED": "cookies",
    "HTTPCACHE_ENABLED": "downloader-middleware",
    "HTTPCACHE_IGNORE_HTTP_CODES": "downloader-middleware",
    **dict.fromkeys(("RETRY_ENABLED", "RETRY_EXCEPTIONS", "RETRY_HTTP_CODES", "RETRY_TIMES"), "downloader-middleware"),
}
"""Settings that Scrapy's documentation describes on another page than ``topics/settings``."""


class ScrapySetting(SphinxRole):
    """Link to a setting of Scrapy. The address is known without Scrapy's inventory, so a build needs no network."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        topic = ELSEWHERE.get(self.text, "settings")
        url = f"https://docs.scrapy.org/en/latest/topics/{topic}.html#std-setting-{self.text}"
        link = nodes.reference(self.rawtext, "", nodes.literal(self.text, self.text), refuri=url)
        return [link], []


class Entry(NamedTuple):
    """What the page says of a setting: each is reStructuredText."""

    name: str
    type: str
    default: str
    sentence: str


def entries(source: str) -> list[Entry]:
    """Return the settings that a page describes with ``confval``, with the first sentence of each.

    :raises ExtensionError: when one has no type, default or text.
    """
    pattern = r"^\.\. confval:: (\w+)\n   :type: (.+)\n   :default: (.+)\n\n((?:   .+\n)+)"
    found = re.findall(pattern, source, re.MULTILINE)
    if len(found) != source.count(".. confval::"):
        raise ExtensionError("each confval must be followed by :type:, :default: and a paragraph, for the table")
    return [Entry(name, kind, default, _sentence(text)) for name, kind, default, text in found]


def _sentence(paragraph: str) -> str:
    return re.split(r"(?<=\.) ", " ".join(paragraph.split()))[0]


class SettingsOverview(SphinxDirective):
    """Write a table of all settings that the page describes."""

    def run(self) -> list[nodes.Node]:
        cells = ["setting", "type", "default", "what it does"]
        for entry in entries(Path(self.env.doc2path(self.env.docname)).read_text(encoding="utf-8")):
            cells += [f":confval:`{entry.name}`", *entry[1:]]
        rows = "".join(f"   {' ' if number % 4 else '*'} - {cell}\n" for number, cell in enumerate(cells))
        options = ":header-rows: 1\n   :widths: 30 11 21 38\n   :class: overview"
        return self.parse_text_to_nodes(f".. list-table::\n   {options}\n\n{rows}")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("setting", ScrapySetting())
    app.add_directive("settings-overview", SettingsOverview)
    return {"parallel_read_safe": True}
