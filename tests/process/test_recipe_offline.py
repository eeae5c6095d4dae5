"""docs/recipes/offline: its commands run a recipe, and the tests that it shows pass in the example project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from docutils import nodes

from tests.helpers.commands import ROOT, STRICT, python
from tests.helpers.docs import code, offline_box, page, written_instead

SCRAPY = f'"{sys.executable}" -m scrapy'
"""The command "scrapy" of this Python, whatever the PATH says."""


def run_a_recipe():
    """Return the commands of the section "Run a recipe", one string for each terminal."""
    (section,) = [node for node in page("recipes/offline").findall(nodes.section) if "run-a-recipe" in node["ids"]]
    return [block.astext().replace("$ ", "") for block in section.findall(nodes.literal_block)]


def test_a_recipe_runs_with_the_commands_of_the_page(tmp_path, installed):
    simulate, crawl = (commands.replace("scrapy ", f"{SCRAPY} ", 1) for commands in run_a_recipe())
    spider = code(page("recipes/form"), "form")
    for old, new in written_instead(offline_box(page("recipes/form"), "form")).items():
        spider = spider.replace(old, new)
    environment = {**os.environ, **STRICT, "PYTHONPATH": installed}
    options = {"shell": True, "cwd": tmp_path, "env": environment, "text": True}
    # The ports of the page may be taken here, so any two free ones take their place.
    simulate = simulate.replace("--port 6080", "--port 0")
    with subprocess.Popen(f"exec {simulate}", stdout=subprocess.PIPE, **options) as sites:
        site, service = (sites.stdout.readline().split("/")[2] for _ in range(2))
        (tmp_path / "recipe.py").write_text(spider.replace("127.0.0.1:6081", site))
        done = subprocess.run(crawl.replace("127.0.0.1:6080", service), capture_output=True, check=False, **options)
        sites.terminate()
        seen = sites.communicate()[0]
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "items.json").read_text()) == [{"welcome": "Ada"}]
    assert "Jobs: 1 for 0.00055 USD." in seen


@pytest.fixture
def project(tmp_path):
    """Return a copy of the example project, with the fixtures."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "example_project", project)
    (project / "conftest.py").write_text(code(page("recipes/offline"), "conftest"))
    # One request a second is for real sites.
    with (project / "shop/settings.py").open("a") as settings:
        settings.write("DOWNLOAD_DELAY = 0.01\n")
    return project


def run(project, name):
    """Run the tests of a code block of the page in the project."""
    # "scrapy" is where this Python is, whatever the PATH says.
    test = code(page("recipes/offline"), name).replace('["scrapy",', '[__import__("sys").executable, "-m", "scrapy",')
    (project / "test_recipe.py").write_text(test)
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_tests_of_the_page_pass_in_the_example_project(project):
    assert "3 passed" in run(project, "test-shop")


def test_the_test_of_a_rendered_page_passes_in_the_example_project(project, chromium):
    (project / "shop/spiders/contact.py").write_text(code(page("recipes/offline"), "contact-spider"))
    assert "1 passed" in run(project, "test-contact")
