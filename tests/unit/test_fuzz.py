"""Properties that hold for any answer of the service.

An answer raises documented errors only; a token fits into a form and a header; messages are short, on one line, and
without the credential. ``make fuzz`` tries many more inputs than the suite does, and pages (``test_hostile_pages``).
"""

import json
import math
import re
import traceback

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scrapy_omocaptcha.errors import ApiError, JobFailed
from scrapy_omocaptcha.settings.secret import PIECE
from tests.helpers.fuzzing import counted, fuzzed
from tests.unit.apis import API_TOKEN, CALLS, call, version1, version2

# -- answers of the service --------------------------------------------------------------------------------------------

PIECES = [API_TOKEN[at : at + PIECE] for at in range(len(API_TOKEN) - PIECE + 1)]
TOKEN = "03AFcWeA-fuzzed_token"
FIELDS = [
    *("error", "errorId", "errorCode", "errorDescription", "success", "message", "status"),
    *("job_id", "taskId", "result", "solution", "gRecaptchaResponse", "token", "balance", "voucher_balance"),
    *("quantity", "service", "typeJob", "id", "type", "price"),
]
WORDS = [
    *("true", "false", "0", "1", "success", "ready", "fail", "processing", "waiting", "Invalid api token.", "", "NaN"),
    *("ERROR_ZERO_BALANCE", "ERROR_KEY_DOES_NOT_EXIST", "ERROR_JOB_STATUS", "RecaptchaV2TokenTask", "1e999", "-0.5"),
    *(TOKEN, f" {TOKEN}\n", f"{TOKEN}\r\nX: y", API_TOKEN, f"No job for {API_TOKEN}!", API_TOKEN[3:15]),
    "é\u2028\x1b[31m",
]
scalars = st.one_of(
    *(st.none(), st.booleans(), st.integers(-2, 2), st.integers(), st.floats(), st.sampled_from(WORDS)),
    *(st.text(max_size=30), st.text("x", min_size=900, max_size=1000)),
)
keys = st.sampled_from(FIELDS) | st.text(max_size=3)
things = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)
tokens = st.sampled_from([TOKEN, f" {TOKEN}\n", f"{TOKEN}\r\nX: y", f"{TOKEN} {TOKEN}", "é", "", None, 5]) | st.text(
    max_size=9
)
shaped = st.fixed_dictionaries(
    {"error": st.sampled_from([False, False, False, True, "true", None])},
    optional={
        "status": st.sampled_from(["success", "ready", "SUCCESS", "running", "fail", "?"]),
        "result": tokens | st.fixed_dictionaries({"gRecaptchaResponse": tokens}),
        "solution": st.fixed_dictionaries({}, optional={"gRecaptchaResponse": tokens, "token": tokens}),
        "message": st.sampled_from(WORDS) | st.text(max_size=300),
        "job_id": scalars,
        "taskId": scalars,
        "balance": scalars,
        "quantity": scalars,
        "service": st.lists(st.fixed_dictionaries({"id": st.sampled_from([1, "1", 2]), "price": scalars}), max_size=2),
        "typeJob": st.lists(
            st.fixed_dictionaries({"type": st.sampled_from(["RecaptchaV2TokenTask", "x"]), "price": scalars}),
            max_size=2,
        ),
    },
)
repeated = st.sampled_from([API_TOKEN, f"No job for {API_TOKEN}!", f"{API_TOKEN[3:15]}…", "a\r\nb" * 200]) | st.text(
    max_size=9
)
refused = st.fixed_dictionaries(
    {"error": st.just(True), "errorId": st.sampled_from([1, "1"])},
    optional={"message": repeated, "errorDescription": repeated, "errorCode": repeated | st.sampled_from(WORDS)},
)
answers = st.dictionaries(st.sampled_from(FIELDS), things, max_size=7)


@st.composite
def texts(draw):
    """Draw JSON, possibly with parts cut, moved or inserted, or any other text."""
    text = json.dumps(draw(shaped | refused | answers | things), ensure_ascii=draw(st.booleans()))
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(text)))
        piece = draw(st.sampled_from(["", "{", "}", '"', ",", "\\", "[" * 2000, "\0", "9" * 5000, API_TOKEN]))
        text = draw(st.sampled_from([text[:at] + piece, text[:at] + piece + text[at:], text[at:] + piece]))
    return text or draw(st.text(max_size=40))


@pytest.mark.parametrize("version", [version1, version2])
@pytest.mark.parametrize("name", CALLS)
@fuzzed(40)
@given(text=texts())
@example(text='{"balance": 1%s}' % ("0" * 400))
@example(text='{"balance": 1.7e308, "voucher_balance": 1.7e308}')
@example(text='{"taskId": 1%s}' % ("0" * 400))
@example(text='{"service": [{"id": 1, "price": 1%s}]}' % ("0" * 400))
@counted
def test_any_answer_is_read_or_raises_a_documented_error(version, name, text):
    try:
        value, _ = call(version, name, text, *CALLS[name])
    except (ApiError, JobFailed) as error:
        told = str(error)
        assert told.isprintable()
        assert len(told) < 300
        shown = told + repr(error) + "".join(traceback.format_exception(error))
        assert not any(piece in shown for piece in PIECES)
        return
    if name == "create_job":
        assert type(value) in (int, str)
        assert str(value).isprintable()
        assert str(value).strip() == str(value) != ""
        assert len(str(value)) <= 100
    elif name == "job_result":
        assert value is None or re.fullmatch(r"[!-~]+", value)
    elif name == "balance":
        assert math.isfinite(value.usd)
        assert value.solves >= 0
    else:
        assert value is None or 0 <= value < math.inf
