"""The plots of the web page, as SVG that takes its colours and its font from the page around it.

Drawn with matplotlib's objects alone: no pyplot, no display, and the caller's settings of matplotlib are left as they
were. All text stays text, none of it is read as mathematics.
"""

from __future__ import annotations

import math
import warnings
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import matplotlib
from lxml import etree
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from scrapy_omocaptcha.reporting.format import harmless, seconds, share, short, usd
from scrapy_omocaptcha.reporting.scales import MONDAY, MOST_BARS, date, period_of_a_bar, round_up
from scrapy_omocaptcha.reporting.totals import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from scrapy_omocaptcha.reporting.totals import Sums

# Drawn in colours that stand for the page's own, which know light from dark.
_NAMES = ("ink", "soft", "line", "main", "accepted", "rejected", "failed", "expired", "abandoned")
_COLOURS = {name: f"#0101{number:02x}" for number, name in enumerate(_NAMES, 16)}

_WIDTH = 420
"""Pixels: as wide as a telephone, so that words can be read there too."""
_HEIGHT = 230
_ROW = 36
_LONGEST_LABEL = 44
_FEWEST_BARS = 10
"""Room is left for as many, lest a single job fill the plot."""


class Chart(NamedTuple):
    """A plot: its title, which stands in the element ``{name}-title``, and what is below it."""

    name: str
    title: str
    svg: str


class _Bar(NamedTuple):
    label: str
    value: float
    words: str
    colour: str


def charts(sums: Sums, hosts: Sequence[Sums]) -> list[Chart]:
    """All there are for the jobs of ``sums``, of which there is one at least.

    :param hosts: the same by host, the dearest first.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Whatever a matplotlibrc says.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "omocaptcha", "text.parse_math": False})
        # Widths are guessed by a font that has not all letters; the browser draws with its own.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        solve_times = [_solve_times(sums)] if sums.solved else []
        return [_spending(sums), *solve_times, _outcomes(sums), _cost_by_host(hosts)]


def _spending(sums: Sums) -> Chart:
    """USD over time, in periods that fit the time between the first and the last job."""
    name, length = period_of_a_bar(sums)
    costs: dict[int, float] = {}
    for record in sums.records:
        period = (moment(record) - MONDAY) // timedelta(seconds=length)
        costs[period] = costs.get(period, 0.0) + record.cost_usd
    first, last = min(costs), max(costs)
    figure, axes = _plot()
    axes.bar(list(costs), list(costs.values()), width=0.8, color=_COLOURS["main"])
    spare = max(0, _FEWEST_BARS - (last - first + 1)) / 2
    axes.set_xlim(first - 0.6 - spare, last + 0.6 + spare)
    axes.set_ylim(0, max(costs.values()) * 1.05 or 1)
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    every = max(1, math.ceil((last - first + 1) / 4))
    ticks = range(first, last + 1, every)
    axes.set_xticks(list(ticks), [date(period, length, last - first) for period in ticks])
    return Chart("spending", f"Spending by {name}, USD", _svg(figure, "spending"))


def _cost_by_host(sums: Sequence[Sums], *, most: int = 9) -> Chart:
    """USD by host, the dearest first; those behind ``most`` in one bar."""
    shown = [(group.name, group.cost, "main") for group in sums[: most if len(sums) > most + 1 else None]]
    rest = sums[len(shown) :]
    if rest:
        shown.append((f"{len(rest):,} others", math.fsum(group.cost for group in rest), "abandoned"))
    largest = max(cost for _, cost, _ in shown)
    bars = [_Bar(name, cost, usd(cost, largest), colour) for name, cost, colour in shown]
    return Chart("hosts", "Cost by host, USD", _bars(bars, "hosts"))


def _solve_times(sums: Sums) -> Chart:
    """How many jobs took how long; those far out are in the last bar."""
    values = [record.seconds for record in sums.solved if record.seconds is not None]
    longest = min(values[-1], 3 * (sums.within(0.99) or 0.0)) or 1.0
    width = round_up(longest / min(MOST_BARS, max(_FEWEST_BARS, math.sqrt(len(values)))))
    last = int(longest / width)
    counts = [0] * (last + 1)
    for value in values:
        counts[int(min(value / width, last))] += 1
    figure, axes = _plot()
    axes.bar(range(last + 1), counts, width=0.9, align="edge", color=_COLOURS["main"])
    end = max(last + 1, _FEWEST_BARS)
    axes.set_xlim(-0.3, end + 0.3)
    axes.set_ylim(0, max(counts) * 1.2)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    ticks = MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]).tick_values(0, end)
    ticks = [tick for tick in ticks if 0 <= tick <= end]
    axes.set_xticks(ticks, [_tick(tick * width) for tick in ticks])
    assert sums.median is not None
    usual = min(sums.median / width, last + 1)
    axes.axvline(usual, color=_COLOURS["ink"], linewidth=1, linestyle=(0, (3, 2)))
    right = usual > end * 0.6
    axes.annotate(
        f"median {seconds(sums.median)} s",
        (usual, max(counts) * 1.2),
        xytext=(-5 if right else 5, -2),
        textcoords="offset points",
        ha="right" if right else "left",
        va="top",
        color=_COLOURS["ink"],
        fontsize=11,
    )
    beyond = "; the last bar holds all beyond" if values[-1] / width >= last + 1 else ""
    return Chart("times", f"Jobs by seconds to the token{beyond}", _svg(figure, "times"))


def _outcomes(sums: Sums) -> Chart:
    """Jobs by what became of them."""
    bars = [
        _Bar(outcome, number, f"{number:,} · {share(number, sums.jobs)}", outcome)
        for outcome, number in sums.outcomes.items()
    ]
    return Chart("outcomes", "Jobs by outcome", _bars(bars, "outcomes"))


# -- how they look ---------------------------------------------------------------------------------------------------


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
    # 72 dots an inch, so that a point is a pixel.
    return Figure(figsize=(_WIDTH / 72, height / 72), dpi=72, facecolor="none")


def _tick(value: float, _: object = None) -> str:
    return f"{value:,.5g}"


def _bars(bars: Sequence[_Bar], name: str) -> str:
    """Bars below each other, each under its name, so that there is room for long ones."""
    figure = _figure(_ROW * len(bars))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, max(bar.value for bar in bars) or 1)
    axes.set_ylim(len(bars), 0)
    for row, bar in enumerate(bars):
        axes.barh(row + 0.75, bar.value, 0.28, color=_COLOURS[bar.colour], clip_on=False)
        label = short(harmless(bar.label), _LONGEST_LABEL) or "(none)"
        for x, words, side, colour in ((0.0, label, "left", "ink"), (1.0, bar.words, "right", "soft")):
            axes.text(
                x,
                row + 0.46,
                words,
                transform=axes.get_yaxis_transform(),
                ha=side,
                va="baseline",
                color=_COLOURS[colour],
                fontsize=11.5,
            )
    return _svg(figure, name)


def _svg(figure: Figure, name: str) -> str:
    """The figure, to stand in a page beside others."""
    file = BytesIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    root = etree.fromstring(file.getvalue(), etree.XMLParser(remove_comments=True, resolve_entities=False))
    for metadata in root.findall("{*}metadata"):
        root.remove(metadata)
    for size in ("width", "height"):
        del root.attrib[size]
    for element in root.iter():
        for attribute, value in element.items():
            element.set(attribute, _of_the_page(etree.QName(attribute).localname, value, name))
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title")
    svg: str = etree.tostring(root, encoding="unicode")
    return svg


def _of_the_page(attribute: str, value: str, name: str) -> str:
    """An attribute's value with the page's colours, and with ids that are this plot's alone."""
    if attribute == "id":
        return f"{name}-{value}"
    if attribute == "href":
        return f"#{name}-{value[1:]}"
    value = value.replace("url(#", f"url(#{name}-")
    for colour, code in _COLOURS.items():
        value = value.replace(code, f"var(--{colour})")
    return value
