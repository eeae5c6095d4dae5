"""``scrapy omocaptcha report``, run as a user runs it."""

import json
import sqlite3
import subprocess
from contextlib import closing

import pytest

from scrapy_omocaptcha.buying.database import open_ledger
from tests.helpers.ledgers import business, job, write


@pytest.fixture
def report(scrapy, tmp_path):
    """``report("a.sqlite", …)`` → the finished process, outside any project."""

    def report(*arguments, stderr=subprocess.PIPE, **environment):
        done = scrapy("report", *arguments, cwd=tmp_path, stderr=stderr, **environment)
        assert "Traceback" not in (done.stderr or "")
        return done

    return report


def test_several_ledgers_are_added_up(report, tmp_path):
    write(tmp_path / "a.sqlite", job(), job(host="other.example", outcome="rejected", reason="the challenge again"))
    write(tmp_path / "b.sqlite", job(crawl="other", spider="prices"))
    done = report("a.sqlite", "b.sqlite", "--by", "host")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("3 jobs for 0.00165 USD, 2026-11-24 20:08 UTC: 2 crawls, 2 spiders, 2 hosts\n")
    assert "  basis       the records in 2 ledgers. " in done.stdout
    assert "\nother.example     1  0.00055         -         1      14.2       14.2\n" in done.stdout


def test_how_a_crawl_has_ended_is_read_from_its_ledger(report, tmp_path):
    write(tmp_path / "a.sqlite", job())
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as db, db:
        db.execute(
            "INSERT INTO runs VALUES ('2026-11-24T21:00:00Z', 'catalogue', 'c0ffee', 'finished', ?, ?)",
            ('{"robots": 2}', '{"left_alone at a": 3}'),
        )
    assert report("a.sqlite").stdout.splitlines()[-4:-1] == [
        "  not solved  2: robots 2",
        "  look at     3: left_alone at a 3",
        "  ended       finished 1",
    ]
    told = json.loads(report("a.sqlite", "--json", "--by", "crawl").stdout)
    assert [(it["ended"], it["not_solved"], it["noticed"]) for it in (told, *told["by"])] == [
        (None, {"robots": 2}, {"left_alone at a": 3}),
        ("finished", {"robots": 2}, {"left_alone at a": 3}),
    ]


def test_json(report, tmp_path):
    write(tmp_path / "a.sqlite", job(), job(outcome="failed", reason="lost", job=None, seconds=None))
    done = report("a.sqlite", "--json", "--by", "day")
    told = json.loads(done.stdout)
    (day,) = told.pop("by")
    assert day.pop("day") == "2026-11-24"
    assert told == day
    expected = {"jobs": 2, "accepted": 1, "failed": 1, "reasons": {"failed": {"lost": 1}}, "cost_usd": 0.0011}
    expected |= dict.fromkeys(("rejected", "expired", "unknown", "abandoned"), 0)
    expected |= dict.fromkeys(("seconds_median", "seconds_slowest"), 14.25) | dict.fromkeys(
        ("ended", "not_solved", "noticed")
    )
    assert told == expected | dict.fromkeys(("first", "last"), "2026-11-24T20:08:33+00:00")


def test_a_ledger_is_read_while_a_crawl_writes_to_it_and_counted_once_if_it_is_named_twice(report, tmp_path):
    write(tmp_path / "a.sqlite", job())
    with closing(open_ledger(tmp_path / "a.sqlite")) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE jobs SET cost_usd = 5.0")
        assert report("a.sqlite", tmp_path / "a.sqlite", "./a.sqlite").stdout.startswith("1 job for 0.00055 USD")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere/a.sqlite", "No such file or directory: check the path and its folder; that of a crawl"),
        ("folder", "it is no ledger: name a ledger, or a file that does not exist yet\n"),
        ("novel.txt", "file is not a database: name a ledger, or a file that does not exist yet\n"),
        ("other.sqlite", "it is no ledger: name a ledger, or a file that does not exist yet\n"),
        ("newer.sqlite", "a newer version of scrapy-omocaptcha has made it: update scrapy-omocaptcha"),
        ("\x1b.sqlite", "No such file or directory: check the path and its folder; that of a crawl"),
    ],
)
def test_an_unreadable_file_exits_with_status_1_and_one_sentence(report, tmp_path, name, why):
    write(tmp_path / "a.sqlite", job())
    write(tmp_path / "newer.sqlite", job())
    (tmp_path / "folder").mkdir()
    (tmp_path / "novel.txt").write_text("Call me Ishmael.\n" * 500)
    for other, statement in ("newer", "PRAGMA user_version = 2"), ("other", "CREATE TABLE jobs (id)"):
        with closing(sqlite3.connect(tmp_path / f"{other}.sqlite")) as db:
            db.execute(statement)
    done = report("a.sqlite", name)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"scrapy omocaptcha report: {name.replace(chr(27), '?')}: {why}")
    assert done.stderr.count("\n") == 1


def test_the_folder_of_a_jobdir_is_read_as_the_ledger_in_it(report, tmp_path):
    (tmp_path / "crawls/shop-1").mkdir(parents=True)
    write(tmp_path / "crawls/shop-1/omocaptcha.sqlite", job())
    done = report("crawls/shop-1", "crawls/shop-1/omocaptcha.sqlite")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("1 job for 0.00055 USD")
    assert "the records in crawls/shop-1/omocaptcha.sqlite. " in done.stdout


def test_an_unwritable_page_exits_with_status_1_and_one_sentence(report, tmp_path):
    write(tmp_path / "a.sqlite", job())
    done = report("a.sqlite", "--html", "nowhere/page.html")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "scrapy omocaptcha report: nowhere/page.html: No such file or directory\n"


def test_reasons_that_somebody_has_broken_exit_with_status_1_and_one_sentence(report, tmp_path):
    write(tmp_path / "a.sqlite", job())
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as db, db:
        db.execute("INSERT INTO runs VALUES ('2026-11-24T21:00:00Z', 'shop', 'c0ffee', 'finished', 'robots', '{}')")
    done = report("a.sqlite")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.endswith(": repair it, or name another file\n")


def test_no_file_but_a_web_page_is_overwritten(report, tmp_path):
    write(tmp_path / "a.sqlite", job())
    ledger = (tmp_path / "a.sqlite").read_bytes()
    done = report("--html", "a.sqlite")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("--html writes a web page, so not a.sqlite: name it as in --html report.html\n")
    assert (tmp_path / "a.sqlite").read_bytes() == ledger


def test_html_writes_a_page_besides_the_text_and_says_where(report, tmp_path):
    write(tmp_path / "a.sqlite", *business(50))
    done = report("a.sqlite", "--html", "page.html")
    assert (done.returncode, done.stderr) == (0, f"The web page is in {tmp_path / 'page.html'}.\n")
    assert done.stdout.startswith("50 jobs for 0.02750 USD")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert "Totals of the records in a.sqlite. Each job" in page


def test_wrong_usage_exits_with_status_2(report):
    for arguments, said in (
        ([], "scrapy omocaptcha report: name the ledgers, or set OMOCAPTCHA_LEDGER in the project\n"),
        (["a.sqlite", "--by", "week"], "invalid choice: 'week'"),
        (["-s", "OMOCAPTCHA_LEDGER="], "report: OMOCAPTCHA_LEDGER is ''; it must be the path of a file"),
    ):
        done = report(*arguments)
        assert done.returncode == 2
        assert said in done.stderr


# The ledger of a project


def test_the_ledger_of_a_project_is_one_file_wherever_a_command_is_started(scrapy, tmp_path):
    (tmp_path / "scrapy.cfg").write_text("[settings]\n")
    folder = tmp_path / "shop" / "spiders"
    folder.mkdir(parents=True)
    write(tmp_path / "jobs.sqlite", job())
    named = ("-s", "OMOCAPTCHA_LEDGER=jobs.sqlite")
    done = scrapy("report", *named, cwd=folder)
    assert done.returncode == 0
    assert done.stdout.startswith("1 job for 0.00055 USD")
    done = scrapy("check", *named, cwd=folder, OMOCAPTCHA_API_TOKEN="x")
    assert f"{tmp_path / 'jobs.sqlite'} can be written, and has 1 job" in done.stdout
