"""Crawls in which everything goes wrong at random, and checks that nothing is lost, repeated or overrun all the same.

``plan`` decides what happens, ``spider`` sends the requests, ``books`` checks the outcome. ``python -m tests.chaos`` is
the long form, ``tests/process/test_chaos.py`` the short one.
"""
