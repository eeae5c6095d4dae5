"""The main job, start to end and offline: a catalogue behind a reCAPTCHA wall, crawled by an ordinary spider.

``make demo`` runs this. The shop and the OMOcaptcha service run in this process, on loopback; the crawl is a
``scrapy crawl`` as anybody would type it, which has its captcha solved by that service. What is told at the end comes
from the items and from the books of the shop and of the service, not from what the crawl says of itself.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from scrapy_omocaptcha.testing import WALLS, OmoCaptchaService, WalledSite
from tldextract import TLDExtract

PROJECT = Path(__file__).parent
CATALOGUE_PAGES = 5
ITEMS_PER_PAGE = 10


def main() -> int:
    """Exit status: 0 when every page and item has come."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wall", choices=list(WALLS), default="session", help="how the shop shuts itself off")
    parser.add_argument("--solve-seconds", type=float, default=10.0, help="how long a job takes the service")
    # What is not ours goes to scrapy, such as -s DOWNLOAD_DELAY=0.
    options, for_scrapy = parser.parse_known_args()

    fetch_suffixes()
    service = OmoCaptchaService(solve_seconds=options.solve_seconds)
    site = WalledSite(service, options.wall, catalogue_pages=CATALOGUE_PAGES, items_per_page=ITEMS_PER_PAGE)
    with service, site, TemporaryDirectory() as directory:
        items = Path(directory, "items.jsonl")
        say(f"A shop at {site.url} shuts its {CATALOGUE_PAGES} catalogue pages off behind reCAPTCHA v2.")
        say(f"{site.wall.about} A solve takes {options.solve_seconds:g} s.", end="\n\n")
        since = time.monotonic()
        crawl = ["scrapy", "crawl", "catalogue", "-a", f"site={site.url}", "-O", str(items)]
        crawl += ["-s", f"OMOCAPTCHA_API_URL={service.url}", "-s", "LOG_LEVEL=INFO", *for_scrapy]
        say("$ " + " ".join(crawl))
        status = subprocess.run(
            [sys.executable, "-m", *crawl],
            cwd=PROJECT,
            env={**os.environ, "OMOCAPTCHA_API_TOKEN": service.api_token},
            check=False,
        ).returncode
        seconds = time.monotonic() - since
        lines = items.read_text(encoding="utf-8").splitlines() if items.exists() else []

    got = [json.loads(line) for line in lines]
    pages = {item["page"] for item in got}
    say("\nWhat happened")
    say(f"  walls met      {site.challenges}")
    say(f"  jobs bought    {len(service.jobs)}, tokens accepted by the shop: {site.accepted}")
    say(f"  cost           {service.charged:.5f} USD")
    say(f"  pages got      {len(pages)} of {CATALOGUE_PAGES}, with {len(got)} items")
    say(f"  seconds        {seconds:.0f}{_of_which_shut_out(site)}")
    complete = status == 0 and len(pages) == CATALOGUE_PAGES and len(got) == CATALOGUE_PAGES * ITEMS_PER_PAGE
    say("\nEverything is there." if complete else "\nNot everything is there: the log above says why.")
    return 0 if complete else 1


def fetch_suffixes() -> None:
    """The list that Scrapy's cookies component fetches at its first cookie, and keeps for later crawls.

    Without a network it goes on with the one that it has, and fills pages of the log: not of this one.
    """
    logging.getLogger("tldextract").setLevel(logging.CRITICAL)
    TLDExtract(include_psl_private_domains=True)("shop.example")


def _of_which_shut_out(site: WalledSite) -> str:
    """How long it was from the first challenge to the first page."""
    first = {visit.shown: visit.at for visit in reversed(site.requests)}
    if not {"challenge", "page"} <= first.keys():
        return ""
    return f", of which {first['page'] - first['challenge']:.0f} in front of the wall"


def say(line: str, end: str = "\n") -> None:
    """At once, so that it stands before what the crawl prints next."""
    print(line, end=end, flush=True)


if __name__ == "__main__":
    sys.exit(main())
