"""Write the report as text that can be read in ten seconds, at the end of a crawl or from ledgers."""

from collections import Counter
from collections.abc import Mapping, Sequence

from scrapy_omocaptcha.reporting.format import (
    count,
    minute,
    percent,
    printable,
    ranked,
    scope,
    seconds,
    shorten,
    table_of,
    usd,
)
from scrapy_omocaptcha.reporting.totals import Totals, grouped

COST_BASIS = "Each job is counted at its price when bought, including failed jobs."

_FEWEST_PAGES = 100
"""Pages from which the cost of 1,000 is told."""

Rows = list[tuple[str, str]]


def crawl_report(
    totals: Totals,
    *,
    challenges: int,
    pages: int,
    not_solved_at: Mapping[str, int],
    would_buy: Mapping[str, int] | None = None,
    price: float = 0.0,
    account_closed: str | None = None,
) -> str:
    """Return the report at the end of a crawl.

    :param totals: its jobs, and its run with what was not solved.
    :param pages: number of pages that the spider got.
    :param not_solved_at: number of challenges that were left alone or not solved, by host.
    :param would_buy: the least number of jobs that a dry run would have bought, by host, each at ``price`` in USD.
    :param account_closed: why nothing was bought any more, if the account could not buy.
    """
    # One token may have opened a session for all pages, and a few pages are too few to tell from.
    is_enough = pages >= _FEWEST_PAGES and totals.accepted > 1
    thousand = f": {usd(1000 * totals.cost / pages)} USD per 1,000 pages" if is_enough else ""
    rows: Rows = [] if account_closed is None else [("account", f"closed: {account_closed}")]
    rows += [*_outcomes(totals), *_cost(totals, thousand), *_solve_time(totals)]
    rows += _not_solved(totals, f"; at {ranked(not_solved_at)}")
    if would_buy:
        jobs = sum(would_buy.values())
        least = f"at least {count(jobs, 'job')} for {usd(jobs * price)} USD not bought: {ranked(would_buy)}"
        rows.append(("dry run", f"{least}; a wall that wants a token on each page costs one a page"))
    bought = "nothing bought"
    met = count(challenges, "challenged request") if challenges else "no challenged request"
    if totals.jobs:
        rows.append(("basis", COST_BASIS))
        bought = f"{count(totals.jobs, 'job')} for {usd(totals.cost)} USD"
        # Spiders buy them with solve or solve_page, for what Scrapy does not show to a middleware.
        met = met if challenges else "tokens bought by the spider itself"
    return _block(f"OMOcaptcha: {met}, {count(pages, 'page')}, {bought}", rows)


def ledger_report(totals: Totals, *, sources: Sequence[str], by: str | None = None) -> str:
    """Return the report on the ledgers that are called ``sources``, if wanted with a table as of :func:`grouped`."""
    names = sources[0] if len(sources) == 1 else f"{len(sources)} ledgers"
    if not totals.jobs and not totals.runs:
        return printable(f"No jobs in {names}")
    accepted = f": {usd(totals.cost / totals.accepted)} USD per accepted token" if totals.accepted else ""
    rows = [*_outcomes(totals), *_cost(totals, accepted), *_solve_time(totals), *_not_solved(totals)]
    rows.append(("ended", ranked(Counter(crawl.ended or "not known" for crawl in grouped(totals, "crawl")))))
    rows.append(("basis", f"the records in {names}. {COST_BASIS}"))
    block = _block(f"{count(totals.jobs, 'job')} for {usd(totals.cost)} USD, {scope(totals)}", rows)
    return f"{block}\n\n{_table(table_of(grouped(totals, by), by, totals.outcomes))}" if by else block


def _outcomes(totals: Totals) -> Rows:
    width = len(f"{max(totals.outcomes.values(), default=0):,}")
    rows = []
    for outcome, number in totals.outcomes.items():
        details = f"   {ranked(totals.reasons[outcome])}" if outcome in totals.reasons else ""
        rows.append((outcome, f"{number:>{width},}  {percent(number, totals.jobs):>7}{details}"))
    return rows


def _cost(totals: Totals, details: str) -> Rows:
    return [("cost", f"{usd(totals.cost)} USD{details}")] if totals.jobs else []


def _not_solved(totals: Totals, where: str = "") -> Rows:
    reasons = totals.not_solved
    rows = [("not solved", f"{reasons.total():,}: {ranked(reasons, limit=10)}{where}")] if reasons else []
    return [*rows, ("look at", ranked(totals.noticed))] if totals.noticed else rows


def _solve_time(totals: Totals) -> Rows:
    slowest = totals.slowest
    if slowest is None:
        return []
    where = f"{shorten(slowest.host)}, {minute(slowest.at)} UTC"
    return [("solve time", f"{seconds(totals.quantile(0.5))} s median, {seconds(slowest.seconds)} s slowest ({where})")]


def _block(title: str, rows: Rows) -> str:
    width = max((len(label) for label, _ in rows), default=0)
    return "\n".join(printable(line) for line in [title, *(f"  {label:<{width}}  {text}" for label, text in rows)])


def _table(rows: Sequence[Sequence[str]]) -> str:
    name_width, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join("  ".join([name.ljust(name_width), *map(str.rjust, numbers, widths)]) for name, *numbers in rows)
