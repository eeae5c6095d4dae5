"""Run Scrapy, its commands or a module of our own, in forks of a process that has imported it.

The imports, also those of this package, take a command longer than all else that it does.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TextIO

IMPORTED = [
    *("scrapy.cmdline", "scrapy.commands.check", "scrapy.commands.parse", "scrapy.commands.shell"),
    *("scrapy.core.downloader.handlers.http11", "scrapy.crawler", "scrapy.extensions.telnet", "scrapy.squeues"),
    *("scrapy_omocaptcha.addon", "scrapy_omocaptcha.commands.check", "scrapy_omocaptcha.commands.detect"),
    *("scrapy_omocaptcha.commands.report", "scrapy_omocaptcha.testing.simulate", "tests.helpers.forked_scrapy", "treq"),
]
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(IMPORTED)
_INSTALLED = [path for path in sys.path if path.startswith((sys.prefix, sys.base_prefix))]


def run_scrapy(
    arguments: tuple[str, ...],
    *,
    cwd: Path,
    stderr: int,
    environment: dict[str, str],
    timeout: float,
    module: str = "scrapy",
) -> subprocess.CompletedProcess[str]:
    """Run ``python -W error -m MODULE ARGUMENTS`` with :func:`start_module`, as :func:`subprocess.run` would.

    :param stderr: ``subprocess.STDOUT`` or ``subprocess.PIPE``.
    :raises TimeoutError: when the command takes longer than ``timeout`` seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        told = err if stderr == subprocess.PIPE else None
        process = start_module(module, arguments, cwd=cwd, environment=environment, out=out, err=told)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{module} {' '.join(arguments)} took longer than {timeout} s: {out.read_text()}")
        errors = err.read_text(encoding="utf-8") if err.exists() else None
        return subprocess.CompletedProcess(arguments, process.exitcode, out.read_text(encoding="utf-8"), errors)


@contextmanager
def started_scrapy(
    arguments: tuple[str, ...], *, cwd: Path, environment: dict[str, str]
) -> Iterator[tuple[BaseProcess, TextIO, TextIO]]:
    """Yield the process of a command that ends only when it is told to, and pipes from its stdout and stderr."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        os.mkfifo(out)
        os.mkfifo(err)
        process = start_module("scrapy", arguments, cwd=cwd, environment=environment, out=out, err=err)
        with open(out, encoding="utf-8") as stdout, open(err, encoding="utf-8") as stderr:
            try:
                yield process, stdout, stderr
            finally:
                process.kill()
                process.join()


def start_module(
    module: str,
    arguments: tuple[str, ...],
    *,
    cwd: Path,
    environment: dict[str, str],
    out: Path,
    err: Path | None = None,
) -> BaseProcess:
    """Start ``python -W error -m MODULE ARGUMENTS``, which writes to files; without ``err``, all of it to ``out``.

    :param environment: all variables; ``PYTHONPATH`` and a word in ``PYTHONWARNINGS`` are heeded.
    """
    process = _processes.Process(target=_run, args=(module, arguments, cwd, environment, out, err))
    process.start()
    return process


def _run(
    module: str, arguments: tuple[str, ...], cwd: Path, environment: dict[str, str], out: Path, err: Path | None
) -> None:
    gc.freeze()  # No collection of garbage looks at what was there already.
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    os.dup2(_opened(out), 1)
    os.dup2(1 if err is None else _opened(err), 2)
    # Those of the fork server may be of another kind of file.
    sys.stdout = os.fdopen(1, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors, closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding=sys.stderr.encoding, errors=sys.stderr.errors, closefd=False)
    sys.path[:] = [str(cwd), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)), *_INSTALLED]
    package = sys.modules.get("scrapy_omocaptcha")
    assert package is None or str(Path(package.__file__).parents[1]) in sys.path, "another copy has been imported"
    sys.argv[1:] = arguments
    warnings.simplefilter(environment.get("PYTHONWARNINGS", "error"))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
