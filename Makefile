# Python 3.11 or 3.12: the first of these that is there, or PYTHON=/path/to/python make ...
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2])' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
SAMPLE := sample_inputs/scene-5029.png
QUESTION := what color is the circle?

.DEFAULT_GOAL := help
.PHONY: help setup demo page tour test test-all check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/installed ## set everything up in .venv

.venv/installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "mmx needs Python 3.11 or newer: PYTHON=/path/to/python make ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@

demo: setup ## explain a sample picture, and say where the result is
	$(BIN)/mmx explain $(SAMPLE) --question "$(QUESTION)" --out mmx-out

page: setup ## open the demo page on this machine
	$(BIN)/mmx demo

tour: setup ## run the notebook, and store what its cells show
	$(BIN)/python tests/tour.py

test: setup ## run the tests
	$(BIN)/python -m pytest

test-all: setup ## run the slow tests as well
	$(BIN)/python -m pytest --runslow

check: setup ## look for mistakes without running anything
	$(BIN)/ruff check mmx tests

clean: ## remove what the other targets made
	rm -rf .venv mmx-out .pytest_cache .ruff_cache build *.egg-info
