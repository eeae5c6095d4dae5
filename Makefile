# All set-up is done here: what is needed is Python 3.10 or later, with venv, and make.

PYTHON ?= python3
BIN := .venv/bin
EXAMPLES ?= 5000
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check minimum-versions foreign-clients chaos kills fuzz docs clean

demo: .venv/test   ## crawl the example project's catalogue, offline, and say what happened
	$(BIN)/python example_project/demo.py $(ARGS)

test: .venv/test   ## pass the tests; ARGS="-k settings" and the like go to pytest
	$(BIN)/python -m pytest $(ARGS)

fuzz: .venv/test   ## try many new inputs on all that reads what others have written; EXAMPLES=5000 for each property
	OMOCAPTCHA_FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -k "not bounded_time" $(ARGS) \
	  tests/test_fuzz.py tests/test_detection_hostile.py

check: .venv/dev   ## what CI runs: lint, types, tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest $(ARGS)

# They pin what we use too, so they live apart.
foreign-clients: .venv-foreign/installed   ## clients that other people wrote solve jobs at our offline service
	.venv-foreign/bin/python -m pytest tests/test_foreign_clients.py $(ARGS)

minimum-versions: .venv-minimum/test   ## pass the tests with the oldest versions that setup.cfg allows
	.venv-minimum/bin/python -m pytest $(ARGS)

chaos: .venv/test   ## five minutes of crawls in which everything goes wrong; ARGS="--seed 7 --requests 20000"
	$(BIN)/python -m tests.chaos $(ARGS)

kills: .venv/test   ## five minutes of crawls that are ended and killed in the middle; ARGS="--seed 7 --crawls 20"
	$(BIN)/python -m tests.chaos.kills $(ARGS)

docs: .venv/docs   ## build the pages of docs/ into build/docs, a warning being an error
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/docs

clean:
	rm -rf .venv .venv-foreign .venv-minimum

.venv/test: setup.cfg pyproject.toml
	@echo "Setting up .venv; this takes a minute."
	@$(PYTHON) -m venv .venv
	@$(PIP) --editable '.[test]'
	@touch $@

.venv-foreign/installed: setup.cfg pyproject.toml
	@$(PYTHON) -m venv .venv-foreign
	@.venv-foreign/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test,foreign-clients]'
	@touch $@

.venv/docs: .venv/test
	@$(PIP) --editable '.[docs]'
	@touch $@

.venv/dev: .venv/test
	@$(PIP) --editable '.[test,dev]'
	@touch $@

# Scrapy 2.18 crawls without a Twisted reactor with httpx, which it does not bring.
.venv-minimum/test: setup.cfg pyproject.toml .ci/minimum-versions.txt
	@echo "Setting up .venv-minimum; this takes a minute."
	@$(PYTHON) -m venv .venv-minimum
	@.venv-minimum/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint .ci/minimum-versions.txt --editable '.[test]' 'scrapy[httpx]'
	@touch $@
