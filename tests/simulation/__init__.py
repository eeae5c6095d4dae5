"""Whole crawls in virtual time, each of which can be repeated by its seed.

``clock`` is the event loop whose time jumps, ``network`` carries requests to servers in the same process, and
``simulation`` puts the two together; tests of whole crawls use it as well.
"""
