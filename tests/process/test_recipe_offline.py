"""docs/recipes/offline: the tests that the page shows pass in the example project."""

from __future__ import annotations

import shutil

from tests.helpers.commands import ROOT, python
from tests.helpers.docs import code, page


def test_the_tests_of_the_page_pass_in_the_example_project(tmp_path):
    project = tmp_path / "project"
    shutil.copytree(ROOT / "example_project", project)
    offline = page("recipes/offline")
    (project / "conftest.py").write_text(code(offline, "conftest"))
    # "scrapy" is where this Python is, whatever the PATH says.
    test = code(offline, "test-shop").replace('["scrapy",', '[__import__("sys").executable, "-m", "scrapy",')
    (project / "test_shop.py").write_text(test)
    # One request a second is for real sites.
    with (project / "shop/settings.py").open("a") as settings:
        settings.write("DOWNLOAD_DELAY = 0.01\n")
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
