"""The report as one web page that needs nothing else: no network, no script, no other file.

Importing this needs matplotlib. Whatever a journal holds stands in the page as text.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy_omocaptcha.reporting.charts import Chart, charts
from scrapy_omocaptcha.reporting.format import by_number, counted, harmless, minute, period, seconds, share, usd
from scrapy_omocaptcha.reporting.totals import Sums, grouped, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scrapy_omocaptcha.buying.journal import Record

_MOST_ROWS = 60
_STYLE = Path(__file__).with_name("page.css")


def web_page(records: Sequence[Record], *, sources: Sequence[str], unreadable: int = 0) -> str:
    """The page.

    :param sources: where the records are from, as the user named it.
    :param unreadable: how many lines could not be read there.
    """
    sums = Sums(records)
    body = _figures(sums) if sums.jobs else "<p>No jobs were bought.</p>"
    left_out = f" {counted(unreadable, 'line')} could not be read and {'is' if unreadable == 1 else 'are'} left out."
    return f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>OMOcaptcha: what was bought</title>
<style>
{_STYLE.read_text(encoding="utf-8")}</style>
<h1>OMOcaptcha: what was bought</h1>
{body}
<footer>
<p>Sums of the records in {_text(", ".join(sources))}: each job at its price when it was bought, failed ones too.
{left_out if unreadable else ""} All times are UTC.</p>
</footer>
</html>
"""


def _figures(sums: Sums) -> str:
    hosts, spiders, days = (grouped(sums.records, by) for by in ("host", "spider", "day"))
    scope = ", ".join(counted(sums.distinct(field), field) for field in ("crawl", "spider", "host"))
    return "\n".join(
        [
            f'<p class="soft">{period(sums)}: {scope}</p>',
            _headline(sums),
            f'<div class="plots">{"".join(map(_plot, charts(sums, hosts)))}</div>',
            "<h2>What became of the jobs</h2>",
            _outcomes(sums),
            *_tables("Hosts", "host", hosts),
            *_tables("Spiders", "spider", spiders),
            *_tables("Days", "day (UTC)", days, newest=True),
        ]
    )


def _headline(sums: Sums) -> str:
    tiles = [_tile("Jobs", f"{sums.jobs:,}"), _tile("Cost, USD", usd(sums.cost))]
    if sums.accepted:
        tiles.append(_tile("Accepted", share(sums.accepted, sums.jobs), counted(sums.accepted, "token")))
        tiles.append(_tile("USD per accepted", usd(sums.cost / sums.accepted)))
    slowest = sums.slowest
    if slowest is not None:
        tiles.append(
            _tile("Usual solve, median", f"{seconds(sums.median)} s", f"{seconds(sums.within(0.9))} s for 90 %")
        )
        tiles.append(_tile("Slowest solve", f"{seconds(slowest.seconds)} s", slowest.host, minute(moment(slowest))))
    return f"<dl>{''.join(tiles)}</dl>"


def _tile(label: str, value: str, *more: str) -> str:
    return (
        f"<div><dt>{label}</dt><dd>{_text(value)}{''.join(f'<small>{_text(line)}</small>' for line in more)}</dd></div>"
    )


def _plot(chart: Chart) -> str:
    return f'<figure><figcaption id="{chart.name}-title">{chart.title}</figcaption>{chart.svg}</figure>'


def _outcomes(sums: Sums) -> str:
    rows = [
        _row(
            f'<i style="background: var(--{outcome})"></i>{outcome}',
            [f"{number:,}", share(number, sums.jobs), usd(cost, sums.cost)],
            by_number(sums.reasons.get(outcome, {}), most=10),
        )
        for outcome, number in sums.outcomes.items()
        for cost in [sum(record.cost_usd for record in sums.records if record.outcome == outcome)]
    ]
    return _table(["outcome", "jobs", "share", "USD"], rows, last="why")


def _tables(title: str, label: str, groups: Sequence[Sums], *, newest: bool = False) -> list[str]:
    """A heading and a table with a row a group; where there are too many, the rest in one."""
    ordered = list(reversed(groups)) if newest else list(groups)
    shown, rest = ordered[:_MOST_ROWS], ordered[_MOST_ROWS:]
    rows = [_sums_row(group, groups) for group in shown]
    if rest:
        name = f"{len(rest):,} {'earlier' if newest else 'others'}"
        others = Sums([record for group in rest for record in group.records], name)
        rows.append(_sums_row(others, groups, "others"))
    return [f"<h2>{title}</h2>", _table([label, "jobs", "accepted", "share", "USD", "median s", "slowest s"], rows)]


def _sums_row(group: Sums, groups: Sequence[Sums], kind: str = "") -> str:
    slowest = group.slowest
    cells = [
        f"{group.jobs:,}",
        f"{group.accepted:,}",
        share(group.accepted, group.jobs),
        usd(group.cost, max(each.cost for each in groups)),
        seconds(group.median),
        seconds(None if slowest is None else slowest.seconds),
    ]
    return _row(_text(group.name or "(none)"), cells, kind=kind)


def _row(name: str, cells: Iterable[str], last: str | None = None, *, kind: str = "") -> str:
    numbers = "".join(f"<td>{_text(cell)}</td>" for cell in cells)
    words = "" if last is None else f'<td class="name words">{_text(last)}</td>'
    return f'<tr class="{kind}"><th class="name" scope="row">{name}</th>{numbers}{words}</tr>'


def _table(labels: Sequence[str], rows: Iterable[str], last: str | None = None) -> str:
    heads = [
        f'<th class="name" scope="col">{labels[0]}</th>',
        *(f'<th scope="col">{label}</th>' for label in labels[1:]),
    ]
    if last is not None:
        heads.append(f'<th class="name words" scope="col">{last}</th>')
    return (
        f'<div class="wide"><table><thead><tr>{"".join(heads)}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _text(words: str) -> str:
    return escape(harmless(words))
