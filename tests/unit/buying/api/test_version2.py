"""Version 2 of the API: what is sent, and every shape of answer of OMOcaptcha and other services."""

from dataclasses import replace

import pytest

from scrapy_omocaptcha.buying.api.version2 import ACCOUNT, JOB_FAILED, TEMPORARY
from scrapy_omocaptcha.buying.records import Balance
from scrapy_omocaptcha.errors import AccountError, ApiBadAnswer, ApiRefused, ApiUnreachable, JobFailed
from tests.unit.apis import API_TOKEN, CALLS, JOB, PRICE_LIST, TOKEN, call, outcome, version2

UUID = "49f9f60a-07c2-4a5d-9d3e-000001000001"


def refused(code, description="Some words.", **more):
    return {"errorId": 1, "errorCode": code, "errorDescription": description, **more}


# -- what is sent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("invisible", "more"), [(False, {}), (True, {"isInvisible": True})])
def test_create_task_sends_exactly_the_documented_fields_and_the_configured_type(invisible, more):
    job, task_type = replace(JOB, invisible=invisible), "RecaptchaV2TaskProxyless"
    _, sent = call(version2, "create_job", {"errorId": 0, "taskId": UUID}, job, task_type=task_type)
    task = {"type": task_type, "websiteURL": JOB.page, "websiteKey": JOB.sitekey, **more}
    assert sent == [("/createTask", {"clientKey": API_TOKEN, "task": task})]


@pytest.mark.parametrize("task_id", [UUID, 7654321, "7654321", "007", 0, 2**63, "٣"])
def test_a_task_id_is_sent_back_unchanged(task_id):
    given, _ = call(version2, "create_job", {"errorId": 0, "taskId": task_id}, JOB)
    _, sent = call(version2, "job_result", {"errorId": 0, "status": "processing"}, given)
    assert sent == [("/getTaskResult", {"clientKey": API_TOKEN, "taskId": task_id})]
    assert type(sent[0][1]["taskId"]) is type(task_id)


def test_balance_sends_only_the_credential_and_price_sends_none():
    assert call(version2, "balance", {"balance": 1})[1] == [("/getBalance", {"clientKey": API_TOKEN})]
    assert call(version2, "price", {"typeJob": []})[1] == [PRICE_LIST]


def test_without_a_price_list_no_request_is_sent():
    assert call(version2, "price", "", price_list=None) == (None, [])


# -- the shapes -----------------------------------------------------------------------------------------------------

CREATED = {
    "as documented": ({"errorId": 0, "taskId": UUID}, UUID),
    "the id as a number": ({"errorId": 0, "taskId": 7654321}, 7654321),
    "with a state": ({"errorId": 0, "errorCode": "", "errorDescription": "", "taskId": UUID, "status": "idle"}, UUID),
    "no errorId": ({"taskId": 5}, 5),
    "a code that says all is well": ({"errorId": 0, "errorCode": "SUCCESS", "taskId": 5}, 5),
    "an error": (refused("ERROR_INVALID_TASK_DATA"), ApiRefused),
    "an error beside an id": (refused("ERROR_INVALID_TASK_DATA", taskId=5), ApiRefused),
    "a code without an errorId": ({"errorCode": "ERROR_TASK_ABSENT"}, ApiRefused),
    "an error of version 1": ({"error": True, "message": "Busy."}, ApiRefused),
    "a job that could not be solved": (refused("ERROR_RECAPTCHA_INVALID_SITEKEY", "Invalid key"), ApiRefused),
    "a code nobody knows": (refused("ERROR_DREAMING"), ApiRefused),
    "a code nobody knows, and a bad key": (refused("ERROR_401", "Invalid api key."), AccountError),
    "a code nobody knows, and no money": (refused("ERROR_402", "Insufficient balance"), AccountError),
    "a type of task that the service does not know": (refused("ERROR_TASK_NOT_SUPPORTED"), AccountError),
    "a code in lower case": (refused("error_zero_balance "), AccountError),
    "a temporary code whose words are about the balance": (
        refused("ERROR_NO_SLOT_AVAILABLE", "No balance for the queue"),
        ApiUnreachable,
    ),
    "no id": ({"errorId": 0}, ApiBadAnswer),
}


def ready(**solution):
    return {"errorId": 0, "status": "ready", "solution": solution}


RESULTS = {
    "as documented": (ready(gRecaptchaResponse=TOKEN), TOKEN),
    "under another name": (ready(token=TOKEN), TOKEN),
    "the first name empty": (ready(gRecaptchaResponse="", token=TOKEN), TOKEN),
    "more beside it": (
        {**ready(gRecaptchaResponse=TOKEN, userAgent="x"), "cost": "0.00299", "ip": "127.0.0.1", "endTime": 1},
        TOKEN,
    ),
    "no status, but a token": ({"errorId": 0, "solution": {"gRecaptchaResponse": TOKEN}}, TOKEN),
    "processing": ({"errorId": 0, "status": "processing"}, None),
    "idle": ({"errorId": 0, "errorCode": "", "errorDescription": "", "status": "idle"}, None),
    "processing with an empty solution": ({"errorId": 0, "status": "processing", "solution": {}}, None),
    "a state nobody knows": ({"errorId": 0, "status": "dreaming"}, None),
    "failed as documented": (refused("ERROR_JOB_STATUS", "Job failed", status="fail", solution={}), JobFailed),
    "failed without a status": ({"errorId": 12, "errorCode": "ERROR_CAPTCHA_UNSOLVABLE"}, JobFailed),
    "failed beside a token": ({**ready(token=TOKEN), "status": "fail"}, JobFailed),
    "failed with a code nobody knows": (refused("ERROR_DREAMING", status="failed"), JobFailed),
    "failed with a temporary code": (refused("ERROR_REDIS_JOB_DATA", status="fail"), ApiUnreachable),
    "failed with a bad key": (refused("ERROR_KEY_DOES_NOT_EXIST", status="fail"), AccountError),
    "given up by the service": (refused("ERROR_TASK_TIMEOUT"), JobFailed),
    "unknown to the service": (refused("ERROR_NO_SUCH_CAPCHA_ID"), ApiRefused),
    "a code nobody knows": (refused("ERROR_DREAMING"), ApiRefused),
    "an error without a code": ({"errorId": 1}, ApiRefused),
    "ready without a solution": ({"errorId": 0, "status": "ready"}, ApiBadAnswer),
    "ready and an empty token": (ready(gRecaptchaResponse=""), ApiBadAnswer),
    "ready and a token of another name": (ready(text=TOKEN), ApiBadAnswer),
}


@pytest.mark.parametrize(
    ("codes", "at_creation", "later"),
    [
        (TEMPORARY, ApiUnreachable, ApiUnreachable),
        (ACCOUNT, AccountError, AccountError),
        (JOB_FAILED, ApiRefused, JobFailed),
    ],
    ids=["temporary", "account", "job over"],
)
def test_errors_are_classified_by_code(codes, at_creation, later):
    for code in sorted(codes):
        assert outcome(version2, "create_job", refused(code), JOB) is at_creation, code
        assert outcome(version2, "job_result", refused(code), 7) is later, code


def test_a_temporary_error_means_that_the_call_was_not_taken():
    with pytest.raises(ApiUnreachable) as raised:
        call(version2, "create_job", refused("ERROR_TASK_IS_MAINTENANCE", "Try later."), JOB)
    assert raised.value.taken is False
    assert str(raised.value) == "/createTask: ERROR_TASK_IS_MAINTENANCE: Try later."


BALANCES = {
    "as documented": (
        {"errorId": 0, "balance": 345.678, "quantity": 10000, "voucher_balance": 123.211},
        Balance(468.889, 10000),
    ),
    "of another service": ({"errorId": 0, "balance": 12.5, "captchaCredits": 0}, Balance(12.5)),
    "vouchers spelled otherwise": ({"errorId": 0, "balance": 1, "voucherBalance": "0.5"}, Balance(1.5)),
    "no vouchers": ({"errorId": 0, "balance": 1, "voucher_balance": None}, Balance(1.0)),
    "only a package": ({"errorId": 0, "balance": 0, "quantity": "25"}, Balance(0.0, 25)),
    "no package": ({"errorId": 0, "balance": 1, "quantity": None}, Balance(1.0)),
    "an overdrawn package": ({"errorId": 0, "balance": 1, "quantity": -1}, Balance(1.0)),
    "a package in words": ({"errorId": 0, "balance": 1, "quantity": "some"}, ApiBadAnswer),
    "error": (refused("ERROR_BAD_REQUEST"), ApiRefused),
    "vouchers in words": ({"balance": 1, "voucher_balance": "some"}, ApiBadAnswer),
}


def listed(**service):
    others = [{"type": "HCaptchaTask", "price": "0.1"}, "junk", None, {}]
    return {"error": False, "typeJob": [*others, {"type": "RecaptchaV2TokenTask", **service}]}


PRICES = {
    "as documented": (listed(name="reCAPTCHA v2", price="0.00055", avg_time="60s"), 0.00055),
    "not in the list": ({"error": False, "typeJob": []}, None),
    "no list": ({"error": False}, ApiBadAnswer),
    "error": ({"error": True, "message": "No."}, ApiRefused),
}

ANSWERS = {"create_job": CREATED, "job_result": RESULTS, "balance": BALANCES, "price": PRICES}


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in ANSWERS.items() for case in cases])
def test_an_answer_is_read_as_it_is_meant(name, case):
    answer, expected = ANSWERS[name][case]
    assert outcome(version2, name, answer, *CALLS[name]) == expected
