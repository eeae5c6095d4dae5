"""``scrapy omocaptcha report``, run as a user runs it."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.helpers.journals import business, line, write


@pytest.fixture
def report(scrapy, tmp_path):
    """``report("a.jsonl", …)`` → the finished process, outside any project."""

    def report(*arguments, **environment):
        done = scrapy("report", *arguments, cwd=tmp_path, stderr=subprocess.PIPE, **environment)
        assert "Traceback" not in done.stderr
        return done

    return report


def test_several_journals_are_added_up(report, tmp_path):
    write(tmp_path / "a.jsonl", line(), line(host="other.example", outcome="rejected", reason="the challenge again"))
    write(tmp_path / "b.jsonl", line(crawl="other", spider="prices"))
    done = report("a.jsonl", "b.jsonl", "--by", "host")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("3 jobs for 0.00165 USD, 2026-11-24 20:08 UTC: 2 crawls, 2 spiders, 2 hosts\n")
    assert "  basis       the records in 2 journals. " in done.stdout
    assert "\nother.example     1         -         1  0.00055      14.2       14.2\n" in done.stdout


def test_a_journal_that_is_named_twice_is_counted_once(report, tmp_path):
    write(tmp_path / "a.jsonl", line())
    assert report("a.jsonl", tmp_path / "a.jsonl", "./a.jsonl").stdout.startswith("1 job for 0.00055 USD")


def test_json(report, tmp_path):
    write(tmp_path / "a.jsonl", line(), line(outcome="failed", reason="lost", job=None, seconds=None), "torn")
    done = report("a.jsonl", "--json", "--by", "day")
    told = json.loads(done.stdout)
    (day,) = told.pop("by")
    assert told.pop("unreadable") == 1
    assert day.pop("day") == "2026-11-24"
    assert told == day
    assert told == {
        "jobs": 2,
        "accepted": 1,
        "rejected": 0,
        "failed": 1,
        "expired": 0,
        "abandoned": 0,
        "reasons": {"failed": {"lost": 1}},
        "cost_usd": 0.0011,
        "seconds_median": 14.25,
        "seconds_slowest": 14.25,
        "first": "2026-11-24T20:08:33+00:00",
        "last": "2026-11-24T20:08:33+00:00",
    }


def test_unreadable_lines_cause_warnings_and_the_rest_is_counted(report, tmp_path):
    write(tmp_path / "\x1b.jsonl", line(), "\x1b[2J\n", line(outcome="\x1b[2J"), line(), line()[:40])
    done = report("\x1b.jsonl")
    assert done.returncode == 0
    assert done.stdout.startswith("2 jobs for 0.00110 USD")
    assert [warning.partition(" is left out")[0] for warning in done.stderr.splitlines()] == [
        f"line {number} of ?.jsonl" for number in (2, 3, 5)
    ]
    assert "\x1b" not in done.stdout + done.stderr + report("\x1b").stderr


def test_the_number_of_warnings_is_limited(report, tmp_path):
    write(tmp_path / "novel.txt", "Call me Ishmael.\n" * 500)
    done = report("novel.txt")
    assert (done.returncode, done.stdout) == (0, "No jobs in novel.txt\n")
    assert len(done.stderr.splitlines()) == 11
    assert done.stderr.endswith("490 more lines of novel.txt are left out\n")


@pytest.mark.parametrize(
    ("name", "why"), [("missing.jsonl", "No such file or directory"), ("folder", "Is a directory")]
)
def test_an_unreadable_file_exits_with_status_1_and_one_sentence(report, tmp_path, name, why):
    write(tmp_path / "a.jsonl", line())
    (tmp_path / "folder").mkdir()
    done = report("a.jsonl", name)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"scrapy omocaptcha report: {name}: {why}\n"


def test_an_unwritable_page_exits_with_status_1_and_one_sentence(report, tmp_path):
    write(tmp_path / "a.jsonl", line())
    done = report("a.jsonl", "--html", "nowhere/page.html")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "scrapy omocaptcha report: nowhere/page.html: No such file or directory\n"


def test_html_writes_a_page_besides_the_text(report, tmp_path):
    write(tmp_path / "a.jsonl", *business(50))
    done = report("a.jsonl", "--html", "page.html")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("50 jobs for 0.02750 USD")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    assert "Totals of the records in a.jsonl. Each job" in page


def test_only_html_needs_matplotlib(report, installed, tmp_path):
    write(tmp_path / "a.jsonl", line())
    bare = tmp_path / "bare"
    bare.mkdir()
    write(bare / "matplotlib.py", "raise ModuleNotFoundError(\"No module named 'matplotlib'\", name='matplotlib')")
    path = f"{bare}:{installed}"
    done = report("a.jsonl", "--html", "page.html", PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "scrapy omocaptcha report: --html needs matplotlib: pip install 'scrapy-omocaptcha[report]'\n"
    )
    assert not (tmp_path / "page.html").exists()
    assert report("a.jsonl", PYTHONPATH=path).returncode == 0


def test_wrong_usage_exits_with_status_2(report, tmp_path):
    for arguments, said in ([], "required: JOURNAL"), (["a.jsonl", "--by", "week"], "invalid choice: 'week'"):
        done = report(*arguments)
        assert done.returncode == 2
        assert said in done.stderr
