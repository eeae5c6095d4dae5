"""Sphinx extension: each message of the troubleshooting page has a link of its own, and the search finds it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from docutils import nodes
from sphinx.domains import Domain, ObjType
from sphinx.errors import ExtensionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

PAGE = "troubleshooting"
PREFIX = re.compile(r"^(OMOcaptcha|Disabled …): ")


def anchor(message: str) -> str:
    """Return the id of a message: its first words, up to a mark, without articles and what many messages begin with."""
    words: list[str] = []
    for part in re.split(r"[:;(]", PREFIX.sub("", message).lower()):
        words += [word for word in re.findall(r"\w+", part) if word not in ("a", "an", "the", "s")]
        if len(words) > 2:
            break
    return "-".join(words[:9])


class LogMessages(Domain):
    """The messages as objects of Sphinx: its search compares a query with their names, and a result leads to one."""

    name = "log"
    label = "Log messages"
    object_types: ClassVar = {"message": ObjType("log message")}
    initial_data: ClassVar = {"messages": []}

    @property
    def messages(self) -> list[tuple[str, str]]:
        return self.data["messages"]

    def clear_doc(self, docname: str) -> None:
        if docname == PAGE:
            self.messages.clear()

    def merge_domaindata(self, docnames: set[str], otherdata: dict[str, list[tuple[str, str]]]) -> None:
        self.messages.extend(otherdata["messages"] if PAGE in docnames else ())

    def get_objects(self) -> Iterator[tuple[str, str, str, str, str, int]]:
        # Sphinx escapes them for HTML, which would make words of these quotes.
        curly = str.maketrans({"'": "\u2019", '"': "\u201d"})
        for message, name in self.messages:
            shown = message.translate(curly)
            yield shown, shown, "message", PAGE, name, 1


def add_links(app: Sphinx, doctree: nodes.document) -> None:
    """Give each term of the page an id and a link, and the search its text.

    :raises ExtensionError: when two messages begin with the same words.
    """
    if app.env.docname != PAGE:
        return
    messages = app.env.get_domain("log").messages
    for term in doctree.findall(nodes.term):
        message, name = term.astext(), anchor(term.astext())
        if name in doctree.ids:
            raise ExtensionError(f"{PAGE}: #{name} is the link of two messages; one is {message!r}")
        doctree.ids[name] = term
        term["ids"].append(name)
        term += nodes.reference("", "¶", refid=name, classes=["headerlink"], reftitle="Link to this message")
        messages.append((message, name))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_domain(LogMessages)
    app.connect("doctree-read", add_links)
    return {"parallel_read_safe": True}
