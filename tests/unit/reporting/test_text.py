"""Reports as text."""

import pytest

from scrapy_omocaptcha.buying.records import Record, Run
from scrapy_omocaptcha.reporting.format import percent, ranked, sent, shorten, table_of, usd
from scrapy_omocaptcha.reporting.text import crawl_report, ledger_report
from scrapy_omocaptcha.reporting.totals import Totals
from tests.helpers.ledgers import FIELDS


def record(**changes):
    return Record(**{**FIELDS, **changes})


SOME = [
    record(seconds=10.0, host="a.example"),
    record(seconds=12.0, time="2026-11-24T20:09:00Z", host="a.example"),
    record(seconds=61.04, time="2026-11-25T00:30:00Z", outcome="rejected", reason="the challenge again"),
    record(seconds=30.0, time="2026-11-25T00:31:00Z", outcome="failed", reason="failed", spider="prices"),
    record(seconds=None, time="2026-11-25T00:32:00Z", outcome="failed", reason="lost", job=None, spider="prices"),
]


# -- crawl_report ---------------------------------------------------------------------------------------------------


def test_the_report_of_a_crawl_names_challenges_pages_money_time_and_what_was_not_solved():
    not_solved = {
        "not_solved": {"robots": 2, "enterprise": 5},
        "not_solved_at": {"a.example": 1, "shop.example": 6},
    }
    text = crawl_report(SOME, challenges=7, pages=1250, **not_solved)
    assert text == (
        "OMOcaptcha: 7 challenged requests, 1,250 pages, 5 jobs for 0.00275 USD\n"
        "  accepted    2   40.0 %\n"
        "  rejected    1   20.0 %   the challenge again 1\n"
        "  failed      2   40.0 %   failed 1, lost 1\n"
        "  cost        0.00275 USD: 0.00220 USD per 1,000 pages\n"
        "  solve time  12.0 s median, 61.0 s slowest (shop.example, 2026-11-25 00:30 UTC)\n"
        "  not solved  7: enterprise 5, robots 2; at shop.example 6, a.example 1\n"
        "  basis       Each job is counted at its price when bought, including failed jobs."
    )


@pytest.mark.parametrize(("pages", "accepted"), [(99, 2), (1250, 1)])
def test_the_cost_of_a_thousand_pages_is_not_told_where_it_is_a_guess(pages, accepted):
    text = crawl_report([record()] * accepted, challenges=accepted, pages=pages, not_solved={})
    assert f"  cost        {usd(0.00055 * accepted)} USD\n" in text
    assert " USD per 1,000 pages\n" in crawl_report([record()] * 2, challenges=2, pages=100, not_solved={})


def test_crawl_report_has_one_line_without_challenges():
    assert crawl_report([], challenges=0, pages=12, not_solved={}) == (
        "OMOcaptcha: no challenged request, 12 pages, nothing bought"
    )


def test_crawl_report_shows_the_estimate_of_a_dry_run_and_the_hosts_of_the_most_jobs_first():
    hosts = {f"shop{number}.example": 8 - number for number in reversed(range(8))}
    text = crawl_report([], challenges=36, pages=90, not_solved={"dry_run": 36}, would_buy=hosts, price=0.00055)
    assert text == (
        "OMOcaptcha: 36 challenged requests, 90 pages, nothing bought\n"
        "  not solved  36: dry_run 36\n"
        "  dry run     at least 36 jobs for 0.01980 USD not bought: shop0.example 8, shop1.example 7, shop2.example 6, "
        "shop3.example 5, shop4.example 4, 3 others; a wall that wants a token on each page costs one a page"
    )


# -- ledger_report -------------------------------------------------------------------------------------------------


def test_ledger_report():
    assert ledger_report(Totals(SOME), sources=["jobs.sqlite"]) == (
        "5 jobs for 0.00275 USD, 2026-11-24 to 2026-11-25 (UTC): 1 crawl, 2 spiders, 2 hosts\n"
        "  accepted    2   40.0 %\n"
        "  rejected    1   20.0 %   the challenge again 1\n"
        "  failed      2   40.0 %   failed 1, lost 1\n"
        "  cost        0.00275 USD: 0.00138 USD per accepted token\n"
        "  solve time  12.0 s median, 61.0 s slowest (shop.example, 2026-11-25 00:30 UTC)\n"
        "  ended       not known 1\n"
        "  basis       the records in jobs.sqlite. Each job is counted at its price when bought, including failed jobs."
    )


TABLES = {
    "spider": """\
spider     jobs      USD  accepted  rejected  failed  median s  slowest s
catalogue     3  0.00165         2         1       -      12.0       61.0
prices        2  0.00110         -         -       2         -          -""",
    "host": """\
host          jobs      USD  accepted  rejected  failed  median s  slowest s
shop.example     3  0.00165         -         1       2      61.0       61.0
a.example        2  0.00110         2         -       -      10.0       12.0""",
    "day": """\
day (UTC)   jobs      USD  accepted  rejected  failed  median s  slowest s
2026-11-25     3  0.00165         -         1       2      61.0       61.0
2026-11-24     2  0.00110         2         -       -      10.0       12.0""",
}


@pytest.mark.parametrize("by", TABLES)
def test_ledger_report_adds_a_table_without_columns_of_zeros(by):
    assert ledger_report(Totals(SOME[::-1]), sources=["jobs.sqlite"], by=by).partition("\n\n")[2] == TABLES[by]


CRAWLS = Totals(
    [
        record(crawl="resumed"),
        record(crawl="killed", time="2026-11-24T21:00:00Z"),
        record(crawl="killed", time="2026-11-24T23:00:00Z"),
    ],
    runs=[
        Run("2026-11-24T20:09:00Z", "catalogue", "resumed", "shutdown", {"robots": 1, "max_cost": 2}),
        Run("2026-11-24T22:00:00Z", "catalogue", "killed", "shutdown", {"max_cost": 1}),
        Run("2026-11-25T08:00:00Z", "catalogue", "resumed", "finished", {"max_cost": 3}),
        Run("2026-11-25T09:00:00Z", "prices", "thrifty", "omocaptcha_limit", {"max_cost": 40}),
        Run("2026-11-25T10:00:00Z", "prices", "unwalled", "finished", {}),
    ],
)


def test_a_report_says_how_each_crawl_ended_and_what_was_not_solved_also_by_those_that_have_bought_nothing():
    block, _, table = ledger_report(CRAWLS, sources=["jobs.sqlite"], by="crawl").partition("\n\n")
    assert block.startswith("3 jobs for 0.00165 USD, 2026-11-24 20:08 to 23:00 UTC: 4 crawls, 2 spiders, 1 host\n")
    assert (
        "\n  not solved  47: max_cost 46, robots 1\n  ended       finished 2, not known 1, omocaptcha_limit 1\n"
        in block
    )
    ends = [(row.split()[:4], row.split(maxsplit=10)[9:]) for row in table.splitlines()[1:]]
    assert ends == [
        (["2026-11-25", "10:00", "prices", "unwalled"], ["finished", "-"]),
        (["2026-11-25", "09:00", "prices", "thrifty"], ["omocaptcha_limit", "max_cost 40"]),
        (["2026-11-24", "21:00", "catalogue", "killed"], ["-", "max_cost 1"]),
        (["2026-11-24", "20:08", "catalogue", "resumed"], ["finished", "max_cost 5, robots 1"]),
    ]
    nothing = ledger_report(Totals([], runs=CRAWLS.runs[3:4]), sources=["jobs.sqlite"])
    assert nothing.startswith("0 jobs for 0.00000 USD, 2026-11-25 09:00 UTC: 1 crawl, 1 spider, 0 hosts\n")
    assert "\n  not solved  40: max_cost 40\n" in nothing


def test_ledger_report_shows_the_time_of_a_single_day_how_many_ledgers_and_that_there_are_no_jobs():
    assert ", 2026-11-24 20:08 to 20:09 UTC: 1 crawl" in ledger_report(Totals(SOME[:2]), sources=["a", "b"])
    assert ", 2026-11-24 20:08 UTC: 1 crawl" in ledger_report(Totals(SOME[:1]), sources=["a"])
    assert "  solve time  10.0 s\n" in ledger_report(Totals(SOME[:1]), sources=["a"])
    assert "  basis       the records in 2 ledgers. " in ledger_report(Totals(SOME[:2]), sources=["a", "b"])
    assert ledger_report(Totals([]), sources=["a.sqlite"]) == "No jobs in a.sqlite"


def test_ledger_report_has_no_control_characters():
    evil = "\x1b[2J\x9b\u202e\ud800\n"
    records = [record(host=evil, spider=evil, outcome="failed", reason=evil)] * 2
    for by in ("spider", "host"):
        text = ledger_report(Totals([*records, *records]), sources=[evil], by=by)
        assert all(line.isprintable() for line in text.split("\n"))


# -- format ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        *((0.0, "0.00000"), (0.00055, "0.00055"), (0.0000001, "<0.00001"), (1.23456, "1.235"), (55, "55.00")),
        *((1e4, "10,000.00"), (1, "1.000"), (10, "10.00"), (0.000004, "<0.00001"), (0.000006, "0.00001")),
    ],
)
def test_usd_has_the_digits_that_matter(amount, text):
    assert usd(amount) == text


def test_usd_has_the_same_number_of_digits_in_a_column():
    assert [usd(amount, 55) for amount in (55, 0.25, 0.001)] == ["55.00", "0.25", "<0.01"]


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        *((0, 5, "0 %"), (5, 5, "100 %"), (1, 3, "33.3 %"), (1, 9999, "<0.1 %"), (9999, 10000, ">99.9 %")),
        *((5, 10000, "0.1 %"), (9995, 10000, ">99.9 %")),
    ],
)
def test_percent_is_0_or_100_only_if_it_is_exact(part, whole, text):
    assert percent(part, whole) == text


def test_of_the_fields_that_are_sent_twenty_are_named_and_the_others_counted():
    names = [f"f{number}" for number in range(23)]
    assert "\x1b" not in sent("POST", "https://shop.example/find", ["\x1b[2J"])
    assert sent("POST", "https://shop.example/find?id=1", names[:20]).endswith("/find with " + ", ".join(names[:20]))
    assert sent("POST", "https://shop.example/find?id=1", names).endswith(", f19, 3 others")


def test_crawls_that_share_a_row_are_not_named_by_the_first_of_them():
    _, one, others = table_of([Totals([record()], FIELDS["crawl"]), Totals([record()], "3 earlier")], "crawl", [])
    assert (one[0], others[0]) == (f"2026-11-24 20:08 {FIELDS['spider']} {FIELDS['crawl']}", "3 earlier")


def test_shorten_keeps_both_ends():
    assert shorten("shop.example", 12) == "shop.example"
    assert shorten("a" * 50 + ".shop.example", 20) == "aaaaaa….shop.example"


def test_ranked_names_the_most_frequent():
    assert ranked({"d": 3, "b": 3, "c": 2000, "a": 1}, limit=2) == "c 2,000, b 3, 2 others"
    assert ranked({"a": 2, "b": 1}, limit=1) == "a 2, 1 other"


def test_tokens_that_the_spider_has_bought_itself_are_not_told_as_if_there_had_been_no_captcha():
    said = crawl_report(SOME, challenges=0, pages=3, not_solved={}).splitlines()[0]
    assert said == "OMOcaptcha: tokens bought by the spider itself, 3 pages, 5 jobs for 0.00275 USD"
