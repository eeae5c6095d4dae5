"""Deploy the example project to a Scrapyd, and run its catalogue spider there, offline.

``make demo-scrapyd`` runs this. Scrapyd, the shop and the OMOcaptcha service run on loopback. The report at the end is
based on the items and on what the shop and the service have recorded, not on the log of the job.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from scrapy_omocaptcha.testing import WALLS, OmoCaptchaService, WalledSite

from demo import CATALOGUE_PAGES, ITEMS_PER_PAGE, PROJECT, fetch_public_suffixes, missing, say

try:
    import scrapyd
    import scrapyd_client
except ImportError:
    scrapyd = scrapyd_client = None

CONFIGURATION = """
[scrapyd]
items_dir = items
poll_interval = 0.5
"""


def main() -> int:
    """Run the demo, and return the exit status.

    0 if no page and no item is missing, 1 if not, 2 if something is not installed.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wall", choices=list(WALLS), default="session", help="wall (default: %(default)s)")
    parser.add_argument("--solve-seconds", type=float, default=5.0, help="duration of a job (default: %(default)s)")
    parser.add_argument("-s", action="append", default=[], metavar="NAME=VALUE", help="setting of the crawl")
    options = parser.parse_args()
    if scrapyd is None:
        return missing("Scrapyd is not installed: pip install scrapyd scrapyd-client")

    fetch_public_suffixes()
    service = OmoCaptchaService(solve_seconds=options.solve_seconds)
    site = WalledSite(service, options.wall, catalogue_pages=CATALOGUE_PAGES, items_per_page=ITEMS_PER_PAGE)
    with service, site, TemporaryDirectory() as name, running_scrapyd(Path(name), service.api_token) as url:
        directory = Path(name)
        say(f"Scrapyd is at {url}, the shop behind reCAPTCHA v2 at {site.url}.", end="\n\n")
        deploy(directory, url)
        ledger = directory / "omocaptcha.sqlite"
        settings = [f"OMOCAPTCHA_API_URL={service.url}", f"OMOCAPTCHA_LEDGER={ledger}", *options.s]
        say(f"$ curl {url}/schedule.json -d project=shop -d spider=catalogue -d site={site.url} …")
        scheduled = call(url, "/schedule.json", project="shop", spider="catalogue", site=site.url, setting=settings)
        job = scheduled["jobid"]
        while not (finished := call(url, "/listjobs.json?project=shop")["finished"]):
            time.sleep(0.2)  # Scrapyd has no call that waits for a job.
        log = (directory / f"logs/shop/catalogue/{job}.log").read_text(encoding="utf-8")
        feed = directory / f"items/shop/catalogue/{job}.jl"
        items = [json.loads(line) for line in feed.read_text(encoding="utf-8").splitlines()] if feed.exists() else []
        say(f"\nWhat job {job} logged, from {finished[0]['start_time'][:19]} to {finished[0]['end_time'][:19]}")
        for line in log.splitlines():
            if "[scrapy_omocaptcha" in line:
                say(f"  {line}")
        pages = {item["page"] for item in items}
        say("\nWhat happened")
        say(f"  jobs           {len(service.jobs)}, tokens accepted by the shop: {site.accepted}")
        say(f"  pages          {len(pages)} of {CATALOGUE_PAGES}, with {len(items)} items")
        complete = len(pages) == CATALOGUE_PAGES and len(items) == CATALOGUE_PAGES * ITEMS_PER_PAGE
        say("\nAll pages and items came." if complete else f"\nPages or items are missing:\n{log}")
        report = ["scrapy", "omocaptcha", "report", str(ledger)]
        say("\n$ " + " ".join(report))
        status = subprocess.run([sys.executable, "-m", *report], cwd=PROJECT, check=False).returncode
    return 0 if complete and status == 0 else 1


@contextmanager
def running_scrapyd(directory: Path, api_token: str) -> Iterator[str]:
    """Run Scrapyd on a free port, with the API token in its environment, and return its URL."""
    (directory / "scrapyd.conf").write_text(CONFIGURATION, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "OMOCAPTCHA_API_TOKEN": api_token, "SCRAPYD_HTTP_PORT": str(port)}
    command = [sys.executable, "-m", "scrapyd", "--pidfile=", "--logfile=scrapyd.log"]
    # In a session of its own, all of which is ended: Scrapyd does not end its jobs.
    with subprocess.Popen(command, cwd=directory, env=environment, start_new_session=True) as process:
        try:
            while process.poll() is None and not listens(port):
                time.sleep(0.1)  # Scrapyd tells nobody when it is ready.
            if process.returncode is not None:
                raise SystemExit(f"Scrapyd ended: {(directory / 'scrapyd.log').read_text(encoding='utf-8')}")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def listens(port: int) -> bool:
    """Tell whether a server listens on this port of loopback."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def deploy(directory: Path, url: str) -> None:
    """Deploy a copy of the project, since scrapyd-deploy writes files into the folder that it deploys."""
    copy = directory / "project"
    shutil.copytree(PROJECT, copy)
    cfg = copy / "scrapy.cfg"
    cfg.write_text(cfg.read_text(encoding="utf-8").replace("http://127.0.0.1:6800", url), encoding="utf-8")
    say("$ scrapyd-deploy")
    subprocess.run([sys.executable, "-m", "scrapyd_client.deploy"], cwd=copy, check=True)


def call(url: str, path: str, **arguments: str | list[str]) -> dict[str, Any]:
    """Call Scrapyd's API, by POST if there are arguments, and return its answer.

    :raises RuntimeError: when Scrapyd reports an error.
    """
    with urlopen(url + path, urlencode(arguments, doseq=True).encode() if arguments else None) as response:
        answer = json.load(response)
    if answer["status"] != "ok":
        raise RuntimeError(f"Scrapyd refused {path}: {answer}")
    return answer


if __name__ == "__main__":
    sys.exit(main())
