"""What a benchmark hands back: tables of figures, which can be printed, kept as JSON and set into a page.

Who is ahead in a column is worked out here, so that no table can keep quiet about it. Nothing here measures anything.
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
"""A lead of less than this share is noise."""


@dataclass(frozen=True)
class Column:
    """One figure of each row."""

    name: str
    format: str = ".1f"
    better: Literal["less", "more"] | None = None

    def text(self, cell: Cell) -> str:
        if cell is None:
            return "-"
        return cell if isinstance(cell, str) else format(cell, self.format)

    def leads(self, cell: Cell, ours: Cell) -> bool:
        """``cell`` is noticeably better than ours."""
        if self.better is None or not isinstance(cell, (int, float)) or not isinstance(ours, (int, float)):
            return False
        lead = ours - cell if self.better == "less" else cell - ours
        return lead > NOTICEABLE * abs(ours)


@dataclass(frozen=True)
class Table:
    """:param rows: the name of what was measured, then a cell for each column; None where there is no figure."""

    title: str
    about: str
    """What was done, in a few sentences."""
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    """What a contender could not do, and why a row is as it is."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """By the name of a column: why a peer may be ahead in it."""
    baselines: Sequence[str] = ()
    """Rows that are no peers: what is measured against."""

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Table:
        return cls(**{**value, "columns": [Column(**column) for column in value["columns"]]})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def texts(self) -> list[list[str]]:
        """Every cell as it is shown, the head first."""
        head = ["", *(column.name for column in self.columns)]
        return [
            head,
            *(
                [str(name), *(column.text(cell) for column, cell in zip(self.columns, cells, strict=True))]
                for name, *cells in self.rows
            ),
        ]

    def ahead(self) -> Iterator[str]:
        """A sentence for each column in which somebody is ahead of us, with the reason."""
        ours = next((row for row in self.rows if str(row[0]).startswith(OURS)), None)
        if ours is None:
            return
        for number, column in enumerate(self.columns, 1):
            leaders = [str(row[0]) for row in self._peers() if column.leads(row[number], ours[number])]
            if leaders:
                reason = self.reasons.get(column.name, "The reason is not known yet.")
                yield f"Ahead of this project in “{column.name}”: {', '.join(leaders)}. {reason}"

    def _peers(self) -> Iterator[Sequence[Cell]]:
        return (row for row in self.rows if not str(row[0]).startswith(OURS) and row[0] not in self.baselines)

    def __str__(self) -> str:
        texts = self.texts()
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            )
            for row in texts
        ]
        return "\n".join([self.title, *(f"  {line}" for line in [*lines, *self.notes, *self.ahead()])])


def medians(runs: Iterable[Sequence[float]]) -> list[float]:
    """The median of each column."""
    return [median(column) for column in zip(*runs, strict=True)]
