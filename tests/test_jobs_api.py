"""Version 1 of the API: every documented shape of an answer is read, and no junk raises anything but our own errors."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from scrapy_omocaptcha.api.jobs import JobsApi
from scrapy_omocaptcha.api.protocol import JobRequest
from scrapy_omocaptcha.errors import AccountError, ApiBadAnswer, ApiRefused, JobFailed, OmoCaptchaError
from scrapy_omocaptcha.settings import Secret

API_TOKEN = "omo-Secret-4711"
JOB = JobRequest(page="https://shop.example/gate", sitekey="6LcSiteKey", invisible=True)
TOKEN = "03AHJ_abc-DEF_123"
EXAMPLES = hypothesis_settings(derandomize=True, deadline=None, max_examples=150)


class RecordingTransport:
    """Answers every call with one text, and writes down what was sent."""

    def __init__(self, answer):
        self.answer = answer if isinstance(answer, str) else json.dumps(answer)
        self.sent = []
        self.closed = False

    async def post(self, path, body):
        self.sent.append((path, json.loads(json.dumps(body, default=Secret.reveal))))
        return self.answer

    async def close(self):
        self.closed = True


def call(name, answer, *arguments, type_job_id="1"):
    transport = RecordingTransport(answer)
    api = JobsApi(transport, Secret(API_TOKEN), type_job_id)
    return asyncio.run(getattr(api, name)(*arguments)), transport.sent


def outcome(name, answer, *arguments):
    """What comes of a call: its value, or the class of the error it raises."""
    try:
        return call(name, answer, *arguments)[0]
    except OmoCaptchaError as error:
        return type(error)


# -- what is sent ---------------------------------------------------------------------------------------------------


def test_a_job_is_created_with_both_spellings_of_its_fields():
    _, sent = call("create_job", {"error": False, "job_id": 1}, JOB)
    assert sent == [
        (
            "/createJob",
            {
                "api_token": API_TOKEN,
                "data": {
                    "type_job_id": "1",
                    "websiteURL": JOB.page,
                    "website_url": JOB.page,
                    "websiteKey": JOB.sitekey,
                    "website_key": JOB.sitekey,
                    "isInvisible": True,
                },
            },
        )
    ]


@pytest.mark.parametrize(
    ("job_id", "sent_as"),
    [
        ("123456", 123456),
        ("0", 0),
        ("49f9f60a-1", "49f9f60a-1"),
        ("007", "007"),
        ("-5", "-5"),
        ("1" * 30, "1" * 30),
        ("٣", "٣"),
    ],
)
def test_a_number_goes_back_as_a_number_and_any_other_id_as_the_text_it_came_as(job_id, sent_as):
    _, sent = call("job_result", {"error": False, "status": "running"}, job_id)
    assert sent == [("/getJobResult", {"api_token": API_TOKEN, "job_id": sent_as})]
    assert type(sent[0][1]["job_id"]) is type(sent_as)


def test_balance_and_price_send_the_credential_alone():
    assert call("balance", {"balance": 1})[1] == [("/getBalance", {"api_token": API_TOKEN})]
    assert call("price", {"service": []})[1] == [("/getService", {"api_token": API_TOKEN})]


def test_closing_the_api_closes_its_connections():
    transport = RecordingTransport("")
    asyncio.run(JobsApi(transport, Secret(API_TOKEN), "1").close())
    assert transport.closed


# -- the documented shapes ------------------------------------------------------------------------------------------

CREATED = {
    "as documented": ({"error": False, "job_id": 123456, "message": "Create job success."}, "123456"),
    "the id as a text": ({"error": False, "job_id": "123456"}, "123456"),
    "a text id with white space around it": ({"error": False, "job_id": " 49f9 \n"}, "49f9"),
    "success in the place of error": ({"success": True, "job_id": 5}, "5"),
    "success false beside a job_id": ({"success": False, "job_id": 5}, "5"),
    "success contradicts error": ({"error": False, "success": False, "job_id": 5}, "5"),
    "neither": ({"job_id": 5}, "5"),
    "error as the text false": ({"error": "false", "job_id": 5}, "5"),
    "error null": ({"error": None, "job_id": 5}, "5"),
    "errorId 0": ({"errorId": 0, "job_id": 5}, "5"),
    "errorId as text": ({"errorId": "0", "job_id": 5}, "5"),
    "error": ({"error": True, "message": "Busy."}, ApiRefused),
    "error as text": ({"error": "true", "message": "Busy."}, ApiRefused),
    "error as text with a capital": ({"error": "True", "message": "Busy."}, ApiRefused),
    "error beside a job_id": ({"error": True, "job_id": 5, "message": "Busy."}, ApiRefused),
    "errorId": ({"errorId": 1, "errorDescription": "Busy."}, ApiRefused),
    "errorId as text, not zero": ({"errorId": "1"}, ApiRefused),
    "an error without words": ({"error": True}, ApiRefused),
    "an error with the status of a failed job": ({"error": True, "status": "fail", "message": "Busy."}, ApiRefused),
    "success false in the place of error": ({"success": False, "message": "Busy."}, ApiRefused),
    "success false and an empty id": ({"success": False, "job_id": None, "message": "Busy."}, ApiRefused),
    "success as the text false": ({"success": "false", "message": "Busy."}, ApiRefused),
    "bad token": ({"error": True, "message": "Invalid api token."}, AccountError),
    "bad token, other words": ({"error": True, "message": "Wrong API_TOKEN"}, AccountError),
    "bad token, success in the place of error": ({"success": False, "message": "Invalid api token."}, AccountError),
    "bad token, errorId": ({"errorId": 1, "errorDescription": "Invalid api key"}, AccountError),
    "bad token and a status": ({"error": True, "status": "fail", "message": "Invalid api token."}, AccountError),
    "empty account": ({"error": True, "message": "Your balance is not enough."}, AccountError),
    "empty account, other words": ({"error": True, "message": "Insufficient funds"}, AccountError),
    "empty account in Vietnamese": ({"error": True, "message": "Số dư không đủ"}, AccountError),
    "no id": ({"error": False, "message": "Create job success."}, ApiBadAnswer),
    "id null": ({"error": False, "job_id": None}, ApiBadAnswer),
    "id true": ({"error": False, "job_id": True}, ApiBadAnswer),
    "id empty": ({"error": False, "job_id": "  "}, ApiBadAnswer),
    "id with a fraction": ({"error": False, "job_id": 1.5}, ApiBadAnswer),
    "id an object": ({"error": False, "job_id": {"id": 1}}, ApiBadAnswer),
    "id with a line break": ({"error": False, "job_id": "1\n2"}, ApiBadAnswer),
    "id without end": ({"error": False, "job_id": "x" * 10000}, ApiBadAnswer),
}


@pytest.mark.parametrize("case", CREATED)
def test_the_answer_to_create_job(case):
    answer, expected = CREATED[case]
    assert outcome("create_job", answer, JOB) == expected


RESULTS = {
    "as documented": ({"error": False, "status": "success", "result": {"gRecaptchaResponse": TOKEN}}, TOKEN),
    "a bare text": ({"error": False, "status": "success", "result": TOKEN}, TOKEN),
    "not JSON: a bare text in braces": (
        '{"error": false, "status": "success", "result": {"TOKEN"}}'.replace("TOKEN", TOKEN),
        TOKEN,
    ),
    "the same with spaces": ('{"status": "success",\n "result": {\n "TOKEN"\n }\n}'.replace("TOKEN", TOKEN), TOKEN),
    "upper case": ({"error": False, "status": "SUCCESS", "result": TOKEN}, TOKEN),
    "success false beside a token": ({"success": False, "status": "success", "result": TOKEN}, TOKEN),
    "no status, but a token": ({"error": False, "result": {"gRecaptchaResponse": TOKEN}}, TOKEN),
    "more in the object": ({"status": "success", "result": {"x": 1, "gRecaptchaResponse": TOKEN}}, TOKEN),
    "white space around": ({"status": "success", "result": f" {TOKEN}\n"}, TOKEN),
    "running": ({"error": False, "status": "running"}, None),
    "processing": ({"errorId": 0, "status": "processing"}, None),
    "waiting": ({"error": False, "status": "waiting"}, None),
    "running with an empty result": ({"status": "running", "result": None}, None),
    "running with an empty object": ({"status": "running", "result": {"gRecaptchaResponse": ""}}, None),
    "running, and the result says so in a word": ({"status": "running", "result": "processing"}, None),
    "running, success false": ({"success": False, "status": "processing"}, None),
    "a state nobody knows": ({"error": False, "status": "dreaming"}, None),
    "a state nobody knows, and a word": ({"error": False, "status": "dreaming", "result": "later"}, None),
    "no state at all": ({"error": False}, None),
    "fail": ({"error": False, "status": "fail", "result": None}, JobFailed),
    "fail with an error": ({"error": True, "status": "fail", "message": "Unsolvable."}, JobFailed),
    "fail with errorId": ({"errorId": 1, "status": "fail", "errorDescription": "Job failed"}, JobFailed),
    "fail in capitals": ({"error": False, "status": "FAIL"}, JobFailed),
    "fail beside a token": ({"error": False, "status": "fail", "result": TOKEN}, JobFailed),
    "error": ({"error": True, "message": "Job not found."}, ApiRefused),
    "error beside a running state": ({"error": True, "status": "running", "message": "Busy."}, ApiRefused),
    "success false without a state": ({"success": False, "message": "Job not found."}, ApiRefused),
    "bad token": ({"error": True, "message": "Invalid api token."}, AccountError),
    "success without a result": ({"error": False, "status": "success"}, ApiBadAnswer),
    "success and null": ({"error": False, "status": "success", "result": None}, ApiBadAnswer),
    "success and an empty token": ({"error": False, "status": "success", "result": ""}, ApiBadAnswer),
    "success and a token of another name": ({"status": "success", "result": {"token": TOKEN}}, ApiBadAnswer),
    "success and a list": ({"status": "success", "result": [TOKEN]}, ApiBadAnswer),
    "success and a number": ({"status": "success", "result": 5}, ApiBadAnswer),
    "success and words in the place of a token": ({"status": "success", "result": "see elsewhere"}, ApiBadAnswer),
    "success and a line break in the token": ({"status": "success", "result": "03A\r\nX: y"}, ApiBadAnswer),
    "success and a token that is not ASCII": ({"status": "success", "result": "03Aü"}, ApiBadAnswer),
}


@pytest.mark.parametrize("case", RESULTS)
def test_the_answer_to_get_job_result(case):
    answer, expected = RESULTS[case]
    assert outcome("job_result", answer, "7") == expected


BALANCES = {
    "text": ({"error": False, "balance": "12.50000"}, 12.5),
    "number": ({"error": False, "balance": 12.5}, 12.5),
    "whole number": ({"balance": 3}, 3.0),
    "zero": ({"error": False, "balance": "0.00000"}, 0.0),
    "overdrawn": ({"error": False, "balance": "-0.25"}, -0.25),
    "success false beside a balance": ({"success": False, "balance": "1"}, 1.0),
    "error": ({"error": True, "message": "Maintenance."}, ApiRefused),
    "error with the status of a job": (
        {"error": True, "status": "fail", "message": "Invalid api token."},
        AccountError,
    ),
    "bad token": ({"error": True, "message": "Invalid api token."}, AccountError),
    "missing": ({"error": False}, ApiBadAnswer),
    "words": ({"balance": "a lot"}, ApiBadAnswer),
    "with its unit": ({"balance": "1 USD"}, ApiBadAnswer),
    "true": ({"balance": True}, ApiBadAnswer),
    "a list": ({"balance": [1]}, ApiBadAnswer),
    "NaN": ('{"balance": NaN}', ApiBadAnswer),
    "infinity": ('{"balance": Infinity}', ApiBadAnswer),
    "text NaN": ({"balance": "nan"}, ApiBadAnswer),
    "text that overflows": ({"balance": "1e400"}, ApiBadAnswer),
    "number that overflows": ('{"balance": 1e400}', ApiBadAnswer),
    "whole number that overflows": ('{"balance": 1%s}' % ("0" * 400), ApiBadAnswer),
    "whole number beyond what Python reads": ('{"balance": 1%s}' % ("0" * 5000), ApiBadAnswer),
}


@pytest.mark.parametrize("case", BALANCES)
def test_the_answer_to_get_balance(case):
    answer, expected = BALANCES[case]
    assert outcome("balance", answer) == expected


def listed(**service):
    return {"error": False, "service": [{"id": 3, "price": "0.1"}, "junk", None, {}, {"id": 1, **service}]}


PRICES = {
    "as documented": (listed(name="reCaptcha v2", price="0.00055", avg_time="15s"), 0.00055),
    "number": (listed(price=0.001), 0.001),
    "id as text": ({"service": [{"id": "1", "price": "0.002"}]}, 0.002),
    "not in the list": ({"error": False, "service": [{"id": 3, "price": "0.1"}]}, None),
    "an empty list": ({"error": False, "service": []}, None),
    "no list": ({"error": False}, ApiBadAnswer),
    "an object for a list": ({"error": False, "service": {"1": {"price": 1}}}, ApiBadAnswer),
    "no price": (listed(), ApiBadAnswer),
    "below zero": (listed(price="-1"), ApiBadAnswer),
    "comma": (listed(price="0,00055"), ApiBadAnswer),
    "error": ({"error": True, "message": "No."}, ApiRefused),
}


@pytest.mark.parametrize("case", PRICES)
def test_the_answer_to_get_service(case):
    answer, expected = PRICES[case]
    assert outcome("price", answer) == expected


def test_the_price_of_another_kind_of_job_is_found_by_its_number():
    answer = {"service": [{"id": 1, "price": "0.1"}, {"id": 2, "price": "0.2"}]}
    assert call("price", answer, type_job_id="2")[0] == 0.2


# -- junk -----------------------------------------------------------------------------------------------------------

CALLS = {"create_job": (JOB,), "job_result": ("7",), "balance": (), "price": ()}


def deep(levels, key=None):
    nested = "[" * levels + "]" * levels
    return nested if key is None else f'{{"{key}": {nested}}}'


JUNK = {
    "nothing": "",
    "white space": " \n",
    "HTML": "<!DOCTYPE html><title>502</title>",
    "half an object": '{"error": false, "job_id": 12',
    "a list": "[]",
    "a number": "5",
    "null": "null",
    "true": "true",
    "a text": '"Create job success."',
    "NaN": "NaN",
    "nesting": deep(200),
    "nesting without end": deep(100_000),
    "a mark before the object": "\ufeff{}",
    "braces and a text": '{"03AHJ"}',
    "nothing but braces": "{" * 5000,
    "an unpaired surrogate": '{"error": true, "message": "\\ud800"}',
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("junk", JUNK)
def test_what_is_no_answer_at_all_is_a_bad_answer_or_a_refusal(name, junk):
    assert outcome(name, JUNK[junk], *CALLS[name]) in (ApiBadAnswer, ApiRefused)


FIELDS = (
    "error",
    "errorId",
    "success",
    "job_id",
    "status",
    "result",
    "message",
    "errorDescription",
    "balance",
    "service",
)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("key", FIELDS)
@pytest.mark.parametrize("levels", [300, 450, 600, 800, 950])
def test_a_field_nested_beyond_measure_raises_nothing_but_our_own_errors(name, key, levels):
    outcome(name, deep(levels, key), *CALLS[name])
    nested = deep(levels)
    both = f'{{"error": true, "message": {nested}, "service": [{{"id": {nested}}}]}}'
    assert outcome(name, both, *CALLS[name]) in (ApiRefused, ApiBadAnswer)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(
        [10**400, -(10**400), float("nan"), float("inf"), "1e999", "true", "fail", "success", "", API_TOKEN]
    ),
    st.floats(),
    st.text(max_size=20),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "price", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
answers = st.dictionaries(st.sampled_from(FIELDS), values, max_size=6)


@EXAMPLES
@given(name=st.sampled_from(sorted(CALLS)), answer=answers | values)
@example(name="balance", answer={"balance": 10**400})
def test_whatever_json_comes_back_a_call_gives_its_own_kind_of_value_or_one_of_our_errors(name, answer):
    value = outcome(name, json.dumps(answer), *CALLS[name])
    if isinstance(value, type):
        assert issubclass(value, OmoCaptchaError)
    elif name == "create_job":
        assert isinstance(value, str)
        assert value.strip() == value != ""
    elif name == "job_result":
        assert value is None or (isinstance(value, str) and value.isascii() and not set(value) & set(" \r\n\t"))
    else:
        assert value is None or isinstance(value, float)
        assert value is None or value - value == 0, "neither NaN nor infinite"


@EXAMPLES
@given(name=st.sampled_from(sorted(CALLS)), text=st.text(max_size=60))
@example(name="price", text='{"service":[{"id":1,"price":1' + "0" * 400 + "}]}")
def test_whatever_text_comes_back_only_our_own_errors_are_raised(name, text):
    outcome(name, text, *CALLS[name])


# -- what an error shows --------------------------------------------------------------------------------------------

ECHOES = {
    "in the message": {"error": True, "message": f"Invalid api token. You sent {API_TOKEN}!"},
    "in the middle of the message": {"error": True, "message": f"no{API_TOKEN}thing"},
    "twice": {"error": True, "message": f"{API_TOKEN}{API_TOKEN}"},
    "where the message is cut": {"error": True, "message": "x" * 190 + API_TOKEN},
    "in an object for a message": {"error": True, "message": {"api_token": API_TOKEN}},
    "in the description": {"errorId": 1, "errorDescription": f"key {API_TOKEN} unknown"},
    "in a failed job": {"status": "fail", "message": API_TOKEN},
    "as an amount": {"status": "success", "balance": API_TOKEN, "service": [{"id": 1, "price": API_TOKEN}]},
    "as a result": {"status": "success", "result": {API_TOKEN: API_TOKEN}},
    "as no JSON": f"<html>{API_TOKEN}</html>",
    "as a list": [API_TOKEN],
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("case", ECHOES)
def test_no_error_shows_the_api_token_even_when_the_service_echoes_it(name, case):
    with pytest.raises(OmoCaptchaError) as raised:
        call(name, ECHOES[case], *CALLS[name])
    logged = logging.Formatter().formatException((raised.type, raised.value, raised.value.__traceback__))
    shown = f"{raised.value} {raised.value!r} {raised.value.args} {logged}"
    assert all(API_TOKEN[:size] not in shown for size in range(len(API_TOKEN), 6, -1))


def test_a_message_reaches_the_log_on_one_line_without_controls_and_not_without_end():
    message = "line\r\nFAKE LOG LINE\x1b[31m red \ud800 " + "x" * 1000
    with pytest.raises(ApiRefused) as raised:
        call("balance", {"error": True, "message": message})
    told = str(raised.value)
    assert told.startswith("/getBalance: line FAKE LOG LINE")
    assert told.isprintable()
    assert len(told) < 300
