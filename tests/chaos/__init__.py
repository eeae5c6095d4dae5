"""Crawls in which everything goes wrong at random, and the books that must balance all the same.

``plan`` says what happens, ``spider`` asks for it, ``books`` judges what came of it. ``python -m tests.chaos`` is the
long form, ``tests/process/test_chaos.py`` the short one.
"""
