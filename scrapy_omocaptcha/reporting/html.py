"""Write the report as one self-contained web page, without scripts, network access or other files.

All content of a ledger is escaped.
"""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from scrapy_omocaptcha.reporting.charts import over_time
from scrapy_omocaptcha.reporting.format import count, minute, percent, printable, ranked, scope, seconds, table_of, usd
from scrapy_omocaptcha.reporting.text import COST_BASIS
from scrapy_omocaptcha.reporting.totals import Totals, grouped

_MAX_ROWS = 60
_STYLE = Path(__file__).with_name("page.css")


def web_page(totals: Totals, *, sources: Sequence[str]) -> str:
    """Return the page; ``sources`` are the names of the ledgers, as the user gave them."""
    body = _figures(totals) if totals.jobs else "<p>No jobs were bought.</p>"
    if totals.records or totals.runs:
        body += f"\n{_groups(totals, 'crawl')}"
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
    return "\n".join(
        [
            f'<p class="soft">{scope(totals)}</p>',
            f"<dl>{''.join(_tiles(totals))}</dl>",
            f'<div class="plots">{over_time(totals)}</div>',
            *(_groups(totals, by) for by in ("host", "spider", "day")),
        ]
    )


def _tiles(totals: Totals) -> Iterator[str]:
    yield _tile("Jobs", f"{totals.jobs:,}")
    per_token = [f"{usd(totals.cost / totals.accepted)} per accepted token"] if totals.accepted else []
    yield _tile("Cost, USD", usd(totals.cost), *per_token)
    for outcome, number in totals.outcomes.items():
        reasons = ranked(totals.reasons.get(outcome, {}))
        yield _tile(outcome.capitalize(), percent(number, totals.jobs), count(number, "job"), reasons)
    if totals.not_solved:
        yield _tile("Not solved", f"{totals.not_solved.total():,}", ranked(totals.not_solved, limit=2))
    if totals.noticed:
        yield _tile("To look at", f"{totals.noticed.total():,}", ranked(totals.noticed, limit=3))
    slowest = totals.slowest
    if slowest is not None:
        median, most = (f"{seconds(totals.quantile(part))} s" for part in (0.5, 0.9))
        longest = f"{seconds(slowest.seconds)} s at most: {slowest.host}, {minute(slowest.at)}"
        yield _tile("Median solve", median, f"{most} for 90 %", longest)


def _tile(label: str, value: str, *more: str) -> str:
    details = "".join(f"<small>{_text(line)}</small>" for line in filter(None, more))
    return f"<div><dt>{label}</dt><dd>{_text(value)}{details}</dd></div>"


def _groups(totals: Totals, by: str) -> str:
    """Return a heading and a table with one row per group, with those beyond the limit together in the last row."""
    groups = grouped(totals, by)
    shown, hidden = groups[:_MAX_ROWS], groups[_MAX_ROWS:]
    if hidden:
        name = f"{len(hidden):,} {'earlier' if by in ('day', 'crawl') else 'others'}"
        records, runs = ([it for group in hidden for it in getattr(group, part)] for part in ("records", "runs"))
        shown.append(Totals(records, name, runs))
    largest = max(group.cost for group in shown)
    labels, *rows = table_of(shown, by, totals.outcomes)
    for group, row in zip(shown, rows, strict=True):
        row[0] = f'{_text(row[0])}<b style="width: {100 * group.cost / (largest or 1):.2f}%"></b>'
    return _table(f"{by.capitalize()}s", labels, rows)


def _table(title: str, labels: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a heading and a table that scrolls sideways; the first cell of a row is HTML, the others are text."""
    head = "".join(f'<th scope="col">{label}</th>' for label in labels)
    lines = [f'<th scope="row">{name}</th>' + "".join(f"<td>{_text(cell)}</td>" for cell in row) for name, *row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<h2>{title}</h2>\n<div class="wide" role="region" aria-label="{title}" tabindex="0">{table}</div>'


def _text(text: str) -> str:
    return escape(printable(text))
