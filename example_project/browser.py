"""Crawl pages that a browser renders, behind a wall that only a script of the page can open, offline.

``make demo-browser`` runs this. A stand-in answers for Google's script in the browser, which reaches loopback only.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from scrapy_omocaptcha.testing import WALLS, OmoCaptchaService, WalledSite, browser_settings

from demo import PROJECT, crawl, fetch_public_suffixes, missing, say

try:
    import scrapy_playwright  # noqa: F401 (used by the crawl)
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

PAGES = 5
ITEMS_PER_PAGE = 10


def main() -> int:
    """Run the demo, and return the exit status.

    0 if no page and no item is missing, 1 if not, 2 if something is not installed.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wall", choices=list(WALLS), default="callback_only", help="wall (default: %(default)s)")
    parser.add_argument("--solve-seconds", type=float, default=5.0, help="duration of a job (default: %(default)s)")
    # All other arguments, such as -s DOWNLOAD_DELAY=0, are passed on to Scrapy.
    options, for_scrapy = parser.parse_known_args()
    if sync_playwright is None:
        return missing("scrapy-playwright is not installed: pip install 'scrapy-omocaptcha[playwright]'")
    settings = browser_settings()
    if "executable_path" not in settings["PLAYWRIGHT_LAUNCH_OPTIONS"] and not has_playwrights_chromium():
        return missing("Chromium is not installed: apt install chromium-headless-shell, or playwright install chromium")

    fetch_public_suffixes()
    service = OmoCaptchaService(solve_seconds=options.solve_seconds)
    site = WalledSite(service, options.wall, catalogue_pages=PAGES, items_per_page=ITEMS_PER_PAGE)
    with service, site, TemporaryDirectory() as directory:
        items, ledger = Path(directory, "items.jsonl"), Path(directory, "jobs.sqlite")
        say(f"A browser renders the {PAGES} catalogue pages of the shop at {site.url}, which are behind reCAPTCHA v2.")
        say(f"{site.wall.about} Solving takes {options.solve_seconds:g} s.", end="\n\n")
        arguments = ["-a", f"site={site.url}", "-s", f"OMOCAPTCHA_LEDGER={ledger}"]
        for name, value in settings.items():
            arguments += ["-s", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
        since = time.monotonic()
        status, found = crawl(service, items, "javascript", *arguments, *for_scrapy)
        seconds = time.monotonic() - since
        pages = {item["page"]: item["title"] for item in found}
        say("\nWhat happened")
        say(f"  jobs           {len(service.jobs)}, tokens accepted by the shop: {site.accepted}")
        say(f"  pages          {len(pages)} of {PAGES}, with {len(found)} items")
        for page, title in pages.items():
            say(f"                 {page}: {title!r}, says the browser")
        say(f"  seconds        {seconds:.0f} with the start of Scrapy")
        complete = status == 0 and len(pages) == PAGES and len(found) == PAGES * ITEMS_PER_PAGE
        say("\nAll pages and items came." if complete else "\nPages or items are missing: see the log above.")
        if ledger.exists():
            report = ["scrapy", "omocaptcha", "report", str(ledger)]
            say("\n$ " + " ".join(report))
            status = subprocess.run([sys.executable, "-m", *report], cwd=PROJECT, check=False).returncode
    return 0 if complete and status == 0 else 1


def has_playwrights_chromium() -> bool:
    """Tell whether ``playwright install chromium`` has been run."""
    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


if __name__ == "__main__":
    sys.exit(main())
