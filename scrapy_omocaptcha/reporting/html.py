"""Write the report as one self-contained web page, without scripts, network access or other files.

This module needs matplotlib. All content of a ledger is escaped.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from scrapy_omocaptcha.buying.records import Record
from scrapy_omocaptcha.reporting.charts import charts
from scrapy_omocaptcha.reporting.format import count, minute, percent, printable, ranked, scope, seconds, usd
from scrapy_omocaptcha.reporting.text import COST_BASIS
from scrapy_omocaptcha.reporting.totals import Totals, grouped

_MAX_ROWS = 60
_MAX_BARS = 6
"""As many as there are outcomes, so that the two figures with bars are of one height."""
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
            f'<div class="plots">{"".join([*charts(totals), _outcome_bars(totals), _host_bars(hosts)])}</div>',
            *_outcomes(totals),
            *_tables("Hosts", "host", hosts),
            *_tables("Spiders", "spider", spiders),
            *_tables("Days", "day (UTC)", days, newest=True),
        ]
    )


def _headline(totals: Totals) -> str:
    per_token = [f"{usd(totals.cost / totals.accepted)} per accepted token"] if totals.accepted else []
    tiles = [_tile("Jobs", f"{totals.jobs:,}"), _tile("Cost, USD", usd(totals.cost), *per_token)]
    unknown = totals.outcomes.get("unknown", 0)
    if totals.accepted:
        tiles.append(_tile("Accepted", percent(totals.accepted, totals.jobs), count(totals.accepted, "token")))
    if unknown:
        reasons = ranked(totals.reasons["unknown"], limit=2)
        tiles.append(_tile("Outcome unknown", percent(unknown, totals.jobs), reasons))
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


def _outcome_bars(totals: Totals) -> str:
    """Return a figure with the share of each outcome in all jobs."""
    bars = [
        _bar(outcome, number / totals.jobs, f"{number:,} · {percent(number, totals.jobs)}", outcome)
        for outcome, number in totals.outcomes.items()
    ]
    return _figure("Share of jobs by outcome", bars, kind="shares")


def _host_bars(hosts: Sequence[Totals]) -> str:
    """Return a figure with USD by host, the most expensive first, and one bar for those beyond the limit."""
    shown = [
        (host.name, host.cost, "main") for host in hosts[: _MAX_BARS if len(hosts) <= _MAX_BARS else _MAX_BARS - 1]
    ]
    rest = hosts[len(shown) :]
    if rest:
        shown.append((f"{len(rest):,} others", math.fsum(host.cost for host in rest), "abandoned"))
    largest = max(cost for _, cost, _ in shown)
    bars = [_bar(name, cost / (largest or 1), usd(cost, largest), colour) for name, cost, colour in shown]
    return _figure("Cost by host, USD", bars)


def _bar(label: str, length: float, text: str, colour: str) -> str:
    bar = f'<b style="width: {100 * length:.2f}%; background: var(--{colour})"></b>'
    return f"<li><span>{_text(label or '(none)')}</span> <span>{_text(text)}</span><div>{bar}</div></li>"


def _figure(title: str, bars: Iterable[str], *, kind: str = "") -> str:
    return f'<figure><figcaption>{title}</figcaption><ul class="{kind}">{"".join(bars)}</ul></figure>'


def _outcomes(totals: Totals) -> list[str]:
    rows = [
        _row(
            f'<i style="background: var(--{outcome})"></i>{outcome}',
            [f"{number:,}", percent(number, totals.jobs), usd(cost, totals.cost)],
            ranked(totals.reasons.get(outcome, {}), limit=10),
        )
        for outcome, number in totals.outcomes.items()
        for cost in [sum(record.cost_usd for record in totals.records if record.outcome == outcome)]
    ]
    return _table("Outcomes", ["outcome", "jobs", "share", "USD"], rows, last="reasons")


def _tables(title: str, label: str, groups: Sequence[Totals], *, newest: bool = False) -> list[str]:
    """Return a heading and a table with one row per group, with those beyond the limit together in the last row."""
    ordered = list(reversed(groups)) if newest else list(groups)
    shown, rest = ordered[:_MAX_ROWS], ordered[_MAX_ROWS:]
    rows = [_totals_row(group, groups) for group in shown]
    if rest:
        name = f"{len(rest):,} {'earlier' if newest else 'others'}"
        others = Totals([record for group in rest for record in group.records], name)
        rows.append(_totals_row(others, groups, "others"))
    return _table(title, [label, "jobs", "accepted", "share", "unknown", "USD", "median s", "slowest s"], rows)


def _totals_row(group: Totals, groups: Sequence[Totals], kind: str = "") -> str:
    cells = [
        f"{group.jobs:,}",
        f"{group.accepted:,}",
        # Zero would say that the site rejected them.
        "-" if list(group.outcomes) == ["unknown"] else percent(group.accepted, group.jobs),
        f"{group.outcomes.get('unknown', 0):,}",
        usd(group.cost, max(each.cost for each in groups)),
        seconds(group.median),
        seconds(group.quantile(1.0)),
    ]
    return _row(_text(group.name or "(none)"), cells, kind=kind)


def _row(name: str, cells: Iterable[str], last: str | None = None, *, kind: str = "") -> str:
    numbers = "".join(f"<td>{_text(cell)}</td>" for cell in cells)
    cell = "" if last is None else f'<td class="name words">{_text(last)}</td>'
    return f'<tr class="{kind}"><th class="name" scope="row">{name}</th>{numbers}{cell}</tr>'


def _table(title: str, labels: Sequence[str], rows: Iterable[str], last: str | None = None) -> list[str]:
    """Return a heading and a table, which can be scrolled sideways, also with the keyboard, where it is too wide."""
    heads = [f'<th class="name" scope="col">{labels[0]}</th>']
    heads += [f'<th scope="col">{label}</th>' for label in labels[1:]]
    if last is not None:
        heads.append(f'<th class="name words" scope="col">{last}</th>')
    head, body = "".join(heads), "".join(rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return [f"<h2>{title}</h2>", f'<div class="wide" role="region" aria-label="{title}" tabindex="0">{table}</div>']


def _text(text: str) -> str:
    return escape(printable(text))
