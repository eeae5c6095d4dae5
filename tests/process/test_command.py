"""``scrapy omocaptcha detect``, run as a user runs it, in a freshly generated project."""

from __future__ import annotations

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
    """``detect(URL, …, exit=0)`` → by subject, what is told of it, by label; any other output fails the test."""

    def detect(*arguments, exit=0):
        done = scrapy("detect", *arguments)
        assert done.returncode == exit, done.stdout
        found = {}
        for subject, *lines in map(str.splitlines, re.split(r"\n(?=\S)", done.stdout.rstrip())):
            found[subject] = {line[2:11].rstrip(): line[12:] for line in lines}
            assert all(line[:2] + line[11:12] == "   " for line in lines)
        return found

    return detect


# -- output ---------------------------------------------------------------------------------------------------------

SOLVE, PASSED = "solve it", "passed on to the spider: "
VERDICTS = {
    "session": SOLVE,
    "redirect": SOLVE,
    "invisible": SOLVE,
    "get": SOLVE,
    "data_s": "data_s",
    "callback_only": "callback_only",
    "foreign_form": "foreign_form",
    "no_key": "no_sitekey",
    "enterprise": "enterprise",
}


def left_alone(reason):
    return f"left alone ({reason}): {REASONS[reason]}"


def test_each_wall_is_told_with_its_verdict_widget_and_form_and_nothing_is_bought(detect, walled, service):
    sites = {wall: walled(wall) for wall in VERDICTS}
    found = detect(*(f"{site.url}/item/7" for site in sites.values()), *options_of(service.settings))
    of_walls = {wall: found.pop(f"{site.url}/item/7") for wall, site in sites.items()}
    for wall, told in of_walls.items():
        verdict = VERDICTS[wall]
        assert told["verdict"] == (SOLVE if verdict == SOLVE else left_alone(verdict))
        assert told["judged"].startswith("withholds: status 403; ")
        assert (told["cost"] == "nothing") is (verdict != SOLVE)
        assert "note" not in told
    session, redirected = sites["session"].url, sites["redirect"].url
    assert of_walls["session"]["widget"] == f"reCAPTCHA v2, checkbox, key {sites['session'].sitekey}"
    assert of_walls["session"]["form"].startswith(
        f"POST {session}/verify; fields: {', '.join(FORM_FIELDS)}; applicatio"
    )
    assert of_walls["redirect"]["page"] == f"status 403 at {redirected}/gate?next=%2Fitem%2F7"
    assert (found, service.calls) == ({}, ())
    assert [site.challenges for site in sites.values()] == [1] * len(sites)


def test_a_page_that_a_script_fills_is_judged_as_a_browser_shows_it(detect, scrapy, walled, chromium):
    site = walled("callback_only")
    built, wall = f"{site.url}/find/built", f"{site.url}/catalogue/"
    given = {name: value for name, value in browser_settings().items() if name != "DOWNLOAD_HANDLERS"}
    found = detect("--browser", built, wall, *options_of(given))
    assert found[wall]["verdict"] == SOLVE
    assert found[built]["verdict"].startswith(PASSED)
    assert site.sitekey in found[built]["widget"]
    assert found[built]["form"].startswith(f"POST {built}; ")
    assert found[built]["call"] == 'await solve_page(response.meta["playwright_page"], crawler=self.crawler)'


def test_pages_that_are_no_challenge_pass(detect, walled, service):
    site = walled("session")
    pages = [f"{site.url}{path}" for path in ("/contact", "/v3", "/free/1")]
    contact, version3, free = detect(*pages, *options_of(service.settings)).values()
    assert [told["cost"] for told in (contact, version3, free)] == ["nothing"] * 3
    assert contact["verdict"] == f"{PASSED}its form does something else"
    assert contact["judged"].startswith("acts: ")
    assert site.sitekey in contact["widget"]
    assert contact["call"].startswith('form_request(response, {"name": "…"')
    assert version3["verdict"].startswith(f"{PASSED}it has no reCAPTCHA v2 widget, but loads reCAPTCHA v3")
    assert free["verdict"] == f"{PASSED}it has no reCAPTCHA v2 widget"
    assert list(version3) == list(free) == ["verdict", "cost", "page"]
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
        *(
            "verdict   solve it\n",
            "cost      0.00200 USD a job, at most 3 for a request\n",
            f"page      status 403 at {site.url}/",
        ),
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
    told = detect(wall_file, "--url", f"{site.url}/gate", "--status", "429")[str(wall_file)]
    assert (told["verdict"], told["page"]) == (SOLVE, f"status 429 at {site.url}/gate")
    assert told["form"].startswith(f"POST {site.url}/verify; ")
    assert told["judged"].startswith("withholds: status 429; ")
    assert site.requests == ()


@pytest.mark.parametrize(("status", "is_advised"), [(200, False), (403, True)])
def test_where_a_form_that_acts_may_be_a_challenge_it_is_told_how_to_say_so(detect, tmp_path, status, is_advised):
    (tmp_path / "contact.html").write_text(
        "<form method=post><input name=mail><textarea name=message></textarea><button>Send</button>"
        f"<div class=g-recaptcha data-sitekey={KEY}></div></form>"
        "<script src=https://www.google.com/recaptcha/api.js></script>"
    )
    (told,) = detect(tmp_path / "contact.html", "--status", status).values()
    assert told["judged"].startswith("acts: ")
    cure = '; if it is a challenge, say so with meta={"omocaptcha": True} or omocaptcha_trigger'
    assert told["verdict"] == f"{PASSED}its form does something else{cure * is_advised}"


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
    arguments = ("omocaptcha", "detect", "-L", "ERROR", *[str(wall_file)] * 150)
    started = started_scrapy(arguments, cwd=fresh, environment={**os.environ, "PYTHONPATH": installed})
    with started as (process, stdout, stderr):
        assert stdout.readline() == f"{wall_file}\n"
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
    theirs = "judged as 'theirs' would"
    assert [left["spider"], solved["spider"], elsewhere.get("spider")] == [theirs, theirs, None]
    assert left["verdict"] == f"{PASSED}a trigger says that it is no challenge"
    assert (solved["verdict"], elsewhere["verdict"]) == (SOLVE, SOLVE)
    assert solved["cost"] == "0.50000 USD a job, at most 1 for a request"
    (named,) = detect("--spider", "theirs", f"{other.url}/item/3").values()
    assert (named["spider"], named["verdict"]) == (theirs, left_alone("host_not_allowed"))


def test_a_trigger_that_fails_affects_its_page_only(scrapy, spider, walled):
    site = walled("session")
    spider(
        "    def omocaptcha_trigger(self, response, challenge):\n"
        "        return {'/contact': True}[response.url[response.url.rindex('/'):]]\n"
    )
    pages = f"{site.url}/item/1", f"{site.url}/contact"
    done = scrapy("detect", "--spider", "theirs", *pages, "-L", "DEBUG", stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert "\n  failed    KeyError: '/1'\n" in done.stdout
    assert "\n  verdict   solve it: a trigger says that it is a challenge\n" in done.stdout
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
    (told,) = detect("--spider", "theirs", "http://127.0.0.1:1/").values()
    assert told["verdict"] == left_alone("browser")


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
        (told,) = detect(wall_file, "-s", setting).values()
        assert told["verdict"].startswith(f"left alone ({verdict}): ")
        assert told["cost"] == "nothing"


def test_a_disabled_add_on_is_reported_and_a_file_without_url_is_judged_as_a_made_up_one(
    scrapy, detect, wall_file, tmp_path
):
    (switched_off,) = detect(wall_file, "-s", "OMOCAPTCHA_ENABLED=False").values()
    assert (switched_off["verdict"], "note" in switched_off) == (SOLVE, True)
    nowhere = scrapy("detect", wall_file, "-s", "OMOCAPTCHA_MAX_ATTEMPTS=1", cwd=tmp_path)  # there is no project
    assert nowhere.returncode == 0
    assert "  page      status 200 at https://page.invalid/\n" in nowhere.stdout
    assert "verdict   solve it\n" in nowhere.stdout
    assert " for a request (the last price known; crawls fetch the service's list)\n" in nowhere.stdout
    note = "  note      the add-on is off here (ADDONS, OMOCAPTCHA_ENABLED), so crawls do nothing\n"
    assert nowhere.stdout.endswith(note)


def test_feeds_jobdir_and_cache_of_the_project_are_untouched(detect, spider, walled, tmp_path):
    feed, queue = tmp_path / "items.json", tmp_path / "queue"
    feed.write_text("[]")
    settings = {"FEEDS": {str(feed): {"format": "json", "overwrite": True}}, "JOBDIR": str(queue)}
    spider(f"    custom_settings = {settings!r}\n")
    given = {"JOBDIR": queue, "HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": tmp_path / "cache", "ROBOTSTXT_OBEY": False}
    (told,) = detect("--spider", "theirs", f"{walled('session').url}/", *options_of(given)).values()
    assert told["verdict"] == SOLVE
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
    assert refreshing["page"] == f"status 403 at {site}/refreshing"
    assert refreshing["verdict"] == left_alone("robots")
    assert moving["page"] == f"status 200 at {site}/elsewhere"
    assert other["verdict"] == "left alone (other_captcha): it has another kind of captcha: hCaptcha"
    assert (busy["page"], gone["page"]) == (f"status 503 at {site}/busy", f"status 404 at {site}/gone")
    assert moving["verdict"] == busy["verdict"] == gone["verdict"] == f"{PASSED}it has no reCAPTCHA v2 widget"
    assert private["failed"] == "IgnoreRequest: Forbidden by robots.txt"
    asked = [path for _, path, *_ in odd.requests]
    assert asked == ["/robots.txt", "/refreshing", "/moving", "/elsewhere", "/hcaptcha", "/busy", "/gone"]


# -- invalid input --------------------------------------------------------------------------------------------------


def test_files_and_urls_may_be_mixed_and_a_failure_is_reported_beside_the_rest(detect, wall_file, walled, tmp_path):
    site = walled("session")
    free, again = f"{site.url}/free/1", f"{site.url}/free/2"
    missing, nowhere = str(tmp_path / "missing.html"), "http://127.0.0.1:1/"
    found = detect(free, missing, nowhere, "http://[", tmp_path, wall_file, again, exit=1)
    assert {subject: told.get("failed") or told["verdict"] for subject, told in found.items()} == {
        free: f"{PASSED}it has no reCAPTCHA v2 widget",
        missing: "No such file or directory (URLs begin with http:// or https://)",
        nowhere: "DownloadConnectionRefusedError: Connection was refused by other side: 111: Connection refused.",
        "http://[": "ValueError: Invalid IPv6 URL",
        str(tmp_path): f"IsADirectoryError: [Errno 21] Is a directory: '{tmp_path}'",
        str(wall_file): SOLVE,
        again: f"{PASSED}it has no reCAPTCHA v2 widget",
    }


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
