"""The same work, side by side with what others use: ``make bench``, or ``python -m benchmarks``.

Prints tables and, with ``--json FILE``, writes them; ``python -m benchmarks.page`` makes a page of docs of that file.
Machines are noisy: compare what stands in one table, and ratios rather than numbers.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks import crowds, findings, presence, questions, walls
from benchmarks.machine import machine, versions

PARTS = {"walls": walls, "questions": questions, "findings": findings, "presence": presence, "crowds": crowds}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="see that it runs: figures mean nothing then")
    parser.add_argument("--repeats", type=int, help="crawls that a median is taken of, where that is a choice")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the tables here; other parts in it stay")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these of {', '.join(PARTS)}")
    options = parser.parse_args(arguments)
    found = {}
    for name in options.parts or PARTS:
        part, since = PARTS[name], time.monotonic()
        scale = part.SHORT if options.short else part.Scale()
        if options.repeats and hasattr(scale, "repeats"):
            scale = type(scale)(**{**vars(scale), "repeats": options.repeats})
        found[name] = []
        for table in part.tables(scale):
            print(f"{table}\n", flush=True)
            found[name].append(table.to_json())
        print(f"({name}: {time.monotonic() - since:.0f} s)\n", flush=True)
    if options.json:
        kept = json.loads(options.json.read_text(encoding="utf-8"))["parts"] if options.json.exists() else {}
        parts = {name: {**kept, **found}[name] for name in PARTS if name in found or name in kept}
        told = {"date": date.today().isoformat(), "machine": machine(), "versions": versions(), "parts": parts}
        options.json.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
