"""Sphinx configuration: ``make docs`` builds the pages, with warnings as errors."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "scrapy-omocaptcha"
author = "scrapy-omocaptcha contributors"
release = version = version_of("scrapy-omocaptcha")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "command_help",
    "log_messages",
    "module_tables",
    "scrapy_settings",
    "wall_table",
]
# The button copies the commands of a console block, without prompts and output.
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"

exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autodoc_default_options = {"undoc-members": True, "exclude-members": "__init__, __new__"}
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"scrapy-omocaptcha {release}"
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_js_files = ["tables.js"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
