"""Make a page of the documentation out of kept tables: first what a user would ask, with a picture, then the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from benchmarks.tables import OURS, Table

Parts = Mapping[str, Sequence[Table]]
INTRODUCTION = """\
``make bench`` does the same work with this project and with what others use, and makes this page; it prints more
tables. Compare figures within one table, and ratios rather than numbers, since machines are noisy. Where a peer is
ahead by more than 3 %, a sentence says why."""
DETAILS = ("A job in the ledger", "A service that stumbles", "Fleets", "Memory", "Overhead: the start", "Scale")
"""How titles of tables begin that are printed and kept, but not in the page, which answers questions from them."""


def page(results: dict[str, Any], picture: str) -> Iterator[str]:
    """Yield the lines of the page, in reStructuredText.

    :param results: what ``python -m benchmarks --json`` keeps.
    :param picture: name of the file of :func:`draw`, beside the page.
    """
    parts = read(results)
    yield ".. Made by ``python -m benchmarks --json docs/benchmarks.json --page-only``. Changes to this file are lost."
    yield ""
    yield from ("Benchmarks", "==========", "")
    yield from (*(f"- {line}" for line in in_short(parts)), "", f".. image:: {picture}", "   :alt: " + ALT, "")
    yield from (INTRODUCTION, "")
    for table in (table for tables in parts.values() for table in tables):
        if not table.title.startswith(DETAILS):
            yield from _section(table)
    yield from ("How it was measured", "-------------------", "", *_measured(results["measured"]), "")


def read(results: dict[str, Any]) -> Parts:
    return {part: [Table.from_json(table) for table in tables] for part, tables in results["parts"].items()}


def _section(table: Table) -> Iterator[str]:
    yield from (table.title, "-" * len(table.title), "", table.about, "")
    yield from (".. csv-table::", "   :header-rows: 1", "")
    for row in table.texts():
        yield "   " + ",".join(f'"{cell}"' if "," in cell or not cell else cell for cell in row)
    yield ""
    if notes := [*table.notes, *table.peers_ahead()]:
        yield from (*(f"- {note}" for note in notes), "")


def _measured(measured: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each date, machine and set of versions, with the parts that were measured so."""
    told: dict[str, list[str]] = {}
    versions: dict[str, dict[str, str]] = {}
    for part, how in measured.items():
        key = f"on {how['date']}, on {how['machine']}"
        told.setdefault(key, []).append(part)
        versions.setdefault(key, {}).update(how["versions"])
    for key, names in told.items():
        yield f"- {', '.join(names)}: {key}, with {', '.join(f'{n} {v}' for n, v in versions[key].items())}."


# -- what a user would ask -------------------------------------------------------------------------------------------

ASKED = ("walls", "stumbling", "polling", "detection", "presence", "scale", "memory")
"""The parts without which there are no answers."""
SESSION, EACH_PAGE = 0, 1
"""The places of the tables about walls."""
ALT = "Seconds of a crawl whose pages want a token each, and pages that come if a fifth of the service's calls fail"


def in_short(parts: Parts) -> Iterator[str]:
    """Yield what a user would ask first, a sentence or two for each question."""
    session, each_page = parts["walls"]
    alone, beside_peers = parts["stumbling"]
    crawls, start = parts["presence"]
    jobs, held = parts["scale"]
    _, long_crawl = parts["memory"][0].rows
    judged = {str(kind): (pages, first) for kind, pages, _, first, _ in _judgement(parts).rows}
    baseline = "no wall, no add-on"
    free = "pages/s of the free host while solving"

    yield (
        f"**Is a crawl slower that meets no captcha?** A tiny page takes {crawls.cell('tiny', 'CPU ratio') - 1:.1%} "
        f"more CPU time, one of 100 KB {crawls.cell('100 KB', 'CPU ratio') - 1:.1%}. The start takes "
        f"{start.cell(OURS, 'added'):.0f} ms longer."
    )
    yield (
        f"**How long is another site held up?** Not at all: {session.cell(OURS, free):.0f} pages/s while a captcha "
        f"is solved, {session.cell(baseline, free):.0f} without any wall."
    )
    yield (
        f"**How many jobs does a wall take?** {session.cell(OURS, 'jobs'):.0f} for 100 pages of one session, and "
        f"{each_page.cell(OURS, 'jobs'):.0f} for 100 pages that want a token each."
    )
    yield (
        f"**How long does it take?** {session.cell(OURS, 'ratio to no wall'):.2f} and "
        f"{each_page.cell(OURS, 'ratio to no wall'):.2f} times as long as without a wall."
    )
    yield (
        f"**What if the service stumbles?** If a fifth of its calls fails, {alone.cell('20%', 'pages'):.0f} of 100 "
        f"pages come, in {alone.cell('20%', 'beside no failures'):.1f} times the time. Of the peers, the best brings "
        f"{max(_peers(beside_peers, 'pages at 20%')):.0f}."
    )
    yield (
        f"**How late does a token come?** {parts['polling'][0].cell(OURS, '15 s'):.1f} s after it is solved, if "
        "solving takes 15 s."
    )
    yield (
        f"**How much memory?** {crawls.cell('tiny', 'MB with') - crawls.cell('tiny', 'MB without'):.0f} MB, "
        f"{held.cell('1,000', 'KiB'):.0f} KiB for each request that waits, and {jobs.cell('1,000', 'KiB/job'):.0f} KiB "
        f"for each job. A long crawl adds {long_crawl[-1]:.1%} of what Python has allocated at first."
    )
    actions = [counts for kind, counts in judged.items() if kind.startswith("does something")]
    walls = [counts for kind, counts in judged.items() if kind.startswith("withholds")]
    yield (
        f"**Are forms sent that do something?** {sum(taken for _, taken in actions)} of "
        f"{sum(pages for pages, _ in actions)} such pages were taken for walls when they were new. Of walls, "
        f"{' and '.join(f'{first} of {pages}' for pages, first in walls)} were recognized, where their status is 403, "
        "405, 429 or 503, and at any other."
    )


def _judgement(parts: Parts) -> Table:
    return next(table for table in parts["detection"] if table.title.startswith("Judgement"))


def _peers(table: Table, column: str) -> list[float]:
    names = [str(name) for name, *_ in table.rows if name != OURS]
    return [table.cell(name, column) for name in names]


# -- the picture -----------------------------------------------------------------------------------------------------

_NAMES, _BARS, _LINE, _WIDTH = 235, 330, 22, 640
"""Pixels: the widths of names and of the longest bar, the height of a line, and the width of the picture."""


def draw(results: dict[str, Any]) -> str:
    """Return a picture in SVG: how long the crawls took, and how many pages came of a service that stumbles."""
    parts = read(results)
    each_page, stumbling = parts["walls"][EACH_PAGE], parts["stumbling"][1]
    plots = {
        "A token for each page: seconds of the crawl": [
            (str(name), each_page.cell(str(name), "seconds")) for name, *_ in each_page.rows
        ],
        "A fifth of the service's calls fails: pages of 100 that come": [
            (str(name), stumbling.cell(str(name), "pages at 20%")) for name, *_ in stumbling.rows
        ],
    }
    shapes, y = [], 0
    for title, bars in plots.items():
        y += 2 * _LINE
        shapes.append(f'<text x="8" y="{y - 6}" font-weight="bold">{escape(title)}</text>')
        longest = max(value for _, value in bars)
        for name, value in bars:
            width, colour = round(_BARS * value / longest), "#2563ab" if name == OURS else "#9aa3ad"
            shapes.append(f'<text x="{_NAMES - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
            shapes.append(f'<rect x="{_NAMES}" y="{y + 2}" width="{width}" height="{_LINE - 5}" fill="{colour}"/>')
            shapes.append(f'<text x="{_NAMES + width + 6}" y="{y + 15}">{value:.3g}</text>')
            y += _LINE
    height = y + 10
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    )
    background = f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>'
    return "\n".join([f'{start} font-family="sans-serif" font-size="13">', background, *shapes, "</svg>", ""])
