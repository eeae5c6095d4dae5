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
    """``ask("balance", …)`` → exit status and output of the command at that service, outside any project."""

    def ask(verb, *arguments, url=service.url, token=TOKEN, cwd=tmp_path):
        at = ("-s", f"OMOCAPTCHA_API_URL={url}")
        done = scrapy(verb, *at, *arguments, cwd=cwd, OMOCAPTCHA_API_TOKEN=token)
        assert TOKEN not in done.stdout
        assert "Traceback" not in done.stdout
        return done.returncode, done.stdout

    return ask


def test_the_balance_is_told(ask, service):
    assert ask("balance") == (0, "7.50000 USD\n")
    assert [call.name for call in service.calls] == ["getBalance"]


def test_the_price_is_told_and_what_the_limit_buys(ask, service):
    assert ask("price") == (
        0,
        "0.00060 USD a job by the service's list\nOMOCAPTCHA_MAX_COST, 1.00000 USD a crawl, buys 1,666 jobs\n",
    )
    assert [call.name for call in service.calls] == ["getService"]


def test_version_2_is_asked_if_the_settings_say_so(ask, service):
    at = {"url": service.url.replace("/api", "/v2")}
    version = ("-s", "OMOCAPTCHA_API_VERSION=2")
    assert ask("balance", *version, **at) == (0, "7.50000 USD\n")
    assert [call.path for call in service.calls] == ["/v2/getBalance"]
    status, said = ask("price", *version, **at)
    assert status == 1
    assert "has no price for this kind of job; a crawl reckons with 0.00055 USD" in said
    assert said.count("\n") == 1


def test_machines_get_json(ask):
    status, said = ask("balance", "--json")
    assert (status, json.loads(said)) == (0, {"balance_usd": 7.5})
    status, said = ask("price", "--json", "-s", "OMOCAPTCHA_MAX_COST=0.0018")
    assert (status, json.loads(said)) == (
        0,
        {"price_usd": 0.0006, "reckoned_usd": 0.0006, "max_cost_usd": 0.0018, "jobs": 3},
    )


def test_a_balance_below_the_floor_is_told_and_is_status_1(ask):
    assert ask("balance", "-s", "OMOCAPTCHA_MIN_BALANCE=7.5") == (0, "7.50000 USD\n")
    status, said = ask("balance", "-s", "OMOCAPTCHA_MIN_BALANCE=8")
    assert status == 1
    assert said.startswith(
        "7.50000 USD\nthat is below OMOCAPTCHA_MIN_BALANCE (8.00000 USD), so that crawls buy nothing"
    )
    status, said = ask("balance", "--json", "-s", "OMOCAPTCHA_MIN_BALANCE=8")
    assert (status, json.loads(said)["balance_usd"], json.loads(said)["reason"]) == (1, 7.5, "min_balance")


@pytest.mark.parametrize("switch", ["OMOCAPTCHA_ENABLED=False", "OMOCAPTCHA_DRY_RUN=True"])
def test_in_a_project_its_settings_hold_though_its_crawls_are_switched_off(ask, fresh, switch):
    assert ask("balance", "-s", switch, cwd=fresh) == (0, "7.50000 USD\n")


@pytest.mark.parametrize(
    "reactor",
    ["twisted.internet.asyncioreactor.AsyncioSelectorReactor", "twisted.internet.selectreactor.SelectReactor", ""],
)
def test_it_is_asked_under_whatever_reactor_the_project_has(ask, reactor):
    assert ask("balance", "-s", f"TWISTED_REACTOR={reactor}")[0] == 0


def test_a_price_of_ones_own_is_told_beside_the_lists(ask):
    status, said = ask("price", "-s", "OMOCAPTCHA_PRICE=0.1", "-s", "OMOCAPTCHA_MAX_COST=0.3")
    assert status == 0
    assert said.splitlines()[1:] == [
        "0.10000 USD is what a crawl reckons with (OMOCAPTCHA_PRICE)",
        "OMOCAPTCHA_MAX_COST, 0.30000 USD a crawl, buys 3 jobs",
    ]


def test_without_a_limit_there_is_no_end_of_jobs(ask):
    _, said = ask("price", "-s", "OMOCAPTCHA_MAX_COST=0")
    assert said.splitlines()[1:] == ["no limit to the jobs of a crawl, since OMOCAPTCHA_MAX_COST or the price is 0"]
    _, said = ask("price", "--json", "-s", "OMOCAPTCHA_MAX_COST=0")
    assert json.loads(said)["jobs"] is None


def test_a_kind_of_job_that_the_list_does_not_name_is_status_1(ask, service):
    status, said = ask("price", "-s", "OMOCAPTCHA_TYPE_JOB_ID=99")
    assert (status, said) == (
        1,
        f"the list of {service.url} has no price for this kind of job; a crawl reckons with 0.00055 USD "
        "(OMOCAPTCHA_PRICE says another)\n",
    )


@pytest.mark.parametrize("verb", ["balance", "price"])
def test_a_refused_account_is_one_sentence_and_status_1(ask, service, verb):
    call = {"balance": "/getBalance", "price": "/getService"}[verb]
    assert ask(verb, token="another") == (
        1,
        f"{service.url} does not tell the {verb}: {call}: Invalid api token; "
        "check OMOCAPTCHA_API_TOKEN and the balance of the account\n",
    )


def test_a_service_that_cannot_be_reached_is_one_sentence_and_status_1(ask):
    nowhere = "http://127.0.0.1:1/api"
    status, said = ask("balance", url=nowhere)
    assert status == 1
    assert said.startswith(f"{nowhere} does not tell the balance: ")
    assert said.endswith("; try again later, or check OMOCAPTCHA_API_URL\n")
    assert said.count("\n") == 1
    status, said = ask("price", "--json", url=nowhere)
    failed = json.loads(said)
    assert (status, failed["reason"]) == (1, "unreachable")
    assert failed["error"].startswith(f"{nowhere} does not tell the price: ")


def test_nonsense_is_status_1_too(ask, service):
    service.fault("getBalance", "html")
    status, said = ask("balance")
    assert (status, said) == (1, f"{service.url} does not tell the balance: /getBalance: the answer is not JSON\n")


def test_who_interrupts_it_has_no_answer_and_status_1(installed, tmp_path):
    called = threading.Event()
    with OmoCaptchaService(api_token=TOKEN, on_event=lambda line: called.set()) as service:
        service.fault("getBalance", "hang", seconds=60)
        command = [sys.executable, "-m", "scrapy", "omocaptcha", "balance", "-s", f"OMOCAPTCHA_API_URL={service.url}"]
        environment = {**os.environ, "PYTHONPATH": installed, "OMOCAPTCHA_API_TOKEN": TOKEN}
        # A job in the background of a shell has SIGINT ignored, and so would what it starts.
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
    assert "does not tell the balance: interrupted" in said
    assert "Traceback" not in said


def test_a_missing_or_wrong_setting_is_status_2_and_says_the_cure(ask, service):
    status, said = ask("balance", token="")
    assert status == 2
    assert "set OMOCAPTCHA_API_TOKEN in the settings or in the environment" in said
    status, said = ask("price", "-s", "OMOCAPTCHA_MAX_COST=-1")
    assert status == 2
    assert "OMOCAPTCHA_MAX_COST is '-1'" in said
    assert service.calls == ()


def test_the_help_says_what_the_exit_status_means(scrapy):
    said = " ".join(scrapy("balance", "--help").stdout.split())
    assert "Exit status: 0 when the balance is known; 1 when the service cannot be reached or refuses, or" in said
