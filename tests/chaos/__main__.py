"""Run the long form: ``python -m tests.chaos --seed 7 --requests 20000``. The exit status is 0 if all is well."""

from __future__ import annotations

import argparse
import sys
import time

from tests.chaos.run import Run
from tests.helpers.crawling import Reactor


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", default=str(time.time_ns() % 1_000_000), help="any word (default: a random one)")
    parser.add_argument("--requests", type=int, default=20_000, help="in all (default: %(default)s)")
    parser.add_argument("--crawl", type=int, default=1_000, help="requests of one crawl (default: %(default)s)")
    parser.add_argument("--only", type=int, help="only the crawl of this number")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    reactor = Reactor()
    run = Run(reactor)
    try:
        for number in range(options.requests // options.crawl) if options.only is None else [options.only]:
            print(run.crawl(f"{options.seed}:{number}", options.crawl), flush=True)
    finally:
        reactor.stop()
    print(run.sums.lines())
    return 0 if run.sums.good else 1


if __name__ == "__main__":
    sys.exit(main())
