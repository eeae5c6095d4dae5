"""The page of docs that holds the latest tables, made of their JSON::

python -m benchmarks.page docs/benchmarks.json docs/benchmarks.rst
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.tables import Table

INTRODUCTION = """\
The same work, side by side with what others use: on the same service (the offline one that ships), the same walls and
the same pages, in one run. ``make bench`` runs it all again, in an environment of its own with the other packages in
it; this page is made of what it finds. Compare what stands in one table, and ratios rather than numbers: machines are
noisy. Where somebody is ahead of this project by more than 3 %, a sentence below the table says who, and why."""


def page(told: dict[str, Any]) -> str:
    return "\n".join(_lines(told))


def _lines(told: dict[str, Any]) -> Iterator[str]:
    yield ".. Made by ``python -m benchmarks.page`` of benchmarks.json: a change here is lost."
    yield ""
    yield from _heading("Benchmarks", "=")
    yield INTRODUCTION
    yield ""
    yield f"Measured on {told['date']}, on {told['machine']}, with"
    yield ", ".join(f"{name} {number}" for name, number in told["versions"].items()) + "."
    yield ""
    for tables in told["parts"].values():
        for table in map(Table.from_json, tables):
            yield from _section(table)


def _section(table: Table) -> Iterator[str]:
    yield from _heading(table.title, "-")
    yield table.about
    yield ""
    yield ".. list-table::"
    yield "   :header-rows: 1"
    yield ""
    for row in table.texts():
        for number, cell in enumerate(row):
            yield f"   {'  ' if number else '* '}- {cell}".rstrip()
    yield ""
    for note in [*table.notes, *table.ahead()]:
        yield f"- {note}"
    yield ""


def _heading(text: str, line: str) -> Iterator[str]:
    yield from (text, line * len(text), "")


def main(source: Path, target: Path) -> None:
    target.write_text(page(json.loads(source.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
