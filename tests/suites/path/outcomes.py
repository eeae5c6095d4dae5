"""A pytest plugin that writes the outcome of each test, as a line of JSON, to the file named by SUITE_OUTCOMES."""

import json
import os

FILE = os.environ["SUITE_OUTCOMES"]
# The workers of pytest-xdist send their reports to the process that started them.
WRITES = "PYTEST_XDIST_WORKER" not in os.environ


def pytest_runtest_logreport(report):
    if not WRITES or (report.when != "call" and report.passed):
        return
    message = getattr(getattr(report.longrepr, "reprcrash", None), "message", "") or report.longreprtext
    lines = [line for line in message.splitlines() if line.strip()]
    with open(FILE, "a", encoding="utf-8") as file:
        print(json.dumps([report.nodeid, report.outcome, lines[0] if lines else ""]), file=file)
