"""``scrapy omocaptcha check``, run as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from functools import partial

import pytest
from aiohttp import web

from scrapy_omocaptcha.testing import OmoCaptchaService
from tests.helpers.docs import code, page
from tests.helpers.sites import Site

TOKEN = "offline-token-that-nobody-may-see"
FAST = ("-s", "OMOCAPTCHA_POLL_INTERVAL=0.1")


@pytest.fixture
def service():
    with OmoCaptchaService(api_token=TOKEN, balance=7.5) as service:
        yield service


@pytest.fixture
def check(scrapy, service, tmp_path):
    """``check(…)`` → exit status and lines of the command, each as name, whether it is wrong, and message."""

    def check(*arguments, url=service.url, token=TOKEN, **environment):
        at = ("-s", f"OMOCAPTCHA_API_URL={url}", *FAST)
        done = scrapy("check", "--json", *at, *arguments, cwd=tmp_path, OMOCAPTCHA_API_TOKEN=token, **environment)
        assert TOKEN not in done.stdout
        told = json.loads(done.stdout)
        assert told["ok"] == (done.returncode == 0)
        return done.returncode, [(line["name"], line["is_wrong"], line["message"]) for line in told["lines"]]

    return check


def wrong(lines):
    return [(name, message) for name, is_wrong, message in lines if is_wrong]


@pytest.mark.parametrize("version", [1, 2])
def test_it_says_of_each_part_that_it_is_in_order_and_buys_nothing(check, tmp_path, version):
    with OmoCaptchaService(api_token=TOKEN, api_version=version, balance=7.5) as service:
        status, lines = check("-s", "OMOCAPTCHA_LEDGER=jobs.sqlite", "-s", "OMOCAPTCHA_MAX_JOBS=20", url=service.url)
        told = {name: message for name, _, message in lines}
        assert (status, list(told)) == (0, ["settings", "scrapy", "api", "balance", "price", "ledger"])
        # Not what the other version says, such as that the token is wrong.
        assert re.fullmatch(rf"version {version} at {re.escape(service.url)}: answers \(after \d\.\d s\)", told["api"])
        assert told["balance"] == "7.50000 USD"
        assert "OMOCAPTCHA_MAX_JOBS allows 20 jobs; OMOCAPTCHA_MAX_COST allows 1,818 jobs" in told["price"]
        assert told["ledger"] == f"{tmp_path / 'jobs.sqlite'} can be written"
        assert {call.name for call in service.calls} <= {"getBalance", "getService"}
        assert list(tmp_path.glob("jobs*")) == []


def test_the_page_about_the_command_shows_such_lines(scrapy, service, tmp_path):
    at = ("-s", f"OMOCAPTCHA_API_URL={service.url}", "-s", "OMOCAPTCHA_LEDGER=missing/jobs.sqlite")
    done = scrapy("check", *at, cwd=tmp_path, OMOCAPTCHA_API_TOKEN=TOKEN)
    shown = code(page("reference/command"), "check-output")
    assert [line[:19] for line in done.stdout.splitlines()] == [line[:19] for line in shown.splitlines()]


@pytest.mark.parametrize(
    ("balance", "setting", "expected"),
    [
        (7.5, "OMOCAPTCHA_MIN_BALANCE=7", 0),
        (7.5, "OMOCAPTCHA_LEDGER=missing/jobs.sqlite", 1),
        (7.5, "OMOCAPTCHA_MAX_COST=-1", 2),
        (7.5, "OMOCAPTCHA_API_URL=http://127.0.0.1:1/api", 4),
        (0.0005, "OMOCAPTCHA_MIN_BALANCE=7", 5),
        (7.5, "OMOCAPTCHA_MIN_BALANCE=7.4999", 6),
    ],
)
def test_the_exit_status_tells_what_is_wrong(check, balance, setting, expected):
    with OmoCaptchaService(api_token=TOKEN, balance=balance) as service:
        assert check("-s", setting, url=service.url)[0] == expected


def test_balance_and_price_are_numbers_for_a_script(scrapy, tmp_path):
    with OmoCaptchaService(api_token=TOKEN, api_version=2, balance=0.5, package=2500) as service:
        at = (
            "-s",
            f"OMOCAPTCHA_API_URL={service.url}",
            "-s",
            "OMOCAPTCHA_API_VERSION=2",
            "-s",
            "OMOCAPTCHA_PRICE=0.002",
        )
        told = json.loads(scrapy("check", "--json", *at, cwd=tmp_path, OMOCAPTCHA_API_TOKEN=TOKEN).stdout)
    assert (told["balance_usd"], told["package_solves"], told["price_usd"]) == (0.5, 2500, 0.002)


def test_without_a_token_it_exits_with_status_3(check):
    status, lines = check(token="")
    assert status == 3
    assert lines[0][2].startswith("no API token, so no captcha can be solved: set OMOCAPTCHA_API_TOKEN")


def test_it_says_what_to_do_about_each_thing_that_is_wrong(check, service, tmp_path):
    (tmp_path / "notes.txt").write_text("no ledger")
    status, lines = check(
        *("-s", "OMOCAPTCHA_DRYRUN=1", "-s", "OMOCAPTCHA_LEDGER=notes.txt", "-s", "OMOCAPTCHA_MIN_BALANCE=8"),
        *("-s", "OMOCAPTCHA_REDIS_URL=redis://127.0.0.1:1/0"),
    )
    told = dict(wrong(lines))
    assert (status, sorted(told)) == (2, ["balance", "ledger", "redis", "settings"])
    assert "did you mean OMOCAPTCHA_DRY_RUN?" in told["settings"]
    assert told["balance"] == (
        "7.50000 USD, and a job would leave less than OMOCAPTCHA_MIN_BALANCE (8): top up the account, or lower it"
    )
    assert told["redis"] == "OMOCAPTCHA_REDIS_URL does not answer (ConnectionError)"


def test_a_wrong_token_is_told_with_what_each_version_says(check):
    status, lines = check(token="another")
    ((name, message),) = wrong(lines)
    assert (status, name) == (3, "api")
    assert message.count("Invalid api token") == 2
    assert message.endswith("; check OMOCAPTCHA_API_TOKEN and the balance of the account")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: web.Response(status=404), "HTTP status 404"),
        (lambda: web.Response(status=410), "HTTP status 410"),
        (lambda: web.Response(status=302, headers={"Location": "http://127.0.0.222/login"}), "HTTP status 302"),
        (lambda: web.Response(text="<html>Log in</html>", content_type="text/html"), "the answer is not JSON"),
    ],
)
def test_what_is_no_api_is_told(check, answer, said):
    asked = []

    def of_no_api(request, form):
        asked.append((request.host, request.path))
        return answer()

    with Site(of_no_api) as site:
        status, lines = check(url=f"{site.origin}/api")
    ((name, message),) = wrong(lines)
    assert (status, name, message.count(said)) == (4, "api", 2)
    assert "check OMOCAPTCHA_API_URL" in message
    assert [path for _, path in asked] == ["/api/getBalance"] * 2


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("OMOCAPTCHA_DRY_RUN=maybe", "OMOCAPTCHA_DRY_RUN is 'maybe'; it must be True or False"),
        ('DOWNLOADER_MIDDLEWARES={"shop.Missing": 600}', "No module named 'shop'"),
    ],
)
def test_settings_that_end_a_crawl_are_told(check, setting, said):
    status, lines = check("-s", setting)
    assert (status, wrong(lines)) == (2, [("settings", said)])


OURS = "scrapy_omocaptcha.OmoCaptchaMiddleware"
ADDON = '{"scrapy_omocaptcha.Addon": 500}'


@pytest.mark.parametrize(
    ("setting", "status"),
    [
        ("ADDONS={}", 2),
        (f"ADDONS={ADDON.replace('500', 'null')}", 2),
        (f"EXTENSIONS={ADDON}", 2),
        (f"ADDONS={ADDON}", 0),
        (f'DOWNLOADER_MIDDLEWARES={{"{OURS}": 585}}', 0),
    ],
)
def test_a_project_without_the_add_on_is_told(scrapy, service, tmp_path, setting, status):
    (tmp_path / "scrapy.cfg").write_text("[settings]\n")
    at = ("-s", f"OMOCAPTCHA_API_URL={service.url}", "-s", setting)
    done = scrapy("check", *at, cwd=tmp_path, OMOCAPTCHA_API_TOKEN=TOKEN)
    assert done.returncode == status
    assert ('WRONG  add ADDONS = {"scrapy_omocaptcha.Addon": 500} to switch it on' in done.stdout) is bool(status)


def test_ctrl_c_is_told_in_a_line(installed, tmp_path):
    called = threading.Event()
    with OmoCaptchaService(api_token=TOKEN, on_event=lambda line: called.set()) as service:
        service.fault("getBalance", "hang", seconds=60)
        command = [sys.executable, "-m", "scrapy", "omocaptcha", "check", "-s", f"OMOCAPTCHA_API_URL={service.url}"]
        environment = {**os.environ, "PYTHONPATH": installed, "OMOCAPTCHA_API_TOKEN": TOKEN}
        # Background jobs of a shell ignore SIGINT, and child processes inherit that.
        heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        piped = {"stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=tmp_path, env=environment, preexec_fn=heard, **piped) as process:
            try:
                assert called.wait(60)
                process.send_signal(signal.SIGINT)
                said, _ = process.communicate()
            finally:
                process.kill()
    assert (process.returncode, said.splitlines()[-2:]) == (
        1,
        ["stopped     WRONG  by Ctrl-C", "Not all is in order."],
    )
