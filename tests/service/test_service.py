"""The offline service answers as documented in version 1 of the API, and applies faults."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.request
from contextlib import suppress
from typing import Any

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService
from scrapy_omocaptcha.testing.faults import KINDS, UNPROCESSED
from tests.helpers.clock import Clock
from tests.service.visitor import exchange

SITEKEY = "6LtestOnly" + "a" * 30
PAGE = "http://127.0.0.1/page/1"
DATA = {"type_job_id": "1", "websiteURL": PAGE, "websiteKey": SITEKEY}


class Client:
    """HTTP client of the service that opens a connection for each call."""

    def __init__(self, service: OmoCaptchaService, token: str = "offline-token") -> None:
        self.service = service
        self.token = token

    def raw(self, call: str, **fields: Any) -> tuple[http.client.HTTPResponse, bytes]:
        """Return the response and its body."""
        return exchange(self.service, "POST", f"/api/{call}", json.dumps({"api_token": self.token, **fields}))

    def __call__(self, call: str, **fields: Any) -> Any:
        response, body = self.raw(call, **fields)
        assert response.status == 200
        assert response.headers.get_content_type() == "application/json"
        return json.loads(body)

    def job(self, **data: Any) -> Any:
        return self("createJob", data=DATA | data)["job_id"]

    def solve(self, **data: Any) -> str:
        answer = self("getJobResult", job_id=self.job(**data))
        return str(answer["result"]["gRecaptchaResponse"])


def test_a_job_is_solved_after_its_time():
    clock = Clock()
    with OmoCaptchaService(solve_seconds=15, clock=clock) as service:
        client = Client(service)
        created = client("createJob", data={**DATA, "isInvisible": True})
        assert created == {"error": False, "job_id": 1000001, "message": "Create job success."}
        clock.now += 14.9
        assert client("getJobResult", job_id=1000001) == {"errorId": 0, "status": "processing"}
        assert service.jobs[0].state == "running"
        clock.now += 0.1
        answer = client("getJobResult", job_id=1000001)
        token = answer["result"]["gRecaptchaResponse"]
        assert answer == {"error": False, "status": "success", "result": {"gRecaptchaResponse": token}}
        assert token.startswith("03A")
        assert len(token) > 400
        assert client("getJobResult", job_id="1000001") == answer
        (job,) = service.jobs
        assert (job.page, job.sitekey, job.kind, job.invisible) == (PAGE, SITEKEY, "1", True)
        assert job.created_at == 1000.0
        assert job.ready_at == 1015.0
        assert job.answered_at == 1015.0
        assert job.state == "solved"
        assert job.questions == 3
        assert job.used is False


def test_a_wrong_api_token_is_refused_and_none_is_recorded():
    lines: list[str] = []
    with OmoCaptchaService(api_token="secret-of-the-test", on_event=lines.append) as service:
        for call in ("createJob", "getJobResult", "getBalance", "getService"):
            answer = Client(service, "wrong")(call, data=DATA, job_id=1)
            assert answer == {"error": True, "message": "Invalid api token."}
        token = Client(service, "secret-of-the-test").solve()
        assert [call.authorised for call in service.calls] == [False] * 4 + [True] * 2
        assert [call.name for call in service.calls[4:]] == ["createJob", "getJobResult"]
        assert service.calls[4].body == {"data": DATA}
        assert json.loads(service.calls[4].answer)["job_id"] == service.jobs[0].id
        assert "secret-of-the-test" not in f"{service.calls}{lines}"
        assert len(lines) == 6
        assert token not in "".join(lines)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "The description of the job is missing."),
        ({"data": []}, "The description of the job is missing."),
        ({"data": {**DATA, "type_job_id": 1}}, "Field type_job_id must be a string."),
        ({"data": {**DATA, "websiteKey": ""}}, "Field websiteKey must be a string."),
        ({"data": {"type_job_id": "1", "websiteURL": PAGE}}, "Field websiteKey must be a string."),
        ({"data": {**DATA, "websiteURL": "http://["}}, "The URL of the page is invalid."),
        ({"data": {**DATA, "websiteURL": "/page/1"}}, "The URL of the page is invalid."),
        ({"data": {**DATA, "isInvisible": "yes"}}, "Field isInvisible must be a boolean."),
    ],
)
def test_a_job_with_invalid_fields_is_refused_and_costs_nothing(service, fields, message):
    assert Client(service)("createJob", **fields) == {"error": True, "message": message}
    assert (service.jobs, service.charged) == ((), 0.0)


def test_a_body_that_is_not_json_and_a_get_request_are_refused(service):
    with urllib.request.urlopen(f"{service.url}/getBalance", b"\xff{") as response:
        assert json.load(response) == {"error": True, "message": "The body is not a JSON object."}
    for path, status in (("/api/getBalance", 405), ("/api/createTask", 404), ("/elsewhere", 404)):
        assert exchange(service, "GET", path)[0].status == status
    assert [(call.name, call.path) for call in service.calls[2:]] == [("", "/api/createTask"), ("", "/elsewhere")]


def test_outcomes_of_the_next_jobs_can_be_planned():
    clock = Clock()
    with OmoCaptchaService(clock=clock) as service:
        client = Client(service)
        service.next_job("refused", message="Try later.")
        service.next_job("never")
        service.next_job("fail", times=2, seconds=3)
        service.next_job("vanished")
        assert client("createJob", data=DATA) == {"error": True, "message": "Try later."}
        never, fail, again, vanished, last = (client.job() for _ in range(5))
        assert client("getJobResult", job_id=fail)["status"] == "processing"
        clock.now += 1e9
        assert client("getJobResult", job_id=never)["status"] == "processing"
        assert client("getJobResult", job_id=fail)["status"] == "fail"
        assert client("getJobResult", job_id=again)["status"] == "fail"
        assert client("getJobResult", job_id=vanished) == {"error": True, "message": "Job not found."}
        assert client("getJobResult", job_id=last)["status"] == "success"
        assert [job.state for job in service.jobs] == ["running", "failed", "failed", "solved", "solved"]


def test_a_token_is_accepted_once_within_two_minutes_for_its_own_key():
    clock = Clock()
    with OmoCaptchaService(clock=clock) as service:
        client = Client(service)
        duplicate = {"success": False, "error-codes": ["timeout-or-duplicate"]}
        invalid = {"success": False, "error-codes": ["invalid-input-response"]}
        token = client.solve()
        assert service.siteverify(token, "6L" + "b" * 38) == invalid
        clock.now += 120
        good = service.siteverify(token, SITEKEY)
        assert good == {"success": True, "hostname": "127.0.0.1"}
        assert service.siteverify(token, SITEKEY) == duplicate
        old = client.solve()
        clock.now += 120.1
        assert service.siteverify(old, SITEKEY) == duplicate
        service.next_job("stale")
        assert service.siteverify(client.solve(), SITEKEY) == duplicate
        service.next_job("rejected")
        assert service.siteverify(client.solve(), SITEKEY) == invalid
        assert service.siteverify("03A-made-up", SITEKEY) == invalid
        assert service.siteverify("", SITEKEY) == {"success": False, "error-codes": ["missing-input-response"]}
        assert service.jobs[0].verdicts == ("invalid-input-response", "accepted", "timeout-or-duplicate")
        assert [job.used for job in service.jobs] == [True, False, False, False]


# Faults


def test_only_faults_after_processing_create_a_job(service):
    for kind in sorted(set(KINDS) - {"hang"}):
        jobs = len(service.jobs)
        service.fault("createJob", kind, seconds=0.01)
        with suppress(OSError, http.client.HTTPException):
            Client(service).raw("createJob", data=DATA)
        assert service.calls[-1].fault == kind
        assert len(service.jobs) - jobs == (kind not in UNPROCESSED), kind
    assert Client(service)("createJob", data=DATA)["error"] is False


def test_a_hanging_answer_ends_when_the_service_stops(caplog):
    with OmoCaptchaService() as service:
        service.fault("createJob", "hang")
        connection = http.client.HTTPConnection("127.0.0.1", service.port)
        connection.request("POST", "/api/createJob", json.dumps({"api_token": service.api_token, "data": DATA}))
        Client(service)("getBalance")  # answered while the other call hangs
        assert len(service.jobs) == 1
    with pytest.raises(OSError, match=r"reset|closed connection"):
        connection.getresponse()
    connection.close()
    assert caplog.records == []


# Starting and stopping


def test_a_stopped_service_ends_its_thread_and_restarts_on_its_port():
    before = set(threading.enumerate())
    service = OmoCaptchaService()
    with service:
        Client(service).job()
        url = service.url
    assert set(threading.enumerate()) == before
    with pytest.raises(ConnectionRefusedError):
        Client(service).raw("getBalance")
    with service:
        assert service.url == url
        assert Client(service)("getBalance")["balance"] == "9.99945"
    service.stop()
    assert set(threading.enumerate()) == before
