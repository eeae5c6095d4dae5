"""Write the report as text that can be read in ten seconds, at the end of a crawl or from ledgers."""

from collections import Counter
from collections.abc import Mapping, Sequence

from scrapy_omocaptcha.reporting.format import count, facts, printable, ranked, summary, table_of, usd
from scrapy_omocaptcha.reporting.totals import Totals, grouped

COST_BASIS = "Each job is counted at its price when bought, including failed jobs."


def crawl_report(
    totals: Totals,
    *,
    challenges: int,
    would_buy: Mapping[str, int] | None = None,
    price: float = 0.0,
    account_closed: str | None = None,
) -> str:
    """Return the report at the end of a crawl.

    :param totals: its jobs, and its run with what was not solved.
    :param would_buy: the least number of jobs that a dry run would have bought, by host, each at ``price`` in USD.
    :param account_closed: why nothing was bought any more, if the account could not buy.
    """
    rows = [] if account_closed is None else [("account", f"closed: {account_closed}")]
    rows += _rows(totals)
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
    return _block(f"OMOcaptcha: {met}, {bought}", rows)


def ledger_report(totals: Totals, *, sources: Sequence[str], by: str | None = None) -> str:
    """Return the report on the ledgers that are called ``sources``, if wanted with a table as of :func:`grouped`."""
    names = sources[0] if len(sources) == 1 else f"{len(sources)} ledgers"
    if not totals.jobs and not totals.runs:
        return printable(f"No jobs in {names}")
    rows = _rows(totals)
    rows.append(("ended", ranked(Counter(crawl.ended or "not known" for crawl in grouped(totals, "crawl")))))
    rows.append(("basis", f"the records in {names}. {COST_BASIS}"))
    block = _block(summary(totals), rows)
    return f"{block}\n\n{_table(table_of(grouped(totals, by), by, totals.outcomes))}" if by else block


def _rows(totals: Totals) -> list[tuple[str, str]]:
    return [(label, f"{value}: {details}") for label, value, details in facts(totals)]


def _block(title: str, rows: Sequence[tuple[str, str]]) -> str:
    width = max((len(label) for label, _ in rows), default=0)
    return "\n".join(printable(line) for line in [title, *(f"  {label:<{width}}  {text}" for label, text in rows)])


def _table(rows: Sequence[Sequence[str]]) -> str:
    name_width, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join("  ".join([name.ljust(name_width), *map(str.rjust, numbers, widths)]) for name, *numbers in rows)
