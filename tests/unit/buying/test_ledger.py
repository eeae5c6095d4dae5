"""The ledger: each job from before it is bought, whatever happens to the file, and a day that is a day."""

import logging
import resource
import sqlite3
import stat
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from scrapy_omocaptcha.buying import database
from scrapy_omocaptcha.buying.database import open_ledger, read_ledger
from scrapy_omocaptcha.buying.ledger import Ledger
from scrapy_omocaptcha.buying.records import JobRequest
from tests.helpers.ledgers import new_ledger

PRICE = 0.1


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.01)
    return tmp_path / "jobs.sqlite"


def enter(ledger, host="shop.example", cost=PRICE, check=lambda sums: None):
    return ledger.enter(JobRequest(f"https://{host}/a", "key", invisible=False), host, cost=cost, check=check)


# -- what is in it ---------------------------------------------------------------------------------------------------


def test_a_job_is_in_the_file_before_it_is_bought_and_brought_up_to_date(path):
    with pytest.raises(FileNotFoundError):
        read_ledger(path)
    ledger = new_ledger(path)
    entry = enter(ledger)
    (record,) = read_ledger(path)
    assert (record.outcome, record.reason, record.job, record.cost_usd) == ("abandoned", "under_way", None, PRICE)
    entry.bought("7")
    entry.solved(12.3456)
    assert read_ledger(path) == [entry.record]
    record = entry.record
    assert (record.job, record.seconds) == ("7", 12.346)
    assert (record.outcome, record.reason) == ("abandoned", "unused")
    entry.judged("accepted")
    assert read_ledger(path) == ledger.records == [entry.record]
    assert (entry.record.outcome, entry.record.reason) == ("accepted", "")


def test_a_job_that_was_not_or_may_not_be_bought_is_gone_and_counts_no_more(path):
    ledger = new_ledger(path)

    def refuse(sums):
        raise ValueError(sums.jobs)

    with pytest.raises(ValueError, match="0"):
        enter(ledger, check=refuse)
    assert (read_ledger(path), ledger.records) == ([], [])
    enter(ledger)
    withdrawn = enter(ledger, cost=0.5)
    withdrawn.withdraw()
    assert len(read_ledger(path)) == 1
    assert ledger.sums("shop.example") == (1, 1, pytest.approx(PRICE), pytest.approx(PRICE))


def test_no_other_crawl_enters_a_job_between_the_look_at_the_sums_and_the_row(path):
    one, other = new_ledger(path), new_ledger(path)
    enter(one, check=lambda sums: enter(other))
    assert len(read_ledger(path)) == 1, "the other one has waited in vain, and goes on in memory"


def test_the_file_is_readable_for_its_owner_only_and_so_are_those_beside_it(path):
    ledger = new_ledger(path)
    enter(ledger)
    files = list(path.parent.iterdir())
    assert [file.name for file in sorted(files)] == ["jobs.sqlite", "jobs.sqlite-shm", "jobs.sqlite-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    ledger.close()
    path.chmod(0o640)
    enter(new_ledger(path))
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o640}, "as somebody has set it"


# -- a file that fails -----------------------------------------------------------------------------------------------


def failed(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


def test_a_file_that_another_program_has_locked_is_given_up_after_one_time_out_and_for_good(path, caplog):
    ledger = new_ledger(path)
    first = enter(ledger)
    with closing(open_ledger(path)) as db:
        db.execute("BEGIN IMMEDIATE")
        second = enter(ledger)
        first.bought("1")
    with closing(open_ledger(path)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        late = new_ledger(path)
    enter(late)
    assert late.sums("")[:2] == (1, 0)
    for error in failed(caplog):
        assert f"{path} cannot be used (database is locked: end the program that has locked it)" in error
    assert len(failed(caplog)) == 2, "each ledger says it once"
    second.bought("2")
    enter(ledger)
    assert [record.job for record in read_ledger(path)] == [None], "nothing of it is written, lest it wait again"
    assert ledger.sums("shop.example")[:3] == (3, 3, pytest.approx(3 * PRICE))
    assert [record.job for record in ledger.records] == ["1", "2", None]


@pytest.mark.parametrize("has_file", [True, False])
def test_what_becomes_of_a_job_after_the_end_is_no_error(path, caplog, has_file):
    ledger = new_ledger(path if has_file else None)
    entry = enter(ledger)
    ledger.close()
    entry.bought("1")
    assert [record.job for record in ledger.records] == ["1"]
    assert ledger.sums("shop.example")[:2] == (1, 1)
    assert failed(caplog) == []


def test_a_file_that_cannot_be_read_any_more_leaves_unknown_what_was_bought(path, caplog):
    ledger = new_ledger(path)
    enter(ledger)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE jobs")
    assert ledger.sums("shop.example") == (None, None, None, None)
    assert len(failed(caplog)) == 1


@contextmanager
def full_disk(size):
    """Let no file become longer than ``size``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_and_the_crawl_goes_on_in_memory(path, caplog):
    ledger = new_ledger(path)
    enter(ledger).bought("1")
    with full_disk(Path(f"{path}-wal").stat().st_size):
        second = enter(ledger)
    second.bought("2")
    (error,) = failed(caplog)
    assert f"{path} cannot be used (" in error
    assert ledger.sums("shop.example")[:2] == (2, 2)
    assert [record.job for record in read_ledger(path)] == ["1"]


def test_what_earlier_runs_have_bought_counts_though_the_file_can_no_longer_be_written(tmp_path, caplog):
    enter(new_ledger(jobdir=str(tmp_path)), "a.example")
    resumed = new_ledger(jobdir=str(tmp_path))
    with closing(sqlite3.connect(tmp_path / "omocaptcha.sqlite")) as db:
        # What a test that runs as root cannot bring about by the file's mode.
        db.execute("CREATE TRIGGER full BEFORE INSERT ON jobs BEGIN SELECT RAISE(ABORT, 'no'); END")
    enter(resumed, "b.example")
    assert len(failed(caplog)) == 1
    assert resumed.sums("a.example") == (2, 1, pytest.approx(2 * PRICE), None)


# -- whose jobs count ------------------------------------------------------------------------------------------------


def test_a_resumed_crawl_counts_on_though_its_scheduler_calls_it_otherwise(tmp_path, path):
    for job in ("first", "second"):
        ledger = new_ledger(path, jobdir=str(tmp_path), crawl=job)
        enter(ledger)
    assert ledger.sums("shop.example")[:2] == (2, 2)
    assert [record.crawl for record in read_ledger(path)] == ["first", "second"]


def test_spiders_of_one_jobdir_do_not_mix_and_an_id_that_was_cut_off_is_made_anew(tmp_path):
    (tmp_path / "omocaptcha.id").touch()
    ledger = new_ledger(jobdir=str(tmp_path))
    enter(ledger)
    other = Ledger(spider="other", stats=ledger.stats, jobdir=str(tmp_path))
    assert other.sums("shop.example")[:2] == (0, 0)
    other.close()
    assert len((tmp_path / "omocaptcha.id").read_text()) == 32


# -- a day -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "jobs"), [(0, 1), (23.9, 1), (24.1, 0), (-48, 1)])
def test_a_job_counts_for_a_day_by_the_time_of_day(path, hours, jobs):
    ledger = new_ledger(path)
    enter(ledger)
    with closing(open_ledger(path)) as db:
        db.execute("UPDATE jobs SET time = strftime('%Y-%m-%dT%H:%M:%SZ', time, ?)", (f"{-60 * hours} minutes",))
    assert ledger.sums("").spent_in_a_day == pytest.approx(jobs * PRICE)
