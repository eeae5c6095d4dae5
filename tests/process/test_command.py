"""``scrapy omocaptcha detect``, run as a user runs it, in a freshly generated project."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from aiohttp import web

from scrapy_omocaptcha.tokens.reasons import REASONS
from tests.helpers.commands import ROOT, options_of
from tests.helpers.docs import code, page
from tests.helpers.sites import Site

KEY = "6LcSavedPage" + 28 * "x"
FORM_FIELDS = ["csrf", "next", "g-recaptcha-response", "action"]


@pytest.fixture
def detect(scrapy):
    """``detect(URL, …, exit=0)`` → what is told of the page, by label; any other output fails the test."""

    def detect(page, *arguments, exit=0):
        done = scrapy("detect", page, *arguments)
        assert done.returncode == exit, done.stdout
        name, *lines = done.stdout.splitlines()
        assert name == str(page)
        assert all(line[:2] + line[11:12] == "   " for line in lines)
        return {line[2:11].rstrip(): line[12:] for line in lines}

    return detect


# -- output ---------------------------------------------------------------------------------------------------------

SOLVE, PASSED = "solve it", "passed on to the spider: "
VERDICTS = {
    **dict.fromkeys(("session", "redirect", "invisible", "get"), SOLVE),
    **{wall: wall for wall in ("foreign_form", "enterprise")},
    "data_s": "unsolvable",
    "callback_only": "browser",
    "no_key": "unsolvable",
}


def left_alone(reason):
    return f"left alone ({reason}): {REASONS[reason]}"


@pytest.mark.parametrize(("wall", "verdict"), VERDICTS.items())
def test_a_wall_is_told_with_its_verdict_widget_and_form_and_nothing_is_bought(detect, walled, service, wall, verdict):
    site = walled(wall)
    told = detect(f"{site.url}/item/7", *options_of(service.settings))
    assert told["verdict"] == (SOLVE if verdict == SOLVE else left_alone(verdict))
    assert told["judged"].startswith("withholds: status 403; ")
    assert {"widget", "form"} < told.keys()
    assert "note" not in told
    assert (service.calls, site.challenges) == ((), 1)
    if wall == "session":
        assert told["widget"] == f"reCAPTCHA v2, checkbox, key {site.sitekey}"
        assert told["form"].startswith(f"POST {site.url}/verify; fields: {', '.join(FORM_FIELDS)}; ")
    if wall == "redirect":
        assert told["page"] == f"status 403 at {site.url}/gate?next=%2Fitem%2F7"


def test_pages_that_are_no_challenge_pass(detect, walled, service, tmp_path):
    site = walled("session")
    (tmp_path / "v3.html").write_text('<script src="https://www.google.com/recaptcha/api.js?render=6Lkey"></script>')
    pages = [[f"{site.url}/contact"], [tmp_path / "v3.html", "--url", f"{site.url}/v3"], [f"{site.url}/free/1"]]
    contact, version3, free = [detect(*page, *options_of(service.settings)) for page in pages]
    assert contact["verdict"] == f"{PASSED}its form does something else"
    assert contact["judged"] == "acts: the form also asks for 'name'"
    assert site.sitekey in contact["widget"]
    assert contact["call"].startswith('form_request(response, {"name": "…", "email": "…", "message": "…"}, rejected=')
    assert version3["verdict"].startswith(f"{PASSED}it has no reCAPTCHA v2 widget, but loads reCAPTCHA v3")
    assert free["verdict"] == f"{PASSED}it has no reCAPTCHA v2 widget"
    assert list(version3) == list(free) == ["verdict", "page"]
    assert service.calls == ()


def test_text_begins_with_the_verdict_and_ends_with_a_call_to_copy_for_a_form_that_wants_a_token(scrapy, walled):
    site = walled("session")
    wall, search = (scrapy("detect", site.url + path) for path in ("/page/1", "/find"))
    assert wall.returncode == 0
    assert search.returncode == 0
    assert [line[2:11].rstrip() for line in wall.stdout.splitlines()[1:]] == [
        *("verdict", "page", "judged", "widget", "form")
    ]
    assert wall.stdout.startswith(
        f"{site.url}/page/1\n"
        "  verdict   solve it\n"
        f"  page      status 403 at {site.url}/page/1\n"
        "  judged    withholds: status 403; "
    )
    assert search.stdout.endswith(
        '  call      form_request(response, {"q": "…", "kind": "any"}, rejected="is_rejected", '
        "callback=self.parse_result)\n"
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
        "<title>Access denied</title><p>Unusual traffic.</p><form action=/verify method=post>"
        f'<div class=g-recaptcha data-sitekey="{KEY}"></div><button>Go on</button></form>'
        "<script src=https://www.google.com/recaptcha/api.js></script>",
        encoding="utf-8",
    )
    return file


def test_a_file_is_judged_as_the_given_response_and_nothing_is_fetched(detect, wall_file, walled):
    site = walled("session")
    told = detect(wall_file, "--url", f"{site.url}/gate", "--status", "429")
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
    told = detect(tmp_path / "contact.html", "--status", status)
    assert told["judged"].startswith("acts: ")
    assert told["verdict"] == f"{PASSED}its form does something else"
    assert ("overrule" in told) is is_advised


def test_the_lines_of_a_page_are_those_of_the_documentation(scrapy, tmp_path):
    (tmp_path / "page.html").write_text(
        f"<title>Shop</title><h1>Are you human?</h1><form method=post><div class=g-recaptcha data-sitekey={KEY}></div>"
        "<button>Continue</button></form><script src=https://www.google.com/recaptcha/api.js></script>"
    )
    told = scrapy("detect", tmp_path / "page.html", "--url", "https://shop.example/").stdout.splitlines()
    shown = code(page("before-you-pay"), "overrule-lines").splitlines()
    assert [line for line in shown if f"  {line}" not in told] == ["…"]


def test_only_the_page_is_printed_whatever_the_project_logs_and_the_terminal_can_show(
    installed, fresh, wall_file, tmp_path
):
    loud = tmp_path / "loud"
    shutil.copytree(fresh, loud)
    with (loud / "fresh/settings.py").open("a", encoding="utf-8") as settings:
        settings.write('LOG_LEVEL = "DEBUG"\nLOG_STDOUT = True\nLOG_FILE = "theirs.log"\n')
    saved = wall_file.read_text()
    wall_file.write_text(saved.replace("<button", "<input type=hidden name=größe><button"), encoding="utf-8")
    command = [sys.executable, "-m", "scrapy", "omocaptcha", "detect", wall_file, "--status", "403"]
    environment = {**os.environ, "PYTHONPATH": installed, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=loud, env=environment, text=True, capture_output=True, check=False)
    assert [line[2:12].rstrip() for line in done.stdout.splitlines()[1:]] == [
        *("verdict", "page", "judged", "widget", "form")
    ]
    assert done.stderr == ""
    assert done.returncode == 0
    assert "fields: g-recaptcha-response, gr??e; " in done.stdout
    assert not (loud / "theirs.log").exists()


def test_the_log_can_be_turned_on_and_the_consoles_stay_off(scrapy, wall_file):
    consoles = ("-s", "TELNETCONSOLE_ENABLED=True", "-s", "REMOTE_CONTROL_ENABLED=True")
    logged = scrapy("detect", wall_file, "-L", "INFO", *consoles).stdout
    assert "Enabled addons:\n" in logged
    assert not re.search("remote_control|telnet", logged)


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
        "    custom_settings = {'OMOCAPTCHA_ENABLED': False}\n"
        "    def omocaptcha_trigger(self, response, challenge):\n"
        "        return False if response.url.endswith('/item/1') else None\n"
        "    def omocaptcha_submit(self, response, challenge, token):\n"
        "        raise AssertionError('never asked')\n"
        "    def parse(self, response):\n"
        "        raise AssertionError('never asked')\n"
    )
    left, solved, elsewhere = map(detect, (f"{site.url}/item/1", f"{site.url}/item/2", f"{other.url}/item/3"))
    theirs = "judged as 'theirs' would"
    assert [left["spider"], solved["spider"], elsewhere.get("spider")] == [theirs, theirs, None]
    assert left["verdict"] == f"{PASSED}the spider says that it is no challenge"
    assert (solved["verdict"], elsewhere["verdict"]) == (SOLVE, SOLVE)
    assert ("note" in solved, "note" in elsewhere) == (True, False)
    named = detect(f"{other.url}/item/3", "--spider", "theirs")
    assert (named["spider"], named["verdict"]) == (theirs, left_alone("offsite"))


def test_a_trigger_that_fails_is_told(scrapy, detect, spider, walled):
    site = walled("session")
    spider(
        "    def omocaptcha_trigger(self, response, challenge):\n"
        "        return {'/contact': True}[response.url[response.url.rindex('/'):]]\n"
    )
    done = scrapy("detect", f"{site.url}/item/1", "--spider", "theirs", *("-L", "DEBUG"), stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1] == "  failed    KeyError: '/1'"
    assert f"{site.url}/item/1 cannot be judged\nTraceback (most recent call last):\n" in done.stderr
    assert done.stderr.count("KeyError") == 1
    judged = detect(f"{site.url}/contact", "--spider", "theirs")
    assert judged["verdict"] == "solve it: a setting or the spider says that it is a challenge"


def test_what_fails_in_the_spider_before_the_page_is_there_is_told_with_where_it_is_from(scrapy, spider, wall_file):
    spider("    @classmethod\n    def update_settings(cls, settings):\n        open('keys.txt')\n")
    done = scrapy("detect", wall_file, "--spider", "theirs", *("-L", "DEBUG"), stderr=subprocess.PIPE)
    failed = "  failed    FileNotFoundError: [Errno 2] No such file or directory: 'keys.txt'"
    assert (done.returncode, done.stdout.splitlines()[1:]) == (1, [failed])
    assert f"{wall_file} cannot be judged\nTraceback (most recent call last):\n" in done.stderr


def test_a_page_that_a_middleware_of_the_project_has_made_is_judged_as_one_of_a_browser(detect, spider, wall_file):
    spider(
        "    class Selenium:\n"
        "        def process_request(self, request):\n"
        f"            body = {wall_file.read_bytes()!r}\n"
        "            return scrapy.http.HtmlResponse(request.url, 403, body=body)\n"
        "    custom_settings = {'DOWNLOADER_MIDDLEWARES': {Selenium: 600}, 'ROBOTSTXT_OBEY': False}\n"
    )
    told = detect("http://127.0.0.1:1/", "--spider", "theirs")
    assert told["verdict"] == left_alone("browser")


def test_a_spider_that_cannot_be_created_is_an_error(scrapy, spider, wall_file):
    spider("    def __init__(self, site):\n        super().__init__()\n")
    done = scrapy("detect", "--spider", "theirs", wall_file, "-L", "ERROR")
    assert done.returncode == 1
    assert "failed    the crawl ended before the page was inspected (-L ERROR shows why)" in done.stdout
    assert "missing 1 required positional argument: 'site'" in done.stdout


def test_limits_and_dry_run_of_the_project_are_used(detect, wall_file):
    for setting, verdict in {
        "OMOCAPTCHA_MAX_COST=0.0001": "max_cost",
        "OMOCAPTCHA_DRY_RUN=True": "dry_run",
        "OMOCAPTCHA_ALLOWED_DOMAINS=shop.example": "offsite",
    }.items():
        told = detect(wall_file, "-s", setting)
        assert told["verdict"].startswith(f"left alone ({verdict}): ")


def test_a_disabled_add_on_is_reported_and_a_file_without_url_is_judged_as_a_made_up_one(
    scrapy, detect, wall_file, tmp_path
):
    switched_off = detect(wall_file, "-s", "OMOCAPTCHA_ENABLED=False")
    assert (switched_off["verdict"], "note" in switched_off) == (SOLVE, True)
    nowhere = scrapy("detect", wall_file, cwd=tmp_path)  # there is no project
    assert nowhere.returncode == 0
    assert "  page      status 200 at https://page.invalid/\n" in nowhere.stdout
    assert "verdict   solve it\n" in nowhere.stdout
    note = "  note      the add-on is off here (ADDONS, OMOCAPTCHA_ENABLED), so crawls do nothing\n"
    assert nowhere.stdout.endswith(note)


def test_feeds_jobdir_cache_and_ledger_of_the_project_are_untouched(detect, spider, walled, tmp_path):
    feed, queue, cache, ledger = (tmp_path / name for name in ("items.json", "queue", "cache", "jobs.sqlite"))
    feed.write_text("[]")
    settings = {"FEEDS": {str(feed): {"format": "json", "overwrite": True}}, "JOBDIR": str(queue)}
    spider(f"    custom_settings = {settings!r}\n")
    given = {"JOBDIR": queue, "HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": cache, "ROBOTSTXT_OBEY": False}
    given["OMOCAPTCHA_LEDGER"] = ledger
    told = detect(f"{walled('session').url}/", "--spider", "theirs", *options_of(given))
    assert told["verdict"] == SOLVE
    assert feed.read_text() == "[]"
    assert not any(path.exists() for path in (queue, cache, ledger))


# -- fetching -------------------------------------------------------------------------------------------------------

PAGES = {
    "/robots.txt": (200, "text/plain", "User-agent: *\nDisallow: /verify\nDisallow: /private\n"),
    "/refreshing": (
        403,
        "text/html",
        "<title>Access denied: are you a robot?</title><meta http-equiv=refresh content='0; url=/elsewhere'>"
        f"<form action=/verify method=post><div class=g-recaptcha data-sitekey={KEY}></div></form>"
        "<script src=https://www.google.com/recaptcha/api.js></script>",
    ),
    "/moving": (200, "text/html", "<meta http-equiv=refresh content='0; url=/elsewhere'>"),
    "/elsewhere": (200, "text/html", "<p>Here.</p>"),
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


def test_no_call_is_told_for_the_form_of_a_page_with_another_captcha_which_would_be_paid_for_in_vain(detect, tmp_path):
    form = "<form><div class=g-recaptcha data-sitekey={}></div>{}<button>Vote</button></form>"
    for other in ("", "<div class=h-captcha></div><script src=https://js.hcaptcha.com/1/api.js></script>"):
        (tmp_path / "page.html").write_text(form.format(KEY, other))
        told = detect(tmp_path / "page.html", "--status", "403")
        assert ("call" in told) is (not other)
    assert told["verdict"] == "left alone (other_captcha): it has another kind of captcha: hCaptcha"


def test_a_url_is_fetched_as_in_a_crawl(detect, odd):
    site = odd.origin
    paths = ("/refreshing", "/moving", "/busy", "/gone", "/private")
    refreshing, moving, busy, gone, private = (detect(site + path, exit=path == "/private") for path in paths)
    # A crawl finds the challenge before it follows the refresh.
    assert refreshing["page"] == f"status 403 at {site}/refreshing"
    assert refreshing["verdict"] == left_alone("robots")
    assert moving["page"] == f"status 200 at {site}/elsewhere"
    assert (busy["page"], gone["page"]) == (f"status 503 at {site}/busy", f"status 404 at {site}/gone")
    assert moving["verdict"] == busy["verdict"] == gone["verdict"] == f"{PASSED}it has no reCAPTCHA v2 widget"
    assert private["failed"] == "IgnoreRequest: Forbidden by robots.txt"
    asked = [path for _, path, *_ in odd.requests if path != "/robots.txt"]
    assert asked == ["/refreshing", "/moving", "/elsewhere", "/busy", "/gone"]


# -- invalid input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("missing.html", "FileNotFoundError: No such file or directory (URLs begin with http:// or https://)"),
        ("http://127.0.0.1:1/", "the host refused the connection: Connection was refused by other side: 111: "),
        ("http://[", "ValueError: Invalid IPv6 URL"),
        (ROOT, "IsADirectoryError: "),
    ],
)
def test_it_is_told_why_there_is_no_page(detect, page, why):
    assert detect(page, exit=1)["failed"].startswith(why)


@pytest.mark.parametrize(
    ("option", "given", "why"),
    [
        ("--url", "shop.example", "Missing scheme in request url: shop.example"),
        ("-s", "OMOCAPTCHA_MAX_COST=-1", "OMOCAPTCHA_MAX_COST is '-1'; it must be a number of at least 0"),
        ("-s", "OMOCAPTCHA_ENABLED=perhaps", "OMOCAPTCHA_ENABLED is 'perhaps'; it must be True or False"),
    ],
)
def test_an_address_or_a_setting_that_is_none_is_told(detect, wall_file, option, given, why):
    assert detect(wall_file, option, given, exit=1) == {"failed": f"ValueError: {why}"}


THERE = ["detect", str(ROOT / "tests/process/test_command.py")]  # It has HTML elements.


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Inspect reCAPTCHA v2 walls"),
        (["guess"], "invalid choice: 'guess'"),
        (["detect"], "the following arguments are required: URL|FILE"),
        (["detect", "page.html", "--guess"], "unrecognized arguments: --guess"),
        (["detect", "page.html", "--status", "none"], "--status: invalid int value: 'none'"),
        ([*THERE, "--spider", "nobody"], "no spider is named 'nobody'"),
    ],
)
def test_wrong_usage_exits_with_status_2_and_an_explanation(scrapy, arguments, said):
    done = scrapy(*arguments)
    assert done.returncode == 2
    assert said in done.stdout
    assert "Traceback" not in done.stdout
