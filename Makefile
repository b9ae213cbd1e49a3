# Python 3.11 or 3.12: the first of these that is there, or PYTHON=/path/to/python make ...
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2])' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# What says most in half a minute: rules, LRP, capture, every method and family, one golden case or two of each family,
# results, what imports what, and the command's errors.
QUICK := tests/engine tests/methods tests/families tests/datasets tests/test_parity.py tests/test_masks.py \
	tests/test_metrics.py tests/test_layers.py $(wildcard tests/test_results.py) tests/cli/test_errors.py \
	tests/cli/test_check_logits.py tests/cli/test_models.py
PARITY := tests/test_parity.py::test
NOT_QUICK := '$(PARITY)_what_the_reference_returned_is_what_mmx_returns[shared' \
	$(PARITY)_no_method $(PARITY)_a_case_of_the_copy tests/families/test_timm_backbone.py
SAMPLE := sample_inputs/scene-5029.png
QUESTION := what color is the circle?

.DEFAULT_GOAL := help
.PHONY: help setup demo page tour table quick test test-all gpu check clean

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

table: setup ## write anew what README and docs say of families and methods
	PYTHONPATH=. $(BIN)/python tests/family_table.py
	PYTHONPATH=. $(BIN)/python tests/method_table.py

quick: setup ## run the tests that say most in a minute
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(QUICK) $(addprefix --deselect=,$(NOT_QUICK))

test: setup ## run the tests, on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-all: setup ## run the slow tests as well
	$(BIN)/python -m pytest --runslow

gpu: ## on a GPU: its tests, times and memory, with PYTHON (python3), into which nothing is installed
	@PYTHONPATH=$(CURDIR) $(if $(filter file,$(origin PYTHON)),python3,$(PYTHON)) -m mmx.bench gpu

check: setup ## look for mistakes without running anything
	$(BIN)/ruff check mmx tests
	$(BIN)/basedpyright

clean: ## remove what the other targets made
	rm -rf .venv mmx-out .pytest_cache .ruff_cache build *.egg-info
