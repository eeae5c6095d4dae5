"""Write the report as one self-contained web page, without scripts, network access or other files.

All content of a ledger is escaped.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from scrapy_omocaptcha.reporting.charts import over_time
from scrapy_omocaptcha.reporting.format import count, facts, printable, summary, table_of
from scrapy_omocaptcha.reporting.text import COST_BASIS
from scrapy_omocaptcha.reporting.totals import Totals, grouped

_MAX_ROWS = 60
_STYLE = Path(__file__).with_name("page.css")


def web_page(totals: Totals, *, sources: Sequence[str]) -> str:
    """Return the page; ``sources`` are the names of the ledgers, as the user gave them."""
    parts = ["<p>No jobs were bought.</p>"]
    if totals.jobs:
        tiles = "".join(_tile(*fact) for fact in facts(totals))
        parts = [f"<p>{summary(totals)}</p>", f"<dl>{tiles}</dl>", f'<div class="plots">{over_time(totals)}</div>']
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


def _tile(label: str, value: str, details: str) -> str:
    return f"<div><dt>{label.capitalize()}</dt><dd>{_text(value)}<small>{_text(details)}</small></dd></div>"


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
