"""Format figures and foreign text for reports, in a terminal and on the web page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from scrapy_omocaptcha.reporting.totals import Sums

_REASONS = 5
_LONGEST_REASON = 60
_ABSURD = 1e9
"""Files may hold any number."""


def usd(amount: float, among: float | None = None) -> str:
    """An amount of money, with as many places as one of the size of ``among`` (by default: its own) needs."""
    size = abs(amount if among is None else among)
    places = 5 if size < 1 else 3 if size < 10 else 2
    least = 10.0**-places
    if 0 < amount < least / 2:
        return f"<{least:.{places}f}"
    return f"{amount:,.{places}f}" if size < _ABSURD else f"{amount:.1e}"


def seconds(value: float | None) -> str:
    """Without the unit; ``"-"`` where it is not known."""
    if value is None:
        return "-"
    return f"{value:,.1f}" if value < _ABSURD else f"{value:.1e}"


def share(part: int, whole: int) -> str:
    """A percentage that does not claim all, or nothing, where it is not so."""
    if part in (0, whole):
        return "100 %" if part else "0 %"
    percent = 100 * part / whole
    return "<0.1 %" if percent < 0.05 else ">99.9 %" if percent >= 99.95 else f"{percent:.1f} %"


def counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def by_number(counts: Mapping[str, int], *, most: int = _REASONS) -> str:
    """``"robots 20, breaker 3"``: the most frequent first, what is behind ``most`` in one sum."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    words = [f"{short(name, _LONGEST_REASON)} {number:,}" for name, number in ordered[:most]]
    others = ordered[most:]
    if others:
        words.append(f"{len(others)} others {sum(number for _, number in others):,}")
    return ", ".join(words)


def period(sums: Sums) -> str:
    """The days of the first and of the last job; with the time of day where it is one day."""
    assert sums.first is not None
    assert sums.last is not None
    if sums.first.date() != sums.last.date():
        return f"{sums.first.date()} to {sums.last.date()} (UTC)"
    start, end = minute(sums.first), f"{sums.last:%H:%M}"
    return f"{start} UTC" if start.endswith(end) else f"{start} to {end} UTC"


def minute(time: datetime) -> str:
    # Not %Y, which writes the years before 1000 with fewer digits on some systems.
    return f"{time.date()} {time:%H:%M}"


def short(words: str, longest: int) -> str:
    """``words`` in at most ``longest`` characters: both ends are kept, since a host tells most at its end."""
    if len(words) <= longest:
        return words
    end = longest * 2 // 3
    return f"{words[: longest - 1 - end]}…{words[-end:]}"


def harmless(line: str) -> str:
    """Replace what a terminal would take for a command in ``line``, which comes from a page, the service or a file."""
    return "".join(c if c.isprintable() else "?" for c in line)
