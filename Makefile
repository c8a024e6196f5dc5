# Both commands of the README: each makes the environment it needs, then does its job.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: compare test check docs docs-pictures clean

# The main job on embedded real data: 1,797 handwritten digits.
compare: $(VENV)/.run
	$(BIN)/scaat compare --config examples/digits.yaml --out runs/digits

# One thread a process: with more, the two would wait for each other's.
test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2

# What continuous integration runs after the tests.
check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy

# The documentation as a site: opens from site/index.html, without a network.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Makes the pictures and printed tables of the documentation anew, by its own commands; minutes.
docs-pictures: $(VENV)/.dev
	$(BIN)/python docs/scripts/refresh.py docs/tutorial/index.md docs/notebooks/quickstart.ipynb
	$(BIN)/python docs/scripts/method_pictures.py

$(VENV)/.run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[run]'
	touch $@

$(VENV)/.dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) build dist site .mypy_cache .pytest_cache .ruff_cache
