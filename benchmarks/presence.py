"""What it costs to have the add-on switched on where there is no captcha: crawls with it and without, by turns."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from aiohttp import web

from benchmarks import importing
from benchmarks.crawls import SETTINGS, Aside
from benchmarks.detection import FORM, PARAGRAPH
from benchmarks.tables import Column, Table, medians
from scrapy_omocaptcha.testing.server import LoopbackServer

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

WITHOUT = {**SETTINGS, "ADDONS": {}}
WITH = {**SETTINGS, "OMOCAPTCHA_API_TOKEN": "offline", "OMOCAPTCHA_API_URL": "http://127.0.0.1:9/api"}
"""The service is never called."""


@dataclass(frozen=True)
class Scale:
    repeats: int = 9
    pages: tuple[tuple[str, int, int], ...] = (("tiny", 0, 1000), ("100 KB", 100_000, 700), ("1 MB", 1_000_000, 200))
    """A name, about so many bytes, and how many of them a crawl asks for."""
    warm_up: int = 50
    imports: int = 15


SHORT = Scale(repeats=1, pages=(("tiny", 0, 20),), warm_up=2, imports=1)


class Pages(LoopbackServer):
    """One page of each size, ready-made."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(["127.0.0.4"], 0)
        self._bodies = {f"/{size}": _page(size) for size in sizes}

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=self._bodies[request.path], content_type="text/html", charset="utf-8")


def _page(size: int) -> bytes:
    stories = "".join(PARAGRAPH.format(n=n) for n in range(size // len(PARAGRAPH)))
    return f"<!DOCTYPE html><html><title>News</title><body>{stories}{FORM.format('')}</body></html>".encode()


def _serve(link: Connection, sizes: Sequence[int]) -> None:
    with Pages(sizes) as pages:
        link.send(({"url": pages.origin}, {}))
        link.recv()


def tables(scale: Scale) -> Iterator[Table]:
    yield _crawls(scale)
    yield _imports(scale)


def _crawls(scale: Scale) -> Table:
    rows = []
    with Aside(_serve, [size for _, size, _ in scale.pages]) as pages:
        for name, length, count in scale.pages:
            told = {"url": f"{pages.told['url']}/{length}", "pages": count, "warm_up": scale.warm_up}
            pairs = [_pair(told, turn=number % 2) for number in range(scale.repeats)]
            (speed, cpu, size), (speed_with, cpu_with, size_with) = (
                medians([run[key] for key in KEYS] for run in runs) for runs in zip(*pairs, strict=True)
            )
            of_speed, of_cpu = (median(with_it[key] / without[key] for without, with_it in pairs) for key in KEYS[:2])
            rows.append([name, speed, speed_with, of_speed, cpu * 1e3, cpu_with * 1e3, of_cpu, size, size_with])
    return Table(
        title="The cost of being there: crawls without any captcha",
        about=(
            "Each crawl in a process of its own, CONCURRENT_REQUESTS=16, with the add-on and without by turns; "
            f"medians of {scale.repeats} pairs, and of the ratios of the pairs."
        ),
        columns=(
            Column("pages/s without"),
            Column("with"),
            Column("ratio", ".3f"),
            Column("CPU ms a page without", ".3f"),
            Column("with", ".3f"),
            Column("ratio", ".3f"),
            Column("MB without", ".0f"),
            Column("with", ".0f"),
        ),
        rows=rows,
        notes=(NOTE,),
    )


NOTE = (
    "The aim is a ratio of 0.98, which is not reached: what is kept of each request (what it asked for, and in which "
    "session), five of Scrapy's signals and two methods of a middleware cost some 0.08 ms a page, one search of its "
    "bytes 0.03 ms for each 100 KB. The spider here does nothing at all; to parse a page of 100 KB and to run one "
    "selector over it would cost it 1.9 ms."
)
KEYS = ("pages_a_second", "cpu_a_page", "megabytes")


def _pair(told: dict[str, Any], *, turn: int) -> tuple[dict[str, float], dict[str, float]]:
    """A crawl without the add-on and one with it; which comes first changes."""
    runs = {}
    for settings in (WITHOUT, WITH)[:: -1 if turn else 1]:
        runs[settings is WITH] = json.loads(_run("-m", "benchmarks.bare", json.dumps({**told, "settings": settings})))
    return runs[False], runs[True]


def _run(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True).stdout


def _imports(scale: Scale) -> Table:
    rows = [[name, *importing.measure(statement, scale.imports)] for name, statement in importing.WAYS.items()]
    return Table(
        title="The cost of being there: imports",
        about=(
            "Milliseconds in a fresh interpreter that has loaded Scrapy's commands, as Python reckons them; of what "
            f"the add-on loads, a crawl would load a part by itself. Medians of {scale.imports}."
        ),
        columns=(Column("Scrapy"), Column("added"), Column("modules", ".0f")),
        rows=rows,
    )
