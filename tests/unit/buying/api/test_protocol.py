"""In both versions of the API, junk only raises our own errors, and no error shows the credential."""

import logging

import pytest

from scrapy_omocaptcha.errors import ApiBadAnswer, ApiRefused, JobFailed, OmoCaptchaError
from tests.unit.apis import API_TOKEN, CALLS, call, outcome, version1, version2

VERSIONS = [version1, version2]
both_versions = pytest.mark.parametrize("version", VERSIONS)
each_call = pytest.mark.parametrize("name", CALLS)

JUNK = {
    "nothing": "",
    "a list": "[]",
    "nesting": "[" * 200 + "]" * 200,
    "nesting without end": "[" * 100_000 + "]" * 100_000,
    "braces and a text": '{"03AHJ"}',
    "nothing but braces": "{" * 5000,
    "an unpaired surrogate": '{"error": true, "message": "\\ud800"}',
}


@both_versions
@each_call
@pytest.mark.parametrize("junk", JUNK)
def test_junk_is_a_bad_answer_or_a_refusal(version, name, junk):
    assert outcome(version, name, JUNK[junk], *CALLS[name]) in (ApiBadAnswer, ApiRefused)


# -- what an error shows --------------------------------------------------------------------------------------------

ECHOES = {
    "in the message": {"error": True, "message": f"Invalid api token. You sent {API_TOKEN}!"},
    "in the middle of the message": {"error": True, "message": f"no{API_TOKEN}thing"},
    "where the message is cut": {"error": True, "message": "x" * 190 + API_TOKEN},
    "in an object for a message": {"error": True, "message": {"api_token": API_TOKEN}},
    "in the description": {"errorId": 1, "errorDescription": f"key {API_TOKEN} unknown"},
    "in the code": {"errorId": 1, "errorCode": API_TOKEN, "errorDescription": "no"},
    "in a failed job": {"error": True, "status": "fail", "message": API_TOKEN},
    "as an amount": {
        "status": "success",
        "balance": API_TOKEN,
        "service": [{"id": 1, "price": API_TOKEN}],
        "typeJob": [{"type": "RecaptchaV2TokenTask", "price": API_TOKEN}],
    },
    "as a result": {"status": "success", "result": {API_TOKEN: API_TOKEN}},
    "as a solution": {"status": "ready", "solution": {API_TOKEN: API_TOKEN}},
    "as no JSON": f"<html>{API_TOKEN}</html>",
}
# These answers, which belong to the other version, look like those to a job that still runs.
STILL_RUNNING = {
    (version1, "job_result", "as a solution"),
    (version2, "job_result", "as a result"),
    (version2, "job_result", "as an amount"),
}


@both_versions
@each_call
@pytest.mark.parametrize("case", ECHOES)
def test_no_error_shows_an_api_token_that_the_service_echoes(version, name, case):
    if (version, name, case) in STILL_RUNNING:
        assert outcome(version, name, ECHOES[case], *CALLS[name]) is None
        return
    with pytest.raises(OmoCaptchaError) as raised:
        call(version, name, ECHOES[case], *CALLS[name])
    logged = logging.Formatter().formatException((raised.type, raised.value, raised.value.__traceback__))
    shown = f"{raised.value} {raised.value!r} {raised.value.args} {logged}".lower()
    assert all(API_TOKEN[:size].lower() not in shown for size in range(len(API_TOKEN), 6, -1))


@both_versions
@pytest.mark.parametrize(
    ("more", "said"), [({"message": "Unsolvable."}, r"Unsolvable\."), ({}, "the service could not solve it")]
)
def test_a_job_that_failed_says_why_if_the_service_does(version, more, said):
    with pytest.raises(JobFailed, match=f"^{said}$"):
        call(version, "job_result", {"errorId": 0, "status": "fail", **more}, "7")


@both_versions
def test_a_message_is_shortened_to_one_printable_line(version):
    text = "line\r\nFAKE LOG LINE\x1b[31m red \ud800 " + "x" * 1000
    with pytest.raises(ApiRefused) as raised:
        call(version, "balance", {"error": True, "message": text})
    message = str(raised.value)
    assert message.startswith("/getBalance: line FAKE LOG LINE")
    assert message.isprintable()
    assert len(message) < 300
