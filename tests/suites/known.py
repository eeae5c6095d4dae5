"""The tests that may differ, each with its reason, by the way in which the suite is run.

Most of them count what reaches the site. Behind a wall that is more by nature: the challenge, the token that is handed
in, and the page once more.
"""

COUNTS = "counts requests, responses or signals at the site, which are more behind a wall"
FREE_PLACE = "a page that waits for its token leaves its place to the next request, so the spider's start() goes on"
DEFAULTS = "names all default settings of Scrapy, and those of the add-on are put there for these runs"
COPY = "fetches the copy of a redirected request once more, which Scrapy's shell cannot do without the add-on either"
DELAY = "measures the time between pages of a slot with a delay, which the token and the page after it wait for, too"

_SCRAPY = {
    "tests/test_command_fetch.py::TestFetchCommand::test_redirect_disabled": COUNTS,
    "tests/test_downloaderslotssettings.py::test_delay": DELAY,
    "tests/test_engine.py::TestEngine::test_crawler": COUNTS,
    "tests/test_engine.py::TestEngine::test_crawler_dupefilter": COUNTS,
    "tests/test_engine_loop.py::TestRequestSendOrder::test_default": COUNTS,
    "tests/test_engine_loop.py::TestRequestSendOrder::test_lazy": FREE_PLACE,
    "tests/test_engine_loop.py::TestRequestSendOrder::test_lifo_start": COUNTS,
    "tests/test_engine_loop.py::TestRequestSendOrder::test_shared_queues": COUNTS,
    "tests/test_engine_stop_download_bytes.py::TestBytesReceivedEngine::test_crawler": COUNTS,
    "tests/test_engine_stop_download_headers.py::TestHeadersReceivedEngine::test_crawler": COUNTS,
    "tests/test_pipeline_crawl.py::TestFileDownloadCrawl::test_download_media_redirected_default_failure": COUNTS,
    "tests/test_pipeline_crawl.py::TestImageDownloadCrawl::test_download_media_redirected_default_failure": COUNTS,
    "tests/test_pipeline_crawl.py::TestFileDownloadCrawl::test_download_media_wrong_urls": COUNTS,
    "tests/test_pipeline_crawl.py::TestImageDownloadCrawl::test_download_media_wrong_urls": COUNTS,
    "tests/test_request_left.py::test_disconnect": COUNTS,
    "tests/test_request_left.py::test_success": COUNTS,
    "tests/test_request_left.py::test_timeout": COUNTS,
    "tests/test_scheduler.py::TestIntegrationWithDownloaderAwareInMemory"
    "::test_integration_downloader_aware_priority_queue": COUNTS,
}

_SCRAPY_REDIRECT = {
    **_SCRAPY,
    "tests/test_command_shell.py::TestShellCommand::test_request_replace": COPY,
    "tests/test_pipeline_crawl.py::TestFileDownloadCrawl::test_download_media_redirected_allowed": COUNTS,
    "tests/test_pipeline_crawl.py::TestImageDownloadCrawl::test_download_media_redirected_allowed": COUNTS,
}

KNOWN: dict[str, dict[str, str]] = {
    "addon": {"tests/test_settings/__init__.py::test_default_settings_all": DEFAULTS},
    "session": _SCRAPY,
    "redirect": _SCRAPY_REDIRECT,
    "unsuspected": _SCRAPY_REDIRECT,
}
