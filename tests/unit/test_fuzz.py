"""Properties that hold for any answer of the service and for any form of a page.

An answer raises documented errors only; a token fits into a form and a header; messages are short, on one
line, and without the credential. A form raises nothing and is sent to its own site or nowhere.
``make fuzz`` tries many more inputs than the suite does.
"""

import json
import math
import re
import traceback
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scrapy.http import HtmlResponse, Request

from scrapy_omocaptcha import Challenge, find_challenge, submit_token
from scrapy_omocaptcha.errors import ApiError, JobFailed
from scrapy_omocaptcha.settings.secret import PIECE
from scrapy_omocaptcha.tokens.reasons import Case, find_refusal
from scrapy_omocaptcha.urls import same_site
from tests.helpers.fuzzing import counted, fuzzed
from tests.helpers.widgetpages import API, KEY
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


# -- pages -------------------------------------------------------------------------------------------------------------

PAGE = "https://shop.example.com/a/page?q=1"
WIDGETS = [
    f"<div class=g-recaptcha data-sitekey={KEY}></div>",
    f"<div class=g-recaptcha data-sitekey={KEY} data-callback=done></div>",
    f"<button class=g-recaptcha data-sitekey={KEY} data-callback=done name=go value=1></button>",
    f"<div class=g-recaptcha data-sitekey={KEY}><textarea name=g-recaptcha-response>old</textarea></div>",
    "<div id=captcha></div>",
]
SCRIPTS = [
    "",
    "<script>function done(t) { document.forms[0].submit() }</script>",
    f"<script>grecaptcha.render('captcha', {{sitekey: '{KEY}'}})</script>",
]
ADDRESSES = [
    *("", "/verify", "?a=1", "#top", "//shop.example.com/x", "https://www.example.com:443/v", "../v;x?é=ü&&=", "v w"),
    *("http://shop.example.com/", "https://evil.example.org/", "//evil.example.org", "\\\\evil.example.org\\x"),
    *("https://shop.example.com@evil.example.org/", "https://shop.example.com:22/", "https://shop.example.com:x/"),
    *("javascript:x()", "data:text/html,x", "file:///etc/passwd", "https://[::1]/", "https://[", "//["),
    "http://127.1/",
    *("https:evil.example.org", "https:/evil.example.org", "https:///evil.example.org", "ht\ntps://evil.example.org/"),
    *("https://evil.example.org%2f@shop.example.com/", "https://shop.example.com%00.evil.example.org/", "\x00", "%"),
]
KINDS = [
    *("hidden", "hidden", "hidden", "text", "checkbox", "radio", "submit", "image", "file", "range", "range", "number"),
    *("color", "date", "week", "email", "url", "reset", "button", "HIDDEN", "nonsense", ""),
]
VALUES = [*("", "1", "x y", "é€😀", "a\nb\r\nc", "&amp;=%26", "9" * 400, "1e308", "-1e308", "nan", "1e-320", "\x00")]
NAMES = ["a", "b", "a", "é", "a[]", "isindex", "g-recaptcha-response", "", "n\nl", "&="]
CHARSETS = [
    *("", "utf-8", "latin1", "utf-16", "hex", "idna", "rot13", "shift_jis nonsense", "gb18030", "undefined", "cp037")
]
WRAPPERS = [
    *("fieldset", "fieldset disabled", "legend", "div", "template", "noscript", "select", "option", "form", "label")
]
attribute = st.sampled_from(VALUES + ADDRESSES).map(lambda value: value.replace('"', ""))
attributes = st.dictionaries(
    st.sampled_from(["min", "max", "form", "formaction", "formmethod", "checked", "disabled"]), attribute, max_size=3
).map(lambda pairs: "".join(f' {name}="{value}"' for name, value in pairs.items()))


@st.composite
def controls(draw):
    name, value, more = draw(st.sampled_from(NAMES)), draw(st.sampled_from(VALUES)), draw(attributes)
    control = draw(
        st.sampled_from(
            [
                f'<input type="{draw(st.sampled_from(KINDS))}" name="{name}" value="{value}"{more}>',
                f'<textarea name="{name}"{more}>{value}</textarea>',
                f'<select name="{name}"{more}><option>{value}<option selected>{name}</select>',
                f'<button name="{name}" value="{value}"{more}>x</button>',
                "</form>",
                value,
            ]
        )
    )
    return draw(st.sampled_from([control, control, f"<{draw(st.sampled_from(WRAPPERS))}>{control}"]))


@st.composite
def pages(draw):
    inside = draw(st.lists(controls() | st.sampled_from(WIDGETS), max_size=12))
    base = draw(st.sampled_from(["", "", "", *(f'<base href="{address}">' for address in ADDRESSES)]))
    form = draw(
        st.sampled_from(["", "method=post", "method=dialog", "method=post enctype=multipart/form-data"])
    ) + draw(
        st.sampled_from(["", " enctype=text/plain", " id=f", *(f' accept-charset="{label}"' for label in CHARSETS)])
    )
    body = (
        f'{base}<title>Are you a robot?</title>{API}{draw(st.sampled_from(SCRIPTS))}<form action="'
        f'{draw(st.sampled_from(ADDRESSES))}" {form}>{draw(st.sampled_from(WIDGETS))}{"".join(inside)}'
    )
    charset = draw(st.sampled_from(["utf-8"] * 12 + CHARSETS))
    return HtmlResponse(
        PAGE,
        body=body.encode(),
        headers={"Content-Type": f"text/html; charset={charset}"} if charset else {},
        status=draw(st.sampled_from([200, 403])),
        request=Request(PAGE),
    )


@fuzzed(80)
@given(pages())
@counted
def test_any_form_is_submitted_to_its_own_site_or_not_at_all(response):
    challenge = find_challenge(response)
    assert challenge is None or isinstance(challenge, Challenge)
    for widget in () if challenge is None else (challenge, *challenge.others):
        form = widget.form
        if form is None:
            continue
        assert sum(len(name) + len(value) for name, value in form.fields) <= 2 * len(response.body) + 1000
        if find_refusal("form", Case(widget, (), Request(PAGE), response)) is not None:
            continue
        request = submit_token(response, widget, TOKEN)
        parts = urlsplit(request.url)
        assert same_site(PAGE, request.url)
        assert parts.scheme == "https"
        assert re.fullmatch(r"(?:[\w-]+\.)*example\.com", parts.hostname)
        assert parts.port in (None, 443)
        assert request.method in ("GET", "POST")
        said = request.body if request.method == "POST" else parts.query.encode()
        assert said.count(TOKEN.encode()) == 1
        assert TOKEN not in repr(request)
        assert not any(b"\n" in value for name in request.headers for value in request.headers.getlist(name))
        if request.method == "GET" or form.enctype == "application/x-www-form-urlencoded":
            sent = [name for name, _ in parse_qsl(said.decode("ascii"), True, encoding=form.charset, errors="replace")]
            assert len(sent) == len(form.fields) + (
                form.token_index is None and ("g-recaptcha-response", "") not in form.fields
            )
