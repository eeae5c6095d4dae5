"""``scrapy omocaptcha balance`` and ``price``, run as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService

TOKEN = "offline-token-that-nobody-may-see"


@pytest.fixture
def service():
    with OmoCaptchaService(api_token=TOKEN, balance=7.5, price=0.0006) as service:
        yield service


@pytest.fixture
def ask(scrapy, service, tmp_path):
    """``ask("balance", …)`` → exit status and output of the command, outside any project."""

    def ask(subcommand, *arguments, url=service.url, token=TOKEN, cwd=tmp_path):
        at = ("-s", f"OMOCAPTCHA_API_URL={url}")
        done = scrapy(subcommand, *at, *arguments, cwd=cwd, OMOCAPTCHA_API_TOKEN=token)
        assert TOKEN not in done.stdout
        assert "Traceback" not in done.stdout
        return done.returncode, done.stdout

    return ask


PRICE = "0.00060 USD per job in the service's list\nOMOCAPTCHA_MAX_COST, 1.00000 USD per crawl, buys 1,666 jobs\n"


@pytest.mark.parametrize(
    ("subcommand", "said", "call"), [("balance", "7.50000 USD\n", "getBalance"), ("price", PRICE, "getService")]
)
def test_balance_and_price_are_asked_for_with_one_call(ask, service, subcommand, said, call):
    assert ask(subcommand) == (0, said)
    assert [each.name for each in service.calls] == [call]


def test_api_version_2_is_used_if_set(ask, service):
    at = {"url": service.url.replace("/api", "/v2")}
    version = ("-s", "OMOCAPTCHA_API_VERSION=2")
    assert ask("balance", *version, **at) == (0, "7.50000 USD\n")
    assert [call.path for call in service.calls] == ["/v2/getBalance"]
    said = f"the price list of {at['url']} does not include this kind of job; crawls assume 0.00055 USD "
    assert ask("price", *version, **at) == (1, f"{said}(set OMOCAPTCHA_PRICE to change it)\n")


def test_json(ask):
    status, said = ask("balance", "--json")
    assert (status, json.loads(said)) == (0, {"balance_usd": 7.5})
    for cost, jobs in (0.0018, 3), (0.0, None):
        status, said = ask("price", "--json", "-s", f"OMOCAPTCHA_MAX_COST={cost}")
        told = {"price_usd": 0.0006, "reckoned_usd": 0.0006, "max_cost_usd": cost, "jobs": jobs}
        assert (status, json.loads(said)) == (0, told)


def test_a_balance_below_min_balance_exits_with_status_1(ask):
    assert ask("balance", "-s", "OMOCAPTCHA_MIN_BALANCE=7.5") == (0, "7.50000 USD\n")
    status, said = ask("balance", "-s", "OMOCAPTCHA_MIN_BALANCE=8")
    assert status == 1
    assert said.startswith(
        "7.50000 USD\nthe balance is below OMOCAPTCHA_MIN_BALANCE (8.00000 USD), so crawls buy nothing"
    )
    status, said = ask("balance", "--json", "-s", "OMOCAPTCHA_MIN_BALANCE=8")
    assert (status, json.loads(said)["balance_usd"], json.loads(said)["reason"]) == (1, 7.5, "min_balance")


def test_a_balance_that_buys_no_job_exits_with_status_1(ask):
    with OmoCaptchaService(api_token=TOKEN, balance=0.0005) as empty:
        status, said = ask("balance", url=empty.url)
        assert (status, said.splitlines()) == (
            1,
            ["0.00050 USD", "the balance buys no job, which costs 0.00055 USD: top up the account"],
        )
        assert ask("balance", "-s", "OMOCAPTCHA_PRICE=0.0004", url=empty.url) == (0, "0.00050 USD\n")


def test_what_is_left_of_a_package_is_printed_and_is_no_low_balance(ask):
    with OmoCaptchaService(api_token=TOKEN, api_version=2, balance=0, package=2500) as packed:
        at = ("-s", "OMOCAPTCHA_API_VERSION=2", "-s", "OMOCAPTCHA_MIN_BALANCE=1")
        assert ask("balance", *at, url=packed.url) == (0, "0.00000 USD\n2,500 solves left of a package\n")
        status, said = ask("balance", "--json", *at, url=packed.url)
    assert (status, json.loads(said)) == (0, {"balance_usd": 0.0, "package_solves": 2500})


@pytest.mark.parametrize("switch", ["OMOCAPTCHA_ENABLED=False", "OMOCAPTCHA_DRY_RUN=True"])
def test_the_settings_of_a_project_are_used_even_if_the_add_on_is_disabled_or_in_a_dry_run(ask, fresh, switch):
    assert ask("balance", "-s", switch, cwd=fresh) == (0, "7.50000 USD\n")


@pytest.mark.parametrize(
    "reactor",
    ["twisted.internet.asyncioreactor.AsyncioSelectorReactor", "twisted.internet.selectreactor.SelectReactor", ""],
)
def test_balance_works_with_any_reactor_of_the_project(ask, reactor):
    assert ask("balance", "-s", f"TWISTED_REACTOR={reactor}")[0] == 0


def test_a_price_from_the_settings_is_shown_beside_the_list_and_how_many_jobs_max_cost_buys(ask):
    status, said = ask("price", "-s", "OMOCAPTCHA_PRICE=0.1", "-s", "OMOCAPTCHA_MAX_COST=0.3")
    assert status == 0
    assert said.splitlines()[1:] == [
        "0.10000 USD per job is what crawls assume (OMOCAPTCHA_PRICE)",
        "OMOCAPTCHA_MAX_COST, 0.30000 USD per crawl, buys 3 jobs",
    ]
    _, said = ask("price", "-s", "OMOCAPTCHA_MAX_COST=0")
    assert said.splitlines()[1:] == ["the number of jobs is not limited, since OMOCAPTCHA_MAX_COST or the price is 0"]


@pytest.mark.parametrize("subcommand", ["balance", "price"])
def test_a_rejected_account_exits_with_status_1_and_one_sentence(ask, service, subcommand):
    call = {"balance": "/getBalance", "price": "/getService"}[subcommand]
    assert ask(subcommand, token="another") == (
        1,
        f"cannot get the {subcommand} from {service.url}: {call}: Invalid api token; "
        "check OMOCAPTCHA_API_TOKEN and the balance of the account\n",
    )


def test_an_unreachable_service_exits_with_status_1_and_one_sentence(ask):
    nowhere = "http://127.0.0.1:1/api"
    status, said = ask("balance", url=nowhere)
    assert status == 1
    assert said.startswith(f"cannot get the balance from {nowhere}: ")
    assert said.endswith("; try again later, or check OMOCAPTCHA_API_URL\n")
    assert said.count("\n") == 1
    assert ask("balance", url="https://omocaptcha.invalid/api") == (
        1,
        "cannot get the balance from https://omocaptcha.invalid/api: /getBalance: the host omocaptcha.invalid cannot "
        "be resolved; try again later, or check OMOCAPTCHA_API_URL\n",
    )
    status, said = ask("price", "--json", url=nowhere)
    failed = json.loads(said)
    assert (status, failed["reason"]) == (1, "unreachable")
    assert failed["error"].startswith(f"cannot get the price from {nowhere}: ")


def test_an_invalid_answer_exits_with_status_1(ask, service):
    service.fault("getBalance", "html")
    status, said = ask("balance")
    assert status == 1
    assert said.startswith(f"cannot get the balance from {service.url}: /getBalance: the answer is not JSON; ")
    assert "set OMOCAPTCHA_API_VERSION = 2" in said


def test_ctrl_c_exits_with_status_1(installed, tmp_path):
    called = threading.Event()
    with OmoCaptchaService(api_token=TOKEN, on_event=lambda line: called.set()) as service:
        service.fault("getBalance", "hang", seconds=60)
        command = [sys.executable, "-m", "scrapy", "omocaptcha", "balance", "-s", f"OMOCAPTCHA_API_URL={service.url}"]
        environment = {**os.environ, "PYTHONPATH": installed, "OMOCAPTCHA_API_TOKEN": TOKEN}
        # Background jobs of a shell ignore SIGINT, and child processes inherit that.
        heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        piped = {"stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=tmp_path, env=environment, preexec_fn=heard, **piped) as process:
            try:
                assert called.wait(60)
                process.send_signal(signal.SIGINT)
                _, said = process.communicate()
            finally:
                process.kill()
    assert process.returncode == 1
    assert f"cannot get the balance from {service.url}: interrupted" in said
    assert "Traceback" not in said


def test_a_missing_or_invalid_setting_exits_with_status_2_and_the_cure(ask, service):
    for arguments, token, words in [
        (("balance",), "", "set OMOCAPTCHA_API_TOKEN in the settings or the environment"),
        (("price", "-s", "OMOCAPTCHA_MAX_COST=-1"), TOKEN, "OMOCAPTCHA_MAX_COST is '-1'"),
    ]:
        status, said = ask(*arguments, token=token)
        assert (status, words in said) == (2, True), said
    status, said = ask("balance", "--json", token="")
    failed = json.loads(said)
    assert (status, failed["reason"]) == (2, "settings")
    assert "set OMOCAPTCHA_API_TOKEN in the settings or the environment" in failed["error"]
    assert service.calls == ()


def test_help_explains_the_exit_status(scrapy):
    said = " ".join(scrapy("balance", "--help").stdout.split())
    assert "Exit status: 0 when the balance is known; 1 when the service cannot be reached or refuses, or" in said
