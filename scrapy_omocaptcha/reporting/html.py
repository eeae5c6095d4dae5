"""Write the report as one self-contained web page, without scripts, network access or other files.

This module needs matplotlib. All content of a ledger is escaped.
"""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from scrapy_omocaptcha.buying.records import Record
from scrapy_omocaptcha.reporting.charts import charts
from scrapy_omocaptcha.reporting.format import count, minute, percent, printable, ranked, scope, seconds, usd
from scrapy_omocaptcha.reporting.text import COST_BASIS
from scrapy_omocaptcha.reporting.totals import Totals, grouped

_MAX_ROWS = 60
_STYLE = Path(__file__).with_name("page.css")


def web_page(records: Sequence[Record], *, sources: Sequence[str]) -> str:
    """Return the page.

    :param sources: the names of the ledgers, as the user gave them.
    """
    totals = Totals(records)
    body = _figures(totals) if totals.jobs else "<p>No jobs were bought.</p>"
    return f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>OMOcaptcha report</title>
<style>
{_STYLE.read_text(encoding="utf-8")}</style>
<h1>OMOcaptcha report</h1>
{body}
<footer>
<p>Totals of the records in {_text(", ".join(sources))}. {COST_BASIS}
All times are UTC.</p>
</footer>
</html>
"""


def _figures(totals: Totals) -> str:
    hosts, spiders, days = (grouped(totals.records, by) for by in ("host", "spider", "day"))
    return "\n".join(
        [
            f'<p class="soft">{scope(totals)}</p>',
            _headline(totals),
            f'<div class="plots">{"".join(charts(totals, hosts))}</div>',
            "<h2>Outcomes</h2>",
            _outcomes(totals),
            *_tables("Hosts", "host", hosts),
            *_tables("Spiders", "spider", spiders),
            *_tables("Days", "day (UTC)", days, newest=True),
        ]
    )


def _headline(totals: Totals) -> str:
    tiles = [_tile("Jobs", f"{totals.jobs:,}"), _tile("Cost, USD", usd(totals.cost))]
    if totals.accepted:
        tiles.append(_tile("Accepted", percent(totals.accepted, totals.jobs), count(totals.accepted, "token")))
        tiles.append(_tile("USD per accepted", usd(totals.cost / totals.accepted)))
    slowest = totals.slowest
    if slowest is not None:
        tiles += [
            _tile("Median solve time", f"{seconds(totals.median)} s", f"{seconds(totals.quantile(0.9))} s for 90 %"),
            _tile("Slowest solve time", f"{seconds(slowest.seconds)} s", slowest.host, minute(slowest.at)),
        ]
    return f"<dl>{''.join(tiles)}</dl>"


def _tile(label: str, value: str, *more: str) -> str:
    details = "".join(f"<small>{_text(line)}</small>" for line in more)
    return f"<div><dt>{label}</dt><dd>{_text(value)}{details}</dd></div>"


def _outcomes(totals: Totals) -> str:
    rows = [
        _row(
            f'<i style="background: var(--{outcome})"></i>{outcome}',
            [f"{number:,}", percent(number, totals.jobs), usd(cost, totals.cost)],
            ranked(totals.reasons.get(outcome, {}), limit=10),
        )
        for outcome, number in totals.outcomes.items()
        for cost in [sum(record.cost_usd for record in totals.records if record.outcome == outcome)]
    ]
    return _table(["outcome", "jobs", "share", "USD"], rows, last="reasons")


def _tables(title: str, label: str, groups: Sequence[Totals], *, newest: bool = False) -> list[str]:
    """Return a heading and a table with one row per group, with the groups beyond the limit in the last row."""
    ordered = list(reversed(groups)) if newest else list(groups)
    shown, rest = ordered[:_MAX_ROWS], ordered[_MAX_ROWS:]
    rows = [_totals_row(group, groups) for group in shown]
    if rest:
        name = f"{len(rest):,} {'earlier' if newest else 'others'}"
        others = Totals([record for group in rest for record in group.records], name)
        rows.append(_totals_row(others, groups, "others"))
    return [f"<h2>{title}</h2>", _table([label, "jobs", "accepted", "share", "USD", "median s", "slowest s"], rows)]


def _totals_row(group: Totals, groups: Sequence[Totals], kind: str = "") -> str:
    cells = [
        f"{group.jobs:,}",
        f"{group.accepted:,}",
        percent(group.accepted, group.jobs),
        usd(group.cost, max(each.cost for each in groups)),
        seconds(group.median),
        seconds(group.quantile(1.0)),
    ]
    return _row(_text(group.name or "(none)"), cells, kind=kind)


def _row(name: str, cells: Iterable[str], last: str | None = None, *, kind: str = "") -> str:
    numbers = "".join(f"<td>{_text(cell)}</td>" for cell in cells)
    cell = "" if last is None else f'<td class="name words">{_text(last)}</td>'
    return f'<tr class="{kind}"><th class="name" scope="row">{name}</th>{numbers}{cell}</tr>'


def _table(labels: Sequence[str], rows: Iterable[str], last: str | None = None) -> str:
    heads = [f'<th class="name" scope="col">{labels[0]}</th>']
    heads += [f'<th scope="col">{label}</th>' for label in labels[1:]]
    if last is not None:
        heads.append(f'<th class="name words" scope="col">{last}</th>')
    head, body = "".join(heads), "".join(rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _text(text: str) -> str:
    return escape(printable(text))
