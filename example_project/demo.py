"""Crawl a catalogue behind a reCAPTCHA wall with an ordinary spider, offline.

``make demo`` runs this. The shop and the OMOcaptcha service run in this process, on loopback; the crawl is an ordinary
``scrapy crawl`` command that uses the service. The report at the end is based on the items and on what the shop and the
service have recorded, not on the log of the crawl.
"""

import argparse
import json
import logging
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scrapy_omocaptcha.testing import WALLS, OmoCaptchaService, WalledSite
from tldextract import TLDExtract

PROJECT = Path(__file__).parent
CATALOGUE_PAGES = 5
ITEMS_PER_PAGE = 10


def main() -> int:
    """Run the demo, and return the exit status: 0 if no page and no item is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wall", choices=list(WALLS), default="session", help="wall (default: %(default)s)")
    parser.add_argument("--solve-seconds", type=float, default=10.0, help="duration of a job (default: %(default)s)")
    # All other arguments, such as -s DOWNLOAD_DELAY=0, are passed on to Scrapy.
    options, for_scrapy = parser.parse_known_args()

    fetch_public_suffixes()
    service = OmoCaptchaService(solve_seconds=options.solve_seconds)
    site = WalledSite(service, options.wall, catalogue_pages=CATALOGUE_PAGES, items_per_page=ITEMS_PER_PAGE)
    with service, site, TemporaryDirectory() as directory:
        items = Path(directory, "items.jsonl")
        say(f"The {CATALOGUE_PAGES} catalogue pages of the shop at {site.url} are behind reCAPTCHA v2.")
        say(f"{site.wall.about} Solving takes {options.solve_seconds:g} s.", end="\n\n")
        since = time.monotonic()
        status, found = crawl(service, items, "catalogue", "-a", f"site={site.url}", *for_scrapy)
        seconds = time.monotonic() - since

    pages = {item["page"] for item in found}
    say("\nWhat happened")
    say(f"  challenges     {site.challenges}")
    say(f"  jobs           {len(service.jobs)}, tokens accepted by the shop: {site.accepted}")
    say(f"  cost           {service.charged:.5f} USD")
    say(f"  pages          {len(pages)} of {CATALOGUE_PAGES}, with {len(found)} items")
    say(f"  seconds        {seconds:.0f} with the start of Scrapy{seconds_at_wall(site)}")
    complete = status == 0 and len(pages) == CATALOGUE_PAGES and len(found) == CATALOGUE_PAGES * ITEMS_PER_PAGE
    say("\nAll pages and items came." if complete else "\nPages or items are missing: see the log above.")
    return 0 if complete else 1


def crawl(service: OmoCaptchaService, items: Path, spider: str, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Run ``scrapy crawl`` with the service, and return its exit status and its items."""
    command = ["scrapy", "crawl", spider, "-O", str(items)]
    command += ["-s", f"OMOCAPTCHA_API_URL={service.url}", "-s", "LOG_LEVEL=INFO", *arguments]
    say("$ " + shlex.join(command))
    status = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=PROJECT,
        env={**os.environ, "OMOCAPTCHA_API_TOKEN": service.api_token},
        check=False,
    ).returncode
    lines = items.read_text(encoding="utf-8").splitlines() if items.exists() else []
    return status, [json.loads(line) for line in lines]


def fetch_public_suffixes() -> None:
    """Fetch the list of public suffixes, which Scrapy's cookies middleware would fetch at its first cookie.

    Without a network, this falls back to an older list with a long log message, which is hidden here.
    """
    logging.getLogger("tldextract").setLevel(logging.CRITICAL)
    TLDExtract(include_psl_private_domains=True)("shop.example")


def seconds_at_wall(site: WalledSite) -> str:
    """Return the time between the first challenge and the first page as text."""
    first = {visit.shown: visit.at for visit in reversed(site.requests)}
    if not {"challenge", "page"} <= first.keys():
        return ""
    return f", {first['page'] - first['challenge']:.0f} at the wall"


def missing(what: str) -> int:
    """Print what is not installed, and return the exit status for it."""
    print(what, file=sys.stderr)
    return 2


def say(line: str, end: str = "\n") -> None:
    """Print a line at once, so that it comes before the output of other processes."""
    print(line, end=end, flush=True)


if __name__ == "__main__":
    sys.exit(main())
