"""The web page of ``scrapy omocaptcha report --html``, as a browser shows it."""

import re

import pytest

from scrapy_omocaptcha.buying.database import read_ledger
from scrapy_omocaptcha.buying.records import Run
from scrapy_omocaptcha.reporting.format import LONGEST_NAME, shorten
from scrapy_omocaptcha.reporting.html import web_page
from scrapy_omocaptcha.reporting.totals import Totals
from tests.helpers.ledgers import business, job, write
from tests.helpers.nightly import nightly

# Finds text that is cut off, and elements that must not be in the page.
LOOK = r"""
(() => {
  const box = (element) => element.getBoundingClientRect();
  const plots = [...document.querySelectorAll('svg')];
  const cut = (svg) => [...svg.querySelectorAll('text')].filter((text) => {
    const [inner, outer] = [box(text), box(svg)];
    return inner.left < outer.left - 1 || inner.right > outer.right + 1
        || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
  }).map((text) => text.textContent);
  const figures = [...document.querySelectorAll('figure')];
  const collide = (svg) => [...svg.querySelectorAll('text')].flatMap((text, index, all) => all.slice(index + 1)
    .filter((other) => {
      const [a, b] = [box(text), box(other)];
      return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    }).map((other) => [text.textContent, other.textContent]));
  const rows = Map.groupBy([...figures, ...document.querySelectorAll('dl > div')], (element) => box(element).top);
  const wide = [...document.querySelectorAll('.wide')];
  return {
    figures: figures.map((figure) => figure.querySelector('figcaption').textContent),
    costs: [...document.querySelectorAll('[aria-label="Hosts"] tbody th')].map((name) => [
      name.innerText, box(name.querySelector('b')).width / name.clientWidth,
    ]),
    columns: plots.map((svg) => [...svg.querySelectorAll('rect')]
      .map((bar) => [bar.getAttribute('style'), Math.round(box(bar).height * 100 / box(svg).height)])),
    collisions: plots.flatMap(collide),
    holes: [...rows.values()].filter((row) => Math.max(...row.map((element) => box(element).right))
      < box(document.querySelector('h1')).right - 3).map((row) => row[0].textContent),
    // Costs that a reader of a phone has to scroll to.
    hiddenCosts: wide.flatMap((table) => {
      const place = [...table.querySelectorAll('thead th')].findIndex((head) => head.textContent === 'USD');
      return [...table.querySelectorAll('tr')].filter((row) => box(row.cells[place]).right > innerWidth + 0.5)
        .map((row) => row.textContent);
    }),
    hidden: wide.map((table) => table.scrollWidth - table.clientWidth),
    names: wide.map((table) => {
      table.scrollLeft = 10000;
      return box(table.querySelector('tbody th')).left - box(table).left;
    }),
    plots: plots.map((svg) => [box(svg).width, box(svg).height]),
    words: plots.map((svg) => [...svg.querySelectorAll('text')].map((text) => text.textContent)),
    // Tiles of one row whose values stand on different lines.
    uneven: [...rows.values()].filter((row) => new Set(row.map((tile) => tile.querySelector('dd'))
      .filter(Boolean).map((value) => box(value).top)).size > 1).map((row) => row[0].textContent),
    largest: Math.max(0, ...plots.flatMap((svg) => [...svg.querySelectorAll('text')].map((text) => box(text).height))),
    smallest: Math.min(...plots.flatMap((svg) => [...svg.querySelectorAll('text')].map((text) => box(text).height))),
    cut: plots.flatMap(cut),
    tooWide: document.documentElement.scrollWidth > innerWidth,
    text: document.body.innerText,
    ink: getComputedStyle(document.body).color,
    paper: getComputedStyle(document.body).backgroundColor,
    bar: plots.length && getComputedStyle(plots[0].querySelector('rect[style*="--main"]')).fill,
    foreign: document.querySelectorAll('script, img, iframe, object, embed, link, a[href]').length,
  };
})()
"""

LONG = f"{'a' * 60}.{'b' * 60}.shop.example"
LONG_HOSTS = (
    "www.the-longest-catalogue-of-replacement-parts-of-all-co.example",
    "eu-west-1.storefront.catalogue.prices.retailer-group.example",
    f"{'a' * 52}.example",
    "shop.example",
)
HOSTILE = (
    job(host=LONG, page=f"https://{LONG}/"),
    job(host="<script>alert(1)</script>", page="javascript:alert(1)", spider='"><img src=x onerror=alert(1)>'),
    job(host="$\\frac{1}{0}$ & </svg>", reason="</td></table><script>alert(2)</script>", outcome="failed"),
    job(host='url(#clip) id="x" #010110', time="2038-01-19T03:14:07Z"),
    job(host="日本語.example", time="1970-01-01T00:00:00Z", cost_usd=0, seconds=0),
    job(host="\u202e\x00\x1b", spider="\x1b", crawl="\x00"),
    job(host="", spider=""),
)
LEDGERS = {
    "one job": [job()],
    "weeks": business(1200),
    "failures alone": [job(outcome="failed", reason="lost", seconds=None)] * 3,
    "sixty hosts": business(3000, hosts=60, days=0.2),
    "years": business(300, days=2000),
    "for nothing": [job(cost_usd=0, seconds=0)] * 5,
    "hostile": HOSTILE,
    "long hosts": [{**each, "host": LONG_HOSTS[number % 4]} for number, each in enumerate(business(60))],
}


@pytest.fixture
def look(browser, tmp_path):
    """``look(jobs, width=…, dark=…)`` → what the browser shows as the page of a ledger."""

    def look(jobs, runs=(), **window):
        (tmp_path / "jobs.sqlite").unlink(missing_ok=True)
        records = read_ledger(write(tmp_path / "jobs.sqlite", *jobs))
        page = tmp_path / "page.html"
        page.write_text(web_page(Totals(records, runs=runs), sources=["jobs.sqlite"]), encoding="utf-8")
        seen = browser.look(page.as_uri(), LOOK, **window)
        assert seen.requests == (page.as_uri(),)
        assert seen.complaints == ()
        return seen.value

    return look


@pytest.mark.parametrize("width", [1280, nightly(768), 360])
@pytest.mark.parametrize("ledger", LEDGERS)
def test_all_plots_are_complete_each_cost_is_in_sight_and_nothing_is_fetched(look, ledger, width):
    seen = look(LEDGERS[ledger], width=width)
    assert len(seen["plots"]) == 2
    assert all(plot_width > 250 and height > 20 for plot_width, height in seen["plots"])
    assert len(seen["figures"]) == len(seen["plots"])
    assert seen["collisions"] == seen["holes"] == seen["cut"] == []
    assert seen["tooWide"] is False
    assert seen["foreign"] == 0
    assert seen["smallest"] > 8
    assert seen["largest"] < 16
    assert seen["uneven"] == seen["hiddenCosts"] == []


def test_figures_and_tables(look):
    seen = look([*business(1200), job(outcome="expired", reason="too old")])
    assert [label.split(",")[0] for label in seen["figures"]] == ["Spending over time", "Outcomes over time"]
    assert "UTC: 13 crawls, 3 spiders, 10 hosts" in seen["text"]
    assert "1,201 jobs for 0.66055 USD, " in seen["text"]
    assert re.search(r"Expired\n+\d\.\d%\n\d+ jobs \(.*too old 1\)\n", seen["text"])
    assert re.search(r"2026-11-13 \d\d:\d\d (catalogue|prices|.*)\n*\t\d+\t0\.\d+\t", seen["text"])
    days = re.findall(r"2026-11-\d\d(?= \d\d:)", seen["text"].rpartition("Crawls")[2])
    assert (len(days), days) == (13, sorted(days, reverse=True)), "the latest crawls come first"
    spending, outcomes = seen["words"]
    assert {"0", "2026-11-13"} < {word[:10] for word in spending}
    assert {"0", "100", "2026-11-13"} < {word[:10] for word in outcomes}
    assert seen["costs"][0] == ["shop00.example", pytest.approx(1, abs=0.1)]


def test_what_sites_reject_is_told_in_a_tile_columns_and_the_shares_over_time(look):
    jobs = [job(outcome="rejected", reason="again", host="long-name-of-parts.example")] * 3
    seen = look([*jobs, job(), job(time="2026-11-25T20:08:33Z")], width=360)
    assert re.search(r"Rejected\n+60\.0%\n3 jobs \(again 3\)\n", seen["text"])
    assert re.search(r"long-name-of-parts\.example\n*\t3\t0\.0\d+\t-\t3\t", seen["text"])
    heights = [height for height in seen["columns"][1] if height[1]]
    accepted, rejected = ([height for style, height in heights if f"outcome-{n}" in style] for n in (0, 1))
    assert accepted == [pytest.approx(accepted[1] / 4, abs=1), accepted[1]]
    assert rejected == [pytest.approx(accepted[1] * 3 / 4, abs=1)]


def test_a_table_that_is_wider_than_a_phone_scrolls_beside_its_names(look):
    seen = look(business(300), width=375)
    assert min(seen["hidden"]) > 50
    assert seen["names"] == [0] * 4
    assert max(look(business(300), width=1024)["hidden"]) <= 0


NOTICED = {"left_alone at shop.example": 2, "not_resent at shop.example": 1}


def test_crawls_are_told_with_how_they_ended_and_what_was_not_solved_the_latest_first(look):
    runs = [Run(f"2026-11-25T0{n}:00:00Z", "prices", f"crawl{n}", "finished", {"robots": n}) for n in range(1, 9)]
    seen = look([job()], [Run("2026-11-24T21:00:00Z", "", "c0ffee", "shutdown", {}, NOTICED), *runs])
    assert re.search(r"Not solved\n+36\nrobots 36\n", seen["text"])
    assert re.search(r"Look at\n+3\nleft_alone at shop.example 2, not_resent at shop.example 1\n", seen["text"])
    ends = re.findall(r"(crawl\d|c0ffee)\n*\t.*\t(\w+)\t(.*)", seen["text"].rpartition("Crawls")[2])
    assert ends == [*((f"crawl{n}", "finished", f"robots {n}") for n in range(8, 0, -1)), ("c0ffee", "shutdown", "-")]
    assert "prices crawl1" in look([], runs)["text"]


def test_of_many_hosts_the_dearest_are_shown_and_the_others_counted(look):
    seen = look(business(3000, hosts=75))
    assert len(seen["costs"]) == 60
    assert "and 15 hosts more" in seen["text"]


def test_content_of_a_ledger_is_escaped(look):
    text = look(HOSTILE)["text"]
    shown = ["$\\frac{1}{0}$ & </svg>", 'url(#clip) id="x" #010110', '"><img src=x onerror=alert(1)>']
    shown += [shorten(LONG, LONGEST_NAME), "<script>alert(1)</script>", "日本語.example", "???"]
    assert [words for words in shown if words not in text] == []


def test_dark_mode_and_a_ledger_without_jobs(look):
    light, dark = look([job()]), look([job()], dark=True)
    for colour in ("ink", "paper", "bar"):
        assert light[colour] != dark[colour]
    seen = look([])
    assert "No jobs were bought." in seen["text"]
    assert seen["plots"] == []
