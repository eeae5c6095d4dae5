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
    parts = ["<p>No jobs were bought.</p>"]
    if totals.jobs:
        tiles, plots = f"<dl>{''.join(_tiles(totals))}</dl>", f'<div class="plots">{over_time(totals)}</div>'
        parts = [f'<p class="soft">{scope(totals)}</p>', tiles, plots]
        parts += [_groups(totals, by) for by in ("host", "spider", "day")]
    if totals.jobs or totals.runs:
        parts.append(_groups(totals, "crawl"))
    body = "\n".join(parts)
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
    """Return a heading and a table that scrolls sideways, with one row per group, and a line about those left out."""
    groups = grouped(totals, by)
    labels, *rows = table_of(groups[:_MAX_ROWS], by, totals.outcomes)
    largest = max(group.cost for group in groups) or 1
    lines = []
    for group, (name, *cells) in zip(groups, rows, strict=False):
        bar = f'<b style="width: {100 * group.cost / largest:.2f}%"></b>'
        lines.append(f'<tr><th scope="row">{_text(name)}{bar}</th>')
        lines += [f"<td>{_text(cell)}</td>" for cell in cells]
    head = "".join(f'<th scope="col">{label}</th>' for label in labels)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    left_out = f"<p>and {count(len(groups) - _MAX_ROWS, by)} more</p>" if len(groups) > _MAX_ROWS else ""
    region = f'<div class="wide" role="region" aria-label="{by.capitalize()}s" tabindex="0">{table}</div>'
    return f"<h2>{by.capitalize()}s</h2>\n{region}{left_out}"


def _text(text: str) -> str:
    return escape(printable(text))
