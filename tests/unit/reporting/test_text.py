"""Reports as text."""

import pytest

from scrapy_omocaptcha.buying.records import Record, Run
from scrapy_omocaptcha.reporting.format import ranked, sent, shorten
from scrapy_omocaptcha.reporting.text import crawl_report, ledger_report
from scrapy_omocaptcha.reporting.totals import Totals
from tests.helpers.ledgers import FIELDS


def record(**changes):
    return Record(**{**FIELDS, **changes})


def run(not_solved):
    return [Run("2026-11-25T01:00:00Z", "", "", "finished", not_solved)]


SOME = [
    record(seconds=10.0, host="a.example"),
    record(seconds=12.0, time="2026-11-24T20:09:00Z", host="a.example"),
    record(seconds=61.04, time="2026-11-25T00:30:00Z", outcome="rejected", reason="the challenge again"),
    record(seconds=30.0, time="2026-11-25T00:31:00Z", outcome="failed", reason="failed", spider="prices"),
    record(seconds=None, time="2026-11-25T00:32:00Z", outcome="failed", reason="lost", job=None, spider="prices"),
]


def test_the_report_of_a_crawl_names_challenges_money_time_and_what_was_not_solved():
    totals = Totals(SOME, runs=run({"robots": 2, "enterprise": 5}))
    assert crawl_report(totals, challenges=7) == (
        "OMOcaptcha: 7 challenged requests, 5 jobs for 0.00275 USD\n"
        "  accepted    40.0%: 2 jobs\n"
        "  rejected    20.0%: 1 job (the challenge again 1)\n"
        "  failed      40.0%: 2 jobs (failed 1, lost 1)\n"
        "  cost        0.00138 USD: per accepted token\n"
        "  solve time  12.0 s: the median; 61.0 s at most (shop.example, 2026-11-25 00:30 UTC)\n"
        "  not solved  7: enterprise 5, robots 2\n"
        "  basis       Each job is counted at its price when bought, including failed jobs."
    )


def test_crawl_report_has_one_line_without_challenges():
    assert crawl_report(Totals([]), challenges=0) == "OMOcaptcha: no challenged request, nothing bought"
    said = crawl_report(Totals(SOME), challenges=0).splitlines()[0]
    assert said == "OMOcaptcha: tokens bought by the spider itself, 5 jobs for 0.00275 USD"


def test_crawl_report_shows_the_estimate_of_a_dry_run_and_the_hosts_of_the_most_jobs_first():
    hosts = {f"shop{number}.example": 8 - number for number in reversed(range(8))}
    totals = Totals([], runs=run({"dry_run": 36}))
    text = crawl_report(totals, challenges=36, would_buy=hosts, price=0.00055)
    assert text == (
        "OMOcaptcha: 36 challenged requests, nothing bought\n"
        "  not solved  36: dry_run 36\n"
        "  dry run     at least 36 jobs for 0.01980 USD not bought: shop0.example 8, shop1.example 7, shop2.example 6, "
        "shop3.example 5, shop4.example 4, 3 others; a wall that wants a token on each page costs one a page"
    )


def test_ledger_report():
    assert ledger_report(Totals(SOME), sources=["jobs.sqlite"]) == (
        "5 jobs for 0.00275 USD, 2026-11-24 20:08 to 2026-11-25 00:32 UTC: 1 crawl, 2 spiders, 2 hosts\n"
        "  accepted    40.0%: 2 jobs\n"
        "  rejected    20.0%: 1 job (the challenge again 1)\n"
        "  failed      40.0%: 2 jobs (failed 1, lost 1)\n"
        "  cost        0.00138 USD: per accepted token\n"
        "  solve time  12.0 s: the median; 61.0 s at most (shop.example, 2026-11-25 00:30 UTC)\n"
        "  ended       not known 1\n"
        "  basis       the records in jobs.sqlite. Each job is counted at its price when bought, including failed jobs."
    )
    assert "  basis       the records in 2 ledgers. " in ledger_report(Totals(SOME), sources=["a", "b"])
    assert ledger_report(Totals([]), sources=["a.sqlite"]) == "No jobs in a.sqlite"


TABLES = {
    "spider": """\
spider     jobs      USD  accepted  rejected  failed  median s  slowest s
catalogue     3  0.00165         2         1       -      12.0       61.0
prices        2  0.00110         -         -       2         -          -""",
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
    ],
)


def test_a_report_says_how_each_crawl_ended_and_what_was_not_solved_also_by_those_that_have_bought_nothing():
    block, _, table = ledger_report(CRAWLS, sources=["jobs.sqlite"], by="crawl").partition("\n\n")
    assert "\n  not solved  47: max_cost 46, robots 1\n" in block
    assert "\n  ended       finished 1, not known 1, omocaptcha_limit 1\n" in block
    ends = [(row.split()[:4], row.split(maxsplit=10)[9:]) for row in table.splitlines()[1:]]
    assert ends == [
        (["2026-11-25", "09:00", "prices", "thrifty"], ["omocaptcha_limit", "max_cost 40"]),
        (["2026-11-24", "21:00", "catalogue", "killed"], ["-", "max_cost 1"]),
        (["2026-11-24", "20:08", "catalogue", "resumed"], ["finished", "max_cost 5, robots 1"]),
    ]
    nothing = ledger_report(Totals([], runs=CRAWLS.runs[3:]), sources=["jobs.sqlite"])
    assert nothing.startswith("0 jobs for 0.00000 USD, ")
    assert "\n  not solved  40: max_cost 40\n" in nothing


def test_ledger_report_has_no_control_characters():
    evil = "\x1b[2J\x9b\u202e\ud800\n"
    records = [record(host=evil, spider=evil, outcome="failed", reason=evil)] * 2
    for by in ("spider", "host"):
        text = ledger_report(Totals([*records, *records]), sources=[evil], by=by)
        assert all(line.isprintable() for line in text.split("\n"))


def test_what_is_long_is_shortened_and_what_is_left_out_is_counted():
    names = [f"f{number}" for number in range(23)]
    assert "\x1b" not in sent("POST", "https://shop.example/find", ["\x1b[2J"])
    assert sent("POST", "https://shop.example/find?id=1", names[:20]).endswith("/find with " + ", ".join(names[:20]))
    assert sent("POST", "https://shop.example/find?id=1", names).endswith(", f19, 3 others")
    assert shorten("shop.example", 12) == "shop.example"
    assert shorten("a" * 50 + ".shop.example", 20) == "aaaaaa….shop.example"
    assert ranked({"d": 3, "b": 3, "c": 2000, "a": 1}, limit=2) == "c 2,000, b 3, 2 others"
