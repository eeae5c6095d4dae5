"""Tables of figures that can be printed and kept as JSON.

A table itself finds the peers that are ahead of this project in a column, so that none can leave them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Literal

Cell = str | float | None

OURS = "scrapy-omocaptcha"
"""The first cell of our rows begins with it."""
NOTICEABLE = 0.03
"""A smaller share than this is noise."""


@dataclass(frozen=True)
class Column:
    """A figure that every row has.

    :param better: whether less or more of it is better; None: neither.
    """

    name: str
    format: str = ".1f"
    better: Literal["less", "more"] | None = None

    def text(self, cell: Cell) -> str:
        if cell is None:
            return "-"
        return cell if isinstance(cell, str) else format(cell, self.format)

    def is_better(self, cell: Cell, ours: Cell) -> bool:
        """Return whether ``cell`` is noticeably better than our cell."""
        if self.better is None or not isinstance(cell, (int, float)) or not isinstance(ours, (int, float)):
            return False
        lead = ours - cell if self.better == "less" else cell - ours
        return lead > NOTICEABLE * abs(ours)


@dataclass(frozen=True)
class Table:
    """The figures of one measurement.

    :param about: what was done, in a few sentences.
    :param rows: the name of what was measured, then a cell for each column; None where there is no figure.
    :param notes: sentences that explain single rows.
    :param reasons: why a peer may be ahead, by the name of the column.
    :param baselines: the names of rows that are not peers.
    """

    title: str
    about: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    baselines: Sequence[str] = ()

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Table:
        return cls(**{**value, "columns": [Column(**column) for column in value["columns"]]})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def cell(self, row: str, column: str) -> float:
        """Return the figure in ``column`` of the first row whose name begins with ``row``."""
        number = [each.name for each in self.columns].index(column) + 1
        figure = next(cells[number] for cells in self.rows if str(cells[0]).startswith(row))
        assert isinstance(figure, (int, float))
        return figure

    def texts(self) -> list[list[str]]:
        """Return every cell as it is shown, beginning with the row of column names."""
        rows = [
            [str(name), *(column.text(cell) for column, cell in zip(self.columns, cells, strict=True))]
            for name, *cells in self.rows
        ]
        return [["", *(column.name for column in self.columns)], *rows]

    def peers_ahead(self) -> Iterator[str]:
        """Yield a sentence for each reason for which peers are ahead of our first row, with the columns."""
        ours = next((row for row in self.rows if str(row[0]).startswith(OURS)), None)
        if ours is None:
            return
        peers = [row for row in self.rows if not str(row[0]).startswith(OURS) and row[0] not in self.baselines]
        found: dict[str, list[str]] = {}
        for number, column in enumerate(self.columns, 1):
            if any(column.is_better(row[number], ours[number]) for row in peers):
                reason = self.reasons.get(column.name, "the reason is not known yet.")
                found.setdefault(reason, []).append(f"“{column.name}”")
        for reason, columns in found.items():
            yield f"Those ahead in {', '.join(columns)}: {reason}"

    def __str__(self) -> str:
        texts = self.texts()
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        lines = [
            "  ".join([name.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(cells, widths[1:], strict=True))])
            for name, *cells in texts
        ]
        return "\n  ".join([self.title, self.about, *lines, *self.notes, *self.peers_ahead()])


def medians(runs: Iterable[Sequence[float]]) -> list[float]:
    """Return the median of each column."""
    return [median(column) for column in zip(*runs, strict=True)]
