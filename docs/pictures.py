"""Make the pictures of the documentation: ``python docs/pictures.py``. It needs Chromium.

One shows the report on a made-up ledger, the other the crawl of ``make demo``.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory

from scrapy_omocaptcha.testing.browser import installed_chromium

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #16181d; }}
pre {{ margin: 0; padding: 18px 22px; color: #e4e7ec; font: 14px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }}
</style><pre>{text}</pre>"""
COLUMNS = 68
"""Columns of the terminal: few enough to be read on a telephone."""


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from tests.helpers.ledgers import business, write

    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        ledger, report, demo = (Path(folder, name) for name in ("omocaptcha.sqlite", "report.html", "demo.html"))
        write(ledger, *business(1800))
        # The report names the ledger as it is given here.
        command = [sys.executable, "-m", "scrapy", "omocaptcha", "report", ledger.name, "--html", report.name]
        _run(*command, cwd=ledger.parent)
        _screenshot(report, IMAGES / "report.png", 1100, 885)
        text = _shorten(_run(sys.executable, str(ROOT / "example_project" / "demo.py")))
        demo.write_text(TERMINAL.format(text=html.escape(text)), encoding="utf-8")
        _screenshot(demo, IMAGES / "demo.png", 9 * COLUMNS, 21 * len(text.splitlines()) + 36, scale=2)


def _screenshot(page: Path, picture: Path, width: int, height: int, scale: int = 1) -> None:
    _run(
        *(str(installed_chromium()), "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu"),
        f"--screenshot={picture}",
        f"--window-size={width},{height}",
        f"--force-device-scale-factor={scale}",
        page.as_uri(),
    )


def _shorten(output: str) -> str:
    """Return the command of the demo's crawl without its options, and what the add-on logs, without the times."""
    # A record has several lines: it ends where the next one or the demo's own text begins.
    records = re.split(r"^(?=\d{4}-\d\d-\d\d \d\d:|What happened$)", output, flags=re.MULTILINE)
    kept = "".join(record for record in records if "[scrapy_omocaptcha" in record.partition("\n")[0])
    text = re.sub(r"^\S+ \S+ \[scrapy_omocaptcha\S*\] ", "", kept, flags=re.MULTILINE)
    lines = ["$ scrapy crawl catalogue", *text.splitlines()]
    return "\n".join(part for line in lines for part in textwrap.wrap(line, COLUMNS, subsequent_indent=_indent(line)))


def _indent(line: str) -> str:
    """Return the indent of a line's continuation: that of its text."""
    return " " * (14 if line.startswith("  ") else 6)


def _run(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True, encoding="utf-8", cwd=cwd
    )
    return done.stdout


if __name__ == "__main__":
    main()
