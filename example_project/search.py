"""Search a register whose form wants a token each time, offline.

``make demo-form`` runs this. The site rejects every fifth token, for which the spider buys another one.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite

from demo import crawl, fetch_public_suffixes, say

NAMES = ("Albatross", "Bluebird", "Curlew", "Dolphin", "Egret", "Fulmar", "Gannet", "Heron", "Ibis", "Jackdaw")
RESULTS = 6
"""Results of each search, on three pages."""


def main() -> int:
    """Run the demo, and return the exit status: 0 if each search has all its results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--refuse-every", type=int, default=5, help="rejected tokens (default: every %(default)sth)")
    parser.add_argument("--solve-seconds", type=float, default=5.0, help="duration of a job (default: %(default)s)")
    # All other arguments, such as -s DOWNLOAD_DELAY=0, are passed on to Scrapy.
    options, for_scrapy = parser.parse_known_args()

    fetch_public_suffixes()
    service = OmoCaptchaService(solve_seconds=options.solve_seconds)
    with service, WalledSite(service, refuse_every=options.refuse_every) as site, TemporaryDirectory() as directory:
        items = Path(directory, "items.jsonl")
        say(f"Each search at {site.url}/find wants a token; one token in {options.refuse_every} is rejected.")
        names = f"names={','.join(NAMES)}"
        status, found = crawl(service, items, "search", "-a", f"site={site.url}", "-a", names, *for_scrapy)
        boats = [item["boat"] for item in found]

    rejected = sum(site.rejected.values())
    say("\nWhat happened")
    say(f"  searches       {len(NAMES)}, with {len(boats)} results")
    say(f"  jobs           {len(service.jobs)}, tokens accepted by the site: {site.accepted}, rejected: {rejected}")
    say(f"  cost           {service.charged:.5f} USD")
    complete = status == 0 and len(set(boats)) == len(boats) == len(NAMES) * RESULTS
    say("\nAll results came." if complete else "\nResults are missing: see the log above.")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
