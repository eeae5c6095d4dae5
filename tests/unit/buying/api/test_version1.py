"""Version 1 of the API: what is sent, and every shape of answer in its documents and clients."""

from dataclasses import replace

import pytest

from scrapy_omocaptcha.buying.records import Balance
from scrapy_omocaptcha.errors import AccountError, ApiBadAnswer, ApiRefused, JobFailed
from tests.unit.apis import API_TOKEN, CALLS, JOB, TOKEN, call, outcome, version1

# -- what is sent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("invisible", [True, False])
def test_create_job_sends_both_spellings_of_its_fields(invisible):
    _, sent = call(version1, "create_job", {"error": False, "job_id": 1}, replace(JOB, invisible=invisible))
    data = {"type_job_id": "1", "isInvisible": invisible}
    data |= dict.fromkeys(("websiteURL", "website_url"), JOB.page)
    data |= dict.fromkeys(("websiteKey", "website_key"), JOB.sitekey)
    assert sent == [("/createJob", {"api_token": API_TOKEN, "data": data})]


@pytest.mark.parametrize(
    ("given", "sent_as"),
    [
        *((123456, 123456), ("123456", 123456), ("0", 0)),
        *((text, text) for text in ("49f9f60a-1", "007", "-5", "1" * 30, "٣")),
    ],
)
def test_a_numeric_job_id_is_sent_as_a_number_and_any_other_as_text(given, sent_as):
    job_id, _ = call(version1, "create_job", {"error": False, "job_id": given}, JOB)
    _, sent = call(version1, "job_result", {"error": False, "status": "running"}, job_id)
    assert sent == [("/getJobResult", {"api_token": API_TOKEN, "job_id": sent_as})]
    assert type(sent[0][1]["job_id"]) is type(sent_as)


def test_balance_and_price_send_only_the_credential():
    assert call(version1, "balance", {"balance": 1})[1] == [("/getBalance", {"api_token": API_TOKEN})]
    assert call(version1, "price", {"service": []})[1] == [("/getService", {"api_token": API_TOKEN})]


def test_a_page_in_the_place_of_an_answer_has_a_cure_and_a_broken_answer_has_none():
    cures = {}
    for answer in ("\n<!DOCTYPE html><html></html>", "Bad", ""):
        with pytest.raises(ApiBadAnswer) as raised:
            call(version1, "create_job", answer, JOB)
        cures[answer.strip()[:1]] = raised.value.cure
    assert "set OMOCAPTCHA_API_VERSION = 2" in cures.pop("<")
    assert cures == {"B": "", "": ""}


# -- the documented shapes ------------------------------------------------------------------------------------------

CREATED = {
    "as documented": ({"error": False, "job_id": 123456, "message": "Create job success."}, 123456),
    "a text id with white space around it": ({"error": False, "job_id": " 49f9 \n"}, "49f9"),
    "success false beside a job_id": ({"success": False, "job_id": 5}, 5),
    "success contradicts error": ({"error": False, "success": False, "job_id": 5}, 5),
    "neither": ({"job_id": 5}, 5),
    "error as the text false": ({"error": "false", "job_id": 5}, 5),
    "error null": ({"error": None, "job_id": 5}, 5),
    "errorId 0": ({"errorId": 0, "job_id": 5}, 5),
    "errorId as text": ({"errorId": "0", "job_id": 5}, 5),
    "error": ({"error": True, "message": "Busy."}, ApiRefused),
    "error as text": ({"error": "true", "message": "Busy."}, ApiRefused),
    "errorId": ({"errorId": 1, "errorDescription": "Busy."}, ApiRefused),
    "errorId as text, not zero": ({"errorId": "1"}, ApiRefused),
    "an error with the status of a failed job": ({"error": True, "status": "fail", "message": "Busy."}, ApiRefused),
    "success false in the place of error": ({"success": False, "message": "Busy."}, ApiRefused),
    "success false and an empty id": ({"success": False, "job_id": None, "message": "Busy."}, ApiRefused),
    "success as the text false": ({"success": "false", "message": "Busy."}, ApiRefused),
    "bad token": ({"error": True, "message": "Invalid api token."}, AccountError),
    "bad token, other words": ({"error": True, "message": "Wrong API_TOKEN"}, AccountError),
    "bad token, errorId": ({"errorId": 1, "errorDescription": "Invalid api key"}, AccountError),
    "the wrong key of a page": ({"error": True, "message": "Invalid key type"}, ApiRefused),
    "empty account": ({"error": True, "message": "Your balance is not enough."}, AccountError),
    "empty account in Vietnamese": ({"error": True, "message": "Số dư không đủ"}, AccountError),
    "no id": ({"error": False, "message": "Create job success."}, ApiBadAnswer),
    "id true": ({"error": False, "job_id": True}, ApiBadAnswer),
    "id empty": ({"error": False, "job_id": "  "}, ApiBadAnswer),
    "id with a fraction": ({"error": False, "job_id": 1.5}, ApiBadAnswer),
    "id with a line break": ({"error": False, "job_id": "1\n2"}, ApiBadAnswer),
    "id without end": ({"error": False, "job_id": "x" * 10000}, ApiBadAnswer),
}

RESULTS = {
    "as documented": ({"error": False, "status": "success", "result": {"gRecaptchaResponse": TOKEN}}, TOKEN),
    "not JSON: a bare text in braces": (
        '{"status": "success",\n "result": {\n "TOKEN"\n }\n}'.replace("TOKEN", TOKEN),
        TOKEN,
    ),
    "success false beside a token": ({"success": False, "status": "success", "result": TOKEN}, TOKEN),
    "no status, but a token": ({"error": False, "result": {"gRecaptchaResponse": TOKEN}}, TOKEN),
    "no status, but a bare token": ({"error": False, "result": TOKEN}, TOKEN),
    "more in the object": ({"status": "success", "result": {"x": 1, "gRecaptchaResponse": TOKEN}}, TOKEN),
    "white space around": ({"status": "success", "result": f" {TOKEN}\n"}, TOKEN),
    "running": ({"error": False, "status": "running"}, None),
    "running with an empty object": ({"status": "running", "result": {"gRecaptchaResponse": ""}}, None),
    "running, success false": ({"success": False, "status": "processing"}, None),
    "a state nobody knows, and a word": ({"error": False, "status": "dreaming", "result": "later"}, None),
    "no state at all": ({"error": False}, None),
    "fail with an error": ({"error": True, "status": "fail", "message": "Unsolvable."}, JobFailed),
    "fail in capitals": ({"error": False, "status": "FAIL"}, JobFailed),
    "fail beside a token": ({"error": False, "status": "fail", "result": TOKEN}, JobFailed),
    "error": ({"error": True, "message": "Job not found."}, ApiRefused),
    "error beside a running state": ({"error": True, "status": "running", "message": "Busy."}, ApiRefused),
    "success false without a state": ({"success": False, "message": "Job not found."}, ApiRefused),
    "bad token": ({"error": True, "message": "Invalid api token."}, AccountError),
    "success without a result": ({"error": False, "status": "success"}, ApiBadAnswer),
    "success and a token of another name": ({"status": "success", "result": {"token": TOKEN}}, ApiBadAnswer),
    "success and a list": ({"status": "success", "result": [TOKEN]}, ApiBadAnswer),
    "success and words in the place of a token": ({"status": "success", "result": "see elsewhere"}, ApiBadAnswer),
    "success and a line break in the token": ({"status": "success", "result": "03A\r\nX: y"}, ApiBadAnswer),
    "success and a token that is not ASCII": ({"status": "success", "result": "03Aü"}, ApiBadAnswer),
}

BALANCES = {
    "text": ({"error": False, "balance": "12.50000"}, Balance(12.5)),
    "number": ({"error": False, "balance": 12.5}, Balance(12.5)),
    "overdrawn": ({"error": False, "balance": "-0.25"}, Balance(-0.25)),
    "success false beside a balance": ({"success": False, "balance": "1"}, Balance(1.0)),
    "a package, though no document has one": ({"balance": "0", "quantity": 5}, Balance(0.0, 5)),
    "error": ({"error": True, "message": "Maintenance."}, ApiRefused),
    "missing": ({"error": False}, ApiBadAnswer),
    "with its unit": ({"balance": "1 USD"}, ApiBadAnswer),
    "true": ({"balance": True}, ApiBadAnswer),
    "text that overflows": ({"balance": "1e400"}, ApiBadAnswer),
    "whole number beyond what Python reads": ('{"balance": 1%s}' % ("0" * 5000), ApiBadAnswer),
}


def listed(**service):
    return {"error": False, "service": [{"id": 3, "price": "0.1"}, "junk", None, {}, {"id": 1, **service}]}


PRICES = {
    "as documented": (listed(name="reCaptcha v2", price="0.00055", avg_time="15s"), 0.00055),
    "not in the list": ({"error": False, "service": [{"id": 3, "price": "0.1"}]}, None),
    "an object for a list": ({"error": False, "service": {"1": {"price": 1}}}, ApiBadAnswer),
    "no price": (listed(), ApiBadAnswer),
    "below zero": (listed(price="-1"), ApiBadAnswer),
    "error": ({"error": True, "message": "No."}, ApiRefused),
}

ANSWERS = {"create_job": CREATED, "job_result": RESULTS, "balance": BALANCES, "price": PRICES}


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in ANSWERS.items() for case in cases])
def test_an_answer_is_read_as_it_is_meant(name, case):
    answer, expected = ANSWERS[name][case]
    assert outcome(version1, name, answer, *CALLS[name]) == expected


def test_the_price_is_found_by_the_configured_type():
    answer = {"service": [{"id": 1, "price": "0.1"}, {"id": 2, "price": "0.2"}]}
    assert call(version1, "price", answer, type_job_id="2")[0] == 0.2
