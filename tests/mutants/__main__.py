"""List changes to the code that no test notices: ``python -m tests.mutants walls``.

Each change, called a mutant, is made in a copy of the last commit, where the tests run that mirror its folder. The exit
status is 0 if all ran, however many were noticed, and 2 if the call is no good.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).parents[2]
PACKAGE = "scrapy_omocaptcha"
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
TESTS = {
    "walls": (
        *("unit/walls", "unit/tokens", "crawl/test_handing_in.py", "crawl/test_redirects.py"),
        *("crawl/test_components.py", "simulation/test_found.py", "crawl/test_closing.py"),
        *("crawl/test_hostile_sites.py", "crawl/test_walls.py", "crawl/test_waiting.py"),
        *("crawl/test_dropped_redirects.py", "simulation", "crawl/test_money.py", "crawl/test_secrets.py"),
        *("crawl/test_judgement.py", "crawl/test_posts.py", "crawl/test_shapes_of_redirects.py"),
    ),
    "tokens": (
        *("unit/tokens", "unit/walls", "crawl/test_hooks.py", "crawl/test_judgement.py", "crawl/test_handing_in.py"),
        *("crawl/test_components.py", "crawl/test_redirects.py", "crawl/test_forms.py", "crawl/test_money.py"),
        *("crawl/test_walls.py", "crawl/test_secrets.py"),
    ),
    "upfront": (
        *("unit/upfront", "crawl/test_forms.py", "crawl/test_tokens.py", "crawl/test_money.py"),
        *("crawl/test_components.py", "crawl/test_redirects.py"),
    ),
    "engine": (
        *("unit/engine", "crawl/engine", "crawl/test_components.py", "crawl/test_middlewares.py"),
        "crawl/test_checks.py::test_where_scrapy_lacks_a_private_name_or_its_arguments_no_crawl_with_a_kept_queue_runs",
        *("crawl/test_closing.py", "simulation"),
    ),
    "buying": (
        *("unit/buying", "service", "crawl/test_money.py", "crawl/test_api_versions.py"),
        *("crawl/test_closing.py", "process/test_ledger.py", "fleet/test_limits_contract.py", "fleet/test_link.py"),
        *("fleet/test_crawls.py::test_workers_with_the_same_fleet_name_are_one_crawl", "simulation/test_found.py"),
        "process/test_command_report.py",
    ),
    "detection": ("unit/detection", "unit/forms", "unit/upfront", "unit/commands", "crawl/test_judgement.py"),
    "forms": (
        *("unit/forms", "unit/upfront", "unit/detection", "process/test_browser_forms.py", "crawl/test_forms.py"),
    ),
    "settings": ("unit/settings", "crawl/test_checks.py"),
    "reporting": ("unit/reporting", "crawl/test_money.py", "process/test_report_page.py"),
}
"""By folder, the tests that mirror it, the quickest first."""
LONGEST = 3.0
"""How many times as long as without a change the tests may take: a mutant may wait for ever."""


@dataclass(frozen=True)
class Mutant:
    """One change to one line of a module."""

    path: str
    line: int
    operator: str
    before: str
    after: str
    code: str
    """The changed module."""

    @property
    def told(self) -> str:
        return f"{self.path}:{self.line}: {self.before}  ->  {self.after}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("folder", choices=list(TESTS), help="folder of the package")
    parser.add_argument("--most", type=int, default=100, help="size of the sample, where there are more (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default: 1)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="default: one for each core")
    options = parser.parse_args()
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    if changed:
        parser.error(f"commit or stash what has changed first, since the last commit is what is tested:\n{changed}")
    known = set(EQUIVALENT.read_text(encoding="utf-8").splitlines())
    mutants = [mutant for mutant in all_mutants(options.folder) if f"{mutant.path}: {mutant.after}" not in known]
    sample = random.Random(options.seed).sample(mutants, min(options.most, len(mutants)))
    print(f"{len(sample)} of {len(mutants)} mutants of {options.folder}", flush=True)
    survivors = _run(sample, TESTS[options.folder], options.processes)
    print(f"{len(sample) - len(survivors)} of {len(sample)} were noticed; the others:")
    print("\n".join(sorted(survivors)))
    return 0


def all_mutants(folder: str) -> list[Mutant]:
    """Return all mutants of a folder, in an order that is the same each time."""
    return [mutant for path in sorted((ROOT / PACKAGE / folder).rglob("*.py")) for mutant in _mutants(path)]


def _mutants(path: Path) -> list[Mutant]:
    # Installed by "make mutants" only.
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code

    from tests.mutants.operators import operators

    code = path.read_text(encoding="utf-8")
    lines, tree, found = code.splitlines(), get_ast(code), []
    for name, operator in operators().items():
        positions = [at for node in ast_nodes(tree) for at in operator.mutation_positions(node)]
        for occurrence, ((line, column), _) in enumerate(positions):
            # What stands at the top of a module are mostly bounds and times, as are numbers of more than one digit. Any
            # near value of them would do.
            is_bound = name == "NumberReplacer" and re.match(r"\d[\d.]", lines[line - 1][column:])
            if is_bound or not lines[line - 1].startswith(" "):
                continue
            mutated = mutate_code(code, operator, occurrence)
            if mutated is None or mutated == code:
                continue
            after = next(new for old, new in zip(lines, mutated.splitlines(), strict=False) if old != new)
            place = str(path.relative_to(ROOT))
            found.append(Mutant(place, line, name, lines[line - 1].strip(), after.strip(), mutated))
    return found


def _run(mutants: list[Mutant], tests: tuple[str, ...], processes: int) -> list[str]:
    """Run the tests with each mutant, and return those that they pass with."""
    survivors: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        copies: Queue[Path] = Queue()
        for number in range(processes):
            copies.put(_copy(Path(folder) / str(number)))
        first = copies.queue[0]
        since = time.monotonic()
        if not _passes(first, tests, None):
            raise SystemExit("the tests fail without any change")
        seconds = LONGEST * (time.monotonic() - since)

        def survives(mutant: Mutant) -> None:
            copy = copies.get()
            file = copy / mutant.path
            before = file.read_text(encoding="utf-8")
            try:
                file.write_text(mutant.code, encoding="utf-8")
                if _passes(copy, tests, seconds):
                    survivors.append(mutant.told)
                    print(f"not noticed: {mutant.told}", flush=True)
            finally:
                file.write_text(before, encoding="utf-8")
                copies.put(copy)

        with ThreadPoolExecutor(processes) as pool:
            list(pool.map(survives, mutants))
    return survivors


def _copy(folder: Path) -> Path:
    """Write the last commit into a new folder."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x"], cwd=folder, input=archive, check=True)
    return folder


def _passes(copy: Path, tests: tuple[str, ...], seconds: float | None) -> bool:
    """Tell whether the tests pass in a copy; after so many ``seconds``, they don't."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not nightly", "-p", "no:cacheprovider"]
    process = subprocess.Popen(
        [*command, *(f"tests/{name}" for name in tests)],
        cwd=copy,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
