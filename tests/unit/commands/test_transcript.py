"""Transcripts: nothing secret is left of what was sent and answered, and a machine can still read the rest."""

from __future__ import annotations

import html
import json
from urllib.parse import quote, unquote

import pytest

from scrapy_omocaptcha.buying.api.transport import MAX_BODY, Call
from scrapy_omocaptcha.commands.transcript import Transcript
from scrapy_omocaptcha.errors import ApiUnreachable
from scrapy_omocaptcha.testing.replay import SOLVED_TOKEN

API_TOKEN = "omo-Secret/4711+0815"
SITE_KEY = "6LcTheirSite_Key-0001"
HOST = "members.their-shop.co.uk"
PAGE = f"https://{HOST}/secret entrance/7?"
SOLVED = "03AFcWeA-solved_token-4712"
LONG = "0cAFcWeA6" + "xY_9-" * 20
EMAIL = "jane.doe+captcha@corp.test"
PRIVATE = [
    API_TOKEN,
    SITE_KEY,
    HOST,
    "their-shop.co.uk",
    PAGE,
    SOLVED,
    LONG,
    EMAIL,
    "203.0.113.77",
    "2001:db8::7",
    "api.own-proxy.test",
]
PRIVATE += ["12.345", "345.678", "10000", "47.11", "Jane Doe", "hunter2"]

SENT = {
    1: {"api_token": API_TOKEN, "data": {"type_job_id": "1"} | dict.fromkeys(("websiteURL", "website_url"), PAGE)},
    2: {"clientKey": API_TOKEN, "task": {"type": "RecaptchaV2TokenTask", "websiteURL": PAGE}},
}
SENT[1]["data"] |= dict.fromkeys(("websiteKey", "website_key"), SITE_KEY)
SENT[2]["task"]["websiteKey"] = SITE_KEY
RESULTS = {
    1: {"error": False, "status": "success", "result": {"gRecaptchaResponse": SOLVED}},
    2: {"errorId": 0, "status": "ready", "solution": {"token": SOLVED, "cookies": {"session": "hunter2"}}},
}
BALANCES = {
    1: {"error": False, "balance": "12.34500", "message": "Jane.doe+captcha@corp.test has 12.345 USD", "left": 10000},
    2: {"errorId": 0, "balance": 345.678, "quantity": 10000, "voucher_balance": "47.11", "userName": "Jane Doe"},
}


def written(tmp_path, *calls, error=None):
    """Return the text of a transcript of calls (sent, answer), and its calls."""
    transcript = Transcript()
    transcript.redaction.hide_secret(API_TOKEN)
    for path, sent, answer, *head in calls:
        body = None if sent is None else json.dumps(sent).encode()
        text = answer if isinstance(answer, (str, bytes)) else json.dumps(answer)
        call = Call("POST", f"https://jane:hunter2@api.own-proxy.test:8443/v2{path}?key={API_TOKEN}", body)
        call.status, call.head = 200, [("Content-Type", "application/json"), *head]
        call.answer += text.encode() if isinstance(text, str) else text
        transcript.add(call, 0.1234, error)
    transcript.write(tmp_path / "transcript.json")
    text = (tmp_path / "transcript.json").read_text(encoding="utf-8")
    return text, json.loads(text)["calls"]


def left(text):
    """Return what is left of the secrets, however it is escaped."""
    views = [text, unquote(text), html.unescape(text), text.encode().decode("unicode_escape"), text.replace("\\", "")]
    return [secret for secret in PRIVATE if any(secret.lower() in view.lower() for view in views)]


def said_of(secret):
    """Return the ways in which an answer may repeat a secret."""
    quoted, slashes, coded = quote(secret, safe=""), secret.replace("/", "\\/"), secret.replace("+", "\\u002B")
    return [secret, secret.upper(), quote(secret), quoted, quoted.lower(), html.escape(secret), slashes, coded]


ECHOES = [secret for secret in PRIVATE[:10] if secret != LONG]


@pytest.mark.parametrize("version", [1, 2])
def test_no_secret_is_left_of_calls_and_answers(tmp_path, version):
    echo = " | ".join(said for secret in ECHOES for said in said_of(secret))
    text, calls = written(
        tmp_path,
        ("/createJob", SENT[version], {"errorId": 0, "taskId": 7, "token": LONG}, ("Set-Cookie", "session=hunter2")),
        ("/getJobResult", {"job_id": 7}, RESULTS[version]),
        ("/getBalance", {}, BALANCES[version]),
        ("/again", {}, {"error": True, "message": echo, EMAIL: {"login": "hunter2", "note": f"nested {LONG}"}}),
        ("/again", {}, f"<h1>{echo}</h1> No balance: 12.345 of 10000 at https://api.own-proxy.test/x"),
        ("/cut", {}, f'{{"error": false, "email": "hunter2", "result": "{SOLVED[:20]}\\n'),
        ("/cut", {}, f'{{"error": false, "balance": "12.345", "userName": "Jane \\"Doe", "phone": 10000, "a": "{LONG}'),
        ("/moved", {}, "", ("Location", f"https://203.0.113.77/login?next={PAGE}"), ("Server", f"proxy {EMAIL}")),
    )
    assert left(text) == []
    assert SOLVED[:20] not in text
    assert [call["url"] for call in calls] == [f"https://service.example/v2{path}" for path in PATHS]
    assert calls[0]["headers"] == ["Content-Type: application/json", "Set-Cookie: ***"]
    assert calls[-1]["headers"][1] == "Location: https://service.example/login"
    assert (calls[0]["seconds"], calls[0]["status"]) == (0.123, 200)


PATHS = ["/createJob", "/getJobResult", "/getBalance", "/again", "/again", "/cut", "/cut", "/moved"]


@pytest.mark.parametrize(
    "answer", [{"errorId": 0, "odd": LONG}, {"error": True, "message": f"see {LONG}"}, f"<p>{LONG}"]
)
def test_a_token_is_found_by_its_form_in_a_field_that_is_not_known(tmp_path, answer):
    text, _ = written(tmp_path, ("/x", {}, answer))
    assert LONG not in text
    assert SOLVED_TOKEN in text


def test_what_is_sent_and_solved_has_placeholders_of_the_same_meaning(tmp_path):
    create = ("/createTask", SENT[2], {"errorId": 0, "taskId": 7})
    _, (created, solved) = written(tmp_path, create, ("/getTaskResult", {"taskId": 7}, RESULTS[2]))
    task = {"type": "RecaptchaV2TokenTask", "websiteURL": "https://shop.example/", "websiteKey": "SITE-KEY"}
    assert created["body"] == {"clientKey": "***", "task": task}
    assert created["json"] == {"errorId": 0, "taskId": 7}
    solution = {"token": SOLVED_TOKEN, "cookies": {"session": "***"}}
    assert solved["json"] == {"errorId": 0, "status": "ready", "solution": solution}


@pytest.mark.parametrize(
    ("balance", "kept"),
    [
        *[("12.34500", "99.99999"), (345.678, 999.999), (10000, 99999), (-5, -9), (True, True), (None, None)],
        *[("0.00050", "0.00099"), (0, 0), (0.0, 0.0), ("1,000.5", "9,999.9"), ("4 000", "9 999"), (5e-05, 9e-09)],
    ],
)
def test_a_balance_keeps_its_form(tmp_path, balance, kept):
    _, (call,) = written(tmp_path, ("/getBalance", {}, {"errorId": 0, "balance": balance, "deep": [{"usd": balance}]}))
    assert call["json"] == {"errorId": 0, "balance": kept, "deep": [{"usd": kept}]}


@pytest.mark.parametrize("answer", ["CAPTCHA_NOT_READY", "processing", "", "not yet, please wait", 7, None])
def test_a_remark_in_the_place_of_a_token_is_kept(tmp_path, answer):
    _, (call,) = written(tmp_path, ("/getJobResult", {}, {"status": "running", "result": answer}))
    assert call["json"] == {"status": "running", "result": answer}


def test_a_token_in_braces_is_replaced(tmp_path):
    text, (call,) = written(tmp_path, ("/getJobResult", {}, f'{{"{SOLVED}"}}'))
    assert call["text"] == f'{{"{SOLVED_TOKEN}"}}'
    assert left(text) == []


@pytest.mark.parametrize(
    "url",
    ["https://omocaptcha.com/api/getServicePrice", "https://api.2captcha.com/createTask", "http://127.0.0.1/api/x"],
)
def test_well_known_hosts_and_loopback_are_kept(tmp_path, url):
    transcript = Transcript()
    assert transcript.redaction.url(url.replace("127.0.0.1", "127.0.0.1:6080") + "?type=service") == url
    assert transcript.redaction.text(f"see {url}") == f"see {url}"


@pytest.mark.parametrize("body", [BALANCES[1]["message"].encode("utf-16"), b"j\0a\0n\0e", b" " * (MAX_BODY + 1)])
def test_a_body_that_is_not_read_is_not_kept(tmp_path, body):
    _, (call,) = written(tmp_path, ("/x", {}, body))
    assert call["unreadable"] is True
    assert not {"json", "text"} & set(call)


@pytest.mark.parametrize("text", ["[" * 90 + "]" * 90, "[" * 100_000, "a" * 1_000_000, "9" * 5000, "<p>" * 1000])
def test_odd_answers_are_kept_in_part(tmp_path, text):
    _, (call,) = written(tmp_path, ("/x", {}, text))
    assert 0 < len(call["text"]) <= 2000


def test_of_an_error_the_name_is_kept(tmp_path):
    _, (call,) = written(tmp_path, ("/x", {}, "half of"), error=ConnectionResetError(API_TOKEN))
    assert call["error"] == "ConnectionResetError"
    assert "text" not in call
    _, (call,) = written(tmp_path, ("/x", {}, ""), error=ApiUnreachable("HTTP status 502", taken=True))
    assert not {"error", "text"} & set(call)


def test_no_credential_is_in_what_a_debugger_shows():
    call = Call("POST", "https://omocaptcha.com/api/x", b"secret body", head=[("Set-Cookie", "secret head")])
    assert "secret" not in repr(call)
