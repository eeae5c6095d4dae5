"""The package as it is shipped: what is in the wheel and in the source distribution, what they want to have installed,
and that the wheel works by itself."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
from configparser import ConfigParser
from email.parser import HeaderParser
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from tests.helpers.commands import ROOT, STRICT, TIMEOUT

PACKAGE = ROOT / "scrapy_omocaptcha"
pytestmark = pytest.mark.skipif(not PACKAGE.exists(), reason="no checkout here: the tests run with an installed wheel")

IMPORT_ALL = """
import pkgutil
from importlib import import_module
import scrapy_omocaptcha
print(scrapy_omocaptcha.__file__)
for module in pkgutil.walk_packages(scrapy_omocaptcha.__path__, "scrapy_omocaptcha."):
    if not module.name.endswith(".__main__"):
        import_module(module.name)
        print(module.name)
"""


def read_setup():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def run(*command, cwd, **environment):
    """What a command prints, which must end well; nothing but what is installed can be imported."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    options = {"cwd": cwd, "env": {**inherited, **environment}, "encoding": "utf-8", "timeout": TIMEOUT}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(list(map(str, command)), **options, **streams, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a source distribution, and of the wheel that was built from it."""
    source, out = tmp_path_factory.mktemp("source") / "checkout", tmp_path_factory.mktemp("dist")
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".[!c]*", "build", "dist", "*.egg-info", "_build"))
    # What is needed is here already, and a network need not be.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source, cwd=out)
    return out


@pytest.fixture(scope="module")
def wheel(built):
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The Python of an environment in which the wheel is installed, and nothing else but what these tests have too."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    where = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    # A folder that is named in a .pth file has no say about folders itself, as the one of this checkout would be.
    Path(where, "others.pth").write_text("\n".join(path for path in sys.path if Path(path).name == "site-packages"))
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    return python


@pytest.mark.nightly
def test_the_wheel_holds_the_package_with_its_types_and_its_data_and_nothing_else(wheel):
    files = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    ours = {name for name in files if "__pycache__" not in name}
    assert {"scrapy_omocaptcha/py.typed", "scrapy_omocaptcha/reporting/page.css"} <= ours
    about = re.sub(r"-py3.*", ".dist-info", wheel.name)
    metadata = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"}
    assert set(ZipFile(wheel).namelist()) == ours | {f"{about}/{name}" for name in metadata}


@pytest.mark.nightly
def test_the_source_distribution_holds_what_passing_the_tests_needs_and_nothing_else(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        files = {name.partition("/")[2] for name in archive.getnames() if archive.getmember(name).isfile()}
    tests = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    assert tests <= files
    assert {"Makefile", "CHANGES.rst", ".ci/minimum-versions.txt", "benchmarks/__init__.py"} <= files
    folders = {".ci", "benchmarks", "docs", "example_project", "scrapy_omocaptcha", "tests"}
    made = {"PKG-INFO", "scrapy_omocaptcha.egg-info"}
    single = {"LICENSE", "MANIFEST.in", "Makefile", "pyproject.toml", "setup.cfg", "tox.ini"}
    others = {name.partition("/")[0] for name in files} - folders - made - single
    assert all(name.endswith(".rst") for name in others), others
    assert not [name for name in files if re.search(r"\.py[co]$|/_build/|/\.scrapy/|\.sqlite|\.log$", name)]


@pytest.mark.nightly
def test_the_metadata_of_the_wheel_says_what_setup_cfg_does(wheel):
    (name,) = [name for name in ZipFile(wheel).namelist() if name.endswith("/METADATA")]
    metadata = HeaderParser().parsestr(ZipFile(wheel).read(name).decode())
    wanted = {line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line}
    assert wanted == set(read_setup()["options"]["install_requires"].split())
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata.get_payload().strip() == (ROOT / "README.rst").read_text(encoding="utf-8").strip()


@pytest.mark.nightly
def test_every_module_of_the_installed_wheel_can_be_imported(python, tmp_path):
    where, *modules = run(python, "-W", "error", "-c", IMPORT_ALL, cwd=tmp_path).splitlines()
    assert Path(where).is_relative_to(python.parent.parent)
    assert {"scrapy_omocaptcha.commands.omocaptcha", "scrapy_omocaptcha.testing.site"} <= set(modules)


@pytest.mark.nightly
def test_the_installed_wheel_brings_its_command(python, tmp_path):
    (tmp_path / "page.html").write_text("<title>Shop</title>")
    told = run(python, "-m", "scrapy", "omocaptcha", "detect", "page.html", cwd=tmp_path, **STRICT)
    assert "it has no reCAPTCHA v2 widget" in told


@pytest.mark.nightly
def test_a_crawl_with_the_installed_wheel_gets_through_a_wall(python, tmp_path):
    shutil.copytree(ROOT / "example_project", tmp_path / "example", ignore=shutil.ignore_patterns(".scrapy"))
    quickly = ("--solve-seconds", "0.1", "-s", "DOWNLOAD_DELAY=0.01")
    assert "All pages and items came." in run(python, "demo.py", *quickly, cwd=tmp_path / "example")


class _Imports(ast.NodeVisitor):
    """What a module imports from others when it runs, not for a type checker."""

    def __init__(self):
        self.found = set()

    def visit_If(self, node):
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)

    def visit_Import(self, node):
        self.found |= {alias.name.partition(".")[0] for alias in node.names}

    def visit_ImportFrom(self, node):
        self.found.add(node.module.partition(".")[0])


def test_what_is_imported_is_what_is_required():
    imports = _Imports()
    for path in PACKAGE.rglob("*.py"):
        imports.visit(ast.parse(path.read_text(encoding="utf-8")))
    others = imports.found - sys.stdlib_module_names - {PACKAGE.name}
    setup = read_setup()
    extras = setup["options.extras_require"]
    lines = " ".join([setup["options"]["install_requires"], extras["playwright"], extras["redis"]]).split()
    # our fixtures are for who has pytest
    required = {Requirement(line).name for line in lines} | {"pytest"}
    # Not packages_distributions(), which with Python 3.10 leaves out what says nothing of its modules.
    homes = {file.parts[0].removesuffix(".py"): name for name in required for file in distribution(name).files}
    assert {homes.get(name, name) for name in others} == required


def test_the_pages_say_until_the_first_release_that_the_package_is_on_no_index():
    changes = (ROOT / "CHANGES.rst").read_text(encoding="utf-8")
    is_released = re.search(r"^\d\S* \(\d{4}-", changes, re.MULTILINE) is not None
    for name in ("README.rst", "docs/index.rst", "docs/quickstart.rst"):
        told = " ".join((ROOT / name).read_text(encoding="utf-8").lower().split())
        assert ("not on pypi yet" in told) != is_released, name


def test_the_version_is_written_in_setup_cfg_and_the_newest_change_is_of_it():
    version = read_setup()["metadata"]["version"]
    changes = (ROOT / "CHANGES.rst").read_text(encoding="utf-8")
    assert re.findall(r"^(\d\S*)", changes, re.MULTILINE)[0] == version
    code = [*PACKAGE.rglob("*.py"), *(ROOT / "docs").glob("*.py"), ROOT / "pyproject.toml"]
    assert not [path for path in code if version in path.read_text(encoding="utf-8")]
