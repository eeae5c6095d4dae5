"""``scrapy omocaptcha detect``, run as a user runs it, in a freshly generated project."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from aiohttp import web

from scrapy_omocaptcha.testing import browser_settings
from scrapy_omocaptcha.tokens.reasons import REASONS
from tests.helpers.commands import ROOT
from tests.helpers.sites import Site

KEY = "6LcSavedPage" + 28 * "x"
FORM_FIELDS = ["csrf", "next", "g-recaptcha-response", "action"]


@pytest.fixture
def detect(scrapy):
    """``detect(URL, …, exit=0)`` → the findings by subject; any other output fails the test."""

    def detect(*arguments, exit=0, **options):
        done = scrapy("detect", "--json", *arguments, **options)
        assert done.returncode == exit, done.stdout
        findings = [json.loads(line) for line in done.stdout.splitlines()]
        return {finding["subject"]: finding for finding in findings}

    return detect


def options_to_buy(service):
    """Return the options with which a crawl of the project would buy from ``service``."""
    return [word for name, value in service.settings.items() for word in ("-s", f"{name}={value}")]


# -- output ---------------------------------------------------------------------------------------------------------

VERDICTS = {
    "session": "solve",
    "redirect": "solve",
    "invisible": "solve",
    "get": "solve",
    "data_s": "data_s",
    "callback_only": "callback_only",
    "foreign_form": "foreign_form",
    "no_key": "no_sitekey",
    "enterprise": "enterprise",
}


def test_each_wall_has_its_verdict_and_nothing_is_bought(detect, walled, service):
    sites = {walled(name): verdict for name, verdict in VERDICTS.items()}
    found = detect(*(f"{site.url}/catalogue/" for site in sites), *options_to_buy(service))
    assert {subject: finding["verdict"] for subject, finding in found.items()} == {
        f"{site.url}/catalogue/": verdict for site, verdict in sites.items()
    }
    for finding in found.values():
        assert (finding["status"], finding["challenge"]["judgement"], finding["is_on"]) == (403, "withholds", True)
        assert finding["challenge"]["evidence"]
        assert finding["message"] == REASONS.get(finding["verdict"], "")
        assert (finding["cost"] is not None) is (finding["verdict"] == "solve")
    assert service.calls == ()
    assert [site.challenges for site in sites] == [1] * len(sites)


def test_a_page_that_a_script_fills_is_judged_as_a_browser_shows_it(detect, scrapy, walled, chromium):
    site = walled("callback_only")
    built, wall = f"{site.url}/find/built", f"{site.url}/catalogue/"
    given = {name: value for name, value in browser_settings().items() if name != "DOWNLOAD_HANDLERS"}
    options = [word for name, value in given.items() for word in ("-s", f"{name}={as_option(value)}")]
    found = detect("--browser", built, wall, *options)
    assert {subject: finding["verdict"] for subject, finding in found.items()} == {built: "pass", wall: "solve"}
    assert found[built]["challenge"]["sitekey"] == site.sitekey
    assert found[built]["challenge"]["form"]["url"] == built
    assert found[built]["call"] == "await solve_page(page, crawler=self.crawler)"


def as_option(value):
    return value if isinstance(value, str) else json.dumps(value)


def test_json_includes_the_widget_and_its_form(detect, walled):
    session, redirect = walled("session"), walled("redirect")
    pages = [f"{site.url}/item/7" for site in (session, redirect)]
    found = detect(*pages)
    plain, redirected = (found[page]["challenge"] for page in pages)
    assert plain["sitekey"] == session.sitekey
    assert (plain["form"]["method"], plain["form"]["url"]) == ("POST", f"{session.url}/verify")
    assert [name for name, _ in plain["form"]["fields"]] == FORM_FIELDS
    assert found[pages[1]]["url"] == redirected["url"] == f"{redirect.url}/gate?next=%2Fitem%2F7"


def test_pages_that_are_no_challenge_pass(detect, walled, service):
    site = walled("session")
    pages = [f"{site.url}{path}" for path in ("/contact", "/v3", "/free/1")]
    contact, version3, free = detect(*pages, *options_to_buy(service)).values()
    assert [(finding["verdict"], finding["cost"]) for finding in (contact, version3, free)] == [("pass", None)] * 3
    assert contact["challenge"]["sitekey"] == site.sitekey
    assert contact["challenge"]["judgement"] == "acts"
    assert contact["message"] == "its form does something else"
    assert (version3["challenge"], free["challenge"]) == (None, None)
    assert "loads reCAPTCHA v3" in version3["message"]
    assert free["message"] == "it has no reCAPTCHA v2 widget"
    assert service.calls == ()


def test_a_form_that_wants_a_token_is_shown_as_a_call_to_copy(scrapy, detect, walled, service):
    site = walled("session")
    search, contact = f"{site.url}/find", f"{site.url}/contact"
    found = detect(search, f"{site.url}/page/1")
    call = 'form_request(response, {"q": "…", "kind": "any"}, rejected="is_rejected", callback=self.parse_result)'
    assert found[search]["call"] == call
    assert found[search]["request"] == f"POST {site.url}/find: q=&kind=any&g-recaptcha-response=&go=search"
    assert (found[f"{site.url}/page/1"]["call"], found[f"{site.url}/page/1"]["request"]) == (None, None)
    told = scrapy("detect", search, contact).stdout
    needs = (
        "is_rejected(self, response), which returns True for a page that rejects the token; "
        'parse_result(self, response), which gets any other page; and a value for each "…"'
    )
    assert f"  call      {call}\n            to write in the spider: {needs}\n" in told
    assert f"  request   {found[search]['request']}\n" in told
    assert '  call      form_request(response, {"name": "…", "email": "…", "message": "…"}, rejected=' in told
    assert {visit.method for visit in site.requests} == {"GET"}
    assert service.calls == ()


def test_text_begins_with_the_verdict(scrapy, walled):
    site = walled("session")
    done = scrapy("detect", f"{site.url}/catalogue/", f"{site.url}/contact", "-s", "OMOCAPTCHA_PRICE=0.002")
    assert done.returncode == 0
    wall, contact = re.split(r"\n(?=http)", done.stdout.rstrip())
    assert [line[2:11].rstrip() for line in wall.splitlines()[1:]] == [
        *("verdict", "cost", "page", "judged", "widget", "form"),
    ]
    for line in (
        *("verdict   solve it\n", "cost      0.00200 USD a job, at most 3 for a request\n", "page      status 403\n"),
        *("judged    withholds: status 403; ", f"widget    reCAPTCHA v2, checkbox, key {site.sitekey}\n"),
        f"form      POST {site.url}/verify; fields: {', '.join(FORM_FIELDS)}; application/x-www-form",
    ):
        assert line in wall
    assert "verdict   passed on to the spider: its form does something else\n" in contact
    assert "cost      nothing\n" in contact
    assert "judged    acts: the form also asks for 'name'\n" in contact


def test_text_has_no_control_characters(scrapy, tmp_path):
    body = (
        '<form><input name="\x1b[2J&#x9b;2J">'
        '<div class="g-recaptcha" data-sitekey="KEY" data-callback="\x1b]0;a\x07">'
        "</div></form><script src=https://www.google.com/recaptcha/api.js></script>"
    )
    (tmp_path / "page.html").write_text(body.replace("KEY", KEY), encoding="utf-8")
    done = scrapy("detect", tmp_path / "page.html")
    assert done.returncode == 0
    assert "callback ?]0;a?" in done.stdout
    assert "fields: ?[2J" in done.stdout
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stdout)


# -- files ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def wall_file(tmp_path):
    """Path of a saved challenge whose form posts to ``/verify``."""
    file = tmp_path / "saved.html"
    file.write_text(
        "<title>Please confirm you are not a robot</title><form action=/verify method=post>"
        f'<div class=g-recaptcha data-sitekey="{KEY}"></div><button>Go on</button></form>'
        "<script src=https://www.google.com/recaptcha/api.js></script>",
        encoding="utf-8",
    )
    return file


def test_a_file_is_judged_as_the_given_response_and_nothing_is_fetched(detect, wall_file, walled):
    site = walled("session")
    (finding,) = detect(wall_file, "--url", f"{site.url}/gate", "--status", "429").values()
    assert finding["subject"] == str(wall_file)
    assert (finding["url"], finding["status"]) == (f"{site.url}/gate", 429)
    assert finding["verdict"] == "solve"
    assert finding["challenge"]["form"]["url"] == f"{site.url}/verify"
    assert "status 429" in finding["challenge"]["evidence"]
    assert site.requests == ()


@pytest.mark.parametrize(("status", "is_advised"), [(200, False), (403, True)])
def test_where_a_form_that_acts_may_be_a_challenge_it_is_told_how_to_say_so(detect, tmp_path, status, is_advised):
    (tmp_path / "contact.html").write_text(
        "<form method=post><input name=mail><textarea name=message></textarea><button>Send</button>"
        f"<div class=g-recaptcha data-sitekey={KEY}></div></form>"
        "<script src=https://www.google.com/recaptcha/api.js></script>"
    )
    (finding,) = detect(tmp_path / "contact.html", "--status", status).values()
    assert (finding["verdict"], finding["challenge"]["judgement"]) == ("pass", "acts")
    cure = '; if it is a challenge, say so with meta={"omocaptcha": True} or omocaptcha_trigger'
    assert finding["message"] == f"its form does something else{cure * is_advised}"


def test_files_and_urls_may_be_mixed(detect, wall_file, walled, tmp_path):
    site = walled("session")
    free, missing = f"{site.url}/free/1", str(tmp_path / "missing.html")
    verdicts = {free: "pass", missing: None, str(wall_file): "solve", f"{site.url}/free/2": "pass"}
    found = detect(*verdicts, exit=1)
    assert {subject: finding["verdict"] for subject, finding in found.items()} == verdicts


def run(installed, cwd, *arguments, **streams):
    command = [sys.executable, "-m", "scrapy", "omocaptcha", "detect", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": installed}
    return subprocess.Popen(command, cwd=cwd, env=environment, text=True, stderr=subprocess.PIPE, **streams)


def test_a_page_on_standard_input_is_judged_and_only_that_is_printed(
    installed, fresh, wall_file, tmp_path, monkeypatch
):
    loud = tmp_path / "loud"
    shutil.copytree(fresh, loud)
    with (loud / "fresh/settings.py").open("a", encoding="utf-8") as settings:
        settings.write('LOG_LEVEL = "DEBUG"\nLOG_STDOUT = True\nLOG_FILE = "theirs.log"\n')
    saved = wall_file.read_text()
    wall_file.write_text(saved.replace("<button", "<input type=hidden name=größe><button"), encoding="utf-8")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    with (
        wall_file.open() as page,
        run(installed, loud, "-", "--status", "403", stdin=page, stdout=subprocess.PIPE) as quiet,
    ):
        printed, errors = quiet.communicate()
    assert [line[2:12].rstrip() for line in printed.splitlines()] == [
        "",
        *("verdict", "cost", "page", "judged", "widget", "form"),
    ]
    assert (printed.startswith("-\n  verdict   solve it\n"), errors, quiet.returncode) == (True, "", 0)
    assert "fields: g-recaptcha-response, gr??e; " in printed
    assert not (loud / "theirs.log").exists()


def test_the_log_can_be_turned_on_and_the_consoles_stay_off(scrapy, wall_file):
    consoles = ("-s", "TELNETCONSOLE_ENABLED=True", "-s", "REMOTE_CONTROL_ENABLED=True")
    logged = scrapy("detect", wall_file, "-L", "INFO", *consoles).stdout
    assert "Enabled addons:\n" in logged
    assert not re.search("remote_control|telnet", logged)


def test_who_reads_the_findings_may_stop(installed, fresh, wall_file):
    with run(installed, fresh, "--json", "-L", "ERROR", *[wall_file] * 150, stdout=subprocess.PIPE) as process:
        assert json.loads(process.stdout.readline())["verdict"] == "solve"
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == ("", 0)


# -- the project's settings and spiders -----------------------------------------------------------------------------


@pytest.fixture
def spider(fresh):
    """``spider(source)`` adds a spider to the project, for one test."""
    file = fresh / "fresh/spiders/theirs.py"
    yield lambda source: file.write_text(
        f"import scrapy\n\nclass Theirs(scrapy.Spider):\n    name = 'theirs'\n{source}"
    )
    file.unlink(missing_ok=True)


def test_settings_and_trigger_of_the_domains_spider_are_used(detect, spider, walled):
    site, other = walled("callback_only"), walled("session")
    host = site.url.removeprefix("http://").partition(":")[0]
    spider(
        f"    allowed_domains = ['{host}']\n"
        "    @classmethod\n"
        "    def handles_request(cls, request):\n"
        "        return cls.allowed_domains[0] in request.url\n"  # Scrapy's own compares the port as well
        "    custom_settings = {'OMOCAPTCHA_PRICE': 0.5, 'OMOCAPTCHA_MAX_ATTEMPTS': 1}\n"
        "    def omocaptcha_trigger(self, response, challenge):\n"
        "        return False if response.url.endswith('/item/1') else None\n"
        "    def omocaptcha_submit(self, response, challenge, token):\n"
        "        raise AssertionError('never asked')\n"
        "    def parse(self, response):\n"
        "        raise AssertionError('never asked')\n"
    )
    pages = [f"{site.url}/item/1", f"{site.url}/item/2", f"{other.url}/item/3"]
    found = detect(*pages)
    left, solved, elsewhere = (found[page] for page in pages)
    assert (left["spider"], solved["spider"], elsewhere["spider"]) == ("theirs", "theirs", None)
    assert (left["verdict"], left["message"]) == ("pass", "a trigger says that it is no challenge")
    assert solved["verdict"] == "solve"
    assert solved["cost"] == {"usd_per_job": 0.5, "jobs_at_most": 1, "price_is_set": True}
    assert elsewhere["verdict"] == "solve"
    (named,) = detect("--spider", "theirs", f"{other.url}/item/3").values()
    assert (named["spider"], named["verdict"]) == ("theirs", "host_not_allowed")


def test_a_trigger_that_fails_affects_its_page_only(scrapy, detect, spider, walled):
    site = walled("session")
    spider(
        "    def omocaptcha_trigger(self, response, challenge):\n"
        "        return {'/contact': True}[response.url[response.url.rindex('/'):]]\n"
    )
    found = detect("--spider", "theirs", f"{site.url}/item/1", f"{site.url}/contact", exit=1)
    failed, judged = found.values()
    assert failed["error"] == "KeyError: '/1'"
    assert judged["verdict"] == "solve"
    assert judged["message"] == "a trigger says that it is a challenge"
    assert "KeyError" not in scrapy("detect", "--spider", "theirs", f"{site.url}/contact", "-L", "DEBUG").stdout
    logged = scrapy("detect", "--spider", "theirs", f"{site.url}/item/1", "-L", "DEBUG").stdout
    assert f"{site.url}/item/1 cannot be judged\nTraceback (most recent call last):\n" in logged


def test_a_page_that_a_middleware_of_the_project_has_made_is_judged_as_one_of_a_browser(detect, spider, wall_file):
    spider(
        "    class Selenium:\n"
        "        def process_request(self, request):\n"
        f"            body = {wall_file.read_bytes()!r}\n"
        "            return scrapy.http.HtmlResponse(request.url, 403, body=body)\n"
        "    custom_settings = {'DOWNLOADER_MIDDLEWARES': {Selenium: 600}, 'ROBOTSTXT_OBEY': False}\n"
    )
    (finding,) = detect("--spider", "theirs", "http://127.0.0.1:1/").values()
    assert finding["verdict"] == "browser"


def test_a_spider_that_cannot_be_created_is_an_error(scrapy, spider, wall_file):
    spider("    def __init__(self, site):\n        super().__init__()\n")
    done = scrapy("detect", "--spider", "theirs", wall_file, "-L", "ERROR")
    assert done.returncode == 1
    assert "failed    the crawl ended before this page was inspected (-L ERROR shows why)" in done.stdout
    assert "missing 1 required positional argument: 'site'" in done.stdout


def test_limits_and_dry_run_of_the_project_are_used(detect, wall_file):
    for setting, verdict in {
        "OMOCAPTCHA_MAX_COST=0.0001": "max_cost",
        "OMOCAPTCHA_DRY_RUN=True": "dry_run",
        "OMOCAPTCHA_ALLOWED_DOMAINS=shop.example": "host_not_allowed",
    }.items():
        (finding,) = detect(wall_file, "-s", setting).values()
        assert (finding["verdict"], finding["cost"]) == (verdict, None)


def test_a_disabled_add_on_is_reported_and_a_file_without_url_is_judged_as_a_made_up_one(
    scrapy, detect, wall_file, tmp_path
):
    (switched_off,) = detect(wall_file, "-s", "OMOCAPTCHA_ENABLED=False").values()
    assert (switched_off["verdict"], switched_off["is_on"]) == ("solve", False)
    nowhere = scrapy("detect", wall_file, "-s", "OMOCAPTCHA_MAX_ATTEMPTS=1", cwd=tmp_path)  # there is no project
    assert nowhere.returncode == 0
    assert "status 200, judged as https://page.invalid/, which is made up (--url sets the real one)" in nowhere.stdout
    assert "verdict   solve it\n" in nowhere.stdout
    price = "USD a job (the last price known; crawls fetch the service's list)\n"
    note = "  note      the add-on is off here (ADDONS, OMOCAPTCHA_ENABLED), so crawls do nothing\n"
    assert price + note in nowhere.stdout


def test_feeds_jobdir_and_cache_of_the_project_are_untouched(detect, spider, walled, tmp_path):
    feed, queue = tmp_path / "items.json", tmp_path / "queue"
    feed.write_text("[]")
    settings = {"FEEDS": {str(feed): {"format": "json", "overwrite": True}}, "JOBDIR": str(queue)}
    spider(f"    custom_settings = {settings!r}\n")
    given = {"JOBDIR": queue, "HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": tmp_path / "cache", "ROBOTSTXT_OBEY": False}
    options = [word for name, value in given.items() for word in ("-s", f"{name}={value}")]
    (finding,) = detect("--spider", "theirs", f"{walled('session').url}/", *options).values()
    assert finding["verdict"] == "solve"
    assert feed.read_text() == "[]"
    assert not queue.exists()
    assert not (tmp_path / "cache").exists()


# -- fetching -------------------------------------------------------------------------------------------------------

PAGES = {
    "/robots.txt": (200, "text/plain", "User-agent: *\nDisallow: /verify\nDisallow: /private\n"),
    "/refreshing": (
        403,
        "text/html",
        "<title>Are you a robot?</title><meta http-equiv=refresh content='0; url=/elsewhere'>"
        f"<form action=/verify method=post><div class=g-recaptcha data-sitekey={KEY}></div></form>"
        "<script src=https://www.google.com/recaptcha/api.js></script>",
    ),
    "/moving": (200, "text/html", "<meta http-equiv=refresh content='0; url=/elsewhere'>"),
    "/elsewhere": (200, "text/html", "<p>Here.</p>"),
    "/hcaptcha": (
        403,
        "text/html",
        "<title>Just a moment</title><p>Verify you are human</p><script src=https://js.hcaptcha.com/1/api.js></script>"
        "<form><div class=h-captcha data-sitekey=a-b-c></div></form>",
    ),
    "/busy": (503, "text/html", "<p>Later.</p>"),
}


@pytest.fixture
def odd():
    """Serve pages that the walls of ``testing`` lack."""

    def answer(request, form):
        status, kind, body = PAGES.get(request.path, (404, "text/plain", ""))
        return web.Response(status=status, content_type=kind, text=body)

    with Site(answer) as site:
        yield site


def test_a_url_is_fetched_as_in_a_crawl(detect, odd):
    site = odd.origin
    paths = ("/refreshing", "/moving", "/hcaptcha", "/busy", "/gone", "/private")
    found = detect(*(site + path for path in paths), exit=1)
    refreshing, moving, other, busy, gone, private = found.values()
    # A crawl finds the challenge before it follows the refresh.
    assert (refreshing["url"], refreshing["verdict"]) == (f"{site}/refreshing", "robots")
    assert refreshing["message"] == REASONS["robots"]
    assert (moving["url"], moving["verdict"]) == (f"{site}/elsewhere", "pass")
    assert (other["verdict"], other["message"]) == ("other_captcha", "it has another kind of captcha: hCaptcha")
    assert (busy["status"], busy["verdict"]) == (503, "pass")
    assert busy["message"] == "it is an error page (503 Service Unavailable) without a reCAPTCHA v2 widget"
    assert (gone["status"], gone["verdict"]) == (404, "pass")
    assert gone["message"] == "the site has no such page (404 Not Found): check the address"
    assert private["error"] == "IgnoreRequest: Forbidden by robots.txt"
    asked = [path for _, path, *_ in odd.requests]
    assert asked == ["/robots.txt", "/refreshing", "/moving", "/elsewhere", "/hcaptcha", "/busy", "/gone"]


# -- invalid input --------------------------------------------------------------------------------------------------


def test_a_failure_to_fetch_or_read_is_reported_beside_the_rest(detect, wall_file, tmp_path):
    missing, nowhere = str(tmp_path / "missing.html"), "http://127.0.0.1:1/"
    found = detect(missing, nowhere, "http://[", tmp_path, wall_file, exit=1)
    assert {subject: finding["error"] for subject, finding in found.items()} == {
        missing: "No such file or directory (URLs begin with http:// or https://)",
        nowhere: "DownloadConnectionRefusedError: Connection was refused by other side: 111: Connection refused.",
        "http://[": "Invalid IPv6 URL",
        str(tmp_path): "Is a directory (URLs begin with http:// or https://)",
        str(wall_file): None,
    }
    assert found[missing]["verdict"] is None


THERE = ["detect", str(ROOT / "tests/process/test_command.py")]  # It has HTML elements.


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Inspect reCAPTCHA v2 walls"),
        (["guess"], "invalid choice: 'guess'"),
        (["detect"], "the following arguments are required: URL|FILE"),
        (["detect", "page.html", "--guess"], "unrecognized arguments: --guess"),
        (["detect", "page.html", "--url", "shop.example"], "--url must begin with http"),
        (["detect", "page.html", "--status", "none"], "--status: invalid int value: 'none'"),
        ([*THERE, "--spider", "nobody"], "no spider is named 'nobody'"),
        ([*THERE, "-s", "OMOCAPTCHA_MAX_COST=-1"], "OMOCAPTCHA_MAX_COST is '-1'"),
        ([*THERE, "-s", "OMOCAPTCHA_ENABLED=perhaps"], "OMOCAPTCHA_ENABLED is 'perhaps'; it must be True or False"),
    ],
)
def test_wrong_usage_exits_with_status_2_and_an_explanation(scrapy, arguments, said):
    done = scrapy(*arguments)
    assert done.returncode == 2
    assert said in done.stdout
    assert "Traceback" not in done.stdout
