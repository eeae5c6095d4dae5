"""Write the report as text that can be read in ten seconds, at the end of a crawl or from ledgers."""

from collections import Counter
from collections.abc import Mapping, Sequence

from scrapy_omocaptcha.buying.records import Record
from scrapy_omocaptcha.reporting.format import (
    LONGEST_NAME,
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
_HOSTS = 5


def crawl_report(
    records: Sequence[Record],
    *,
    challenges: int,
    pages: int,
    not_solved: Mapping[str, int],
    not_solved_at: Mapping[str, int] | None = None,
    noticed: Mapping[str, int] | None = None,
    would_buy: Mapping[str, int] | None = None,
    price: float = 0.0,
    account_closed: str | None = None,
) -> str:
    """Return the report at the end of a crawl.

    :param pages: number of pages that the spider got.
    :param not_solved: number of challenges that were left alone or not solved, by reason.
    :param not_solved_at: the same by host.
    :param noticed: what else a user may want to look at, with its host; see ``Run.noticed``.
    :param would_buy: the least number of jobs that a dry run would have bought, by host, each at ``price`` in USD.
    :param account_closed: why nothing was bought any more, if the account could not buy.
    """
    totals = Totals(records)
    rows = _outcomes(totals)
    if account_closed is not None:
        rows.insert(0, ("account", f"closed: {account_closed}"))
    if totals.jobs:
        # One token may have opened a session for all pages, and a few pages are too few to tell from.
        is_enough = pages >= _FEWEST_PAGES and totals.accepted > 1
        thousand = f": {usd(1000 * totals.cost / pages)} USD per 1,000 pages" if is_enough else ""
        rows.append(("cost", f"{usd(totals.cost)} USD{thousand}"))
    rows += _solve_time(totals)
    rows += _not_solved(not_solved, not_solved_at or {}, noticed or {})
    if would_buy:
        rows.append(("dry run", _would_buy(would_buy, price)))
    if totals.jobs:
        rows.append(("basis", COST_BASIS))
    bought = f"{count(totals.jobs, 'job')} for {usd(totals.cost)} USD" if totals.jobs else "nothing bought"
    met = count(challenges, "challenged request") if challenges else "no challenged request"
    if totals.jobs and not challenges:
        # Spiders buy them with solve or solve_page, for what Scrapy does not show to a middleware.
        met = "tokens bought by the spider itself"
    return _block(f"OMOcaptcha: {met}, {count(pages, 'page')}, {bought}", rows)


def ledger_report(totals: Totals, *, sources: Sequence[str], by: str | None = None) -> str:
    """Return the report on the ledgers that are called ``sources``, if wanted with a table as of :func:`grouped`."""
    if not totals.jobs and not totals.runs:
        return printable(f"No jobs in {_names(sources)}")
    rows = _outcomes(totals)
    accepted = f": {usd(totals.cost / totals.accepted)} USD per accepted token" if totals.accepted else ""
    rows.append(("cost", f"{usd(totals.cost)} USD{accepted}"))
    rows += _solve_time(totals)
    rows += _not_solved(totals.not_solved, {}, totals.noticed)
    rows.append(("ended", ranked(Counter(crawl.ended or "not known" for crawl in grouped(totals, "crawl")))))
    rows.append(("basis", f"the records in {_names(sources)}. {COST_BASIS}"))
    block = _block(f"{count(totals.jobs, 'job')} for {usd(totals.cost)} USD, {scope(totals)}", rows)
    return f"{block}\n\n{_table(table_of(grouped(totals, by), by, totals.outcomes))}" if by else block


def _outcomes(totals: Totals) -> list[tuple[str, str]]:
    width = len(f"{max(totals.outcomes.values(), default=0):,}")
    rows = []
    for outcome, number in totals.outcomes.items():
        part = percent(number, totals.jobs)
        reasons = totals.reasons.get(outcome)
        details = f"   {ranked(reasons)}" if reasons else ""
        rows.append((outcome, f"{number:>{width},}  {part:>7}{details}"))
    return rows


def _would_buy(by_host: Mapping[str, int], price: float) -> str:
    jobs = sum(by_host.values())
    least = f"at least {count(jobs, 'job')} for {usd(jobs * price)} USD not bought: {ranked(by_host)}"
    return f"{least}; a wall that wants a token on each page costs one a page"


def _not_solved(
    reasons: Mapping[str, int], hosts: Mapping[str, int], noticed: Mapping[str, int]
) -> list[tuple[str, str]]:
    where = f"; at {ranked(hosts, limit=_HOSTS)}" if hosts else ""
    rows = [("not solved", f"{sum(reasons.values()):,}: {ranked(reasons, limit=10)}{where}")] if reasons else []
    return [*rows, ("look at", ranked(noticed))] if noticed else rows


def _solve_time(totals: Totals) -> list[tuple[str, str]]:
    slowest = totals.slowest
    if slowest is None:
        return []
    if len(totals.solved) == 1:
        return [("solve time", f"{seconds(slowest.seconds)} s")]
    where = f"{shorten(slowest.host, LONGEST_NAME)}, {minute(slowest.at)} UTC"
    return [("solve time", f"{seconds(totals.quantile(0.5))} s median, {seconds(slowest.seconds)} s slowest ({where})")]


def _block(title: str, rows: Sequence[tuple[str, str]]) -> str:
    width = max((len(label) for label, _ in rows), default=0)
    return "\n".join(printable(line) for line in [title, *(f"  {label:<{width}}  {text}" for label, text in rows)])


def _names(sources: Sequence[str]) -> str:
    return sources[0] if len(sources) == 1 else f"{len(sources)} ledgers"


def _table(rows: Sequence[Sequence[str]]) -> str:
    name_width, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join("  ".join([name.ljust(name_width), *map(str.rjust, numbers, widths)]) for name, *numbers in rows)
