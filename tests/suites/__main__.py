"""``python -m tests.suites``: run Scrapy's own tests, also with the add-on and behind walls, and compare the outcomes.

It fails where a test does not pass that passes without the add-on and is not in ``known.py``, and where a wall was
never met.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from scrapy_omocaptcha.testing import OmoCaptchaService
from tests.suites.known import KNOWN
from tests.suites.suite import WAYS, Suite, Way

say = partial(print, flush=True)
MISSING = ("missing", "")
RERUNS = 2
"""How often what fails runs again, alone: some tests depend on how fast the machine is, or on a port that is free."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.suites", description=__doc__)
    parser.add_argument("modules", nargs="*", help="names of test modules; all by default")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--folder", type=Path, default=Path(sys.prefix) / "suites", help="where the suite is unpacked")
    options = parser.parse_args()
    suite = Suite(options.folder.resolve())
    suite.unpack()
    as_known = [compare(suite, WAYS[name], options.modules) for name in options.ways]
    return 0 if all(as_known) else 1


def compare(suite: Suite, way: Way, names: list[str]) -> bool:
    """Run a suite in one way, print which outcomes differ, and return whether only those do that are known to."""
    modules = suite.modules(names, crawling=way.wall is not None)
    known = KNOWN[way.name]
    passing = [test for test, (outcome, _) in suite.plain(modules).items() if outcome == "passed"]
    with OmoCaptchaService(balance=10_000) as service:
        outcomes = suite.run(way, modules, service)
        for _ in range(RERUNS):
            failing = [test for test in passing if outcomes.get(test, MISSING)[0] != "passed"]
            suspects = [test for test in failing if test not in known]
            outcomes |= suite.run(way, suspects, service, workers=0) if suspects else {}
        jobs = len(service.jobs)
    differing = {test: outcomes.get(test, MISSING) for test in passing}
    differing = {test: outcome for test, outcome in differing.items() if outcome[0] != "passed"}
    say(f"\n{way.name}: {len(passing)} tests, {jobs} jobs, {len(differing)} differ")
    for test, (outcome, message) in sorted(differing.items()):
        say(f"  {'known' if test in known else 'NEW'}: {test} {outcome}: {known.get(test, message)}")
    for test in sorted(known.keys() & set(passing) - differing.keys()):
        say(f"  known, but does not differ: {test}")
    is_shown = passing and (jobs or way.wall is None)
    return bool(is_shown) and differing.keys() <= known.keys()


if __name__ == "__main__":
    sys.exit(main())
