"""Fetch Scrapy's own tests from its source distribution, and run them in one of several ways."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.settings import BaseSettings
from scrapy.utils.python import global_object_name

from scrapy_omocaptcha.addon import Addon
from scrapy_omocaptcha.testing import OmoCaptchaService

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


PATCHES = Path(__file__).parent / "path"
WORKERS = 2

WITHOUT_MIDDLEWARES = re.compile(r"test_(downloader_handler\w*|http2_client_protocol)\.py")
"""Modules that use the mock server without Scrapy's downloader middlewares, so that nothing can open a wall."""


@dataclass(frozen=True)
class Way:
    """One way to run a suite. ``gate`` is the address that a wall redirects to, None for a wall without redirects."""

    name: str
    wall: dict[str, str | None] | None = None


PLAIN = Way("plain")
"""Without the add-on."""

WAYS = {
    way.name: way
    for way in (
        Way("addon"),
        Way("session", wall={"gate": None}),
        Way("redirect", wall={"gate": "/captcha"}),
        # This address does not say that it is a wall.
        Way("unsuspected", wall={"gate": "/welcome"}),
    )
}


class Suite:
    """The tests of the installed release, unpacked below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._release = version("scrapy")
        self._folder = folder
        self._root = folder / f"scrapy-{self._release}"
        self._plain: dict[str, dict[str, tuple[str, str]]] = {}

    def unpack(self) -> None:
        """Download the source distribution, and unpack all of it but the package, since the installed one is tested."""
        # Not PYTHONPATH: some tests start a Python that ignores the environment.
        Path(sysconfig.get_path("purelib"), "omocaptcha_suites.pth").write_text(f"{PATCHES}\n", encoding="utf-8")
        if self._root.exists():
            return
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        wanted = ["--no-binary", "scrapy", f"scrapy=={self._release}"]
        subprocess.run([*command, "--dest", self._folder, *wanted], check=True)
        with tarfile.open(self._folder / f"scrapy-{self._release}.tar.gz") as archive:
            for member in archive.getmembers():
                _, _, member.name = member.name.partition("/")
                if member.name.partition("/")[0] not in ("", "scrapy"):
                    archive.extract(member, self._root, filter="data")

    # -- which tests -----------------------------------------------------------------------------------------------

    def modules(self, names: Collection[str], *, crawling: bool) -> list[str]:
        """Return the paths of test modules.

        :param names: names of the modules; all if it is empty.
        :param crawling: only modules that crawl a mock server.
        """
        paths = [path for path in sorted((self._root / "tests").iterdir()) if re.match(r"test_\w+(\.py)?$", path.name)]
        return [
            path.relative_to(self._root).as_posix()
            for path in paths
            if (not names or path.stem in names) and (not crawling or self._crawls(path))
        ]

    def _crawls(self, path: Path) -> bool:
        if path.is_dir() or WITHOUT_MIDDLEWARES.fullmatch(path.name):
            return False
        text = path.read_text(encoding="utf-8")
        bases = [self._root / f"{name.replace('.', '/')}.py" for name in re.findall(r"from (tests\.utils\.\S+)", text)]
        texts = [text, *(base.read_text(encoding="utf-8") for base in bases)]
        return any(re.search("(?i)mockserver|crawl_(single_)?item", text) for text in texts)

    # -- running them ----------------------------------------------------------------------------------------------

    def plain(self, modules: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Return the outcomes of test modules without the add-on, which are found out once."""
        new = [module for module in modules if module not in self._plain]
        outcomes = self.run(PLAIN, new) if new else {}
        for module in new:
            self._plain[module] = {
                name: outcome for name, outcome in outcomes.items() if name.startswith((f"{module}::", f"{module}/"))
            }
        return {name: outcome for module in modules for name, outcome in self._plain[module].items()}

    def run(
        self, way: Way, tests: Sequence[str], service: OmoCaptchaService | None = None, *, workers: int = WORKERS
    ) -> dict[str, tuple[str, str]]:
        """Run tests, and return for each its outcome and the first line of what it complains about.

        :param tests: paths of modules, or names of tests.
        :param service: the add-on is off without one.
        """
        outcomes = self._folder / f"scrapy-{way.name}{'' if workers else '-alone'}.jsonl"
        outcomes.write_text("")
        options = ["-p", "outcomes", "-p", "no:cacheprovider", "--reactor=asyncio", "--timeout=120", "-n", str(workers)]
        options += ["-m", "not requires_internet"]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(self._root), os.environ.get("PYTHONPATH")])),
            # Workers must find the tests in the same order, also those that come out of a set of strings.
            "PYTHONHASHSEED": "0",
            # Tests start commands of the environment by their names.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "SUITE_SETTINGS": json.dumps(_patches(way, service)),
            "SUITE_OUTCOMES": str(outcomes),
        }
        command = [sys.executable, "-m", "pytest", *options, *tests]
        with outcomes.with_suffix(".log").open("wb") as log:
            subprocess.run(command, cwd=self._root, env=environment, stdout=log, stderr=log, check=False)
        lines = [json.loads(line) for line in outcomes.read_text(encoding="utf-8").splitlines()]
        # A test that fails may report a second time, when what it used is taken down.
        return {name: (outcome, message) for name, outcome, message in lines}


def _patches(way: Way, service: OmoCaptchaService | None) -> dict[str, object]:
    if service is None:
        return {}
    # Tests set ADDONS of their own.
    settings = BaseSettings()
    Addon().update_settings(settings)
    components = {
        f"{name}_BASE": {global_object_name(each): key for each, key in settings[name].items()}
        for name in ("DOWNLOADER_MIDDLEWARES", "EXTENSIONS")
    }
    wall = None if way.wall is None else {**way.wall, "siteverify": service.siteverify_url}
    return {"settings": {**components, **service.settings}, "wall": wall}
