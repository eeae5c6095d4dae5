"""Draw the plots of the web page as SVG that inherits colours and font from the page.

Only matplotlib's object interface is used, so neither pyplot nor a display is needed, and the caller's matplotlib
settings stay unchanged. Text remains text and is not parsed as mathematics.
"""

import math
import re
import warnings
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from io import BytesIO

import matplotlib
from lxml import etree
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from scrapy_omocaptcha.reporting.format import percent, printable, seconds, shorten, usd
from scrapy_omocaptcha.reporting.totals import Totals

# Placeholders, which are replaced by the page's CSS variables, so that plots follow its light or dark mode.
_NAMES = ("ink", "soft", "line", "main", "accepted", "rejected", "failed", "expired", "unknown", "abandoned")
_COLOURS = {name: f"#0101{number:02x}" for number, name in enumerate(_NAMES, 16)}

_WIDTH = 420
"""Pixels; about the width of a phone, so that text is legible there too."""
_HEIGHT = 230
_ROW = 36
_LONGEST_LABEL = 44
_HOSTS = 9
_MIN_BARS = 10
"""Space is left for this many bars, so that a single job doesn't fill the plot."""
_MAX_BARS = 40

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
    "4 weeks": 28 * _DAY,
    "52 weeks": 364 * _DAY,
    "520 weeks": 3640 * _DAY,
    "5,200 weeks": 36400 * _DAY,
    "52,000 weeks": 364000 * _DAY,  # In 40 bars this covers all years that a datetime can have.
}
_MONDAY = datetime(1970, 1, 5, tzinfo=timezone.utc)
"""Start of period 0, chosen so that weeks begin on Mondays."""


_Bar = tuple[str, float, str, str]
"""The label of a bar, its value, the value as text, and the name of its colour."""


def charts(totals: Totals, hosts: Sequence[Totals]) -> list[str]:
    """Draw all plots that make sense for the jobs of ``totals``, each as an HTML figure with its title.

    :param totals: the totals of at least one job.
    :param hosts: the same jobs by host, the most expensive first.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Override the user's matplotlibrc.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "omocaptcha", "text.parse_math": False})
        # matplotlib's font, which lacks some letters, only serves to estimate widths: the browser uses its own.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        solve_times = [_solve_times(totals)] if totals.solved else []
        return [_spending(totals), *solve_times, _outcomes(totals), _cost_by_host(hosts)]


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
    axes.set_xlim(first - 0.6 - spare, last + 0.6 + spare)
    axes.set_ylim(0, max(costs.values()) * 1.05 or 1)
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    every = max(1, math.ceil((last - first + 1) / 4))
    ticks = range(first, last + 1, every)
    axes.set_xticks(list(ticks), [_period_label(period, length, last - first) for period in ticks])
    return _embed("spending", f"Spending by {name}, USD", figure)


def _cost_by_host(hosts: Sequence[Totals]) -> str:
    """Plot USD by host, the most expensive first, with one bar for those beyond the limit."""
    shown = [(host.name, host.cost, "main") for host in hosts[: _HOSTS if len(hosts) > _HOSTS + 1 else None]]
    rest = hosts[len(shown) :]
    if rest:
        shown.append((f"{len(rest):,} others", math.fsum(host.cost for host in rest), "abandoned"))
    largest = max(cost for _, cost, _ in shown)
    bars = [(name, cost, usd(cost, largest), colour) for name, cost, colour in shown]
    return _embed("hosts", "Cost by host, USD", _bars(bars))


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
        axis.set_major_formatter(FuncFormatter(_tick))
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


def _outcomes(totals: Totals) -> str:
    bars = [
        (outcome, number, f"{number:,} · {percent(number, totals.jobs)}", outcome)
        for outcome, number in totals.outcomes.items()
    ]
    return _embed("outcomes", "Jobs by outcome", _bars(bars))


def _period_label(period: int, length: int, periods: int) -> str:
    """Return the start of a period, as precisely as a plot of ``periods`` periods needs.

    :param period: number of the period, counted from ``_MONDAY``.
    :param length: length of a period in seconds.
    """
    since = timedelta(seconds=length) * period
    # The first period of the calendar begins before the year 1.
    start = _MONDAY + max(since, datetime(1, 1, 1, tzinfo=timezone.utc) - _MONDAY)
    if periods * length > 20 * 365 * _DAY:
        return f"{start.year}"
    if periods * length > 300 * _DAY:
        return f"{start:%b} {start.year}"
    return f"{start.day} {start:%b}" + (f" {start:%H:%M}" if length < _DAY else "")


def _plot() -> tuple[Figure, Axes]:
    figure = _figure(_HEIGHT)
    axes = figure.add_axes((0.13, 0.1, 0.86, 0.86))
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.spines["bottom"].set_color(_COLOURS["soft"])
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=_COLOURS["line"], linewidth=1)
    axes.tick_params(length=0, labelsize=11, labelcolor=_COLOURS["soft"], pad=5)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    return figure, axes


def _figure(height: float) -> Figure:
    # At 72 dots per inch, a point is a pixel.
    return Figure(figsize=(_WIDTH / 72, height / 72), dpi=72, facecolor="none")


def _tick(value: float, _: object = None) -> str:
    return f"{value:,.5g}"


def _bars(bars: Sequence[_Bar]) -> Figure:
    """Draw horizontal bars, each below its label, which leaves room for long labels."""
    figure = _figure(_ROW * len(bars))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, max(value for _, value, *_ in bars) or 1)
    axes.set_ylim(len(bars), 0)
    transform = axes.get_yaxis_transform()
    for row, (label, value, text, colour) in enumerate(bars):
        axes.barh(row + 0.75, value, 0.28, color=_COLOURS[colour], clip_on=False)
        label = shorten(printable(label), _LONGEST_LABEL) or "(none)"
        for x, words, side, ink in ((0.0, label, "left", "ink"), (1.0, text, "right", "soft")):
            axes.text(x, row + 0.46, words, transform=transform, ha=side, color=_COLOURS[ink], fontsize=11.5)
    return figure


def _embed(name: str, title: str, figure: Figure) -> str:
    """Return the figure as an SVG element with a title, to be embedded in a page with others."""
    file = BytesIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    root = etree.fromstring(file.getvalue(), etree.XMLParser(remove_comments=True, resolve_entities=False))
    for metadata in root.findall("{*}metadata"):
        root.remove(metadata)
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
