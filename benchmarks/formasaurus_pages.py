"""Detection over the 954 real pages that the package ``formasaurus`` ships, collected for another purpose.

    pip download --no-deps --no-binary :all: formasaurus && tar -xzf formasaurus-*.tar.gz
    python -m benchmarks.formasaurus_pages formasaurus-*/formasaurus/data

Version 0.10.0: six pages load reCAPTCHA v2's script, three of them hold a live widget, none is a wall.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from scrapy.http import HtmlResponse

from scrapy_omocaptcha import find_challenge


def main(folder: Path) -> None:
    pages = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    mentions = widgets = walls = 0
    seconds = 0.0
    for name, page in pages.items():
        response = HtmlResponse(page["url"], body=(folder / name).read_bytes())
        mentions += b"recaptcha" in response.body
        start = time.thread_time()
        challenge = find_challenge(response)
        seconds += time.thread_time() - start
        if challenge is not None:
            widgets += 1
            walls += challenge.blocking
            print(f"{name}: {challenge.sitekey}, {'; '.join(challenge.evidence)}")
    print(f"{len(pages)} pages, {mentions} with the word, {widgets} with a live widget, {walls} walls, {seconds:.2f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
