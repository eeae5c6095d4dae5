"""The benchmarks run: in their short forms, in processes of their own, and without a look at the figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import PARTS
from benchmarks.page import page
from benchmarks.tables import Column, Table
from benchmarks.waiting import MEASURES

ROOT = Path(__file__).parents[2]
PATIENCE = 120


def run(*arguments):
    """The lines that a Python process prints, which must end well and complain of nothing."""
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    return ended.stdout.splitlines()


@pytest.mark.parametrize("measure", MEASURES)
def test_the_benchmark_of_waiting_measures(measure):
    assert len(run("-m", "benchmarks.waiting", "--short", measure)) >= 2


def test_the_benchmark_of_polling_runs():
    assert run("-m", "benchmarks.polling", "--short")


def test_the_benchmark_of_detection_runs():
    # It has no short form but this.
    assert run("-c", "from benchmarks import detection; detection.ROUNDS = 1; detection.main()")


def test_the_benchmark_of_importing_runs():
    assert len(run("-m", "benchmarks.importing", "--short")) == 5


@pytest.mark.usefixtures("redis")
def test_the_benchmark_of_fleets_measures():
    lines = run("-m", "benchmarks.fleet", "--short")
    jobs = [line.split()[3] for line in lines if line.startswith(("  1 worker ", "  2 workers "))]
    # Of the two at the wall of a session, each needs a job if it gets there before the other is through.
    assert jobs[0] == "1"
    assert jobs[1] in ("1", "2")
    assert jobs[2:4] == ["10", "10"]


@pytest.mark.parametrize("part", PARTS)
def test_the_comparison_with_others_runs_and_makes_a_page(part, tmp_path):
    kept = tmp_path / "benchmarks.json"
    # Scrapy deprecates what others do.
    assert run("-W", "ignore", "-m", "benchmarks", "--short", part, "--json", str(kept))
    told = json.loads(kept.read_text(encoding="utf-8"))
    assert list(told["parts"]) == [part]
    text = page(told)
    for table in told["parts"][part]:
        assert table["title"] in text


def test_nobody_is_ahead_without_a_sentence_that_says_so_and_why():
    ours = ["scrapy-omocaptcha, after 30", 100.0, 1.0]
    cells = [ours, ["quick", 90.0, 2.0], ["alike", 99.0, 2.0], ["none", 1.0, 1.0]]
    columns = [Column("seconds", better="less"), Column("pages", better="more")]
    table = Table("A race", "", columns, cells, reasons={"seconds": "It cheats."}, baselines=["none"])
    assert list(table.ahead()) == [
        "Ahead of this project in “seconds”: quick. It cheats.",
        "Ahead of this project in “pages”: quick, alike. The reason is not known yet.",
    ]
    assert Table.from_json(json.loads(json.dumps(table.to_json()))).texts() == table.texts()
