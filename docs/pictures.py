"""Makes the pictures of these pages anew: ``python docs/pictures.py``, with Chromium on the machine.

The report is of a made-up journal, the demo is the one that ``make demo`` shows.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #16181d; }}
pre {{ margin: 0; padding: 18px 22px; color: #e4e7ec; font: 14px/1.5 ui-monospace, "DejaVu Sans Mono", monospace;
  white-space: pre-wrap; }}
</style><pre>{text}</pre>"""


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from scrapy_omocaptcha.buying.journal import read_journal
    from scrapy_omocaptcha.reporting.html import web_page
    from tests.helpers.journals import business, write

    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        journal = write(Path(folder, "omocaptcha.jsonl"), *business(1800))
        page = Path(folder, "report.html")
        page.write_text(web_page(read_journal(journal)[0], sources=[journal.name]), encoding="utf-8")
        _picture(page, IMAGES / "report.png", 1100, 1030)
        demo = Path(folder, "demo.html")
        text = _told(_run(sys.executable, str(ROOT / "example_project" / "demo.py")))
        demo.write_text(TERMINAL.format(text=html.escape(text)), encoding="utf-8")
        _picture(demo, IMAGES / "demo.png", 1000, 21 * (len(text.splitlines()) + 4))


def _picture(page: Path, picture: Path, width: int, height: int) -> None:
    _run(
        *("chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu"),
        f"--screenshot={picture}",
        f"--window-size={width},{height}",
        page.as_uri(),
    )


def _told(output: str) -> str:
    """What the demo says and, of the crawl's log, what we say."""
    output = re.sub(r"\S+/(items\.jsonl)", r"\1", output).strip()
    # A record of the log goes on until the next one, or until the demo has its say again.
    records = re.split(r"^(?=\d{4}-\d\d-\d\d \d\d:|What happened$)", output, flags=re.MULTILINE)
    kept = [r for r in records if not r[:4].isdigit() or "[scrapy_omocaptcha" in r.partition("\n")[0]]
    text = re.sub(r"^\S+ \S+ \[scrapy_omocaptcha\S*\] ", "", "".join(kept), flags=re.MULTILINE)
    return text.replace("\nWhat happened", "\n\nWhat happened")


def _run(*command: str) -> str:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True, encoding="utf-8", cwd=ROOT
    )
    return done.stdout


if __name__ == "__main__":
    main()
