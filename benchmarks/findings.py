"""Detection over real pages: what is found, what is imagined, and what would have been paid for in vain."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import finders
from benchmarks.finders import FINDERS, NO_KEYS, Found, Page
from benchmarks.tables import Cell, Column, Table

ROOT = Path(__file__).parent.parent
SAVED = ROOT.parent / "shared" / "pages"
"""Pages collected for this project, with labels; a clone lacks them."""
FORMASAURUS = ROOT / ".venv-bench" / "formasaurus" / "formasaurus" / "data"
"""Pages that the package formasaurus ships, collected for another purpose; `make bench` gets them."""
LIVE_IN_FORMASAURUS = {
    "html/1.html": "6LetnfISAAAAAE6zIyc28qs7B8Hgyn0jyPeeJs_I",
    "html/181.html": "6LerbAITAAAAANFwBVm6iFa6lf3qCRoL8cSHlPA9",
    "html/182.html": "6LerbAITAAAAANFwBVm6iFa6lf3qCRoL8cSHlPA9",
}
"""By eye: the pages of formasaurus 0.10.0 with a live v2 widget, and its key. None of them is a wall."""
WALL_STATUS = 403


@dataclass(frozen=True)
class Scale:
    rounds: int = 15
    most_pages: int | None = None


SHORT = Scale(rounds=1, most_pages=20)

COLUMNS = (
    Column("widgets found", ".0f", better="more"),
    Column("right key", ".0f", better="more"),
    Column("false widgets", ".0f", better="less"),
    Column("walls found", ".0f", better="more"),
    Column("bought in vain", ".0f", better="less"),
    Column("µs a page", ".0f", better="less"),
    Column("µs, page with a widget", ".0f", better="less"),
)
QUICK = (
    "It looks for less: a few bytes, or one selector, which can tell neither a wall nor whether the widget is alive. "
    "On a page without the word, ours is one search for bytes as well."
)
REASONS = {
    "widgets found": "It takes every page that mentions the product, false ones included, and has no key to buy for.",
    "walls found": "It takes every page that mentions the product for a wall, and buys in vain for all others.",
    "µs a page": QUICK,
    "µs, page with a widget": QUICK,
}


def tables(scale: Scale) -> Iterator[Table]:
    if (SAVED / "labels.jsonl").exists():
        yield _table("saved pages of the project, chosen to be hard", _saved()[: scale.most_pages], scale)
    if FORMASAURUS.is_dir():
        yield _table("pages that formasaurus ships", _formasaurus()[: scale.most_pages], scale)


def _saved() -> list[Page]:
    labels = [json.loads(line) for line in (SAVED / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    return [
        Page(
            file=SAVED / label["file"],
            url="https://site.example/some/page",
            status=WALL_STATUS if label["blocking"] else 200,
            widget=label["is_v2"],
            key=label["sitekey"],
            wall=label["is_v2"] and label["blocking"],
        )
        for label in labels
    ]


def _formasaurus() -> list[Page]:
    pages = json.loads((FORMASAURUS / "index.json").read_text(encoding="utf-8"))
    return [
        Page(FORMASAURUS / name, page["url"], 200, name in LIVE_IN_FORMASAURUS, LIVE_IN_FORMASAURUS.get(name), False)
        for name, page in pages.items()
    ]


def _table(which: str, pages: Sequence[Page], scale: Scale) -> Table:
    rows = [
        _row(name, pages, [finders.look(finder, page, scale.rounds) for page in pages], keys=name not in NO_KEYS)
        for name, finder in FINDERS.items()
    ]
    theirs = finders.is_antibot(pages, scale.rounds)
    name = f"is-antibot {finders.is_antibot_version()}"
    rows.append([name, *[None] * len(COLUMNS)] if theirs is None else _row(name, pages, theirs, keys=False))
    with_widget = [page for page in pages if page.widget]
    keys = sum(page.key is not None for page in with_widget)
    walls = sum(page.wall for page in pages)
    return Table(
        title=f"Detection: {len(pages)} {which}",
        about=(
            f"{len(with_widget)} have a live v2 widget, {keys} of these show its key, and {walls} are walls (told with "
            f"status {WALL_STATUS}; all else with 200). CPU time of a fresh response, medians over the pages of the "
            f"medians of {scale.rounds} rounds; is-antibot has its page decoded already."
        ),
        columns=COLUMNS,
        rows=rows,
        notes=["“Bought in vain”: pages that are no wall, for which the caller would go and buy a job."],
        reasons=REASONS,
    )


def _row(name: str, pages: Sequence[Page], found: Sequence[Found], *, keys: bool) -> list[Cell]:
    both = list(zip(pages, found, strict=True))
    with_widget = [found.microseconds for page, found in both if page.widget]
    return [
        name,
        sum(page.widget and found.widget for page, found in both),
        sum(page.widget and page.key is not None and page.key == found.key for page, found in both) if keys else None,
        sum(found.widget and not page.widget for page, found in both),
        sum(page.wall and found.wall for page, found in both),
        sum(found.wall and not page.wall for page, found in both),
        median(found.microseconds for found in found),
        median(with_widget) if with_widget else None,
    ]
