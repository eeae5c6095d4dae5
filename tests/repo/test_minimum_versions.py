"""The versions that "make minimum-versions" tests are the oldest that setup.cfg allows."""

from configparser import ConfigParser

from packaging.requirements import Requirement

from tests.helpers.commands import ROOT


def requirements(text):
    return [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]


def bounds(found, operator):
    """The version of each requirement, which has that bound and no other."""
    for requirement in found:
        assert [bound.operator for bound in requirement.specifier] == [operator], requirement
    return {requirement.name: next(iter(requirement.specifier)).version for requirement in found}


def test_the_constraints_are_the_lower_bounds_of_setup_cfg():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    ours = f"{setup['metadata']['name']}[playwright,redis,scrapyd]"  # extras within an extra
    tests = extras["test"].replace(ours, "")
    declared = [setup["options"]["install_requires"], tests]
    declared += [extras[name] for name in ("playwright", "redis", "scrapyd")]
    pinned = (ROOT / ".ci" / "minimum-versions.txt").read_text()
    assert bounds(requirements(pinned), "==") == bounds(requirements("\n".join(declared)), ">=")
