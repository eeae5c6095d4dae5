"""The offline OMOcaptcha speaks version 2 as the documents and the other services of that protocol have it."""

from __future__ import annotations

import http.client
import json
import urllib.request
from typing import Any

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService, TaskShape

SITEKEY = "6LtestOnly" + "a" * 30
PAGE = "http://127.0.0.1/page/1"
TASK = {"type": "RecaptchaV2TokenTask", "websiteURL": PAGE, "websiteKey": SITEKEY}
FIRST = "49f9f60a-07c2-4a5d-9d3e-000001000001"


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def ask(service: OmoCaptchaService, call: str, token: str = "offline-token", **fields: Any) -> Any:
    """One call over plain HTTP."""
    body = json.dumps({"clientKey": token, **fields}).encode()
    with urllib.request.urlopen(f"{service.url}/{call}", body) as response:
        assert (response.status, response.headers.get_content_type()) == (200, "application/json")
        return json.load(response)


@pytest.mark.parametrize(
    ("shape", "created", "running", "solved", "failed"),
    [
        (
            TaskShape(),
            {"errorId": 0, "taskId": FIRST},
            {"errorId": 0, "status": "processing"},
            {"errorId": 0, "status": "ready", "solution": {"gRecaptchaResponse": "TOKEN"}},
            {
                "errorId": 1,
                "errorCode": "ERROR_JOB_STATUS",
                "errorDescription": "Job failed",
                "status": "fail",
                "solution": {},
            },
        ),
        (
            TaskShape(task_id="number", solution="token", failed="code"),
            {"errorId": 0, "taskId": 1000001},
            {"errorId": 0, "status": "processing"},
            {"errorId": 0, "status": "ready", "solution": {"token": "TOKEN"}},
            {
                "errorId": 12,
                "errorCode": "ERROR_CAPTCHA_UNSOLVABLE",
                "errorDescription": "The captcha could not be solved.",
            },
        ),
        (
            TaskShape(task_id="digits", created="idle", running="idle", solution="both", failed="status"),
            {"errorId": 0, "status": "idle", "taskId": "1000001"},
            {"errorId": 0, "status": "idle"},
            {"errorId": 0, "status": "ready", "solution": {"gRecaptchaResponse": "TOKEN", "token": "TOKEN"}},
            {"errorId": 0, "status": "failed", "solution": {}},
        ),
    ],
    ids=["as documented", "numbers", "with a state"],
)
def test_every_shape_can_be_had(shape: TaskShape, created: Any, running: Any, solved: Any, failed: Any) -> None:
    clock = Clock()
    with OmoCaptchaService(api_version=2, solve_seconds=1, clock=clock, task_shape=shape) as service:
        service.next_job()
        service.next_job("fail")
        assert ask(service, "createTask", task=TASK) == created
        assert ask(service, "getTaskResult", taskId=created["taskId"]) == running
        second = ask(service, "createTask", task=TASK)["taskId"]
        clock.now += 1
        answer = ask(service, "getTaskResult", taskId=created["taskId"])
        token = next(iter(answer["solution"].values()))
        assert service.siteverify(token, SITEKEY)["success"]
        assert json.loads(json.dumps(answer).replace(token, "TOKEN")) == solved
        assert ask(service, "getTaskResult", taskId=second) == failed
        assert service.task_shape == shape


def test_the_shape_can_be_changed_while_it_runs() -> None:
    with OmoCaptchaService(api_version=2) as service:
        service.task_shape = TaskShape(task_id="number")
        assert ask(service, "createTask", task=TASK)["taskId"] == 1000001


@pytest.mark.parametrize(
    "task_id", [None, 1000001, "1000001", FIRST[:-1] + "2", "x", True, 1.5, [FIRST], f"{FIRST}\n", "1" * 5000]
)
def test_a_task_is_known_by_nothing_but_the_id_that_was_given_out(task_id: Any) -> None:
    with OmoCaptchaService(api_version=2) as service:
        ask(service, "createTask", task=TASK)
        answer = ask(service, "getTaskResult", taskId=task_id)
        assert (answer["errorId"], answer["errorCode"]) == (1, "ERROR_TASK_NOT_FOUND")
        assert service.jobs[0].questions == 0


def test_a_wrong_key_is_refused_and_no_record_holds_the_right_one() -> None:
    told: list[str] = []
    with OmoCaptchaService(api_version=2, api_token="secret-of-the-test", on_event=told.append) as service:
        for call in ("createTask", "getTaskResult", "getBalance"):
            answer = ask(service, call, "wrong", task=TASK, taskId=FIRST)
            assert answer["errorCode"] == "ERROR_KEY_DOES_NOT_EXIST"
            assert answer["errorDescription"]
        created = ask(service, "createTask", "secret-of-the-test", task=TASK)
        answer = ask(service, "getTaskResult", "secret-of-the-test", taskId=created["taskId"])
        assert [call.authorised for call in service.calls] == [False] * 3 + [True] * 2
        assert service.calls[3].body == {"task": TASK}
        assert told[3:] == [
            f"service createTask -> taskId={FIRST}",
            f"service getTaskResult taskId={FIRST} -> status=ready",
        ]
        shown = f"{service.calls[:4]}{told}"
        assert "secret-of-the-test" not in shown
        assert answer["solution"]["gRecaptchaResponse"] not in shown


@pytest.mark.parametrize(
    ("task", "description"),
    [
        (None, "Missing field: task."),
        ([], "Missing field: task."),
        ({**TASK, "type": 1}, "Field type must be a string."),
        ({**TASK, "websiteKey": ""}, "Field websiteKey must be a string."),
        ({**TASK, "websiteURL": "/page/1"}, "The URL of the page is invalid."),
        ({**TASK, "isInvisible": "yes"}, "Field isInvisible must be a boolean."),
    ],
)
def test_a_task_that_lacks_something_is_refused_and_costs_nothing(task: Any, description: str) -> None:
    with OmoCaptchaService(api_version=2) as service:
        answer = ask(service, "createTask", task=task)
        assert (answer["errorCode"], answer["errorDescription"]) == ("ERROR_INVALID_TASK_DATA", description)
        assert (service.jobs, service.charged) == ((), 0.0)


def test_a_refusal_can_be_had_with_any_code() -> None:
    with OmoCaptchaService(api_version=2) as service:
        service.next_job("refused", message="Come back later.", code="ERROR_NO_SLOT_AVAILABLE")
        service.next_job("refused")
        answer = ask(service, "createTask", task=TASK)
        assert answer == {
            "errorId": 1,
            "errorCode": "ERROR_NO_SLOT_AVAILABLE",
            "errorDescription": "Come back later.",
        }
        assert ask(service, "createTask", task=TASK)["errorCode"] == "ERROR_INVALID_TASK_DATA"


def test_the_balance_falls_by_the_price_until_it_is_too_small() -> None:
    with OmoCaptchaService(api_version=2, balance=0.0006) as service:
        assert ask(service, "getBalance") == {"errorId": 0, "balance": 0.0006, "quantity": 0, "voucher_balance": 0.0}
        ask(service, "createTask", task=TASK)
        assert ask(service, "createTask", task=TASK)["errorCode"] == "ERROR_ZERO_BALANCE"
        assert (len(service.jobs), service.balance) == (1, 0.00005)


def test_the_list_of_prices_is_public_and_got_with_get() -> None:
    with OmoCaptchaService(price=0.00077) as service:
        with urllib.request.urlopen(service.price_list_url) as response:
            (listed,) = json.load(response)["typeJob"]
        assert (listed["type"], listed["price"]) == ("RecaptchaV2TokenTask", "0.00077")
        connection = http.client.HTTPConnection("127.0.0.1", service.port)
        for method, path in (("POST", "/api/getServicePrice"), ("GET", "/v2/createTask")):
            connection.request(method, path)
            response = connection.getresponse()
            response.read()
            assert response.status == 405
        connection.close()
        assert [call.name for call in service.calls] == ["getServicePrice", "getServicePrice", "createTask"]


def test_both_versions_are_spoken_at_once_for_one_account_and_the_second_at_the_root_too() -> None:
    with OmoCaptchaService() as service:
        body = {"api_token": "offline-token", "data": {**TASK, "type_job_id": "1"}}
        with urllib.request.urlopen(f"{service.url}/createJob", json.dumps(body).encode()) as response:
            assert json.load(response)["job_id"] == 1000001
        for base in ("/v2", ""):
            body = {"clientKey": "offline-token", "taskId": FIRST}
            with urllib.request.urlopen(f"{service.origin}{base}/getTaskResult", json.dumps(body).encode()) as response:
                assert json.load(response)["status"] == "ready"


def test_its_settings_lead_to_the_version_that_was_asked_for() -> None:
    one, two = OmoCaptchaService(), OmoCaptchaService(api_version=2, price=0.002)
    assert one.settings["OMOCAPTCHA_API_URL"] == f"{one.origin}/api"
    assert "OMOCAPTCHA_API_VERSION" not in one.settings
    assert two.settings == {
        "OMOCAPTCHA_API_VERSION": 2,
        "OMOCAPTCHA_API_URL": f"{two.origin}/v2",
        "OMOCAPTCHA_API_TOKEN": "offline-token",
        "OMOCAPTCHA_POLL_INTERVAL": 0.05,
        "OMOCAPTCHA_PRICE": 0.002,
    }
    with pytest.raises(ValueError, match="3 is not one of 1, 2"):
        OmoCaptchaService(api_version=3)  # type: ignore[arg-type]
