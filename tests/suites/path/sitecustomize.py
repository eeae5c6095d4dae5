"""Switch the add-on on in every process of a suite, and put a wall in front of its mock servers.

Python imports this module when it starts, since the runner adds its folder to the paths of the virtual environment, so
neither the tests nor the processes that they start need to know of it. The variable SUITE_SETTINGS says as JSON what
is done: ``settings`` are added to Scrapy's default settings, and ``wall`` has the arguments of ``walled_site``.
"""

import importlib.abc
import importlib.machinery
import json
import os
import sys

SUITE = json.loads(os.environ.get("SUITE_SETTINGS", "{}"))


def add_settings(module):
    for name, value in SUITE["settings"].items():
        if isinstance(value, dict):
            value = {**getattr(module, name), **value}
        setattr(module, name, value)


def add_wall(module):
    from mockwall import walled_site

    module.Site = walled_site(module.Site, **SUITE["wall"])


class PatchFinder(importlib.abc.MetaPathFinder):
    """Finds the modules that are to be patched once they have been executed."""

    def __init__(self, patches):
        self._patches = patches

    def find_spec(self, name, path, target=None):
        patch = self._patches.get(name)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if patch else None
        if spec is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            patch(module)

        spec.loader.exec_module = exec_module
        return spec


patches = {}
if SUITE.get("settings"):
    patches["scrapy.settings.default_settings"] = add_settings
if SUITE.get("wall") and any(argument.endswith("tests.mockserver.http") for argument in sys.orig_argv):
    patches["twisted.web.server"] = add_wall
sys.meta_path.insert(0, PatchFinder(patches))
