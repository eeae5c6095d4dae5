"""docs/recipes/offline: the tests that the page shows pass in the example project."""

from __future__ import annotations

import shutil

import pytest

from tests.helpers.commands import ROOT, python
from tests.helpers.docs import code, page


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
