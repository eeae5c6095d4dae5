# Everything is set up here; only Python 3.10 or later with venv, and make, are needed.

PYTHON ?= python3
VENV ?= .venv
EXAMPLES ?= 5000
BIN := $(VENV)/bin
INSTALL := python -m pip install --quiet --disable-pip-version-check
# The tests wait for sockets and processes about as often as they compute, so more workers than cores are faster. Many
# more are not: tests that measure time fail then.
WORKERS ?= 4
# The last version of each minor one that is supported, and what is run with each; PART= for the whole suite.
SCRAPYS ?= 2.14.2 2.15.2 2.16.0 2.17.0 2.18.0 2.19.0
PART ?= tests/unit tests/process/test_example_project.py tests/process/test_other_scrapy.py tests/fleet/test_crawls.py \
	tests/fleet/test_workers.py $(patsubst %,tests/crawl/test_%.py,walls forms closing crawl_fixture)
SUITE := -m "not nightly" --numprocesses $(WORKERS) --dist worksteal
# Without bytecode files each worker, and each of the processes that the tests start, would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo demo-form demo-browser demo-fleet demo-scrapyd test lint types check coverage docs links package fuzz \
	simulation sockets fleet matrix mutants nightly minimum-versions newest-versions scrapy-versions scrapy-main foreign-clients scrapy-suite bench hooks clean

help:   ## list the targets
	@sed -n 's/^\([a-z-]*\):.*   ## /\1 /p' Makefile | while read -r name text; do printf '%-18s%s\n' "$$name" "$$text"; done

demo: $(VENV)/package   ## crawl the example project's catalogue, offline, and print what happened
	$(BIN)/python example_project/demo.py $(ARGS)

demo-form: $(VENV)/package   ## search a register whose form wants a token each time, and rejects every fifth, offline
	$(BIN)/python example_project/search.py $(ARGS)

demo-browser: $(VENV)/playwright   ## crawl pages that a browser renders, whose wall only a script can open; needs chromium
	$(BIN)/python example_project/browser.py $(ARGS)

demo-fleet: $(VENV)/test   ## crawl two shops with four workers that share a queue and a limit; needs redis-server
	$(BIN)/python example_project/fleet.py $(ARGS)

demo-scrapyd: $(VENV)/scrapyd   ## deploy the example project to a Scrapyd, and run a spider there, offline
	$(BIN)/python example_project/deploy.py $(ARGS)

test: $(VENV)/test   ## run the tests but the nightly ones; ARGS="-k settings" and the like are passed to pytest
	$(BIN)/python -m pytest $(SUITE) $(ARGS)

lint: $(VENV)/dev   ## run ruff and codespell
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell

types: $(VENV)/dev   ## run mypy, strict
	$(BIN)/mypy

check: lint types test   ## run lint, types and test: what CI runs

coverage: $(VENV)/dev   ## run the tests, report what they miss, and fail below the minimum in pyproject.toml
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(SUITE) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

docs: $(VENV)/docs   ## build the documentation in docs/_build; a warning is an error
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build
	@echo "The pages are in docs/_build/index.html."

links: $(VENV)/docs   ## check that the addresses on the web exist to which the documentation links
	$(BIN)/sphinx-build --quiet --fail-on-warning -b linkcheck docs docs/_build/links

package: $(VENV)/dev   ## build wheel and source distribution in dist/, and run the tests with the wheel
	rm -rf build dist .venv-package
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m pytest -m nightly tests/repo/test_package.py
	$(PYTHON) -m venv .venv-package
	.venv-package/bin/$(INSTALL) "$$(echo dist/*.whl)[test]"
	mkdir -p build/away && tar -xzf dist/*.tar.gz -C build/away --strip-components=1
	rm -r build/away/scrapy_omocaptcha
	cd build/away && ../../.venv-package/bin/python -m pytest $(SUITE) $(ARGS)

fuzz: $(VENV)/test   ## try many new inputs on what reads data of others; EXAMPLES=5000 for each test
	FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest $(ARGS) \
	  tests/unit/test_fuzz.py tests/unit/detection/test_hostile_pages.py

fleet: $(VENV)/test   ## run all tests of fleets, with real workers and a real Redis, also the nightly ones
	$(BIN)/python -m pytest --numprocesses $(WORKERS) tests/fleet $(ARGS)

simulation: $(VENV)/test   ## simulate whole crawls in virtual time; ARGS="--seeds 1:2000", or "--seed 7" for one as a story
	$(BIN)/python -m tests.simulation $(ARGS)

sockets: $(VENV)/test   ## crawl the walls that redirect over real sockets
	$(BIN)/python -m pytest --sockets --numprocesses $(WORKERS) tests/crawl/test_shapes_of_redirects.py $(ARGS)

matrix: $(VENV)/test   ## crawl with each feature of Scrapy behind each wall, and compare with the same without a wall
	$(BIN)/python -m pytest --numprocesses $(WORKERS) tests/crawl/test_transparency.py $(ARGS)

mutants: $(VENV)/mutants   ## list changes to a folder of the package that no test notices; ARGS="walls --most 20"
	$(BIN)/python -m tests.mutants $(ARGS)

nightly: $(VENV)/test   ## run the tests too slow for every change, 10,000 new seeds, sockets, fuzz
	$(BIN)/python -m tests.simulation --new 10000
	$(MAKE) sockets fuzz
	$(BIN)/python -m pytest -m nightly

minimum-versions:   ## run the tests with the oldest versions that setup.cfg allows
	$(MAKE) test VENV=.venv-minimum EXTRA="--constraint .ci/minimum-versions.txt"

newest-versions:   ## run the tests with the newest versions of everything, installed anew
	rm -rf .venv-newest
	$(MAKE) test VENV=.venv-newest

# Without a Twisted reactor, Scrapy downloads with httpx up to 2.18; only 2.18 has an extra for it.
scrapy-versions:   ## crawl the demos, walls, forms, queues and fleets, and run the units, with each version of Scrapy
	@for scrapy in $(SCRAPYS); do \
	  echo "Scrapy $$scrapy"; \
	  $(MAKE) test VENV=.venv-scrapy-$$scrapy EXTRA="scrapy[httpx]==$$scrapy httpx" ARGS='$(PART) $(ARGS)' || failed="$$failed $$scrapy"; \
	done; \
	test -z "$$failed" || { echo "It failed with Scrapy$$failed."; exit 1; }

scrapy-main:   ## run the tests with what will be the next version of Scrapy, installed anew
	rm -rf .venv-scrapy-main
	$(MAKE) test VENV=.venv-scrapy-main EXTRA="scrapy[httpx]@git+https://github.com/scrapy/scrapy"

foreign-clients: .venv-foreign/foreign-clients   ## run clients that other people wrote against the offline service
	.venv-foreign/bin/python -m pytest tests/service/test_foreign_clients.py $(ARGS)

scrapy-suite: .venv-suites/others   ## Scrapy's own tests, with the add-on and behind walls; ARGS="test_crawl --ways session"
	.venv-suites/bin/python -m tests.suites $(ARGS)

bench: .venv-bench/others   ## the same work side by side with what others use; ARGS="walls" for a part of it
	.venv-bench/bin/python -m benchmarks $(ARGS) --json docs/benchmarks.json

hooks: $(VENV)/dev   ## make git run the quick checks before each commit
	$(BIN)/pre-commit install

clean:   ## remove everything that these have made
	rm -rf .venv* .tox build dist docs/_build *.egg-info .coverage* .*_cache .hypothesis .scrapy

# A file marks each extra of setup.cfg that is installed. Demos need the package alone, or one of its extras.
$(VENV)/package $(VENV)/playwright $(VENV)/scrapyd: setup.cfg pyproject.toml
	@echo "Making an environment in $(@D)."
	@$(PYTHON) -m venv $(@D)
	@echo "Installing the package $(if $(filter package,$(@F)),and Scrapy,and what $(@F) needs) there."
	@$(@D)/bin/$(INSTALL) --editable '.$(if $(filter package,$(@F)),,[$(@F)])'
	@touch $@

# The foreign clients pin packages that we use too, so they have an environment of their own.
$(VENV)/test $(VENV)/dev $(VENV)/docs $(VENV)/mutants .venv-foreign/foreign-clients: setup.cfg pyproject.toml .ci/minimum-versions.txt
	@echo "Setting up $(@D) for $(@F); this takes a minute."
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/$(INSTALL) --editable '.[test,$(@F)]' $(EXTRA)
	@touch $@

# What is measured beside this project. The npm package and the pages of formasaurus are left out if npm or pip fails.
.venv-bench/others: setup.cfg pyproject.toml benchmarks/peers.txt
	$(MAKE) .venv-bench/test VENV=.venv-bench EXTRA="--requirement benchmarks/peers.txt"
	.venv-bench/bin/$(INSTALL) --no-deps capmonstercloudclient==4.3.1
	npm install --silent --no-save --prefix .venv-bench is-antibot@2.5.15 || true
	.venv-bench/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
	  --dest .venv-bench/formasaurus formasaurus==0.10.0 && \
	  tar -xzf .venv-bench/formasaurus/*.tar.gz -C .venv-bench/formasaurus --strip-components 1 || true
	@touch $@

.venv-suites/others: setup.cfg pyproject.toml tests/suites/requirements.txt
	$(MAKE) .venv-suites/test VENV=.venv-suites EXTRA="--requirement tests/suites/requirements.txt"
	@touch $@
