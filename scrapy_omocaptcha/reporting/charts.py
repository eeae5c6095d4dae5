"""Draw the plots of the web page as SVG, which takes its colours and its font from the page's style."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from scrapy_omocaptcha.buying.records import OUTCOMES, Record
from scrapy_omocaptcha.reporting.format import minute
from scrapy_omocaptcha.reporting.totals import Totals

_LEFT, _WIDTH, _MARGIN, _HEIGHT = 52, 246, 22, 150
"""Pixels; together about the width of a phone, so that text is legible there too."""
_BARS = 30
_TINY = 1e-9
"""By so much may a sum of shares be more than 100 %."""


def over_time(totals: Totals) -> str:
    """Plot the cost and the share of each outcome, in equal periods from the first to the last job."""
    length = (totals.last - totals.first) / _BARS or timedelta(seconds=1)
    members: list[list[Record]] = [[] for _ in range(_BARS)]
    for record in totals.records:
        members[min(_BARS - 1, (record.at - totals.first) // length)].append(record)
    labels = [minute(totals.first + length * number) for number in range(_BARS)]
    periods = [Totals(records) for records in members]
    shares = {
        colour(outcome): [100 * period.outcomes.get(outcome, 0) / max(1, period.jobs) for period in periods]
        for outcome in totals.outcomes
    }
    names = (f'<span><i style="background: var(--{colour(name)})"></i>{name}</span> ' for name in totals.outcomes)
    spending = _plot("Spending over time, USD", {"main": [period.cost for period in periods]}, labels)
    return spending + _plot("Outcomes over time, % of jobs", shares, labels, f"<div>{''.join(names)}</div>")


def colour(outcome: str) -> str:
    """Return the name of the colour of an outcome in the style of the page."""
    return f"outcome-{list[str](OUTCOMES).index(outcome)}"


def _plot(title: str, series: Mapping[str, Sequence[float]], labels: Sequence[str], legend: str = "") -> str:
    """Return a figure with bars of stacked values.

    :param series: the values by the name of their colour.
    :param labels: when each bar begins; the first and the last are written below.
    """
    largest = max(map(sum, zip(*series.values(), strict=True))) or 1
    tick = _nice(largest / 5)
    lines = math.ceil(largest / tick - _TINY)
    drawn = []
    for number in range(lines + 1):
        y = _HEIGHT - number * _HEIGHT / lines
        drawn.append(f'<line x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{number * tick:,.5g}</text>')
    ends = zip((0, _WIDTH), ("start", "end"), dict.fromkeys((labels[0], labels[-1])), strict=False)
    drawn += [f'<text x="{x}" y="{_HEIGHT + 20}" text-anchor="{anchor}">{label}</text>' for x, anchor, label in ends]
    drawn += _bars(series, labels, _HEIGHT / (lines * tick))
    box = f"{-_LEFT} -8 {_LEFT + _WIDTH + _MARGIN} {_HEIGHT + 36}"
    svg = f'<svg viewBox="{box}" role="img" aria-label="{title}">{"".join(drawn)}</svg>'
    return f"<figure><figcaption>{title}{legend}</figcaption>{svg}</figure>"


def _bars(series: Mapping[str, Sequence[float]], labels: Sequence[str], scale: float) -> Iterator[str]:
    """Draw the bars, ``scale`` pixels high for each unit, which tell their value to who points at them."""
    step = _WIDTH / len(labels)
    width = 0.8 * step
    for number, (label, *values) in enumerate(zip(labels, *series.values(), strict=True)):
        x, top = (number + 0.5) * step - width / 2, float(_HEIGHT)
        for name, value in zip(series, values, strict=True):
            top -= value * scale
            place = f'x="{x:.1f}" y="{top:.2f}" width="{width:.1f}" height="{value * scale:.2f}"'
            yield f'<rect {place} style="fill: var(--{name})"><title>{label}: {value:,.5g}</title></rect>'


def _nice(least: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - _TINY))
