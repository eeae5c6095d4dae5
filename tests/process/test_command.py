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
from tests.helpers.commands import ROOT, options_of
from tests.helpers.forked_scrapy import started_scrapy
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


def test_each_wall_has_its_verdict_and_json_its_widget_and_form_and_nothing_is_bought(detect, walled, service):
    sites = {wall: walled(wall) for wall in VERDICTS}
    found = detect(*(f"{site.url}/item/7" for site in sites.values()), *options_of(service.settings))
    of_walls = {wall: found.pop(f"{site.url}/item/7") for wall, site in sites.items()}
    assert {wall: finding["verdict"] for wall, finding in of_walls.items()} == VERDICTS
    for finding in of_walls.values():
        assert (finding["status"], finding["challenge"]["judgement"], finding["is_on"]) == (403, "withholds", True)
        assert finding["challenge"]["evidence"]
        assert finding["message"] == REASONS.get(finding["verdict"], "")
        assert (finding["cost"] is not None) is (finding["verdict"] == "solve")
    challenge, redirected = of_walls["session"]["challenge"], of_walls["redirect"]
    assert challenge["sitekey"] == sites["session"].sitekey
    assert (challenge["form"]["method"], challenge["form"]["url"]) == ("POST", f"{sites['session'].url}/verify")
    assert [name for name, _ in challenge["form"]["fields"]] == FORM_FIELDS
    assert redirected["url"] == redirected["challenge"]["url"] == f"{sites['redirect'].url}/gate?next=%2Fitem%2F7"
    assert (found, service.calls) == ({}, ())
    assert [site.challenges for site in sites.values()] == [1] * len(sites)


def test_a_page_that_a_script_fills_is_judged_as_a_browser_shows_it(detect, scrapy, walled, chromium):
    site = walled("callback_only")
    built, wall = f"{site.url}/find/built", f"{site.url}/catalogue/"
    given = {name: value for name, value in browser_settings().items() if name != "DOWNLOAD_HANDLERS"}
    found = detect("--browser", built, wall, *options_of(given))
    assert {subject: finding["verdict"] for subject, finding in found.items()} == {built: "pass", wall: "solve"}
    assert found[built]["challenge"]["sitekey"] == site.sitekey
    assert found[built]["challenge"]["form"]["url"] == built
    assert found[built]["call"] == 'await solve_page(response.meta["playwright_page"], crawler=self.crawler)'


def test_pages_that_are_no_challenge_pass(detect, walled, service):
    site = walled("session")
    pages = [f"{site.url}{path}" for path in ("/contact", "/v3", "/free/1")]
    contact, version3, free = detect(*pages, *options_of(service.settings)).values()
    assert [(finding["verdict"], finding["cost"]) for finding in (contact, version3, free)] == [("pass", None)] * 3
    assert contact["challenge"]["sitekey"] == site.sitekey
    assert contact["challenge"]["judgement"] == "acts"
    assert contact["message"] == "its form does something else"
    assert contact["call"].startswith('form_request(response, {"name": "…"')
    assert (free["challenge"], free["call"]) == (None, None)
    assert version3["challenge"] is None
    assert "loads reCAPTCHA v3" in version3["message"]
    assert free["message"] == "it has no reCAPTCHA v2 widget"
    assert service.calls == ()


def test_text_begins_with_the_verdict_and_ends_with_a_call_to_copy_for_a_form_that_wants_a_token(scrapy, walled):
    site = walled("session")
    pages = [f"{site.url}{path}" for path in ("/catalogue/", "/contact", "/find")]
    done = scrapy("detect", *pages, "-s", "OMOCAPTCHA_PRICE=0.002")
    assert done.returncode == 0
    wall, contact, search = re.split(r"\n(?=http)", done.stdout.rstrip())
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
    assert '  call      form_request(response, {"name": "…", "email": "…", "message": "…"}, rejected=' in contact
    assert search.endswith(
        '  call      form_request(response, {"q": "…", "kind": "any"}, rejected="is_rejected", '
        "callback=self.parse_result)\n"
        '            to write in the spider: a value for each "…"; is_rejected(self, response), which returns True for '
        "a page that rejects the token; and parse_result(self, response), which gets any other page"
    )
    assert {visit.method for visit in site.requests} == {"GET"}


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


def test_a_page_on_standard_input_is_judged_and_only_that_is_printed(installed, fresh, wall_file, tmp_path):
    loud = tmp_path / "loud"
    shutil.copytree(fresh, loud)
    with (loud / "fresh/settings.py").open("a", encoding="utf-8") as settings:
        settings.write('LOG_LEVEL = "DEBUG"\nLOG_STDOUT = True\nLOG_FILE = "theirs.log"\n')
    saved = wall_file.read_text()
    wall_file.write_text(saved.replace("<button", "<input type=hidden name=größe><button"), encoding="utf-8")
    command = [sys.executable, "-m", "scrapy", "omocaptcha", "detect", "-", "--status", "403"]
    environment = {**os.environ, "PYTHONPATH": installed, "PYTHONIOENCODING": "ascii"}
    with wall_file.open() as page:
        done = subprocess.run(
            command, cwd=loud, env=environment, text=True, stdin=page, capture_output=True, check=False
        )
    assert [line[2:12].rstrip() for line in done.stdout.splitlines()] == [
        "",
        *("verdict", "cost", "page", "judged", "widget", "form"),
    ]
    assert (done.stdout.startswith("-\n  verdict   solve it\n"), done.stderr, done.returncode) == (True, "", 0)
    assert "fields: g-recaptcha-response, gr??e; " in done.stdout
    assert not (loud / "theirs.log").exists()


def test_the_log_can_be_turned_on_and_the_consoles_stay_off(scrapy, wall_file):
    consoles = ("-s", "TELNETCONSOLE_ENABLED=True", "-s", "REMOTE_CONTROL_ENABLED=True")
    logged = scrapy("detect", wall_file, "-L", "INFO", *consoles).stdout
    assert "Enabled addons:\n" in logged
    assert not re.search("remote_control|telnet", logged)


def test_who_reads_the_findings_may_stop(installed, fresh, wall_file):
    arguments = ("omocaptcha", "detect", "--json", "-L", "ERROR", *[str(wall_file)] * 150)
    started = started_scrapy(arguments, cwd=fresh, environment={**os.environ, "PYTHONPATH": installed})
    with started as (process, stdout, stderr):
        assert json.loads(stdout.readline())["verdict"] == "solve"
        stdout.close()
        assert stderr.read() == ""
        process.join()
        assert process.exitcode == 0


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


def test_a_trigger_that_fails_affects_its_page_only(scrapy, spider, walled):
    site = walled("session")
    spider(
        "    def omocaptcha_trigger(self, response, challenge):\n"
        "        return {'/contact': True}[response.url[response.url.rindex('/'):]]\n"
    )
    pages = f"{site.url}/item/1", f"{site.url}/contact"
    done = scrapy("detect", "--json", "--spider", "theirs", *pages, "-L", "DEBUG", stderr=subprocess.PIPE)
    failed, judged = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, failed["error"]) == (1, "KeyError: '/1'")
    assert judged["verdict"] == "solve"
    assert judged["message"] == "a trigger says that it is a challenge"
    assert f"{site.url}/item/1 cannot be judged\nTraceback (most recent call last):\n" in done.stderr
    assert done.stderr.count("KeyError") == 1


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
    (finding,) = detect("--spider", "theirs", f"{walled('session').url}/", *options_of(given)).values()
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
    assert busy["message"] == "it has no reCAPTCHA v2 widget"
    assert (gone["status"], gone["verdict"]) == (404, "pass")
    assert private["error"] == "IgnoreRequest: Forbidden by robots.txt"
    asked = [path for _, path, *_ in odd.requests]
    assert asked == ["/robots.txt", "/refreshing", "/moving", "/elsewhere", "/hcaptcha", "/busy", "/gone"]


# -- invalid input --------------------------------------------------------------------------------------------------


def test_files_and_urls_may_be_mixed_and_a_failure_is_reported_beside_the_rest(detect, wall_file, walled, tmp_path):
    site = walled("session")
    free, again = f"{site.url}/free/1", f"{site.url}/free/2"
    missing, nowhere = str(tmp_path / "missing.html"), "http://127.0.0.1:1/"
    found = detect(free, missing, nowhere, "http://[", tmp_path, wall_file, again, exit=1)
    assert {subject: finding["error"] or finding["verdict"] for subject, finding in found.items()} == {
        free: "pass",
        missing: "No such file or directory (URLs begin with http:// or https://)",
        nowhere: "DownloadConnectionRefusedError: Connection was refused by other side: 111: Connection refused.",
        "http://[": "Invalid IPv6 URL",
        str(tmp_path): "Is a directory (URLs begin with http:// or https://)",
        str(wall_file): "solve",
        again: "pass",
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
