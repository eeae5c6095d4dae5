"""The journal: one line a job, kept up to date in its place, whoever else writes and whatever was cut."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from scrapy_omocaptcha.buying.journal import OUTCOMES, Journal, Record, read_journal, time_of

NOW = datetime(2026, 11, 24, 20, 0, 0, tzinfo=timezone.utc)


def record(at=NOW, **fields):
    return Record(time_of(at), "shop", "c1", "shop.example", "https://shop.example/a", "checkbox", **fields)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "jobs.jsonl"


@pytest.fixture
def journal(path):
    journal = Journal(path)
    yield journal
    journal.close()


def test_what_is_written_is_read_again_one_json_object_a_line(path, journal):
    first, second = record(job="1", cost_usd=0.5), record(job=None, outcome="failed", reason="lost")
    journal.append(first)
    journal.append(second)
    assert read_journal(path) == ([first, second], [])
    assert [json.loads(line)["job"] for line in path.read_text().splitlines()] == ["1", None]


def test_a_record_is_in_the_file_as_soon_as_it_is_appended(path, journal):
    journal.append(record())
    assert len(read_journal(path)[0]) == 1


def test_a_record_is_brought_up_to_date_in_its_place(path, journal):
    first = journal.append(record())
    journal.append(record(job="2"))
    first = journal.update(first, record(job="1" * 40))
    journal.update(first, record(job="1" * 40, seconds=12.345, questions=7, outcome="accepted"))
    records, warnings = read_journal(path)
    assert [(each.job, each.outcome) for each in records] == [("1" * 40, "accepted"), ("2", "abandoned")]
    assert warnings == []
    assert len(path.read_text().splitlines()) == 2


def test_a_record_that_has_outgrown_its_place_moves_to_the_end(path, journal):
    first = journal.append(record())
    journal.append(record(job="2"))
    first = journal.update(first, record(job="x" * 100, reason="r" * 100))
    journal.update(first, record(job="x" * 100, reason="r" * 100, outcome="rejected"))
    assert [each.job for each in read_journal(path)[0]] == ["2", "x" * 100]
    assert read_journal(path)[1] == []


def test_a_record_that_is_withdrawn_is_gone(path, journal):
    first, second = journal.append(record(job="1")), journal.append(record(job="2"))
    journal.withdraw(first)
    assert [each.job for each in read_journal(path)[0]] == ["2"]
    journal.withdraw(second)
    assert read_journal(path) == ([], [])


def test_a_torn_last_line_is_told_the_rest_counts_and_the_next_record_has_a_line_of_its_own(path, journal):
    journal.append(record(job="1"))
    with path.open("a") as file:
        file.write('{"time": "2026-11-24T')
    records, (warning,) = read_journal(path)
    assert [each.job for each in records] == ["1"]
    assert f"line 2 of {path}" in warning
    assert "killed" in warning
    journal.append(record(job="2"))
    assert [each.job for each in read_journal(path)[0]] == ["1", "2"]


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{}",
        "nonsense",
        '{"time": 5}',
        "[" * 100_000,
    ],
)
def test_a_line_that_is_no_record_is_told_and_left_out(path, line):
    path.write_text(line + "\n")
    records, warnings = read_journal(path)
    assert (records, len(warnings)) == ([], 1)


@pytest.mark.parametrize(
    "change",
    [
        {"time": "yesterday"},
        {"time": "2026-11-24T20:00:00"},
        {"cost_usd": -1},
        {"cost_usd": True},
        {"cost_usd": float("nan")},
        {"outcome": "won"},
        {"outcome": []},
        {"host": None},
        {"seconds": "3"},
        {"job": 7},
    ],
    ids=str,
)
def test_a_record_with_a_value_that_means_nothing_is_told_and_left_out(path, journal, change):
    journal.append(record(cost_usd=0.5))
    good = json.loads(path.read_text())
    path.write_text(json.dumps({**good, **change}) + "\n" + json.dumps({**good, "of_a_later_version": 1}) + "\n")
    records, (warning,) = read_journal(path)
    assert [each.cost_usd for each in records] == [0.5]
    assert next(iter(change)) in warning


def test_a_journal_that_somebody_has_emptied_meanwhile_goes_on_at_its_end(path, journal):
    places = [journal.append(record(job="1")), journal.append(record(job="2"))]
    path.write_text("")
    other = Journal(path)
    other.append(record(job="other"))
    journal.update(places[0], record(job="1", outcome="accepted"))
    journal.withdraw(places[1])
    assert [each.job for each in read_journal(path)[0]] == ["other", "1"]
    other.close()


def test_a_journal_in_a_folder_that_is_not_there_cannot_be_written(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        Journal(tmp_path / "missing" / "jobs.jsonl")


# -- reading on ------------------------------------------------------------------------------------------------------


def test_reading_on_gives_each_record_once_and_waits_for_the_end_of_a_line(path, journal):
    journal.append(record(job="1"))
    records, position = journal.read_since(NOW)
    assert [each.job for each in records] == ["1"]
    journal.append(record(job="2"))
    line = path.read_bytes().splitlines(keepends=True)[0]
    with path.open("ab") as file:
        file.write(line[:20])
    records, position = journal.read_since(NOW, position)
    assert [each.job for each in records] == ["2"]
    with path.open("ab") as file:
        file.write(line[20:])
    records, position = journal.read_since(NOW, position)
    assert [each.job for each in records] == ["1"]
    assert journal.read_since(NOW, position) == ([], position)


@pytest.mark.parametrize("count", [0, 1, 3, 700, 2000])
def test_of_a_long_journal_the_last_day_is_found_whole(journal, path, count):
    start = NOW - timedelta(minutes=count)
    lines = [record(start + timedelta(minutes=number), job=str(number)) for number in range(count)]
    for each in lines:
        journal.append(each)
    since = NOW - timedelta(hours=24)
    records, _ = journal.read_since(since)
    assert records == [each for each in lines if each.at >= since]


TEXTS = st.text(max_size=30)


@given(
    st.builds(
        Record,
        time=st.datetimes(timezones=st.just(timezone.utc), min_value=datetime(1971, 1, 1)).map(time_of),
        spider=TEXTS,
        crawl=TEXTS,
        host=TEXTS,
        page=TEXTS,
        kind=TEXTS,
        job=st.none() | TEXTS,
        seconds=st.none() | st.floats(0, 1e6),
        questions=st.integers(0, 1000),
        outcome=st.sampled_from(OUTCOMES),
        reason=TEXTS,
        cost_usd=st.floats(0, 1e3),
    )
)
@hypothesis_settings(derandomize=True, deadline=None, max_examples=50)
def test_whatever_a_record_holds_it_is_one_line_and_comes_back_the_same(tmp_path_factory, given):
    path = tmp_path_factory.mktemp("journal") / "jobs.jsonl"
    journal = Journal(path)
    journal.append(given)
    journal.close()
    assert read_journal(path) == ([given], [])
    assert path.read_bytes().count(b"\n") == 1


def test_a_record_that_is_written_in_part_alone_is_an_error(journal, monkeypatch):
    class AlmostFull:
        def __init__(self, file):
            self._file = file

        def __getattr__(self, name):
            return getattr(self._file, name)

        def write(self, line):
            return self._file.write(line[:10])

    monkeypatch.setattr(journal, "_file", AlmostFull(journal._file))
    with pytest.raises(OSError, match="No space left"):
        journal.append(record())
