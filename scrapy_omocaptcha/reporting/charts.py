"""Draw the plots of the web page as SVG that inherits colours and font from the page.

Only matplotlib's object interface is used, so neither pyplot nor a display is needed, and the caller's matplotlib
settings stay unchanged. Text remains text and is not parsed as mathematics.
"""

import math
import re
import warnings
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from io import BytesIO

import matplotlib
from lxml import etree
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scrapy_omocaptcha.reporting.format import seconds
from scrapy_omocaptcha.reporting.totals import Totals

# Placeholders, which are replaced by the page's CSS variables, so that plots follow its light or dark mode.
_NAMES = ("ink", "soft", "line", "main")
_COLOURS = {name: f"#0101{number:02x}" for number, name in enumerate(_NAMES, 16)}

_WIDTH = 360
"""Pixels; about the width of a phone, so that text is legible there too."""
_HEIGHT = 210
_LEFT, _BOTTOM, _INNER_WIDTH, _INNER_HEIGHT = 0.15, 0.15, 0.84, 0.81
"""Where the axes are, as shares of the figure. The rest is for labels."""
_LETTER = 6.5
"""Pixels; width of a letter of a label, rather more than less."""
_MIN_BARS = 10
"""Space is left for this many bars, so that a single job doesn't fill the plot."""
_MAX_BARS = 40
_TICK = "{x:,.5g}"
"""Format of the numbers beside the axes."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_PERIODS = {
    "minute": _MINUTE,
    "5 minutes": 5 * _MINUTE,
    "15 minutes": 15 * _MINUTE,
    "hour": _HOUR,
    "3 hours": 3 * _HOUR,
    "6 hours": 6 * _HOUR,
    "day": _DAY,
    "week": 7 * _DAY,
    # 40 bars of the last one cover all years that a datetime can have.
    **{f"{weeks:,} weeks": weeks * 7 * _DAY for weeks in (4, 52, 520, 5_200, 52_000)},
}
_MONDAY = datetime(1970, 1, 5, tzinfo=timezone.utc)
"""Start of period 0, chosen so that weeks begin on Mondays."""


def charts(totals: Totals) -> list[str]:
    """Draw the plots that make sense for the jobs of ``totals``, at least one, each as an HTML figure with a title."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Override the user's matplotlibrc.
        matplotlib.rcdefaults()
        matplotlib.rc("svg", fonttype="none", hashsalt="omocaptcha")
        matplotlib.rcParams.update({"axes.unicode_minus": False, "text.parse_math": False})
        # matplotlib's font, which lacks some letters, only serves to estimate widths: the browser uses its own.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        solve_times = [_solve_times(totals)] if totals.solved else []
        return [_spending(totals), *solve_times]


def _spending(totals: Totals) -> str:
    """Plot USD over time, in periods chosen by the time between the first and the last job."""
    span = (totals.last - totals.first).total_seconds()
    name, length = next((name, length) for name, length in _PERIODS.items() if span / length < _MAX_BARS - 1)
    costs: defaultdict[int, float] = defaultdict(float)
    for record in totals.records:
        costs[(record.at - _MONDAY) // timedelta(seconds=length)] += record.cost_usd
    first, last = min(costs), max(costs)
    figure, axes = _plot()
    axes.bar(list(costs), list(costs.values()), width=0.8, color=_COLOURS["main"])
    spare = max(0, _MIN_BARS - (last - first + 1)) / 2
    start, end = first - 0.6 - spare, last + 0.6 + spare
    axes.set_xlim(start, end)
    axes.set_ylim(0, max(costs.values()) * 1.05 or 1)
    axes.yaxis.set_major_formatter(_TICK)
    one_day = totals.first.date() == totals.last.date()
    labels = {period: _period_label(period, length, last - first, one_day) for period in range(first, last + 1)}
    # Labels are as wide as several bars: only those are shown that touch neither each other nor the right edge.
    width = max(map(len, labels.values())) * _LETTER / (_WIDTH * _INNER_WIDTH / (end - start))
    ticks = [period for period in range(first, last + 1, math.ceil(1.3 * width)) if period + width / 2 <= end]
    axes.set_xticks(ticks, [labels[period] for period in ticks])
    return _embed("spending", f"Spending by {name}, USD", figure)


def _solve_times(totals: Totals) -> str:
    """Plot a histogram of solve times, with outliers in the last bar."""
    values = [record.seconds for record in totals.solved if record.seconds is not None]
    longest = min(values[-1], 3 * (totals.quantile(0.99) or 0.0)) or 1.0
    bars = min(_MAX_BARS, max(_MIN_BARS, int(math.sqrt(len(values)))))
    edges = MaxNLocator(bars, steps=[1, 2, 2.5, 5, 10]).tick_values(0, longest)
    end = edges[-1]
    figure, axes = _plot()
    counts, *_ = axes.hist([min(value, end) for value in values], edges, rwidth=0.9, color=_COLOURS["main"])
    top = float(max(counts)) * 1.2
    axes.set_xlim(-0.02 * end, 1.08 * end)
    axes.set_ylim(0, top)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_TICK)
    assert totals.median is not None
    median = min(totals.median, end)
    label, ink = f"median {seconds(totals.median)} s", _COLOURS["ink"]
    axes.axvline(median, color=ink, linewidth=1, linestyle=(0, (3, 2)))
    side, offset = ("right", -5) if median > end * 0.6 else ("left", 5)
    axes.annotate(
        label, (median, top), (offset, -2), textcoords="offset points", ha=side, va="top", color=ink, fontsize=11
    )
    beyond = "; the last bar includes all longer ones" if values[-1] > end else ""
    return _embed("times", f"Jobs by solve time in seconds{beyond}", figure)


def _period_label(period: int, length: int, periods: int, one_day: bool) -> str:
    """Return the start of a period, as precisely as a plot of ``periods`` periods needs.

    :param period: number of the period, counted from ``_MONDAY``.
    :param length: length of a period in seconds.
    :param one_day: whether all periods begin on the same day, which is at the top of the page then.
    """
    since = timedelta(seconds=length) * period
    # The first period of the calendar begins before the year 1.
    start = _MONDAY + max(since, datetime(1, 1, 1, tzinfo=timezone.utc) - _MONDAY)
    if periods * length > 20 * 365 * _DAY:
        return f"{start.year}"
    if periods * length > 300 * _DAY:
        return f"{start:%b} {start.year}"
    if one_day and length < _DAY:
        return f"{start:%H:%M}"
    return f"{start.day} {start:%b}" + (f" {start:%H:%M}" if length < _DAY else "")


def _plot() -> tuple[Figure, Axes]:
    # At 72 dots per inch, a point is a pixel.
    figure = Figure(figsize=(_WIDTH / 72, _HEIGHT / 72), dpi=72, facecolor="none")
    axes = figure.add_axes((_LEFT, _BOTTOM, _INNER_WIDTH, _INNER_HEIGHT))
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.spines["bottom"].set_color(_COLOURS["soft"])
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=_COLOURS["line"], linewidth=1)
    axes.tick_params(length=0, labelsize=11, labelcolor=_COLOURS["soft"], pad=5)
    # Further below, so that the first label does not touch the 0 beside the axis.
    axes.tick_params(axis="x", pad=11)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    return figure, axes


def _embed(name: str, title: str, figure: Figure) -> str:
    """Return the figure as an SVG element with a title, to be embedded in a page with others."""
    file = BytesIO()
    figure.savefig(file, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    root = etree.fromstring(file.getvalue(), etree.XMLParser(remove_comments=True, resolve_entities=False))
    for element in root.iter():
        for attribute, value in element.items():
            for colour, code in _COLOURS.items():
                value = value.replace(code, f"var(--{colour})")
            # Ids have to be unique on the page.
            value = f"{name}-{value}" if attribute == "id" else re.sub(r"^#|(?<=url\()#", f"#{name}-", value)
            element.set(attribute, value)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title")
    svg = etree.tostring(root, encoding="unicode")
    return f'<figure><figcaption id="{name}-title">{title}</figcaption>{svg}</figure>'
