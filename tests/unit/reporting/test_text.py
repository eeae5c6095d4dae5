"""What is told of jobs, as text."""

from __future__ import annotations

import pytest

from scrapy_omocaptcha.buying.journal import Record
from scrapy_omocaptcha.reporting.dry_run import Jobs
from scrapy_omocaptcha.reporting.format import by_number, seconds, share, short, usd
from scrapy_omocaptcha.reporting.text import crawl_report, journal_report
from scrapy_omocaptcha.reporting.totals import Sums, grouped
from tests.helpers.journals import FIELDS


def record(**changes):
    return Record(**{**FIELDS, **changes})


SOME = [
    record(seconds=10.0, host="a.example"),
    record(seconds=12.0, time="2026-11-24T20:09:00Z", host="a.example"),
    record(seconds=61.04, time="2026-11-25T00:30:00Z", outcome="rejected", reason="the challenge again"),
    record(seconds=30.0, time="2026-11-25T00:31:00Z", outcome="failed", reason="failed", spider="prices"),
    record(seconds=None, time="2026-11-25T00:32:00Z", outcome="failed", reason="lost", job=None, spider="prices"),
]


# -- the end of a crawl ---------------------------------------------------------------------------------------------


def test_the_end_of_a_crawl_is_read_in_ten_seconds():
    said = crawl_report(
        SOME,
        challenges=7,
        pages=1250,
        stayed_closed={"robots": 2, "enterprise": 5},
        opening_balance=10.0,
        closing_balance=9.99725,
    )
    assert said == (
        "OMOcaptcha: 7 challenges met in 1,250 pages, 5 jobs for 0.00275 USD\n"
        "  accepted       2   40.0 %\n"
        "  rejected       1   20.0 %   the challenge again 1\n"
        "  failed         2   40.0 %   failed 1, lost 1\n"
        "  cost           0.00275 USD: 0.00220 USD for a thousand pages (of 1,250)\n"
        "  balance        10.00000 USD before, 9.99725 after: 0.00275 less, as reckoned\n"
        "  solve time     12.0 s usually (median), 61.0 s at most (shop.example, 2026-11-25 00:30 UTC)\n"
        "  stayed closed  7: enterprise 5, robots 2\n"
        "  sums           of this crawl's own books: each job at its price when it was bought, failed ones too"
    )


def test_a_crawl_without_challenges_has_one_line():
    assert crawl_report([], challenges=0, pages=12, stayed_closed={}) == (
        "OMOcaptcha: no challenge met in 12 pages, nothing bought"
    )


def test_a_balance_that_fell_by_something_else_is_said_to_have_done_so():
    def said(closing):
        report = crawl_report(
            SOME, challenges=1, pages=1, stayed_closed={}, opening_balance=10.0, closing_balance=closing
        )
        return next(line for line in report.splitlines() if "balance" in line)

    assert "9.99780 after: 0.00220 less, though 0.00275 were reckoned (" in said(9.9978)
    assert "15.00000 after: 5.000 more, though 0.00275 were reckoned (" in said(15.0)
    assert said(9.99725 + 1e-9).endswith("0.00275 less, as reckoned")


def test_a_balance_known_at_one_end_alone_says_nothing():
    assert "balance" not in crawl_report(SOME, challenges=1, pages=1, stayed_closed={}, opening_balance=10.0)


def test_a_dry_run_tells_what_it_would_have_cost_and_where():
    hosts = {f"shop{number}.example": Jobs(min(2, 8 - number), 8 - number) for number in range(8)}
    said = crawl_report([], challenges=36, pages=90, stayed_closed={"dry_run": 36}, would_buy=hosts, price=0.00055)
    assert said == (
        "OMOcaptcha: 36 challenges met in 90 pages, nothing bought\n"
        "  stayed closed  36: dry_run 36\n"
        "  dry run        15 to 36 jobs for 0.00825 to 0.01980 USD not bought: shop0.example 2 to 8, "
        "shop1.example 2 to 7, shop2.example 2 to 6, shop3.example 2 to 5, shop4.example 2 to 4, 3 others"
    )


def test_a_dry_run_that_knows_says_one_number():
    said = crawl_report(
        [], challenges=3, pages=9, stayed_closed={}, would_buy={"shop.example": Jobs(3, 3)}, price=0.00055
    )
    assert said.endswith("dry run  3 jobs for 0.00165 USD not bought: shop.example 3")


# -- journals -------------------------------------------------------------------------------------------------------


def test_journals_are_added_up():
    assert journal_report(SOME, sources=["jobs.jsonl"]) == (
        "5 jobs for 0.00275 USD, 2026-11-24 to 2026-11-25 (UTC): 1 crawl, 2 spiders, 2 hosts\n"
        "  accepted    2   40.0 %\n"
        "  rejected    1   20.0 %   the challenge again 1\n"
        "  failed      2   40.0 %   failed 1, lost 1\n"
        "  cost        0.00275 USD: 0.00138 USD for each accepted token\n"
        "  solve time  12.0 s usually (median), 61.0 s at most (shop.example, 2026-11-25 00:30 UTC)\n"
        "  sums        of the records in jobs.jsonl: each job at its price when it was bought, failed ones too"
    )


@pytest.mark.parametrize(
    ("by", "table"),
    [
        (
            "spider",
            "spider     jobs  accepted  rejected  failed      USD  usual s  slowest s\n"
            "catalogue     3         2         1       -  0.00165     12.0       61.0\n"
            "prices        2         -         -       2  0.00110        -          -",
        ),
        (
            "host",
            "host          jobs  accepted  rejected  failed      USD  usual s  slowest s\n"
            "shop.example     3         -         1       2  0.00165     61.0       61.0\n"
            "a.example        2         2         -       -  0.00110     11.0       12.0",
        ),
        (
            "day",
            "day (UTC)   jobs  accepted  rejected  failed      USD  usual s  slowest s\n"
            "2026-11-24     2         2         -       -  0.00110     11.0       12.0\n"
            "2026-11-25     3         -         1       2  0.00165     61.0       61.0",
        ),
    ],
)
def test_a_table_has_a_line_a_group_and_no_column_of_zeros(by, table):
    assert journal_report(SOME, sources=["jobs.jsonl"], by=by).partition("\n\n")[2] == table


def test_the_times_of_one_day_are_told():
    assert ", 2026-11-24 20:08 to 20:09 UTC: 1 crawl" in journal_report(SOME[:2], sources=["a", "b"])
    assert ", 2026-11-24 20:08 UTC: 1 crawl" in journal_report(SOME[:1], sources=["a"])
    assert "of the records in 2 journals:" in journal_report(SOME[:2], sources=["a", "b"])


def test_no_jobs_are_told_as_none():
    assert journal_report([], sources=["a.jsonl"]) == "No jobs in a.jsonl"


def test_days_are_those_of_utc_whatever_the_records_zone():
    late = record(time="2026-11-25T01:00:00+02:00")
    assert [group.name for group in grouped([late], "day")] == ["2026-11-24"]


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_no_calendar_holds_in_utc_is_no_error(time):
    assert journal_report([record(time=time)], sources=["a"], by="day")


def test_nothing_in_a_journal_leads_a_terminal_astray():
    evil = "\x1b[2J\x9b\u202e\ud800\n"
    records = [record(host=evil, spider=evil, outcome="failed", reason=evil)] * 2
    for by in ("spider", "host"):
        said = journal_report([*records, *records], sources=[evil], by=by)
        assert all(line.isprintable() for line in said.split("\n"))


def test_the_solve_time_of_a_failed_job_is_none():
    assert Sums(SOME).median == 12.0
    assert Sums(SOME[3:]).median is None


# -- spelling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (0.0, "0.00000"),
        (0.00055, "0.00055"),
        (0.0000001, "<0.00001"),
        (1.23456, "1.235"),
        (55, "55.00"),
        (1e4, "10,000.00"),
    ],
)
def test_money_has_the_digits_that_matter(amount, said):
    assert usd(amount) == said


def test_money_in_a_column_has_equally_many_digits():
    assert [usd(amount, 55) for amount in (55, 0.25, 0.001)] == ["55.00", "0.25", "<0.01"]


def test_absurd_figures_stay_short():
    assert (usd(1e300), seconds(1e300)) == ("1.0e+300", "1.0e+300")


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 5, "0 %"), (5, 5, "100 %"), (1, 3, "33.3 %"), (1, 9999, "<0.1 %"), (9999, 10000, ">99.9 %")],
)
def test_a_share_is_all_or_nothing_only_where_it_is(part, whole, said):
    assert share(part, whole) == said


def test_long_names_keep_both_ends():
    assert short("shop.example", 12) == "shop.example"
    assert short("a" * 50 + ".shop.example", 20) == "aaaaaa….shop.example"


def test_the_most_frequent_reasons_are_named():
    assert by_number({"a": 1, "b": 3, "c": 2000, "d": 1}, most=2) == "c 2,000, b 3, 2 others 2"
