"""Settings: valid values of each, and invalid ones, which are refused by name and without showing a credential."""

import math

import pytest
from scrapy import Spider
from scrapy.exceptions import NotConfigured
from scrapy.settings import Settings as ScrapySettings
from scrapy_redis.scheduler import Scheduler

from scrapy_omocaptcha.settings import Settings, uses_scrapy_redis

TOKEN = "omo-1234567890-credential"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv("OMOCAPTCHA_API_TOKEN", raising=False)
    monkeypatch.delenv("OMOCAPTCHA_REDIS_URL", raising=False)


def read(**values):
    """Read settings that are given without the prefix ``OMOCAPTCHA_``."""
    named = {f"OMOCAPTCHA_{name}": value for name, value in {"API_TOKEN": TOKEN, **values}.items()}
    return Settings.from_settings(ScrapySettings(named))


def test_the_domains_of_a_spider_are_read_in_lower_case_where_none_are_set():
    spider = Spider("shop", allowed_domains=["Shop.example", "", None])
    assert read().domains(spider) == ("shop.example",)
    assert read(ALLOWED_DOMAINS=[]).domains(spider) == (), "all hosts, since the setting comes first"


def test_a_ledger_is_in_the_folder_of_the_project_wherever_a_crawl_is_started(tmp_path, monkeypatch):
    (tmp_path / "scrapy.cfg").touch()
    (tmp_path / "spiders").mkdir()
    monkeypatch.chdir(tmp_path / "spiders")
    assert read(LEDGER="jobs.sqlite").ledger == str(tmp_path / "jobs.sqlite")


def test_each_api_version_has_a_default_url():
    assert read(API_VERSION=2).api_url == read(API_VERSION=2, API_URL="").api_url == "https://api.omocaptcha.com/v2"
    assert read(API_VERSION=2, API_URL="https://api.example.com").api_url == "https://api.example.com"


VALID = [
    *(
        ("API_VERSION", 2, 2),
        ("API_VERSION", "1", 1),
        ("API_VERSION", "auto", None),
        ("TYPE_JOB_ID", "2", 2),
        ("TYPE_JOB_ID", 2, "2"),
    ),
    ("TASK_TYPE", " NoCaptchaTaskProxyless ", "NoCaptchaTaskProxyless"),
    *(("ALLOWED_DOMAINS", ["example.com"], ("example.com",)), ("ALLOWED_DOMAINS", [], ())),
    ("ALLOWED_DOMAINS", "example.com,.Example.ORG", ("example.com", "example.org")),
    *(("MAX_COST", 0, 0.0), ("MAX_COST", "2.5", 2.5)),
    *(("PRICE", "auto", None), ("PRICE", "0.001", 0.001), ("PRICE", 0.001, 0.001)),
    *(("MAX_JOBS", "7", 7), ("MAX_JOBS", 7.0, 7), ("MAX_JOBS_PER_HOST", "3", 3)),
    *(("BREAKER_FAILURES", "1", 1), ("BREAKER_PAUSE", "0.5", 0.5)),
    *(("MAX_ATTEMPTS", "1", 1), ("CONCURRENT_JOBS", "1", 1)),
    *(("JOB_TIMEOUT", "60", 60.0), ("API_TIMEOUT", "0.1", 0.1), ("TOKEN_MAX_AGE", "120", 120.0)),
    ("POLL_INTERVAL", "5", 5.0),
    ("ON_FAILURE", "response", "response"),
    *(("DRY_RUN", "True", True), ("DRY_RUN", "0", False), ("DRY_RUN", 1, True)),
    *(("API_URL", f"https://api.example.com{end}", f"https://api.example.com{end}") for end in ("/v1", ":8443/api")),
    ("API_URL", "https://api.example.com/v1/", "https://api.example.com/v1"),
    *(
        ("API_URL", url, url)
        for url in ("HTTPS://API.example.com", "https://a_pi.bücher.example/v1", "https://[::1]:8443")
    ),
]


@pytest.mark.parametrize(("name", "given", "expected"), VALID)
def test_a_valid_value_may_be_a_string_from_the_command_line(name, given, expected):
    settings = read(**{name: given})
    value = getattr(settings, name.lower())
    assert str(value) == str(expected)
    assert name == "TYPE_JOB_ID" or value == expected


COUNTS = ["MAX_JOBS", "MAX_JOBS_PER_HOST", "BREAKER_FAILURES", "MAX_ATTEMPTS", "CONCURRENT_JOBS"]
SECONDS = ["JOB_TIMEOUT", "API_TIMEOUT", "POLL_INTERVAL", "TOKEN_MAX_AGE"]
NUMBERS = ["MAX_COST", "PRICE", "BREAKER_PAUSE", *COUNTS, *SECONDS]
INVALID = [
    *((name, value) for name in NUMBERS for value in ("many", "", -1, "nan", math.inf, [3])),
    *((name, 1.5) for name in COUNTS),
    *((name, 0) for name in ("BREAKER_FAILURES", "MAX_ATTEMPTS", "CONCURRENT_JOBS", *SECONDS)),
    ("TOKEN_MAX_AGE", 121),
    *(("LEDGER", value) for value in ("", 5)),
    *(("ON_FAILURE", value) for value in ("raise", "Errback")),
    *((name, value) for name in ("ENABLED", "DRY_RUN") for value in ("maybe", "yes")),
    *((name, value) for name in ("TYPE_JOB_ID", "TASK_TYPE", "FLEET") for value in ("", " ", [])),
    *(("API_VERSION", value) for value in (0, 3, "v2")),
    *(("ALLOWED_DOMAINS", value) for value in (["https://example.com"], ["example.com:80"], [""], "a,,b", 7)),
    *(("WALLED_HOSTS", value) for value in (["*.example.com"], "example.com shop.example")),
    *(
        ("API_URL", value)
        for value in (
            *("omocaptcha.com/api", "ftp://omocaptcha.com/api", "https://", "https:///api", "https://[::1/api"),
            *("https://omocaptcha.com:0/api", "https://omocaptcha.com\\api", "https://omocaptcha.com/api#"),
            *("https://omocaptcha.com/a pi", " https://omocaptcha.com/api", "https://omo\ncaptcha.com/api"),
        )
    ),
]


@pytest.mark.parametrize(("name", "value"), INVALID, ids=lambda value: repr(value)[:40])
def test_an_invalid_value_raises_an_error_with_setting_value_and_what_is_valid(name, value):
    with pytest.raises(ValueError, match=f"^OMOCAPTCHA_{name} is .*; it must be .+") as raised:
        read(**{name: value})
    # The error may show just the invalid entry of a list.
    shown = [repr(value)] + [repr(part) for part in (value.split(",") if isinstance(value, str) else [])]
    if isinstance(value, list):
        shown += [repr(part) for part in value]
    assert any(text in str(raised.value) for text in shown)


# -- API token ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "", "   ", "\t\n"])
def test_a_missing_api_token_raises_not_configured_with_the_cure(value):
    with pytest.raises(NotConfigured, match="set OMOCAPTCHA_API_TOKEN in the settings or the environment"):
        read(API_TOKEN=value)


def test_the_api_token_may_be_in_the_environment(monkeypatch):
    monkeypatch.setenv("OMOCAPTCHA_API_TOKEN", "from-the-environment")
    assert read(API_TOKEN=None).api_token.reveal() == "from-the-environment"
    assert read(API_TOKEN="").api_token.reveal() == "from-the-environment"
    assert read().api_token.reveal() == TOKEN


def test_a_dry_run_needs_no_api_token():
    assert read(API_TOKEN=None, DRY_RUN=True).dry_run


SECRETS = {
    ("API_TOKEN", "must be"): [
        "hunter2 twice",
        "line\nbreak-hunter2",
        "nul\0hunter2",
        987654321,
        [TOKEN],
        TOKEN.encode(),
    ],
    ("API_URL", ".*it must be"): [
        *("https://user:hunter2@omocaptcha.com/api", "https://user:hunter2@omocaptcha.com:99999/api"),
        *("https://hunter2@omocaptcha.com/api", "https://:hunter2@omocaptcha.com/api", "https://user:hunter2@/api"),
        *("https://user:hunter2@[::1/api", "http://user:hunter2@127.0.0.1/api", "//user:hunter2@omocaptcha.com/api"),
        *("user:hunter2@omocaptcha.com/api", "https://omocaptcha.com/api?api_token=hunter2"),
        "https://omocaptcha.com/api?",
    ],
    ("REDIS_URL", "must be a URL such as"): [
        *("", "hunter2@h:6379", "http://hunter2@h/", "redis://", "redis://hunter2 @h", "redis://:12#hunter2@h/0"),
        *(6379, b"redis://h", "redis://hunter2@h\n/0"),
    ],
}


@pytest.mark.parametrize(
    ("name", "said", "value"), [(*key, value) for key, values in SECRETS.items() for value in values]
)
def test_an_invalid_value_that_may_have_a_secret_is_not_shown_in_the_error(name, said, value):
    with pytest.raises(ValueError, match=f"^OMOCAPTCHA_{name} {said}") as raised:
        read(**{name: value})
    assert not any(secret in repr(raised.value) for secret in ("hunter2", "987654321", TOKEN))


def test_disabled_raises_not_configured_without_needing_an_api_token():
    with pytest.raises(NotConfigured, match="OMOCAPTCHA_ENABLED is False"):
        read(ENABLED=False, API_TOKEN=None)


def test_the_api_token_is_without_white_space_around_it_and_in_no_representation_of_the_settings():
    settings = read(API_TOKEN=f" {TOKEN}\n")
    assert settings.api_token.reveal() == TOKEN
    assert TOKEN not in repr(settings)
    assert TOKEN not in f"{settings} {settings.api_token} {settings.api_token!r}"


# -- API URL --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/api", "http://127.0.0.1:8080/api", "http://127.255.255.254:1", "http://[::1]:8080/api"),
        *("http://localhost:8080", "http://LOCALHOST:8080/api"),
    ],
)
def test_plain_http_is_valid_for_loopback_addresses(url):
    assert read(API_URL=url).api_url == url


@pytest.mark.parametrize(
    "url",
    [
        *("http://omocaptcha.com/api", "http://127.0.0.1.example.com/", "http://127.0.0.1@evil.example/"),
        *("http://127.0.0.1\\.evil.example/", "http://evil.example#@127.0.0.1/", "http://loc\talhost.evil.example/"),
        *("http://0.0.0.0/api", "http://[::]/api", "http://127.0.0.1.", "http://127.1/api", "http://notlocalhost/"),
    ],
)
def test_plain_http_is_invalid_for_other_addresses_even_if_they_look_like_loopback(url):
    with pytest.raises(ValueError, match="OMOCAPTCHA_API_URL"):
        read(API_URL=url)


# -- fleets ---------------------------------------------------------------------------------------------------------


class OwnScheduler(Scheduler):
    """A project's own subclass."""


@pytest.mark.parametrize("scheduler", ["scrapy_redis.scheduler.Scheduler", Scheduler, OwnScheduler])
def test_a_queue_of_scrapy_redis_is_shared(scheduler):
    assert uses_scrapy_redis(ScrapySettings({"SCHEDULER": scheduler}))


@pytest.mark.parametrize("scheduler", ["no.such.Scheduler", "", None, 5])
def test_a_missing_scheduler_is_left_to_scrapy(scheduler):
    assert not uses_scrapy_redis(ScrapySettings({"SCHEDULER": scheduler}))


@pytest.mark.parametrize(
    "url", ["redis://h:6379/0", "rediss://u:s3cret@h/1?ssl_cert_reqs=none", "unix:///run/redis.sock"]
)
def test_a_redis_url_is_not_in_the_representation_of_the_settings(url):
    settings = read(REDIS_URL=url)
    assert settings.redis_url.reveal() == url
    assert "s3cret" not in repr(settings)


def test_the_redis_url_may_be_in_the_environment(monkeypatch):
    monkeypatch.setenv("OMOCAPTCHA_REDIS_URL", "redis://:s3cret@h")
    assert read().redis_url.reveal() == "redis://:s3cret@h"
    assert read(REDIS_URL="redis://other").redis_url.reveal() == "redis://other"
    monkeypatch.setenv("OMOCAPTCHA_REDIS_URL", "")
    assert read().redis_url is None


def test_a_fleet_needs_redis():
    assert read(FLEET="shop", REDIS_URL="redis://h").fleet == "shop"
    with pytest.raises(ValueError, match="OMOCAPTCHA_FLEET needs OMOCAPTCHA_REDIS_URL"):
        read(FLEET="shop")


def test_max_cost_per_day_needs_a_ledger_or_redis():
    assert read(MAX_COST_PER_DAY=1, REDIS_URL="redis://h").max_cost_per_day == 1
    with pytest.raises(ValueError, match=r"OMOCAPTCHA_LEDGER.* or OMOCAPTCHA_REDIS_URL"):
        read(MAX_COST_PER_DAY=1)


def test_an_account_is_not_asked_without_a_token_even_in_a_dry_run():
    with pytest.raises(NotConfigured, match="no API token"):
        Settings.for_command(ScrapySettings({"OMOCAPTCHA_DRY_RUN": True}), dry_run=False)
