"""Draw the plots of the web page as SVG, which takes its colours and its font from the page's style."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone

from scrapy_omocaptcha.buying.records import OUTCOMES, Record
from scrapy_omocaptcha.reporting.format import count
from scrapy_omocaptcha.reporting.totals import Totals

_LEFT, _WIDTH, _MARGIN, _HEIGHT = 52, 246, 22, 150
"""Pixels; together about the width of a phone, so that text is legible there too."""
_MIN_BARS, _MAX_BARS = 10, 40
"""No bar is wider than one of ten, so that a single job doesn't fill the plot."""
_TINY = 1e-9
"""By so much may a sum of shares be more than 100 %."""
_DAY = 86_400
_PERIODS = [60, 300, 900, 3600, 3 * 3600, 6 * 3600, _DAY, *(7 * _DAY * weeks for weeks in (1, 4, 52, 520))]
"""Seconds; 40 of the last one cover centuries, as a clock that was wrong once may have it."""
_MONDAY = datetime(1970, 1, 5, tzinfo=timezone.utc)
"""Start of period 0, chosen so that weeks begin on Mondays."""


def over_time(totals: Totals) -> str:
    """Plot the cost and the share of each outcome, in periods chosen by the time between the first and the last job."""
    span = (totals.last - totals.first).total_seconds()
    length = next(length for length in _PERIODS if span / length < _MAX_BARS - 1)
    members: defaultdict[int, list[Record]] = defaultdict(list)
    for record in totals.records:
        members[(record.at - _MONDAY) // timedelta(seconds=length)].append(record)
    numbers = range(min(members), max(members) + 1)
    form = "%Y-%m-%d" if length >= _DAY else "%Y-%m-%d %H:%M"
    labels = [(_MONDAY + timedelta(seconds=length) * number).strftime(form) for number in numbers]
    periods = [Totals(members[number]) for number in numbers]
    shares = {
        colour(outcome): [100 * period.outcomes.get(outcome, 0) / max(1, period.jobs) for period in periods]
        for outcome in totals.outcomes
    }
    unit, size = next((unit, size) for unit, size in (("day", _DAY), ("hour", 3600), ("minute", 60)) if length >= size)
    per = "per " + count(length // size, unit).removeprefix("1 ")
    names = (f'<span><i style="background: var(--{colour(name)})"></i>{name}</span> ' for name in totals.outcomes)
    spending = _plot(f"Spending {per}, USD", {"main": [period.cost for period in periods]}, labels)
    return spending + _plot(f"Outcomes {per}, % of jobs", shares, labels, f"<div>{''.join(names)}</div>")


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
    width = 0.8 * min(step, _WIDTH / _MIN_BARS)
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
