"""The example project in a real Scrapyd: deployed, scheduled and cancelled; and what its container file says."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import version
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement

from scrapy_omocaptcha.buying.database import read_ledger
from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from tests.helpers.commands import ROOT, python
from tests.helpers.docs import code, page, plain
from tests.helpers.stopping import Until
from tests.process.scrapyd import Scrapyd

PROJECT = ROOT / "example_project"


@pytest.fixture
def start(tmp_path):
    """``start(service)`` → a Scrapyd in the folder of the test, to which the example project is deployed."""
    started = []

    def start(service):
        conf = code(page("deploy"), "deploy-scrapyd-conf") + "poll_interval = 0.05\n"
        (tmp_path / "scrapyd.conf").write_text(conf, encoding="utf-8")
        started.append(scrapyd := Scrapyd(tmp_path, service.api_token))
        assert '"status": "ok"' in scrapyd.deploy(PROJECT, tmp_path / "project")
        return scrapyd

    yield start
    for scrapyd in started:
        scrapyd.close()


def told(name, **changes):
    """Return the path and the arguments of a call that the page has as a ``curl`` command, with changes."""
    _, url, *words = shlex.split(code(page("deploy"), name).replace("\\\n", ""))
    assert words[::2] == ["-d"] * len(words[::2])
    return urlsplit(url).path.lstrip("/"), dict(word.split("=", 1) for word in words[1::2]) | changes


def schedule(scrapyd, service, site, ledger):
    """Schedule the catalogue spider as the page does, with the offline service, and return the id of its job."""
    settings = {name: value for name, value in service.settings.items() if name != "OMOCAPTCHA_API_TOKEN"}
    settings |= {"OMOCAPTCHA_LEDGER": ledger, "DOWNLOAD_DELAY": 0.01, "TELNETCONSOLE_ENABLED": False}
    path, arguments = told("deploy-schedule", site=site.url)
    assert arguments["setting"] == "OMOCAPTCHA_LEDGER=/var/lib/scrapyd/omocaptcha.sqlite"
    arguments["setting"] = [f"{name}={value}" for name, value in settings.items()]
    return scrapyd.call(path, **arguments)["jobid"]


def test_a_deployed_spider_gets_through_a_wall_and_its_ledger_names_the_job(start, service, walled, tmp_path):
    site = walled("session")
    scrapyd = start(service)
    assert "catalogue" in scrapyd.call("listspiders.json?project=shop")["spiders"]
    job = schedule(scrapyd, service, site, tmp_path / "jobs.sqlite")
    assert scrapyd.finished(job) == "finished"
    log = (tmp_path / f"logs/shop/catalogue/{job}.log").read_text(encoding="utf-8")
    assert "Through the reCAPTCHA at" in log
    feed = tmp_path / f"items/shop/catalogue/{job}.jl"
    names = [json.loads(line)["name"] for line in feed.read_text(encoding="utf-8").splitlines()]
    assert names == [f"Thing {number}" for number in range(1, 51)]
    (record,) = read_ledger(tmp_path / "jobs.sqlite")
    assert (record.crawl, record.spider, record.outcome) == (job, "catalogue", "accepted")
    assert [each["id"] for each in scrapyd.call("listjobs.json?project=shop")["finished"]] == [job]
    assert service.api_token not in log + scrapyd.log


@pytest.mark.nightly
def test_a_job_that_is_cancelled_ends_in_order_and_its_cost_is_known(start, tmp_path):
    bought = Until("createJob", 1)
    with OmoCaptchaService(solve_seconds=600, on_event=bought) as service, WalledSite(service) as site:
        scrapyd = start(service)
        job = schedule(scrapyd, service, site, tmp_path / "jobs.sqlite")
        bought.wait()
        path, arguments = told("deploy-cancel", job=job)
        assert scrapyd.call(path, **arguments)["prevstate"] == "running"
        assert scrapyd.finished(job) == "finished"
    assert "Closing spider (shutdown)" in (tmp_path / f"logs/shop/catalogue/{job}.log").read_text(encoding="utf-8")
    (record,) = read_ledger(tmp_path / "jobs.sqlite")
    assert (record.crawl, record.outcome, record.cost_usd) == (job, "abandoned", pytest.approx(0.00055))


@pytest.mark.nightly
def test_the_demo_reports_what_the_job_did():
    quickly = ("-s", "DOWNLOAD_DELAY=0.01", "-s", "OMOCAPTCHA_POLL_INTERVAL=0.05", "--solve-seconds", "0")
    done = python("deploy.py", *quickly, cwd=PROJECT, PYTHONWARNINGS="")
    assert done.returncode == 0, done.stdout
    report = done.stdout.partition("What happened")[2]
    assert "jobs           1, tokens accepted by the shop: 1\n" in report
    assert "pages          5 of 5, with 50 items\n" in report
    assert "All pages and items came." in report
    assert "1 job for 0.00055 USD" in report.partition("scrapy omocaptcha report")[2]


def test_the_demo_says_what_to_install(tmp_path):
    # A Scrapyd that cannot be imported hides the installed one.
    (tmp_path / "scrapyd.py").write_text("raise ImportError")
    done = python(PROJECT / "deploy.py", cwd=tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert (done.returncode, "pip install scrapyd scrapyd-client" in done.stdout) == (2, True), done.stdout


def test_the_project_is_deployed_to_where_the_page_says():
    told, project = ConfigParser(), ConfigParser()
    told.read_string(code(page("deploy"), "deploy-target"))
    project.read(PROJECT / "scrapy.cfg")
    assert dict(told["deploy"]) == dict(project["deploy"])


def test_cron_starts_the_script_of_the_page_when_the_page_says():
    minute, hour, *others, script = code(page("deploy"), "deploy-crontab").split()
    assert others == ["*"] * 3
    text = page("deploy").astext()
    assert f"each night at {hour}:{minute}:" in text
    assert f"This executable script, {script}, takes care" in plain(text)


@pytest.mark.nightly
def test_the_script_for_cron_crawls_once_at_a_time(service, walled, tmp_path):
    site = walled("session")
    shutil.copytree(PROJECT, tmp_path / "shop")
    settings = {**service.settings, "DOWNLOAD_DELAY": 0.01, "TELNETCONSOLE_ENABLED": False}
    del settings["OMOCAPTCHA_API_TOKEN"]
    with (tmp_path / "shop/shop/settings.py").open("a", encoding="utf-8") as file:
        file.writelines(f"{name} = {value!r}\n" for name, value in settings.items())
    (tmp_path / "omocaptcha-token").write_text(f"{service.api_token}\n", encoding="utf-8")
    script = code(page("deploy"), "deploy-cron").replace("/srv/", f"{tmp_path}/").replace("/etc/shop/", f"{tmp_path}/")
    script = script.replace(".venv/bin/scrapy", f"{sys.executable} -m scrapy").replace(
        "catalogue", f"catalogue -a site={site.url}"
    )
    command = ["sh", "-c", script]
    assert subprocess.run(command, check=False).returncode == 0
    assert len((tmp_path / "shop/items.jsonl").read_text(encoding="utf-8").splitlines()) == 50
    (record,) = read_ledger(tmp_path / "shop/omocaptcha.sqlite")
    assert record.outcome == "accepted"
    # Another one, while a crawl still runs.
    locked = ["flock", tmp_path / "shop/crawl.lock", *command]
    assert subprocess.run(locked, check=False).returncode == 1
    assert len(service.jobs) == 1


# The container file


def instructions():
    """Return each instruction of the container file with what follows it."""
    text = (PROJECT / "container/Containerfile").read_text(encoding="utf-8")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line and not line.startswith("#")]


def following(name):
    return [rest for instruction, rest in instructions() if instruction == name]


def test_the_image_has_a_pinned_base_and_no_secret_and_does_not_run_as_root():
    (base,) = following("FROM")
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)
    assert following("USER") == ["1000:1000"]
    assert following("ENV") == ["HOME=/data"]
    assert following("ARG") == following("ADD") == []


def test_the_page_builds_the_image_with_the_command_of_the_file():
    text = (PROJECT / "container/Containerfile").read_text(encoding="utf-8")
    (command,) = re.findall(r"^# +(podman build .*)$", text, re.MULTILINE)
    build, run = code(page("deploy"), "deploy-container").split("\n", 1)
    assert build == command
    assert "--publish 127.0.0.1:6800:6800" in run
    assert following("EXPOSE") == ["6800"]
    for command in (run, code(page("deploy"), "deploy-container-crawl")):
        assert f"--volume shop-data:{following('VOLUME')[0]}" in command
        # By its name only: the value would be on the command line.
        assert "--env OMOCAPTCHA_API_TOKEN " in command


def test_the_image_installs_the_scrapyd_that_these_tests_use():
    (install,) = [rest for rest in following("RUN") if rest.startswith("pip install")]
    *_, source, scrapyd = install.split()
    pinned = Requirement(scrapyd)
    assert source == "/src"
    assert pinned.name == "scrapyd"
    assert pinned.specifier.contains(version("scrapyd"))
