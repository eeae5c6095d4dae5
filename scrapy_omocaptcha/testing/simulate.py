"""Run the service and walled sites by hand, until Ctrl-C or SIGTERM.

Prints where they are and which settings lead a project to them, then a line for each thing that happens.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from scrapy_omocaptcha.testing.service import OmoCaptchaService
from scrapy_omocaptcha.testing.site import WalledSite
from scrapy_omocaptcha.testing.walls import WALLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LAST_PORT = 65535
WAKE_UP_SECONDS = 0.5
"""Windows does not interrupt an endless wait for Ctrl-C."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of :func:`run`."""
    parser.add_argument(
        "--port",
        type=int,
        default=0,
        help="port of the service; the sites take the following ones (default: any that are free)",
    )
    parser.add_argument(
        "--api-version",
        type=int,
        choices=(1, 2),
        default=1,
        help="which version of the API the printed settings lead to (default: %(default)s); both are served",
    )
    parser.add_argument("--solve-seconds", type=float, default=5.0, help="how long a job takes (default: %(default)s)")
    parser.add_argument("--balance", type=float, default=10.0, help="US dollars (default: %(default)s)")
    parser.add_argument(
        "--wall",
        action="append",
        choices=list(WALLS),
        metavar="WALL",
        help=f"a site's wall, may be given more than once: {', '.join(WALLS)} (default: session)",
    )
    parser.add_argument("--status", type=int, default=403, help="HTTP status of the challenge (default: %(default)s)")
    parser.add_argument("--gzip", action="store_true", help="the sites compress their answers")
    parser.add_argument("--robots-walled", action="store_true", help="robots.txt is behind the wall too")


def run(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Run until the process is told to end; ``say`` gets the lines, from any thread.

    :returns: the exit status: 1 when a port cannot be had, else 0.
    """
    with ExitStack() as running:
        end = running.enter_context(_end_of_process())
        try:
            service, sites = _start(options, say, running)
        except OSError as error:
            print(f"{error}: --port takes the number of a free port, with free ones after it", file=sys.stderr)
            return 1
        for name, site in sites.items():
            say(f"{site.url}/catalogue/ is behind the wall {name!r}. {site.wall.about}")
        say(f"{service.url} is the service. Settings of a project that uses it:")
        for setting, value in service.settings.items():
            say(f"    {setting} = {value!r}")
        say("Ctrl-C ends it.")
        while not end.wait(WAKE_UP_SECONDS):
            pass
        pages = sum(site.pages for site in sites.values())
        say(f"Jobs: {len(service.jobs)} for {service.charged:.5f} USD. Pages shown: {pages}.")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m scrapy_omocaptcha.testing``."""
    parser = argparse.ArgumentParser(
        prog="python -m scrapy_omocaptcha.testing",
        description="An offline OMOcaptcha and walled sites, to try a spider on.",
    )
    add_arguments(parser)
    return run(parser.parse_args(arguments), lambda line: print(line, flush=True))


def _start(
    options: argparse.Namespace, say: Callable[[str], None], running: ExitStack
) -> tuple[OmoCaptchaService, dict[str, WalledSite]]:
    walls = list(dict.fromkeys(options.wall or ["session"]))
    if not 0 <= options.port <= LAST_PORT - len(walls):
        raise OSError(f"{options.port} is no port, or leaves too few after it")
    service = running.enter_context(
        OmoCaptchaService(
            port=options.port,
            api_version=options.api_version,
            balance=options.balance,
            solve_seconds=options.solve_seconds,
            on_event=say,
        )
    )
    sites = {}
    for number, name in enumerate(walls, start=1):
        site = WalledSite(
            service,
            name,
            port=options.port and options.port + number,
            status=options.status,
            gzip=options.gzip,
            robots_walled=options.robots_walled,
            on_event=partial(_say_of, name, say),
        )
        sites[name] = running.enter_context(site)
    return service, sites


def _say_of(name: str, say: Callable[[str], None], line: str) -> None:
    say(f"{name} {line}")


@contextmanager
def _end_of_process() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, in the place of what they do else."""
    end = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: end.set()) for number in numbers]
    try:
        yield end
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
