"""The tests that may differ, each with its reason, by distribution and way.

Most of them count what reaches the site. Behind a wall that is more by nature: the challenge, the token that is handed
in, and the page once more.
"""

COUNTS = "counts requests, responses or signals at the site, which are more behind a wall"
FREE_PLACE = "a page that waits for its token leaves its place to the next request, so the spider's start() goes on"
LUCK = "has a time-out of a millisecond, which expires or not, with and without the add-on"
DEFAULTS = "names all default settings of Scrapy, and those of the add-on are put there for these runs"
COPY = "fetches the copy of a redirected request once more, which Scrapy's shell cannot do without the add-on either"
DELAY = "measures the time between pages of a slot with a delay, which the token and the page after it wait for, too"
COOKIE = "a key of its cache has the Cookie header, in which the clearance is another one for each crawl"

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

_SCRAPY_POET = {
    **{
        f"tests/test_retries.py::{name}": COUNTS
        for name in (
            *("test_non_retry_exception", "test_retry_cb_kwargs", "test_retry_exceeded", "test_retry_max"),
            *("test_retry_max_configuration", "test_retry_missing_max_retries_uses_default", "test_retry_once"),
            *("test_retry_none_max_retries_uses_default", "test_retry_once_item", "test_retry_reason"),
            "test_retry_respects_exception_max_retries_attribute",
        )
    },
    "tests/test_downloader.py::test_additional_requests_connection_issue": LUCK,
    "tests/test_middleware.py::test_skip_download_response_url": COUNTS,
    "tests/test_middleware.py::test_skip_download_response_url_page": COUNTS,
    "tests/test_middleware.py::test_skip_downloads": COUNTS,
    "tests/test_providers.py::test_name_first_spider": COOKIE,
}

KNOWN: dict[tuple[str, str], dict[str, str]] = {
    ("scrapy", "addon"): {"tests/test_settings/__init__.py::test_default_settings_all": DEFAULTS},
    ("scrapy", "session"): _SCRAPY,
    ("scrapy", "redirect"): _SCRAPY_REDIRECT,
    ("scrapy", "unsuspected"): _SCRAPY_REDIRECT,
    ("scrapy-poet", "addon"): {"tests/test_downloader.py::test_additional_requests_connection_issue": LUCK},
    **{("scrapy-poet", way): _SCRAPY_POET for way in ("session", "redirect", "unsuspected")},
}
