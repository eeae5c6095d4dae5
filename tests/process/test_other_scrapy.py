"""A Scrapy that lacks a name which this package uses costs nobody a crawl, and no page of a queue that is kept."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import scrapy

from scrapy_omocaptcha.engine.private_names import NAMES
from scrapy_omocaptcha.scrapy_versions import CURE
from tests.helpers.commands import ROOT, crawl_process, python
from tests.helpers.nightly import nightly
from tests.helpers.scrapy_versions import has_errors_of_downloads

PAGES = 10
RENAMED = {
    "_cookies": "CookieJar._cookies",
    "_enqueue_request": "engine.downloader._enqueue_request",
    "_get_slot": "engine.downloader._get_slot",
    "_set_body": "Request._set_body",
    "_set_url": "Request._set_url",
    "_slot": "engine._slot.closing",
    "_starting": "engine._starting",
    "_urlparse_cache": "httpobj._urlparse_cache",
    "download_request_async": "engine.downloader.handlers.download_request_async",
    "exceptions_to_retry": "RetryMiddleware.exceptions_to_retry",
    "fetch": "Downloader.fetch",
    "jars": "CookiesMiddleware.jars",
    "max_redirect_times": "RedirectMiddleware.max_redirect_times",
    "needs_backout": "Downloader.needs_backout",
    "nextcall": "engine._slot.nextcall.schedule",
    "should_follow": "OffsiteMiddleware.should_follow",
    "total_concurrency": "engine.downloader.total_concurrency",
}
"""Names of Scrapy, and what each of them is part of."""
ALWAYS = ("_slot", "jars")
EACH = [name if name in ALWAYS else nightly(name) for name in RENAMED]


@pytest.fixture
def crawl_with(tmp_path):
    """``crawl_with(name, told)`` → the output of a crawl by a copy of Scrapy in which a name is another one."""

    def crawl(name, told, status=0):
        copy = tmp_path / "other" / "scrapy"
        # With the bytecode of the modules that stay as they are, which need not be compiled again.
        shutil.copytree(Path(scrapy.__file__).parent, copy)
        # The cookiejar of the standard library keeps its names.
        whole_name = re.compile(rf"(?<!self.jar.)\b{name}\b")
        for part in ("core", "downloadermiddlewares", "exceptions.py", "extensions", "http", "utils"):
            for path in (copy / part).rglob("*.py") if (copy / part).is_dir() else [copy / part]:
                text = path.read_text(encoding="utf-8")
                if whole_name.search(text):
                    path.write_text(whole_name.sub(f"{name}_renamed", text), encoding="utf-8")
        paths = os.pathsep.join([str(copy.parent), str(ROOT)])
        done = python("-m", "tests.helpers.crawl_process", json.dumps(told), cwd=ROOT, PYTHONPATH=paths)
        assert (done.returncode, "Traceback" in done.stdout) == (status, bool(status)), done.stdout
        return done.stdout

    return crawl


def errors_in(log):
    return [line.partition(" ERROR: ")[2] for line in log.splitlines() if " ERROR: " in line]


@pytest.mark.parametrize("name", EACH)
def test_a_crawl_without_walls_brings_all_its_pages_and_one_error_that_names_what_is_missing(
    crawl_with, service, walled, tmp_path, name
):
    site, out = walled(), tmp_path / "out"
    urls = [f"{site.url}/free/{number}" for number in range(1, PAGES + 1)]
    log = crawl_with(name, {"urls": urls, "out": str(out), "settings": service.settings})
    assert sorted(out.read_text().splitlines()) == sorted(f"page {url}" for url in urls)
    (error,) = errors_in(log)
    missing = RENAMED[name]
    assert missing in NAMES
    assert error.startswith("OMOcaptcha is off in this crawl, and solves no challenge: Scrapy, or DOWNLOADER ")
    assert missing in error
    assert CURE in error
    assert "WARNING: OMOcaptcha was off in this crawl: Scrapy, or DOWNLOADER " in log
    assert service.calls == ()


@pytest.mark.parametrize("name", EACH)
def test_a_crawl_with_a_queue_that_is_kept_ends_before_its_first_request_and_another_run_brings_all_pages(
    crawl_with, service, walled, tmp_path, name
):
    site, out = walled("session", catalogue_pages=PAGES), tmp_path / "out"
    urls = [f"{site.url}/page/{number}" for number in range(1, PAGES + 1)]
    settings = {**service.settings, "JOBDIR": str(tmp_path / "job")}
    told = {"urls": urls, "out": str(out), "settings": settings}
    (error,) = errors_in(crawl_with(name, told))
    assert error.startswith("OMOcaptcha ends this crawl, since its queue would lose the challenged pages: Scrapy, or ")
    assert (site.requests, out.exists()) == ((), False)
    assert "Traceback" not in crawl_process(told).stdout
    assert sorted(out.read_text().splitlines()) == sorted(f"page {url}" for url in urls)
    assert len(service.jobs) == 1


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("potential_domain_matches", "scrapy.http.cookies"),
        pytest.param("DownloadFailedError", "scrapy.exceptions", marks=has_errors_of_downloads),
    ],
)
def test_an_import_that_fails_names_what_is_missing_and_what_to_do_in_one_line(crawl_with, service, name, module):
    log = crawl_with(name, {"urls": [], "out": "", "settings": service.settings}, status=1)
    (line,) = (line for line in log.splitlines() if "Error: " in line)
    assert line == log.splitlines()[-1]
    assert line.startswith(f"ImportError: cannot import name {name!r} from {module!r}")
    assert line.endswith(f": {CURE}")
