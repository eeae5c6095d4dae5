# All set-up is done here: what is needed is Python 3.10 or later, with venv, and make.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check chaos kills clean

demo: .venv/test   ## crawl the example project's catalogue, offline, and say what happened
	$(BIN)/python example_project/demo.py $(ARGS)

test: .venv/test   ## pass the tests; ARGS="-k settings" and the like go to pytest
	$(BIN)/python -m pytest $(ARGS)

check: .venv/dev   ## what CI runs: lint, types, tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest $(ARGS)

chaos: .venv/test   ## five minutes of crawls in which everything goes wrong; ARGS="--seed 7 --requests 20000"
	$(BIN)/python -m tests.chaos $(ARGS)

kills: .venv/test   ## five minutes of crawls that are ended and killed in the middle; ARGS="--seed 7 --crawls 20"
	$(BIN)/python -m tests.chaos.kills $(ARGS)

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
