# Every command a user or contributor needs. The virtual environment is made on the first call.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test lint types imports docs check bundled benchmarks evidence clean
# Real encoders and data beside the checkout, which the repository does not hold.
SHARED ?= ../shared

demo: $(VENV)/light  ## install without torch, rank the bundled encoders on real digits
	$(BIN)/hubscout demo

test: $(VENV)/dev  ## install the development set, run all tests
	$(BIN)/pytest --numprocesses 2

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev
	$(BIN)/mypy

imports: $(VENV)/dev
	$(BIN)/lint-imports

docs: $(VENV)/dev
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build/html

check: lint types imports docs test  ## everything that must pass before a change lands

bundled: $(VENV)/dev  ## train the bundled encoders again and measure their truth
	$(BIN)/python tools/train_bundled.py
	$(BIN)/python tools/measure_bundled_truth.py

benchmarks: $(VENV)/dev  ## print the speed and memory ratios
	$(BIN)/python benchmarks/scores.py
	$(BIN)/python benchmarks/catalogue.py
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/mapped_memory.py
	$(BIN)/python benchmarks/extraction.py
	$(BIN)/python benchmarks/readouts.py

evidence: $(VENV)/dev  ## hold every score against accuracies that were measured, and write docs/evidence.md
	PYTHONPATH=tests/compat $(BIN)/hubscout bench hub $(SHARED)/hub --audio $(SHARED)/benchmarks \
		--truth benchmarks/ground_truth/sign_digits.csv --out build/evidence --write docs/evidence.md

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/light: pyproject.toml constraints.txt | $(BIN)/python
	test -e $(VENV)/dev || $(PIP) --editable ".[report]"
	touch $@

$(VENV)/dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
