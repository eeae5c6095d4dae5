"""The offline service implements version 2 of the API as OMOcaptcha and other services do."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService
from tests.helpers.clock import Clock

SITEKEY = "6LtestOnly" + "a" * 30
PAGE = "http://127.0.0.1/page/1"
TASK = {"type": "RecaptchaV2TokenTask", "websiteURL": PAGE, "websiteKey": SITEKEY}
FIRST = "49f9f60a-07c2-4a5d-9d3e-000001000001"


@pytest.fixture
def service():
    with OmoCaptchaService(api_version=2) as service:
        yield service


def failed(code: str, description: str, **more: Any) -> dict[str, Any]:
    return {"errorId": 1, "errorCode": code, "errorDescription": description, **more}


def ask(service: OmoCaptchaService, call: str, token: str = "offline-token", **fields: Any) -> Any:
    """Make one call over HTTP and return its answer."""
    body = json.dumps({"clientKey": token, **fields}).encode()
    with urllib.request.urlopen(f"{service.url}/{call}", body) as response:
        assert response.status == 200
        assert response.headers.get_content_type() == "application/json"
        return json.load(response)


def test_a_task_is_solved_or_fails_after_its_time():
    clock = Clock()
    with OmoCaptchaService(api_version=2, solve_seconds=1, clock=clock) as service:
        service.next_job()
        service.next_job("fail")
        assert ask(service, "createTask", task=TASK) == {"errorId": 0, "taskId": FIRST}
        assert ask(service, "getTaskResult", taskId=FIRST) == {"errorId": 0, "status": "processing"}
        second = ask(service, "createTask", task=TASK)["taskId"]
        clock.now += 1
        answer = ask(service, "getTaskResult", taskId=FIRST)
        token = answer["solution"]["gRecaptchaResponse"]
        assert answer == {"errorId": 0, "status": "ready", "solution": {"gRecaptchaResponse": token}}
        assert service.siteverify(token, SITEKEY)["success"]
        bad = failed("ERROR_JOB_STATUS", "Job failed", status="fail", solution={})
        assert ask(service, "getTaskResult", taskId=second) == bad


@pytest.mark.parametrize(
    "task_id", [None, 1000001, "1000001", FIRST[:-1] + "2", "x", True, 1.5, [FIRST], f"{FIRST}\n", "1" * 5000]
)
def test_a_task_is_found_by_its_exact_id_only(service, task_id):
    ask(service, "createTask", task=TASK)
    answer = ask(service, "getTaskResult", taskId=task_id)
    assert answer["errorId"] == 1
    assert answer["errorCode"] == "ERROR_TASK_NOT_FOUND"
    assert service.jobs[0].questions == 0


def test_a_wrong_client_key_is_refused_and_none_is_recorded():
    lines: list[str] = []
    with OmoCaptchaService(api_version=2, api_token="secret-of-the-test", on_event=lines.append) as service:
        for call in ("createTask", "getTaskResult", "getBalance"):
            answer = ask(service, call, "wrong", task=TASK, taskId=FIRST)
            assert answer["errorCode"] == "ERROR_KEY_DOES_NOT_EXIST"
            assert answer["errorDescription"]
        created = ask(service, "createTask", "secret-of-the-test", task=TASK)
        answer = ask(service, "getTaskResult", "secret-of-the-test", taskId=created["taskId"])
        assert [call.authorised for call in service.calls] == [False] * 3 + [True] * 2
        assert service.calls[3].body == {"task": TASK}
        assert lines[3:] == [
            f"service createTask -> taskId={FIRST}",
            f"service getTaskResult taskId={FIRST} -> status=ready",
        ]
        shown = f"{service.calls[:4]}{lines}"
        assert "secret-of-the-test" not in shown
        assert answer["solution"]["gRecaptchaResponse"] not in shown


@pytest.mark.parametrize("changes", [{"type": 1}, {"websiteKey": ""}, {"websiteURL": "/a"}, {"isInvisible": "yes"}])
def test_a_task_with_invalid_fields_is_refused_and_costs_nothing(service, changes):
    for task in ({**TASK, **changes}, [], None):
        assert ask(service, "createTask", task=task)["errorCode"] == "ERROR_INVALID_TASK_DATA"
    assert (service.jobs, service.charged) == ((), 0.0)


def test_both_versions_share_one_account_and_version_2_is_also_at_the_root():
    with OmoCaptchaService() as service:
        body = {"api_token": "offline-token", "data": {**TASK, "type_job_id": "1"}}
        with urllib.request.urlopen(f"{service.url}/createJob", json.dumps(body).encode()) as response:
            assert json.load(response)["job_id"] == 1000001
        for base in ("/v2", ""):
            body = {"clientKey": "offline-token", "taskId": FIRST}
            with urllib.request.urlopen(f"{service.origin}{base}/getTaskResult", json.dumps(body).encode()) as response:
                assert json.load(response)["status"] == "ready"
