"""The order of the package's folders, which its imports keep and the documentation tells."""

from __future__ import annotations

ORDER = """
    __init__ commands
    addon
    middleware
    walls
    reporting
    buying
    engine
    detection browser
    forms
    settings
    errors signals testing urls
    challenge
"""
"""The folders and single modules of the package, from the top: each may import those on the lines below its own."""
