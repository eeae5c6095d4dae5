"""Fixtures for all tests."""

import asyncio
import gc
import logging
import os
import subprocess
import warnings
from configparser import ConfigParser
from contextlib import ExitStack
from itertools import count

import pytest
import scrapy.core.downloader.handlers.http11  # It reads the sources of all callers, which are few here.
from tldextract import TLDExtract
from twisted.internet import asyncioreactor

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from tests.helpers import fuzzing, redis_server
from tests.helpers.browser import CHROMIUM, Browser
from tests.helpers.commands import ROOT, TIMEOUT, python
from tests.helpers.crawl_process import SCRAPY_REDIS
from tests.helpers.crawling import Crawls, Reactor
from tests.helpers.forked_scrapy import run_scrapy
from tests.helpers.hard_walls import SlowPages
from tests.helpers.scrapy_versions import NEEDS_REACTOR

collect_ignore = []

if NEEDS_REACTOR:
    # Many parts of Scrapy ask which reactor it is, also in unit tests; what is simulated has none.
    asyncioreactor.install(asyncio.new_event_loop())
    collect_ignore += ["simulation", "crawl/test_simulated_network.py", "process/test_benchmarks.py"]


def pytest_addoption(parser):
    parser.addoption("--sockets", action="store_true", help="crawl over real sockets where tests/crawl/conftest.py can")


def pytest_sessionstart(session):
    """Keep warnings only to show with a test that fails, unless ``--log-level`` asks for more.

    To write out all that a crawl logs takes a tenth of its time.
    """
    logs = session.config.pluginmanager.get_plugin("logging-plugin")
    logs.caplog_handler.setLevel(logging.WARNING)
    logs.report_handler.setLevel(logging.WARNING)


def pytest_collection_finish():
    """Keep what the collection of thousands of tests has made out of each later collection of garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _public_suffixes():
    """Load the list of public suffixes before any crawl does: without a network, that logs a traceback once."""
    TLDExtract(include_psl_private_domains=True)("site.example")


def pytest_terminal_summary(terminalreporter):
    """Print how many inputs were tried, if the run is for fuzzing."""
    if fuzzing.EXAMPLES:
        failed = {report.nodeid for report in terminalreporter.stats.get("failed", ())}
        terminalreporter.section("fuzzing")
        for name, number in sorted(fuzzing.tried.items()):
            terminalreporter.line(f"{number:9,}  {name}")
        terminalreporter.line(f"{fuzzing.tried.total():9,}  inputs tried, failures: {len(failed)}")


@pytest.fixture(scope="session")
def reactor():
    return Reactor()


@pytest.fixture
def real_crawl(reactor):
    """``real_crawl(spider_class, settings, **spider_arguments)`` → the finished crawl."""
    crawls = Crawls(reactor)
    yield crawls
    crawls.close()


@pytest.fixture
def crawl(real_crawl):
    return real_crawl


@pytest.fixture
def service():
    with OmoCaptchaService() as service:
        yield service


@pytest.fixture
def walled(service):
    """``walled("session", status=429)`` → a site behind that wall, at a loopback address of its own."""
    hosts = map("127.0.0.{}".format, count(2))
    with ExitStack() as stack:

        def start(wall="session", **options):
            # Cookies know no ports: two sites on one address would share a session.
            site = SlowPages if "free_delay" in options else WalledSite
            return stack.enter_context(site(service, wall, **{"hosts": (next(hosts),), **options}))

        yield start


@pytest.fixture
def shared_account():
    """A service from whose account others spend as much as we do, and a site that wants a token for each page."""

    def others_buy(line):
        if "createJob" in line:
            service._account.balance -= service._account.price

    with (
        OmoCaptchaService(balance=0.0205, on_event=others_buy) as service,
        WalledSite(service, "per_page", catalogue_pages=20) as site,
    ):
        yield service, site


@pytest.fixture
def redis(tmp_path_factory):
    _need(redis_server.PROGRAM, "redis-server")
    server = redis_server.RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.close()


@pytest.fixture
def scrapy_redis(redis):
    """Return the settings of crawls of this process whose queue is in a Redis."""
    yield {**SCRAPY_REDIS, "REDIS_URL": redis.url}
    with warnings.catch_warnings():
        # Scrapy-redis leaves its connections to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _need(program, package):
    """Skip a test whose program is not installed, or let it fail in CI, which must not leave it out."""
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(f"{package} is not installed, and CI must not leave these tests out")
        pytest.skip(f"{package} is not installed (Debian package {package})")


@pytest.fixture(scope="session")
def chromium():
    """Skip a test, or let it fail in CI, if Chromium is not installed."""
    _need(CHROMIUM, "chromium-headless-shell")


@pytest.fixture(scope="session")
def browser(chromium):
    started = Browser()
    yield started
    started.close()


# -- the command, as it is installed --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Return a PYTHONPATH with the package and the entry points in setup.cfg, as an installation has them."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    folder = tmp_path_factory.mktemp("site")
    info = folder / "scrapy_omocaptcha-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: scrapy-omocaptcha\nVersion: 0\n")
    (info / "entry_points.txt").write_text(
        "".join(f"[{group}]\n{lines.strip()}\n" for group, lines in setup["options.entry_points"].items())
    )
    return os.pathsep.join([str(folder), str(ROOT)])


@pytest.fixture(scope="session")
def fresh(installed, tmp_path_factory):
    """Make a project with ``scrapy startproject``, and add the line of the add-on."""
    project = tmp_path_factory.mktemp("project")
    command = ("startproject", "fresh", ".")
    environment = {**os.environ, "PYTHONPATH": installed}
    made = run_scrapy(command, cwd=project, stderr=subprocess.STDOUT, environment=environment, timeout=TIMEOUT)
    assert made.returncode == 0, made.stdout
    with (project / "fresh/settings.py").open("a", encoding="utf-8") as settings:
        settings.write('ADDONS = {"scrapy_omocaptcha.Addon": 500}\nDOWNLOAD_DELAY = 0\n')
    return project


@pytest.fixture
def scrapy(installed, fresh):
    """``scrapy("detect", URL)`` → the finished ``scrapy omocaptcha detect URL``; stderr is in its stdout."""

    def scrapy(*arguments, cwd=fresh, stderr=subprocess.STDOUT, **environment):
        environment = {"PYTHONPATH": installed, "OMOCAPTCHA_API_TOKEN": "", **environment}
        arguments = ("omocaptcha", *map(str, arguments))
        if stderr >= 0:
            # A terminal can't be handed to a process that another one starts.
            return python("-m", "scrapy", *arguments, cwd=cwd, stderr=stderr, **environment)
        environment = {**os.environ, **environment}
        return run_scrapy(arguments, cwd=cwd, stderr=stderr, environment=environment, timeout=TIMEOUT)

    return scrapy
