# All set-up is done here: what is needed is Python 3.10 or later, with venv, and make.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check clean

demo: .venv/test   ## crawl the example project's catalogue, offline, and say what happened
	$(BIN)/python example_project/demo.py $(ARGS)

test: .venv/test   ## pass the tests; ARGS="-k settings" and the like go to pytest
	$(BIN)/python -m pytest $(ARGS)

check: .venv/dev   ## what CI runs: lint, types, tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest $(ARGS)

clean:
	rm -rf .venv

.venv/test: setup.cfg pyproject.toml
	@echo "Setting up .venv; this takes a minute."
	@$(PYTHON) -m venv .venv
	@$(PIP) --editable '.[test]'
	@touch $@

.venv/dev: .venv/test
	@$(PIP) --editable '.[test,dev]'
	@touch $@
