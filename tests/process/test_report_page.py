"""The web page of ``scrapy omocaptcha report --html``, as a browser shows it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import matplotlib
import pytest

from scrapy_omocaptcha.buying.database import read_ledger
from scrapy_omocaptcha.reporting.html import web_page
from tests.helpers.ledgers import business, job, write

# Finds text that is cut off, and elements that must not be in the page.
LOOK = """
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
    bars: figures.map((figure) => [...figure.querySelectorAll('li')].map((bar) => [
      ...[...bar.querySelectorAll('span')].map((words) => words.textContent),
      box(bar.querySelector('b')).width / box(bar).width,
    ])),
    collisions: plots.flatMap(collide),
    holes: [...rows.values()].filter((row) => Math.max(...row.map((element) => box(element).right))
      < box(document.querySelector('h1')).right - 3).map((row) => row[0].textContent),
    hidden: wide.map((table) => table.scrollWidth - table.clientWidth),
    names: wide.map((table) => {
      table.scrollLeft = 10000;
      return box(table.querySelector('tbody th')).left - box(table).left;
    }),
    plots: plots.map((svg) => [box(svg).width, box(svg).height]),
    labels: plots.map((svg) => document.getElementById(svg.getAttribute('aria-labelledby')).textContent),
    words: plots.map((svg) => [...svg.querySelectorAll('text')].map((text) => text.textContent)),
    smallest: Math.min(...plots.flatMap((svg) => [...svg.querySelectorAll('text')].map((text) => box(text).height))),
    cut: plots.flatMap(cut),
    ids: [...document.querySelectorAll('[id]')].map((element) => element.id),
    tooWide: document.documentElement.scrollWidth > innerWidth,
    text: document.body.innerText,
    ink: getComputedStyle(document.body).color,
    paper: getComputedStyle(document.body).backgroundColor,
    bar: plots.length && getComputedStyle(plots[0].querySelector('path[style*="--main"]')).fill,
    foreign: document.querySelectorAll('script, img, iframe, object, embed, link, a[href]').length,
  };
})()
"""

LONG = f"{'a' * 60}.{'b' * 60}.shop.example"
HOSTILE = (
    job(host=LONG, page=f"https://{LONG}/"),
    job(host="<script>alert(1)</script>", page="javascript:alert(1)", spider='"><img src=x onerror=alert(1)>'),
    job(host="$\\frac{1}{0}$ & </svg>", reason="</td></table><script>alert(2)</script>", outcome="failed"),
    job(host='url(#clip) id="x" #010110', time="9999-12-31T23:59:59Z", seconds=1e300, cost_usd=1e9),
    job(host="日本語.example", time="0001-01-01T00:00:00Z", cost_usd=0, seconds=0),
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
}


@pytest.fixture
def look(browser, tmp_path):
    """``look(jobs, width=…, dark=…)`` → what the browser shows as the page of a ledger."""

    def look(jobs, **window):
        (tmp_path / "jobs.sqlite").unlink(missing_ok=True)
        records = read_ledger(write(tmp_path / "jobs.sqlite", *jobs))
        page = tmp_path / "page.html"
        page.write_text(web_page(records, sources=["jobs.sqlite"]), encoding="utf-8")
        seen = browser.look(page.as_uri(), LOOK, **window)
        assert seen.requests == (page.as_uri(),)
        assert seen.complaints == ()
        return seen.value

    return look


@pytest.mark.parametrize("width", [1280, 768, 360])
@pytest.mark.parametrize("ledger", LEDGERS)
def test_all_plots_are_complete_and_nothing_is_fetched(look, ledger, width):
    seen = look(LEDGERS[ledger], width=width)
    assert len(seen["plots"]) == (1 if ledger == "failures alone" else 2)
    assert all(plot_width > 250 and height > 20 for plot_width, height in seen["plots"])
    assert len(seen["figures"]) == len(seen["plots"]) + 2
    assert seen["collisions"] == seen["holes"] == seen["cut"] == []
    assert (seen["tooWide"], seen["foreign"]) == (False, 0)
    assert seen["smallest"] > 8
    assert len(seen["ids"]) == len(set(seen["ids"]))


def test_figures_and_tables(look):
    seen = look([*business(1200), job(outcome="expired", reason="too old")])
    assert [label.split(",")[0] for label in seen["figures"]] == [
        *("Spending by day", "Jobs by solve time in seconds", "Share of jobs by outcome", "Cost by host"),
    ]
    assert "2026-11-13 to 2026-11-25 (UTC): 13 crawls, 3 spiders, 10 hosts" in seen["text"]
    assert re.search(r"Jobs\n+1,201\n+Cost, USD\n+0\.66055\n", seen["text"])
    assert re.search(r"expired\t\d+\t\d\.\d %\t0\.0\d+\t.*too old 1", seen["text"])
    spending, times = seen["words"]
    *_, outcomes, hosts = seen["bars"]
    assert {"0", "13 Nov"} < set(spending)
    assert any(re.fullmatch(r"median 1\d\.\d s", words) for words in times)
    for _, text, length in outcomes:
        assert length == pytest.approx(float(text.split()[-2]) / 100, abs=0.01)
    assert hosts[0][0] == "shop00.example"
    assert hosts[0][2] == pytest.approx(1)


def test_what_is_not_known_is_told_and_why(look):
    seen = look([*[job()] * 6, *[job(outcome="unknown", reason="by_hand", host="other.example")] * 2])
    assert re.search(r"Outcome unknown\n+25\.0 %\nused by hand 2\n", seen["text"])
    assert re.search(r"unknown\t2\t25\.0 %\t0\.00110\tused by hand 2", seen["text"])
    assert re.search(r"other\.example\t2\t0\t-\t2\t", seen["text"])
    assert ["unknown", "2 · 25.0 %"] in [bar[:2] for bar in seen["bars"][-2]]


@pytest.mark.parametrize("periods", [*range(2, 14), 25, 38])
def test_labels_do_not_collide_however_many_periods_there_are(look, periods):
    for minutes in (1, 60, 24 * 60):
        first = datetime(2026, 11, 24, 22, 30, tzinfo=timezone.utc)
        times = [first + timedelta(minutes=minutes * number) for number in range(periods)]
        seen = look([job(time=time.strftime("%Y-%m-%dT%H:%M:%SZ")) for time in times])
        assert seen["collisions"] == []
        assert seen["cut"] == []


def test_a_table_that_is_wider_than_a_phone_scrolls_beside_its_names(look):
    seen = look(business(300), width=375)
    assert min(seen["hidden"]) > 50
    assert seen["names"] == [0] * 4
    assert max(look(business(300), width=768)["hidden"]) <= 0


def test_cheap_hosts_are_grouped_as_others_but_not_a_single_one(look):
    seen = look(business(3000, hosts=75))
    names = [name for name, *_ in seen["bars"][-1]]
    assert len(names) == 6
    assert names[-1] == "70 others"
    assert "15 others" in seen["text"]
    names = [name for name, *_ in look(business(300, hosts=6))["bars"][-1]]
    assert "shop05.example" in names
    assert not any("others" in name for name in names)


def test_content_of_a_ledger_is_escaped(look):
    text = look(HOSTILE)["text"]
    shown = ["$\\frac{1}{0}$ & </svg>", 'url(#clip) id="x" #010110', '"><img src=x onerror=alert(1)>', LONG]
    shown += ["<script>alert(1)</script>", "日本語.example", "(none)", "???"]
    assert [words for words in shown if words not in text] == []


def test_dark_mode_and_a_ledger_without_jobs(look):
    light, dark = look([job()]), look([job()], dark=True)
    for colour in ("ink", "paper", "bar"):
        assert light[colour] != dark[colour]
    seen = look([])
    assert "No jobs were bought." in seen["text"]
    assert seen["plots"] == []


def test_matplotlib_settings_of_the_user_have_no_effect_and_are_unchanged(tmp_path):
    records = read_ledger(write(tmp_path / "jobs.sqlite", *business(30)))
    plain = web_page(records, sources=["a"])
    with matplotlib.rc_context({"path.sketch": (1, 100, 2), "svg.fonttype": "path", "grid.linestyle": ":"}):
        assert web_page(records, sources=["a"]) == plain
        assert matplotlib.rcParams["svg.fonttype"] == "path"
