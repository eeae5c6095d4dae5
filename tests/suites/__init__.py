"""Test suites that other people wrote, run with the add-on on and their mock server behind a wall."""
