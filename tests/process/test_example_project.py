"""The example project, run as its reader would: each spider by ``scrapy crawl``, and the demo."""

from __future__ import annotations

import json
import os
import re

import pytest

from tests.helpers.commands import ROOT, python, scrapy_crawl

PROJECT = ROOT / "example_project"


@pytest.fixture
def run(service, tmp_path):
    """``run("catalogue", site)`` → the items and the log, in its order and without trouble."""

    def run(spider, *arguments):
        feed = tmp_path / "items.jsonl"
        done = scrapy_crawl(PROJECT, spider, *arguments, "-O", str(feed), service=service)
        assert done.returncode == 0, done.stdout
        assert "Traceback" not in _without_suffix_list(done.stdout)
        return [json.loads(line) for line in feed.read_text().splitlines()], done.stdout

    return run


def _without_suffix_list(log):
    """Scrapy's cookies component asks for a list of suffixes, and says so at length where there is no network."""
    return re.sub(r"Exception reading Public Suffix List.*?(?=^\d{4}-|\Z)", "", log, flags=re.DOTALL | re.MULTILINE)


def test_the_settings_are_those_of_startproject_and_one_line(tmp_path):
    made = python("-m", "scrapy", "startproject", "shop", cwd=tmp_path)
    assert made.returncode == 0, made.stdout
    theirs = _settings(tmp_path / "shop/shop/settings.py")
    assert _settings(PROJECT / "shop/settings.py") == {**theirs, "ADDONS": {"scrapy_omocaptcha.Addon": 500}}


def _settings(path):
    values = {}
    exec(path.read_text(), values)
    return {name: value for name, value in values.items() if name.isupper()}


def test_the_catalogue_comes_whole_for_one_job(run, walled, service):
    site = walled("session")
    items, log = run("catalogue", "-a", f"site={site.url}")
    assert [item["name"] for item in items] == [f"Thing {number}" for number in range(1, 51)]
    assert (len(service.jobs), site.accepted, site.pages) == (1, 1, 5)
    assert "Through the reCAPTCHA at" in log
    assert service.api_token not in log


def test_the_catalogue_spider_says_nothing_of_captchas():
    source = (PROJECT / "shop/spiders/s1_catalogue.py").read_text()
    assert not re.search("captcha|token", source, re.IGNORECASE)


def test_the_signup_is_sent_with_a_token(run, walled, service):
    site = walled("session")
    items, _ = run("signup", "-a", f"site={site.url}")
    assert items == [{"welcome": "Ada"}]
    assert [job.used for job in service.jobs] == [True]


def test_a_spider_has_its_own_limits_and_its_say(run, walled, service):
    site = walled("per_page")
    items, log = run("per_spider", "-a", f"site={site.url}")
    passed = {item["path"]: item["passed"] for item in items}
    assert sorted(passed) == ["/item/7", "/page/1", "/page/2", "/page/3"]
    assert not passed.pop("/item/7")
    assert sorted(passed.values()) == [False, True, True]
    assert [job.used for job in service.jobs] == [True, True]
    assert "raise OMOCAPTCHA_MAX_JOBS to go on" in log


def test_the_demo_page_spider_hands_in_one_token(run, walled, service):
    site = walled("same_url")
    items, _ = run("google_demo", "-a", f"page={site.url}/item/7")
    assert [item["passed"] for item in items] == [True]
    assert "Thing 7" in items[0]["says"]
    assert [job.used for job in service.jobs] == [True]


def test_the_demo_page_spider_says_why_it_is_shut_out(run, walled, service):
    site = walled("never")
    items, _ = run("google_demo", "-a", f"page={site.url}/item/7")
    assert [item["passed"] for item in items] == [False]
    assert "max_jobs" in items[0]["says"]
    assert len(service.jobs) == 1


QUICKLY = ("--solve-seconds", "0", "-s", "DOWNLOAD_DELAY=0.01", "-s", "OMOCAPTCHA_POLL_INTERVAL=0.05")


def test_the_demo_tells_a_person_what_happened():
    done = python("demo.py", *QUICKLY, cwd=PROJECT)
    assert done.returncode == 0, done.stdout
    report = done.stdout.partition("What happened")[2]
    assert re.search(r"walls met +1\n", report)
    assert re.search(r"jobs bought +1, tokens accepted by the shop: 1\n", report)
    assert re.search(r"cost +0\.00055 USD\n", report)
    assert re.search(r"pages got +5 of 5, with 50 items\n", report)
    assert re.search(r"seconds +\d+, of which \d+ in front of the wall\n", report)
    assert "Everything is there." in report


def test_the_first_demo_of_a_machine_without_a_network_shows_no_trouble(tmp_path):
    unheard = {"TLDEXTRACT_CACHE": str(tmp_path), "https_proxy": "http://127.0.0.1:1"}
    done = python("demo.py", *QUICKLY, cwd=PROJECT, **unheard)
    assert done.returncode == 0, done.stdout
    assert "Everything is there." in done.stdout
    assert "Public Suffix List" not in done.stdout
    assert "Traceback" not in done.stdout


def test_the_demo_fails_when_pages_are_missing():
    done = python("demo.py", "--wall", "never", *QUICKLY, cwd=PROJECT)
    assert done.returncode == 1, done.stdout
    assert "pages got      0 of 5, with 0 items\n" in done.stdout
    assert "Not everything is there" in done.stdout


# scrapy-redis calls what Scrapy deprecates.
LENIENT = {"PYTHONWARNINGS": ""}
FLEET = ("fleet.py", *QUICKLY, "-s", "TELNETCONSOLE_ENABLED=False", "--pages", "8", "--workers", "2")


@pytest.mark.usefixtures("redis")
def test_the_fleets_demo_tells_who_did_what():
    done = python(*FLEET, cwd=PROJECT, **LENIENT)
    assert done.returncode == 0, done.stdout
    told = done.stdout.partition("Who did what")[2]
    # What a worker did, and in the last line all of them.
    rows = re.findall(r"^  (?:worker +\d+|all) +(\d+) +(\d+) +(\d\.\d{5})$", told, re.MULTILINE)
    assert len(rows) == 3
    for column in zip(*rows, strict=True):
        *each, of_all = map(float, column)
        assert sum(each) == pytest.approx(of_all)
    pages, jobs, cost = rows[-1]
    assert int(pages) == 16
    # One for each page of the second shop, and one for each session at the first.
    assert 9 <= int(jobs) <= 10
    assert "pages got      16 of 16, more than once: 0\n" in told
    assert f"jobs bought    {jobs}, counted by Redis: {jobs}, limit of all together: 30\n" in told
    assert "Everything is there, once." in told
    assert f"{jobs} jobs for {cost} USD" in told.partition("scrapy omocaptcha report")[2]


@pytest.mark.usefixtures("redis")
def test_the_fleets_demo_keeps_the_limit_and_fails_when_pages_are_missing():
    done = python(*FLEET, "--max-jobs", "3", cwd=PROJECT, **LENIENT)
    assert done.returncode == 1, done.stdout
    assert "jobs bought    3, counted by Redis: 3, limit of all together: 3\n" in done.stdout
    assert "Not everything is there" in done.stdout
    assert "raise OMOCAPTCHA_MAX_JOBS to go on" in done.stdout


def test_the_fleets_demo_says_what_to_install(tmp_path):
    done = python(PROJECT / "fleet.py", cwd=tmp_path, PATH=str(tmp_path))
    assert (done.returncode, "apt install redis-server" in done.stdout) == (2, True), done.stdout
    # A scrapy-redis that cannot be had, before the one that is installed.
    (tmp_path / "scrapy_redis.py").write_text("raise ImportError")
    (tmp_path / "redis-server").touch(mode=0o755)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = python(PROJECT / "fleet.py", cwd=tmp_path, PATH=str(tmp_path), PYTHONPATH=path)
    assert (done.returncode, "pip install scrapy-redis" in done.stdout) == (2, True), done.stdout
