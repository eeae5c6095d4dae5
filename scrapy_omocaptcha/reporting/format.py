"""Format numbers and untrusted text for reports in a terminal and on the web page."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter

from scrapy import Request

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.reporting.totals import Totals
from scrapy_omocaptcha.urls import public_address

LONGEST_NAME = 60
"""Characters of a host, a spider, a crawl or a reason that are shown."""
_LONGEST_FIELD = 40
_MAX_FIELDS = 20


def usd(amount: float) -> str:
    return f"{amount:,.5f}"


def seconds(value: float | None) -> str:
    """Format seconds without the unit; ``"-"`` if unknown."""
    return "-" if value is None else f"{value:,.1f}"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def waiting_requests(number: int) -> str:
    return f"{count(number, 'request')} {'waits' if number == 1 else 'wait'}"


def listed(parts: Sequence[str], most: int) -> str:
    """Format the first parts of a list, and how many others there are."""
    others = [count(len(parts) - most, "other")] if len(parts) > most else []
    return ", ".join([*parts[:most], *others])


def ranked(counts: Mapping[str, int], *, limit: int = 5) -> str:
    """Format counts as ``"robots 20, breaker 3"``, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return listed([f"{shorten(name)} {number:,}" for name, number in ordered], limit)


def summary(totals: Totals) -> str:
    """Format how many jobs were bought, when, and for how many crawls, spiders and hosts."""
    both = (*totals.records, *totals.runs)
    members = {"crawl": both, "spider": both, "host": totals.records}
    numbers = (count(len(set(map(attrgetter(field), them))), field) for field, them in members.items())
    times = dict.fromkeys(map(minute, (totals.first, totals.last)))
    bought = f"{count(totals.jobs, 'job')} for {usd(totals.cost)} USD"
    return f"{bought}, {' to '.join(times)} UTC: {', '.join(numbers)}"


def facts(totals: Totals) -> list[tuple[str, str, str]]:
    """Return what there is to tell of some jobs, and of the crawls that bought them: label, value and details."""
    found = []
    for outcome, number in totals.outcomes.items():
        reasons = f" ({ranked(totals.reasons[outcome])})" if outcome in totals.reasons else ""
        found.append((outcome, f"{number / totals.jobs:.1%}", f"{count(number, 'job')}{reasons}"))
    if totals.accepted:
        found.append(("cost", f"{usd(totals.cost / totals.accepted)} USD", "per accepted token"))
    if (slowest := totals.slowest) is not None:
        most = f"{seconds(slowest.seconds)} s at most ({shorten(slowest.host)}, {minute(slowest.at)} UTC)"
        found.append(("solve time", f"{seconds(totals.quantile(0.5))} s", f"the median; {most}"))
    for label, counts in ("not solved", totals.not_solved), ("look at", totals.noticed):
        if counts:
            found.append((label, f"{counts.total():,}", ranked(counts)))
    return found


def table_of(groups: Sequence[Totals], by: str, outcomes: Iterable[str]) -> list[list[str]]:
    """Return the heads of a table, and its row for each group as of :func:`grouped`, with a column for each outcome."""
    heads = [f"{by} (UTC)" if by in ("day", "crawl") else by, "jobs", "USD", *outcomes, "median s", "slowest s"]
    heads += ["ended", "not solved"] if by == "crawl" else []
    rows = []
    for group in groups:
        jobs = (group.outcomes.get(outcome) for outcome in outcomes)
        row = [printable(_name(group, by)), f"{group.jobs:,}"]
        # The cost is beside the name, where a phone shows it.
        row += [usd(group.cost), *("-" if number is None else f"{number:,}" for number in jobs)]
        row += [seconds(group.quantile(part)) for part in (0.5, 1.0)]
        row += [printable(group.ended or "-"), ranked(group.not_solved, limit=3) or "-"] if by == "crawl" else []
        rows.append(row)
    return [heads, *rows]


def _name(group: Totals, by: str) -> str:
    """Name a group; a crawl also by its first job and its spider, since its id alone tells nobody which it was."""
    record = (group.records or group.runs)[0]
    is_crawl = by == "crawl" and record.crawl == group.name
    words = [minute(group.first), record.spider, group.name] if is_crawl else [group.name]
    return " ".join(map(shorten, words))


def purpose(challenge: Challenge) -> str:
    """Say what the form of a widget is for, in words that follow "its form"."""
    deed = f"something ({printable(challenge.does)!r})" if challenge.does else "something else"
    verbs = {"withholds": "goes on to the page", "acts": f"does {deed}", "doubtful": f"may do {deed}"}
    return verbs[challenge.judgement]


def asked(request: Request) -> str:
    """Return the address that a request was made for, before any redirect, without its query."""
    return public_address(request.meta.get("redirect_urls", [request.url])[0])


def sent(method: str, url: str, names: Sequence[str]) -> str:
    """Say what a request sends: method, address without its query, and the names of the first fields."""
    shown = listed([shorten(printable(name), _LONGEST_FIELD) for name in names], _MAX_FIELDS)
    return f"{method} {printable(public_address(url))} with {shown or 'no fields'}"


def minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"


def shorten(text: str, longest: int = LONGEST_NAME) -> str:
    """Shorten ``text`` in the middle, since the end of a host name says most."""
    if len(text) <= longest:
        return text
    end = longest * 2 // 3
    return f"{text[: longest - 1 - end]}…{text[-end:]}"


def printable(line: str) -> str:
    """Replace characters that could control a terminal: ``line`` may come from a page, the service or a file."""
    return "".join(c if c.isprintable() else "?" for c in line)
