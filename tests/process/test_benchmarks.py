"""Benchmarks: each part runs in its short form, in processes of its own; its figures are ignored."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import PARTS, keep
from benchmarks.page import draw, page
from benchmarks.tables import Column, Table

ROOT = Path(__file__).parents[2]
TIMEOUT = 120


def measure(part, folder):
    """Run a part, and return its tables."""
    file = folder / "benchmarks.json"
    # The packages of others use what Scrapy has deprecated.
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks", "--short", part, "--json", str(file)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    return json.loads(file.read_text(encoding="utf-8"))["parts"][part]


@pytest.mark.nightly
@pytest.mark.parametrize("part", sorted(PARTS.keys() - {"fleets"}))
def test_each_part_gives_tables(part, tmp_path):
    tables = measure(part, tmp_path)
    assert tables
    assert all(table["rows"] for table in tables)


@pytest.mark.nightly
@pytest.mark.usefixtures("redis")
def test_a_fleet_buys_one_job_a_worker_for_a_session_and_one_a_page_otherwise(tmp_path):
    tables = measure("fleets", tmp_path)
    (_, _, one_worker, _, _, one_each, _), (_, _, two_workers, _, _, two_each, _) = tables[0]["rows"]
    # The second worker needs a job of its own if it meets the wall before the first one is through.
    assert one_worker == 1
    assert two_workers in (1, 2)
    assert one_each == two_each == 10


def test_where_a_peer_is_ahead_the_reason_is_told():
    ours = ["scrapy-omocaptcha, after 30", 100.0, 1.0]
    cells = [ours, ["quick", 90.0, 2.0], ["alike", 99.0, 2.0], ["none", 1.0, 1.0]]
    columns = [Column("seconds", better="less"), Column("pages", better="more")]
    table = Table("A race", "", columns, cells, reasons={"seconds": "they cheat."}, baselines=["none"])
    assert list(table.peers_ahead()) == [
        "Those ahead in “seconds”: they cheat.",
        "Those ahead in “pages”: the reason is not known yet.",
    ]
    assert Table.from_json(json.loads(json.dumps(table.to_json()))).texts() == table.texts()


def test_each_table_keeps_the_versions_that_it_was_measured_with(tmp_path):
    file = tmp_path / "benchmarks.json"
    walls, ledger = (
        Table(title, "What was done.", [Column("seconds")], [["row", 1.0]]) for title in ("Walls", "Ledger")
    )
    keep({"walls": [walls], "detection": [walls]}, file)
    kept = json.loads(file.read_text(encoding="utf-8"))
    kept["measured"]["walls"] = {"date": "2020-01-01", "machine": "a slide rule", "versions": {"scrapyx-mw": "0.2.2"}}
    file.write_text(json.dumps(kept), encoding="utf-8")
    keep({"ledger": [ledger]}, file)
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert kept["measured"]["walls"]["versions"] == {"scrapyx-mw": "0.2.2"}
    assert "scrapyx-mw" not in kept["measured"]["ledger"]["versions"]
    assert {"is-antibot (npm)", "scrapy"} < kept["measured"]["detection"]["versions"].keys()


def test_the_peers_of_each_table_in_the_documentation_have_a_version():
    kept = json.loads((ROOT / "docs" / "benchmarks.json").read_text(encoding="utf-8"))
    assert kept["measured"].keys() == kept["parts"].keys()
    versions = {name: value for measured in kept["measured"].values() for name, value in measured["versions"].items()}
    assert {"anticaptchaofficial", "capmonstercloudclient", "scrapyx-mw", "is-antibot (npm)"} < versions.keys()
    assert "not installed" not in versions.values()


def test_the_page_in_the_documentation_is_made_of_the_kept_tables():
    kept = json.loads((ROOT / "docs" / "benchmarks.json").read_text(encoding="utf-8"))
    assert (ROOT / "docs" / "benchmarks.rst").read_text(encoding="utf-8") == "\n".join(page(kept, "benchmarks.svg"))
    assert (ROOT / "docs" / "benchmarks.svg").read_text(encoding="utf-8") == draw(kept)
