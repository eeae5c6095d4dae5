"""The demos of the example project. Its main spider is also deployed, by ``test_scrapyd``."""

import os
import re

import pytest

from tests.helpers.commands import NO_CONSOLE, ROOT, options_of, python, scrapy

PROJECT = ROOT / "example_project"
FAST = ("--solve-seconds", "0", "-s", "DOWNLOAD_DELAY=0.01", "-s", "OMOCAPTCHA_POLL_INTERVAL=0.05")


def test_the_demo_reports_what_happened_and_logs_no_error_without_a_network(tmp_path):
    without_network = {"TLDEXTRACT_CACHE": str(tmp_path), "https_proxy": "http://127.0.0.1:1"}
    # In a process of its own, since that cache is chosen by an import.
    done = python("demo.py", *FAST, cwd=PROJECT, **without_network)
    assert done.returncode == 0, done.stdout
    report = done.stdout.partition("What happened")[2]
    assert re.search(r"challenges +1\n", report)
    assert re.search(r"jobs +1, tokens accepted by the shop: 1\n", report)
    assert re.search(r"cost +0\.00055 USD\n", report)
    assert re.search(r"pages +5 of 5, with 50 items\n", report)
    assert re.search(r"seconds +\d+ with the start of Scrapy, \d+ at the wall\n", report)
    assert "All pages and items came." in report
    assert "Public Suffix List" not in done.stdout
    assert "Traceback" not in done.stdout


def test_the_search_demo_gets_all_results_though_tokens_are_rejected():
    done = scrapy("--refuse-every", "4", *FAST, module="search", cwd=PROJECT)
    assert done.returncode == 0, done.stdout
    report = done.stdout.partition("What happened")[2]
    assert "searches       10, with 60 results\n" in report
    jobs, rejected = map(int, re.search(r"jobs +(\d+), .* site: 10, rejected: (\d+)\n", report).groups())
    assert jobs == 10 + rejected
    assert rejected >= 2
    assert "All results came." in report


@pytest.mark.usefixtures("chromium")
def test_the_browser_demo_opens_a_wall_that_only_a_script_can_open():
    done = scrapy(*FAST, module="browser", cwd=PROJECT)
    assert done.returncode == 0, done.stdout
    report = done.stdout.partition("What happened")[2]
    assert "jobs           1, tokens accepted by the shop: 1\n" in report
    assert "pages          5 of 5, with 50 items\n" in report
    assert re.search(r"/page/5: 'Catalogue, page 5 of 5', says the browser\n", report)
    assert "All pages and items came." in report
    assert "1 job for 0.00055 USD" in report.partition("scrapy omocaptcha report")[2]


@pytest.mark.parametrize(
    ("demo", "program", "module", "package"),
    [
        (
            "browser",
            "apt install chromium-headless-shell, or playwright install chromium",
            "scrapy_playwright",
            "pip install 'scrapy-omocaptcha[playwright]'",
        ),
        ("fleet", "apt install redis-server", "scrapy_redis", "pip install scrapy-redis"),
    ],
)
def test_a_demo_says_what_to_install(tmp_path, demo, program, module, package):
    path = os.pathsep.join([str(PROJECT), str(ROOT)])
    away = {"PATH": str(tmp_path), "PYTHONPATH": path, "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path)}
    done = scrapy(module=demo, cwd=tmp_path, **away)
    assert (done.returncode, program in done.stdout) == (2, True), done.stdout
    # A module that cannot be imported hides the installed one.
    (tmp_path / f"{module}.py").write_text("raise ImportError")
    (tmp_path / "redis-server").touch(mode=0o755)
    there = {"PATH": str(tmp_path)} if demo == "fleet" else {}
    done = scrapy(module=demo, cwd=tmp_path, PYTHONPATH=path, **there)
    assert (done.returncode, package in done.stdout) == (2, True), done.stdout


@pytest.mark.usefixtures("redis")
def test_the_fleet_demo_reports_what_each_worker_did():
    options = (*FAST, *options_of(NO_CONSOLE), "--pages", "8", "--workers", "2")
    # scrapy-redis uses what Scrapy has deprecated.
    done = scrapy(*options, module="fleet", cwd=PROJECT, PYTHONWARNINGS="default")
    assert done.returncode == 0, done.stdout
    report = done.stdout.partition("What each worker did")[2]
    # A row for each worker, and the last one for all.
    rows = re.findall(r"^  (?:worker +\d+|all) +(\d+) +(\d+) +(\d\.\d{5})$", report, re.MULTILINE)
    assert len(rows) == 3
    for column in zip(*rows, strict=True):
        *each, of_all = map(float, column)
        assert sum(each) == pytest.approx(of_all)
    pages, jobs, cost = rows[-1]
    assert int(pages) == 16
    # One for each page of the second shop, and one for each session at the first.
    assert 9 <= int(jobs) <= 10
    assert "pages          16 of 16, more than once: 0\n" in report
    assert f"jobs           {jobs}, counted by Redis: {jobs}, limit: 30\n" in report
    assert "Each page was scraped once." in report
    assert f"{jobs} jobs for {cost} USD" in report.partition("scrapy omocaptcha report")[2]
