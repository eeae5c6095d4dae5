"""Whole crawls in virtual time, each of which can be repeated by its seed.

``clock`` is the event loop whose time jumps, ``network`` carries requests to servers in the same process, and
``simulation`` puts the two together; the tests of ``tests/crawl`` use it as well. ``plan`` draws a crawl from a seed,
``world`` builds its sites and the service, ``spider`` crawls, ``crawl`` runs and resumes it, ``oracle`` judges it, with
``sessions`` for what each site saw and ``orders`` for what it has executed.
``python -m tests.simulation`` is the command, ``test_seeds`` its short form.
"""
