"""The settings choose the version of the API and its price list."""

import asyncio

import pytest
from scrapy.settings import Settings as ScrapySettings

from scrapy_omocaptcha.buying.api.factory import build_apis, find_version
from scrapy_omocaptcha.errors import AccountError, ApiUnreachable
from scrapy_omocaptcha.settings import Settings
from tests.unit.apis import API_TOKEN, JOB, RecordingTransport, version1, version2

OWN_LIST = "https://omocaptcha.com/api/getServicePrice?type=service"


def build(answer, **values):
    """Build the API of these settings over a transport with a fixed answer, and return what it sends too."""
    named = {f"OMOCAPTCHA_{name}": value for name, value in {"API_TOKEN": API_TOKEN, **values}.items()}
    (api,) = build_apis(Settings.from_settings(ScrapySettings(named))).values()
    api.transport = RecordingTransport(answer)
    return api, api.transport.sent


@pytest.mark.parametrize(
    ("version", "setting", "kind", "where"),
    [(1, "TYPE_JOB_ID", "3", ("data", "type_job_id")), ("2", "TASK_TYPE", "NoCaptchaTask", ("task", "type"))],
)
def test_each_version_creates_jobs_of_the_configured_type(version, setting, kind, where):
    api, sent = build({"job_id": 5, "taskId": 5}, API_VERSION=version, **{setting: kind})
    asyncio.run(api.create_job(JOB))
    assert [body[where[0]][where[1]] for _, body in sent] == [kind]


@pytest.mark.parametrize("url", [None, "https://api.omocaptcha.com/v3", "https://OMOcaptcha.com/v2"])
def test_omocaptchas_prices_are_read_from_its_public_list(url):
    prices = {"error": False, "typeJob": [{"type": "RecaptchaV2TokenTask", "price": "0.001"}]}
    api, sent = build(prices, API_VERSION=2, API_URL=url)
    assert asyncio.run(api.price()) == 0.001
    assert sent == [OWN_LIST]


@pytest.mark.parametrize(
    "url", ["https://api.2captcha.com", "https://notomocaptcha.com/v2", "https://omocaptcha.com.example/v2"]
)
def test_the_price_at_another_service_is_unknown(url):
    api, sent = build("", API_VERSION=2, API_URL=url)
    assert asyncio.run(api.price()) is None
    assert sent == []


def find(*answers):
    """Return the number of the version that is found where the versions have these answers to the first call."""
    transports = map(RecordingTransport, answers)
    apis = {1: version1(next(transports)), 2: version2(next(transports))}
    api = asyncio.run(find_version(apis))
    return next(number for number, each in apis.items() if each is api)


def test_a_version_that_refuses_to_tell_the_balance_in_its_own_words_is_there():
    assert find({"error": True, "message": "Method not allowed"}, {}) == 1
    assert find("<html>", {"errorId": 1, "errorCode": "ERROR_NO_SUCH_METHOD"}) == 2


def test_answers_that_show_no_version_are_all_told_with_a_cure():
    with pytest.raises(ApiUnreachable, match=r"the answer is not JSON; .*the amount is not a number") as raised:
        find("<html>", {})
    assert "set OMOCAPTCHA_API_VERSION" in raised.value.cure


def test_a_service_that_tells_no_version_is_asked_again_after_the_pause_that_it_wants():
    class Busy(RecordingTransport):
        async def post(self, path, body):
            raise ApiUnreachable("HTTP status 503", retry_after=30.0)

    apis = {1: version1(Busy()), 2: version2(RecordingTransport("<html>"))}
    with pytest.raises(ApiUnreachable) as raised:
        asyncio.run(find_version(apis))
    assert raised.value.retry_after == 30.0


def test_an_account_that_no_version_knows_is_told_as_the_first_one_does():
    wrong = {"error": True, "message": "Invalid api token."}, {"errorId": 1, "errorCode": "ERROR_KEY_DOES_NOT_EXIST"}
    with pytest.raises(AccountError, match=r"^/getBalance: Invalid api token\.$"):
        find(*wrong)
