"""The report as text that a person reads in ten seconds: at the end of a crawl, or of journals.

What is zero or unknown is not printed. The text has no end of line at its end, and nothing in it leads a terminal
astray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_omocaptcha.reporting.format import by_number, counted, harmless, minute, period, seconds, share, short, usd
from scrapy_omocaptcha.reporting.totals import Sums, grouped, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scrapy_omocaptcha.buying.journal import Record
    from scrapy_omocaptcha.reporting.dry_run import Jobs

_HALF_A_PLACE = 0.000005
"""USD: what is less is not seen in five places."""
_LONGEST_NAME = 60
_HOSTS = 5
_BASIS = "each job at its price when it was bought, failed ones too"


def crawl_report(
    records: Sequence[Record],
    *,
    challenges: int,
    pages: int,
    stayed_closed: Mapping[str, int],
    opening_balance: float | None = None,
    closing_balance: float | None = None,
    would_buy: Mapping[str, Jobs] | None = None,
    price: float = 0.0,
) -> str:
    """The block at the end of a crawl.

    :param records: its jobs.
    :param challenges: those that were met.
    :param pages: pages that the crawl got.
    :param stayed_closed: how many challenges were left alone or stayed closed, by reason.
    :param opening_balance: USD in the account when the spider opened; None: not asked.
    :param closing_balance: the same when it closed.
    :param would_buy: of a dry run: the estimate, by host.
    :param price: USD that each of those would have cost.
    """
    sums = Sums(records)
    rows = _outcomes(sums)
    if sums.jobs:
        thousand = f": {usd(1000 * sums.cost / pages)} USD for a thousand pages (of {pages:,})" if pages else ""
        rows.append(("cost", f"{usd(sums.cost)} USD{thousand}"))
    if opening_balance is not None and closing_balance is not None:
        rows.append(("balance", _balance(opening_balance, closing_balance, sums.cost)))
    rows += _solve_time(sums)
    closed = sum(stayed_closed.values())
    if closed:
        rows.append(("stayed closed", f"{closed:,}: {by_number(stayed_closed, most=10)}"))
    if would_buy:
        rows.append(("dry run", _would_buy(would_buy, price)))
    if sums.jobs:
        rows.append(("sums", f"of this crawl's own books: {_BASIS}"))
    met = f"{counted(challenges, 'challenge') if challenges else 'no challenge'} met in {counted(pages, 'page')}"
    bought = f"{counted(sums.jobs, 'job')} for {usd(sums.cost)} USD" if sums.jobs else "nothing bought"
    return _block(f"OMOcaptcha: {met}, {bought}", rows)


def journal_report(records: Sequence[Record], *, sources: Sequence[str], by: str | None = None) -> str:
    """The same of journals, of any number of crawls.

    :param sources: where the records are from, as the user named it.
    :param by: one of ``sums.BY`` for a table beside the sums; None: the sums alone.
    """
    sums = Sums(records)
    if not sums.jobs:
        return harmless(f"No jobs in {_named(sources)}")
    scope = ", ".join(counted(sums.distinct(field), field) for field in ("crawl", "spider", "host"))
    rows = _outcomes(sums)
    accepted = f": {usd(sums.cost / sums.accepted)} USD for each accepted token" if sums.accepted else ""
    rows.append(("cost", f"{usd(sums.cost)} USD{accepted}"))
    rows += _solve_time(sums)
    rows.append(
        ("sums", f"of the records in {_named(sources)}: each job at its price when it was bought, failed ones too")
    )
    title = f"{counted(sums.jobs, 'job')} for {usd(sums.cost)} USD, {period(sums)}: {scope}"
    block = _block(title, rows)
    return f"{block}\n\n{_table(grouped(records, by), by)}" if by else block


def _outcomes(sums: Sums) -> list[tuple[str, str]]:
    width = len(f"{max(sums.outcomes.values(), default=0):,}")
    rows = []
    for outcome, number in sums.outcomes.items():
        part = share(number, sums.jobs)
        reasons = sums.reasons.get(outcome)
        why = f"   {by_number(reasons)}" if reasons else ""
        rows.append((outcome, f"{number:>{width},}  {part:>7}{why}"))
    return rows


def _balance(opening: float, closing: float, cost: float) -> str:
    words = f"{usd(opening, 0)} USD before, {usd(closing, 0)} after"
    spent = opening - closing
    more = spent - cost
    if abs(more) < _HALF_A_PLACE:
        return f"{words}: {usd(spent)} less, as reckoned"
    change = f"{usd(abs(spent))} {'less' if spent >= 0 else 'more'}"
    return (
        f"{words}: {change}, though {usd(cost)} were reckoned "
        "(others may use the account; whether failed jobs are charged is the service's word)"
    )


def _would_buy(by_host: Mapping[str, Jobs], price: float) -> str:
    least, most = (sum(numbers) for numbers in zip(*by_host.values(), strict=True))
    hosts = sorted(by_host.items(), key=lambda item: (-item[1].most, item[0]))
    named = [f"{short(host, _LONGEST_NAME)} {_range(*jobs)}" for host, jobs in hosts[:_HOSTS]]
    if len(hosts) > _HOSTS:
        named.append(f"{len(hosts) - _HOSTS:,} others")
    cost = usd(most * price) if least == most else f"{usd(least * price, most * price)} to {usd(most * price)}"
    return f"{_range(least, most)} {'job' if most == 1 else 'jobs'} for {cost} USD not bought: {', '.join(named)}"


def _range(least: int, most: int) -> str:
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"


def _solve_time(sums: Sums) -> list[tuple[str, str]]:
    slowest = sums.slowest
    if slowest is None:
        return []
    if len(sums.solved) == 1:
        return [("solve time", f"{seconds(slowest.seconds)} s")]
    where = f"{short(slowest.host, _LONGEST_NAME)}, {minute(moment(slowest))} UTC"
    return [
        ("solve time", f"{seconds(sums.median)} s usually (median), {seconds(slowest.seconds)} s at most ({where})")
    ]


def _block(title: str, rows: Sequence[tuple[str, str]]) -> str:
    width = max((len(label) for label, _ in rows), default=0)
    return "\n".join(harmless(line) for line in [title, *(f"  {label:<{width}}  {text}" for label, text in rows)])


def _named(sources: Sequence[str]) -> str:
    return sources[0] if len(sources) == 1 else f"{len(sources)} journals"


def _table(groups: Sequence[Sums], by: str) -> str:
    """A line a group; columns of zeros are left out."""
    outcomes = list(Sums([record for group in groups for record in group.records]).outcomes)
    largest = max(group.cost for group in groups)
    rows = [[f"{by} (UTC)" if by == "day" else by, "jobs", *outcomes, "USD", "usual s", "slowest s"]]
    for group in groups:
        slowest = group.slowest
        rows.append(
            [
                harmless(short(group.name, _LONGEST_NAME)),
                f"{group.jobs:,}",
                *(f"{group.outcomes[outcome]:,}" if outcome in group.outcomes else "-" for outcome in outcomes),
                usd(group.cost, largest),
                seconds(group.median),
                seconds(None if slowest is None else slowest.seconds),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(_aligned, row, widths, [str.ljust] + [str.rjust] * len(row))) for row in rows)


def _aligned(cell: str, width: int, align: Callable[[str, int], str]) -> str:
    return align(cell, width)
