"""Implement ``scrapy omocaptcha simulate``: the offline service and walled sites, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import ExitStack
from functools import partial

from scrapy_omocaptcha.testing.service import OmoCaptchaService
from scrapy_omocaptcha.testing.site import WalledSite
from scrapy_omocaptcha.testing.tokenforms import PASSWORD
from scrapy_omocaptcha.testing.walls import WALLS

_OTHERS = f"""Each site also has, in front of its wall:
    /find        a search; its form wants a token each time, as do /find/get, /find/built and /find/postback
    /login       a login whose form wants a token; the password is {PASSWORD!r}
    /api/search  a JSON API that wants one as the member token of its body; /api/header in X-Captcha-Token, /api/query
                 in the parameter token
    /contact     a page with a widget that is no challenge
    /free/1      a page without a captcha (and behind the wall, /search, which takes a POST)"""
_print = partial(print, flush=True)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, default=0, help="port; the sites follow at 127.0.0.1, 127.0.0.2, … (default: any)"
    )
    versions = "version of the API in the printed settings, of which each has its own URL (default: %(default)s)"
    parser.add_argument("--api-version", type=int, choices=(1, 2), default=1, help=versions)
    parser.add_argument("--solve-seconds", type=float, default=1.0, help="duration of a job (default: %(default)s)")
    walls = f"wall of a site; repeat it for more sites: {', '.join(WALLS)} (default: session)"
    parser.add_argument("--wall", action="append", choices=list(WALLS), metavar="WALL", help=walls)
    parser.add_argument("--status", type=int, default=403, help="HTTP status of challenges (default: %(default)s)")


def simulate(_: object, options: argparse.Namespace) -> int:
    """Run an offline OMOcaptcha service and walled sites until Ctrl-C.

    Examples:

      scrapy omocaptcha simulate --port 6080
      scrapy omocaptcha simulate --wall redirect --wall per_page --solve-seconds 8

    Exit status: 0 when it was stopped; 1 when a port is not available; 2 for wrong usage.
    """
    stopping = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping)  # A handler would miss one that comes as the wait begins.
    with ExitStack() as stack:
        try:
            service = OmoCaptchaService(
                port=options.port,
                api_version=options.api_version,
                solve_seconds=options.solve_seconds,
                on_event=_print,
            )
            stack.enter_context(service)
            sites = {
                name: stack.enter_context(_site(service, name, number, options))
                for number, name in enumerate(dict.fromkeys(options.wall or ["session"]), start=1)
            }
        except (OSError, OverflowError) as error:
            print(f"{error}: --port needs a free port, followed by free ports for the sites", file=sys.stderr)
            return 1
        for name, site in sites.items():
            _print(f"{site.url}/catalogue/ is behind the wall {name!r}. {site.wall.about}")
        _print(_OTHERS)
        _print(f"{service.url} is the service. Settings of a project that uses it:")
        for setting, value in service.settings.items():
            _print(f"    {setting} = {value!r}")
        _print(f"{service.siteverify_url} verifies tokens, for a site of your own.")
        _print("Press Ctrl-C to stop.")
        signal.sigwait(stopping)
        for name, site in sites.items():
            tokens = f"{site.accepted} tokens accepted, {site.rejected.total()} rejected"
            _print(f"{name}: {site.pages} pages from behind the wall, {site.challenges} challenges, {tokens}")
        _print(f"Jobs: {len(service.jobs)} for {service.charged:.5f} USD.")
    return 0


def _site(service: OmoCaptchaService, wall: str, number: int, options: argparse.Namespace) -> WalledSite:
    # Cookies know no ports, so sites at one address would be one session.
    hosts, port = [f"127.0.0.{number}"], options.port and options.port + number
    return WalledSite(service, wall, hosts=hosts, port=port, status=options.status, on_event=partial(_print, wall))
