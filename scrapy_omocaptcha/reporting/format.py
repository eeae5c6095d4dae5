"""Format numbers and untrusted text for reports in a terminal and on the web page."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.reporting.totals import Totals
from scrapy_omocaptcha.urls import public_address

LONGEST_NAME = 60
"""Characters of a host, a spider, a crawl or a reason that are shown."""
_LONGEST_FIELD = 40
_MAX_FIELDS = 20
_SPOKEN = {"by_hand": "used by hand"}
"""Reasons that are clearer in other words."""


def usd(amount: float, scale: float | None = None) -> str:
    """Format money with as many decimal places as an amount of the size of ``scale`` (default: ``amount``) needs."""
    size = abs(amount if scale is None else scale)
    places = 2
    if size < 10:
        places = 5 if size < 1 else 3
    least = 10.0**-places
    if 0 < amount < least / 2:
        return f"<{least:.{places}f}"
    return f"{amount:,.{places}f}"


def seconds(value: float | None) -> str:
    """Format seconds without the unit; ``"-"`` if unknown."""
    return "-" if value is None else f"{value:,.1f}"


def percent(part: int, whole: int) -> str:
    """Format a percentage that is 0 or 100 only if the part is nothing or everything."""
    if part in (0, whole):
        return "100 %" if part else "0 %"
    value = 100 * part / whole
    # Rounded, these would be 0 and 100.
    if value < 0.05:
        return "<0.1 %"
    return ">99.9 %" if value >= 99.95 else f"{value:.1f} %"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def waiting_requests(number: int) -> str:
    return f"{count(number, 'request')} {'waits' if number == 1 else 'wait'}"


def ranked(counts: Mapping[str, int], *, limit: int = 5) -> str:
    """Format counts as ``"robots 20, breaker 3"``, the most frequent first, with those beyond ``limit`` as a sum."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{shorten(_SPOKEN.get(name, name), LONGEST_NAME)} {number:,}" for name, number in ordered[:limit]]
    others = ordered[limit:]
    if others:
        parts.append(f"{len(others)} others {sum(number for _, number in others):,}")
    return ", ".join(parts)


def scope(totals: Totals) -> str:
    """Format when the jobs were bought, and for how many crawls, spiders and hosts."""
    values = {field: {getattr(it, field) for it in (*totals.records, *totals.runs)} for field in ("crawl", "spider")}
    values["host"] = {record.host for record in totals.records}
    return f"{_period(totals)}: {', '.join(count(len(different), field) for field, different in values.items())}"


def table_of(groups: Sequence[Totals], by: str, outcomes: Iterable[str]) -> list[list[str]]:
    """Return the heads of a table, and its row for each group as of :func:`grouped`, with a column for each outcome."""
    largest = max(group.cost for group in groups)
    rows = [
        [
            printable(_name(group, by)),
            f"{group.jobs:,}",
            # Beside the name, where a phone shows it.
            usd(group.cost, largest),
            *(f"{group.outcomes[outcome]:,}" if outcome in group.outcomes else "-" for outcome in outcomes),
            seconds(group.median),
            seconds(group.quantile(1.0)),
        ]
        for group in groups
    ]
    label = f"{by} (UTC)" if by in ("day", "crawl") else by
    table = [[label, "jobs", "USD", *outcomes, "median s", "slowest s"], *rows]
    if by == "crawl":
        ends = [(group.ended, ranked(group.not_solved, limit=3)) for group in groups]
        for row, (ended, not_solved) in zip(table, [("ended", "not solved"), *ends], strict=True):
            row += [printable(ended) or "-", printable(not_solved) or "-"]
    return table


def _name(group: Totals, by: str) -> str:
    """Name a group; a crawl also by its first job and its spider, since its id alone tells nobody which it was."""
    record = (group.records or group.runs)[0]
    is_crawl = by == "crawl" and record.crawl == group.name
    words = [minute(group.first), record.spider, group.name] if is_crawl else [group.name]
    return " ".join(shorten(word, LONGEST_NAME) for word in words) or "(none)"


def purpose(challenge: Challenge) -> str:
    """Say what the form of a widget is for, in words that follow "its form"."""
    deed = f"something ({printable(challenge.does)!r})" if challenge.does else "something else"
    verbs = {"withholds": "goes on to the page", "acts": f"does {deed}", "doubtful": f"may do {deed}"}
    return verbs[challenge.judgement]


def sent(method: str, url: str, names: Sequence[str]) -> str:
    """Say what a request sends: method, address without its query, and the names of the first fields."""
    shown = [shorten(printable(name), _LONGEST_FIELD) for name in names[:_MAX_FIELDS]]
    more = [f"{len(names) - _MAX_FIELDS} more"] if len(names) > _MAX_FIELDS else []
    return f"{method} {printable(public_address(url))} with {', '.join(shown + more) or 'no fields'}"


def _period(totals: Totals) -> str:
    """Format the days of the first and the last job, with the time if it is a single day."""
    if totals.first.date() != totals.last.date():
        return f"{totals.first.date()} to {totals.last.date()} (UTC)"
    start, end = minute(totals.first), f"{totals.last:%H:%M}"
    return f"{start} UTC" if start.endswith(end) else f"{start} to {end} UTC"


def minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"


def shorten(text: str, longest: int) -> str:
    """Shorten ``text`` in the middle, since the end of a host name says most."""
    if len(text) <= longest:
        return text
    end = longest * 2 // 3
    return f"{text[: longest - 1 - end]}…{text[-end:]}"


def printable(line: str) -> str:
    """Replace characters that could control a terminal: ``line`` may come from a page, the service or a file."""
    return "".join(c if c.isprintable() else "?" for c in line)
