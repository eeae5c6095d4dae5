"""The links of the documentation lead somewhere. ``make links`` asks the web for those that leave the repository."""

import importlib
import re
from urllib.parse import urlsplit

import pytest
from docutils import nodes

from tests.helpers.docs import DOCS, ROOT, filled_in, page, pages, settings_told

PAGES = [*sorted(ROOT.glob("*.rst")), *pages()]
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


def targets(path, role):
    """Return what the links of a role lead to, such as ``/recipes/form`` of ``:doc:``."""
    return [node["target"].removeprefix("~") for node in page(path).findall(nodes.literal) if role in node["classes"]]


def addresses(path):
    return [node["refuri"] for node in page(path).findall(nodes.reference) if "refuri" in node]


def exists(name):
    """Tell whether a dotted name is that of something in the package."""
    parts = name.split(".")
    found = importlib.import_module(parts.pop(0))
    for part in parts:
        # An attribute of a dataclass has no value in its class.
        if part in getattr(found, "__annotations__", {}):
            return part == parts[-1]
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


@each_page
def test_a_link_to_another_page_or_file_leads_to_one(path):
    for target in targets(path, "doc"):
        folder = DOCS if target.startswith("/") else path.parent
        assert (folder / f"{target.lstrip('/')}.rst").is_file(), target
    files = [image["uri"] for image in page(path).findall(nodes.image)] + [*filled_in(page(path), "literalinclude")]
    files += [address for address in addresses(path) if not urlsplit(address).scheme]
    # This page includes CHANGES.rst.
    folder = ROOT if path == DOCS / "changes.rst" else path.parent
    for file in files:
        name, _, anchor = file.partition("#")
        assert (folder / name).is_file(), file
        assert not anchor or anchor in page((folder / name).resolve()).ids, file


@each_page
def test_a_link_to_a_place_setting_or_name_leads_to_one(path):
    places = {label for each in pages() for label in page(each).nameids}
    assert set(targets(path, "ref")) <= places
    words = {term.astext() for term in page("glossary").findall(nodes.term)}
    assert set(targets(path, "term")) <= words
    assert set(targets(path, "confval")) <= set(settings_told())
    names = [name for role in ("class", "func", "attr", "meth") for name in targets(path, role)]
    assert [name for name in names if not exists(name)] == []


def test_each_promise_of_the_security_page_names_tests_that_exist():
    named = set(re.findall(r"tests/[\w/]+\.py", (ROOT / "SECURITY.rst").read_text(encoding="utf-8")))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
