"""``scrapy omocaptcha check``, run as a user runs it."""

import json
import re

import pytest
from aiohttp import web

from scrapy_omocaptcha.testing import OmoCaptchaService
from tests.helpers.commands import options_of
from tests.helpers.docs import code, page
from tests.helpers.sites import Site

TOKEN = "offline-token-that-nobody-may-see"
FAST = ("-s", "OMOCAPTCHA_POLL_INTERVAL=0.01")


@pytest.fixture
def service():
    with OmoCaptchaService(api_token=TOKEN, balance=7.5) as service:
        yield service


@pytest.fixture
def check(scrapy, service, tmp_path):
    """``check(…)`` → exit status and lines of the command, each as name, whether it is wrong, and message."""

    def check(*arguments, url=service.url, token=TOKEN, **environment):
        at = ("-s", f"OMOCAPTCHA_API_URL={url}", *FAST)
        done = scrapy("check", *at, *arguments, cwd=tmp_path, OMOCAPTCHA_API_TOKEN=token, **environment)
        assert TOKEN not in done.stdout
        lines = re.findall(r"^(\w+) +(ok|WRONG) +(.*)$", done.stdout, re.MULTILINE)
        end = "Not all is in order." if done.returncode else "All is in order."
        assert done.stdout.splitlines()[len(lines) :] == [end]
        return done.returncode, [(name, verdict == "WRONG", message) for name, verdict, message in lines]

    return check


CURE = "place below 581 what drops or replaces a response, or follows redirects"


def wrong(lines):
    return [(name, message) for name, is_wrong, message in lines if is_wrong]


def test_middlewares_closer_to_the_site_are_named(check):
    own = "tests.helpers.components.OfCrawler"
    status, lines = check("-s", f"DOWNLOADER_MIDDLEWARES={json.dumps({own: 610})}")
    assert (status, wrong(lines)) == (0, [])
    (told,) = [message for _, _, message in lines if "closer to the site" in message]
    assert told == f"sees only what is let through by middlewares closer to the site: {own}; {CURE}"
    _, lines = check("-s", f"DOWNLOADER_MIDDLEWARES={json.dumps({own: 560})}")
    assert not [message for _, _, message in lines if "closer to the site" in message]


@pytest.mark.parametrize("version", [1, 2])
def test_it_says_of_each_part_that_it_is_in_order_and_buys_nothing(check, tmp_path, version):
    with OmoCaptchaService(api_token=TOKEN, api_version=version, balance=7.5, price=0.0005) as service:
        # The other version's list is asked of OMOcaptcha itself only.
        price = ("-s", f"OMOCAPTCHA_PRICE={'auto' if version == 1 else 0.001}")
        status, lines = check("-s", "OMOCAPTCHA_LEDGER=jobs.sqlite", *price, url=service.url)
        told = {name: message for name, _, message in lines}
        assert (status, list(told)) == (0, ["settings", "scrapy", "api", "price", "balance", "ledger"])
        # Not what the other version says, such as that the token is wrong.
        assert told["api"] == f"version {version} at {service.url}: answers"
        assert told["balance"] == "7.50000 USD"
        listed = "0.00050 USD a job in the service's list; crawls count 0.00050 for each job"
        assert told["price"] == (listed if version == 1 else "is not listed; crawls count 0.00100 for each job")
        assert told["ledger"] == f"{tmp_path / 'jobs.sqlite'} can be written"
        assert {call.name for call in service.calls} <= {"getBalance", "getService"}
        assert list(tmp_path.glob("jobs*")) == []


def test_the_page_about_the_command_shows_such_lines(scrapy, service, tmp_path):
    given = options_of({"OMOCAPTCHA_API_URL": service.url, "OMOCAPTCHA_LEDGER": "missing/jobs.sqlite"})
    done = scrapy("check", *given, cwd=tmp_path, OMOCAPTCHA_API_TOKEN=TOKEN)
    assert done.returncode == 1
    shown = code(page("reference/command"), "check-output")
    assert [line[:19] for line in done.stdout.splitlines()] == [line[:19] for line in shown.splitlines()]


@pytest.mark.parametrize(
    ("balance", "setting", "is_enough"),
    [
        (7.5, "OMOCAPTCHA_MIN_BALANCE=7", True),
        (7.5, "OMOCAPTCHA_MIN_BALANCE=7.4999", False),
        (0.0005, "OMOCAPTCHA_MIN_BALANCE=0", False),
        (0.00055, "OMOCAPTCHA_MIN_BALANCE=0", True),
        (7.5, "OMOCAPTCHA_PRICE=0", True),
    ],
)
def test_a_balance_that_buys_no_job_is_wrong(check, balance, setting, is_enough):
    with OmoCaptchaService(api_token=TOKEN, balance=balance) as service:
        status, lines = check("-s", setting, url=service.url)
    assert (status, [name for name, _ in wrong(lines)]) == ((0, []) if is_enough else (1, ["balance"]))


def test_a_package_is_enough(check):
    with OmoCaptchaService(api_token=TOKEN, api_version=2, balance=0, package=2500) as service:
        status, lines = check("-s", "OMOCAPTCHA_API_VERSION=2", "-s", "OMOCAPTCHA_PRICE=0.002", url=service.url)
    assert status == 0
    assert ("balance", False, "0.00000 USD, 2,500 solves left of a package") in lines


@pytest.mark.parametrize(("price", "is_odd"), [("0.55", True), ("0.00055", False), ("0.0003", False), ("5.5e-7", True)])
def test_a_price_that_is_not_that_of_a_job_is_told(check, price, is_odd):
    _, lines = check("-s", f"OMOCAPTCHA_PRICE={price}", "-s", "OMOCAPTCHA_MAX_COST=0")
    (told,) = [message for name, _, message in lines if name == "price"]
    assert ("unlike OMOCAPTCHA_PRICE, which is the price of one job: leave it out" in told) == is_odd


@pytest.mark.parametrize("version", ["auto", "2"])
def test_a_service_without_a_price_is_wrong_unless_no_limit_is_in_usd(check, version):
    given = ("-s", f"OMOCAPTCHA_API_VERSION={version}", "-s")
    with OmoCaptchaService(api_token=TOKEN, api_version=2) as service:
        status, lines = check(*given, "OMOCAPTCHA_MAX_COST=1", url=service.url)
        allowed, _ = check(*given, "OMOCAPTCHA_MAX_COST=0", url=service.url)
    assert (status, allowed) == (1, 0)
    assert all("no limit in USD would hold: set OMOCAPTCHA_PRICE" in line for _, line in wrong(lines))


def test_without_a_token_it_exits_with_status_1(check):
    status, lines = check(token="")
    assert status == 1
    assert lines[0][2].startswith("no API token, so no captcha can be solved: set OMOCAPTCHA_API_TOKEN")


def test_it_says_what_to_do_about_each_thing_that_is_wrong(check, service, tmp_path):
    (tmp_path / "notes.txt").write_text("no ledger")
    status, lines = check(
        *("-s", "OMOCAPTCHA_DRYRUN=1", "-s", "OMOCAPTCHA_LEDGER=notes.txt", "-s", "OMOCAPTCHA_MIN_BALANCE=8"),
        *("-s", "OMOCAPTCHA_REDIS_URL=redis://127.0.0.1:1/0"),
    )
    told = dict(wrong(lines))
    assert (status, sorted(told)) == (1, ["balance", "ledger", "redis", "settings"])
    assert "did you mean OMOCAPTCHA_DRY_RUN?" in told["settings"]
    assert told["balance"] == ("7.50000 USD, too little for a job and OMOCAPTCHA_MIN_BALANCE (8): top up the account")
    assert told["redis"] == "OMOCAPTCHA_REDIS_URL does not answer (the host refused the connection)"


def test_a_redis_that_answers_is_told(check, redis):
    status, lines = check("-s", f"OMOCAPTCHA_REDIS_URL={redis.url}")
    assert (status, lines[-1]) == (0, ("redis", False, "answers"))


def test_a_price_that_the_service_does_not_tell_and_no_limit_needs_is_the_published_one(check, service):
    service.fault("getService", "empty")
    _, lines = check("-s", "OMOCAPTCHA_MAX_COST=0")
    ((said,),) = [[message for name, _, message in lines if name == "price"]]
    assert re.match(r"is not known \(.*\); crawls count 0.00055 for each job", said)


def test_a_wrong_token_is_told_with_what_each_version_says(check):
    status, lines = check(token="another")
    ((name, message),) = wrong(lines)
    assert status == 1
    assert name == "api"
    assert message.count("Invalid api token") == 2
    assert message.endswith("; check OMOCAPTCHA_API_TOKEN and the balance of the account")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: web.Response(status=404), "HTTP status 404"),
        (lambda: web.Response(status=302, headers={"Location": "http://127.0.0.222/login"}), "HTTP status 302"),
        (lambda: web.Response(text="<html>Log in</html>", content_type="text/html"), "the answer is not JSON"),
    ],
)
def test_what_is_no_api_is_told(check, answer, said):
    asked = []

    def of_no_api(request, form):
        asked.append((request.host, request.path))
        return answer()

    with Site(of_no_api) as site:
        status, lines = check(url=f"{site.origin}/api")
    ((name, message),) = wrong(lines)
    assert status == 1
    assert name == "api"
    assert message.count(said) == 2
    assert "check OMOCAPTCHA_API_URL" in message
    assert [path for _, path in asked] == ["/api/getBalance"] * 2


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("OMOCAPTCHA_DRY_RUN=maybe", "OMOCAPTCHA_DRY_RUN is 'maybe'; it must be True or False"),
        ('DOWNLOADER_MIDDLEWARES={"shop.Missing": 600}', "No module named 'shop'"),
        ("OMOCAPTCHA_DRY_RUN=True", "OMOCAPTCHA_DRY_RUN is True, so crawls buy nothing"),
        ("OMOCAPTCHA_ENABLED=False", "OMOCAPTCHA_ENABLED is False, so crawls buy nothing"),
    ],
)
def test_settings_that_end_a_crawl_are_told(check, setting, said):
    status, lines = check("-s", setting)
    assert (status, wrong(lines)) == (1, [("settings", said)])


OURS = "scrapy_omocaptcha.OmoCaptchaMiddleware"
ADDON = '{"scrapy_omocaptcha.Addon": 500}'


@pytest.mark.parametrize(
    ("setting", "status"),
    [
        ("ADDONS={}", 1),
        (f"ADDONS={ADDON.replace('500', 'null')}", 1),
        (f"EXTENSIONS={ADDON}", 1),
        (f"ADDONS={ADDON}", 0),
        (f'DOWNLOADER_MIDDLEWARES={{"{OURS}": 585}}', 1),
    ],
)
def test_a_project_without_the_add_on_is_told(scrapy, service, tmp_path, setting, status):
    (tmp_path / "scrapy.cfg").write_text("[settings]\n")
    at = ("-s", f"OMOCAPTCHA_API_URL={service.url}", "-s", setting)
    done = scrapy("check", *at, cwd=tmp_path, OMOCAPTCHA_API_TOKEN=TOKEN)
    assert done.returncode == status
    assert ('WRONG  add ADDONS = {"scrapy_omocaptcha.Addon": 500} to switch it on' in done.stdout) is bool(status)
