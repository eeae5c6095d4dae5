"""What the imports cost: every call of ``scrapy``, in any project, imports the module of our command.

    python -m benchmarks.importing [--short]

Medians over many fresh interpreters, in milliseconds. "Added" is what an import takes after Scrapy's own commands,
which have been loaded by then, by ``-X importtime``; so what the interpreter and Scrapy take does not blur it.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys

ROUNDS = 25
SCRAPY = "import scrapy.cmdline, scrapy.commands"
# "this" stands between what is Scrapy's and what comes then: nothing else imports it.
WAYS = {
    "the command, at every call of scrapy": "import scrapy_omocaptcha.commands.omocaptcha",
    "the values, errors and signals": "import scrapy_omocaptcha",
    "the add-on and the middleware, for a crawl": "import scrapy_omocaptcha.addon",
    "the offline service": "import scrapy_omocaptcha.testing",
}


def lines(statement: str) -> list[tuple[str, float]]:
    """Each module that is imported, in order, and what it takes by itself; milliseconds."""
    command = [sys.executable, "-X", "importtime", "-c", statement]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return [(name, int(own) / 1000) for own, name in re.findall(r"import time: +(\d+) \| +\d+ \| +(\S+)", told)]


def measure(statement: str, rounds: int) -> tuple[float, float, int]:
    """What Scrapy takes, what ``statement`` adds to it, and how many modules it adds."""
    before, added, count = [], [], 0
    for _ in range(rounds):
        loaded = lines(f"{SCRAPY}\nimport this\n{statement}")
        where = [name for name, _ in loaded].index("this")
        before.append(sum(own for _, own in loaded[:where]))
        added.append(sum(own for _, own in loaded[where + 1 :]))
        count = len(loaded) - where - 1
    return statistics.median(before), statistics.median(added), count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="once each")
    rounds = 1 if parser.parse_args().short else ROUNDS
    print(f"{'':<44}{'Scrapy':>8}{'added':>8}{'modules':>9}")
    for name, statement in WAYS.items():
        scrapy, added, count = measure(statement, rounds)
        print(f"{name:<44}{scrapy:>8.1f}{added:>8.1f}{count:>9}")


if __name__ == "__main__":
    main()
