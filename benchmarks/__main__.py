"""Measure this project side by side with what others use.

Prints tables of figures. Machines are noisy: compare figures within one table, and ratios rather than numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks import browser, detection, fleets, ledger, memory, polling, presence, scale, stumbling, walls
from benchmarks.page import ASKED, draw, page
from benchmarks.tables import Table

PARTS: dict[str, Any] = {
    "walls": walls,
    "stumbling": stumbling,
    "browser": browser,
    "polling": polling,
    "detection": detection,
    "presence": presence,
    "scale": scale,
    "memory": memory,
    "fleets": fleets,
    "ledger": ledger,
}
PACKAGES = ("scrapy-omocaptcha", "scrapy", "twisted", "treq", "aiohttp", "lxml")
"""What each part is measured with."""
MORE_PACKAGES = {
    "walls": ("anticaptchaofficial", "capmonstercloudclient", "scrapyx-mw"),
    "browser": ("scrapy-playwright", "playwright"),
    "fleets": ("redis",),
}
"""What else a part is measured with."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="only check that everything runs; ignore the figures")
    parser.add_argument(
        "--json", type=Path, metavar="FILE.json", help="keep the tables there; a page of all parts in FILE.rst"
    )
    parser.add_argument("--page-only", action="store_true", help="measure nothing; make the page of FILE.json again")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; default: all")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if options.page_only and options.json is None:
        parser.error("--page-only needs --json")
    if not options.page_only:
        measured = {name: _measure(name, options.short) for name in options.parts or PARTS}
        if options.json:
            keep(measured, options.json)
    if options.json and not options.short:
        make_page(options.json)


def make_page(file: Path) -> None:
    """Make the page and its picture, beside ``file``, if all that they begin with is kept there."""
    results = json.loads(file.read_text(encoding="utf-8"))
    if results["parts"].keys() >= set(ASKED):
        picture = file.with_suffix(".svg")
        picture.write_text(draw(results), encoding="utf-8")
        file.with_suffix(".rst").write_text("\n".join(page(results, picture.name)), encoding="utf-8")


def _measure(name: str, short: bool) -> list[Table]:
    part, start, tables = PARTS[name], time.monotonic(), []
    for table in part.tables(part.SHORT if short else part.Scale()):
        print(f"{table}\n", flush=True)
        tables.append(table)
    print(f"({name}: {time.monotonic() - start:.0f} s)\n", flush=True)
    return tables


def keep(measured: dict[str, list[Table]], file: Path) -> None:
    """Write the tables into ``file``, and what they were measured with; other parts that it holds stay as they are."""
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"measured": {}, "parts": {}}
    tables = before["parts"] | {name: [table.to_json() for table in tables] for name, tables in measured.items()}
    told = before["measured"] | {name: _measured(name) for name in measured}
    results = {
        "measured": {name: told[name] for name in PARTS if name in tables},
        "parts": {name: tables[name] for name in PARTS if name in tables},
    }
    file.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _measured(part: str) -> dict[str, Any]:
    """Return when, on what machine and with which versions a part has been measured just now."""
    versions = {name: _version(name) for name in (*PACKAGES, *MORE_PACKAGES.get(part, ()))}
    if part == "detection":
        versions["is-antibot (npm)"] = detection.is_antibot_version()
    return {
        "date": date.today().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {"Python": platform.python_version(), **versions},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
