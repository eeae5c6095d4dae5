"""Sphinx configuration: ``make docs`` builds the pages, with warnings as errors."""

from importlib.metadata import version as version_of

project = "scrapy-omocaptcha"
author = "scrapy-omocaptcha contributors"
release = version = version_of("scrapy-omocaptcha")

extensions = ["sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
default_role = "literal"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = "scrapy-omocaptcha"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
