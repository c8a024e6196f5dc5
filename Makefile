# Both commands of the README: each makes the environment it needs, then does its job.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: compare test test-slow check api docs docs-pictures build smoke lowest clean

# The main job on embedded real data: 3,400 patches of lymph nodes.
compare: $(VENV)/.run
	$(BIN)/scaat compare --config examples/tissue.yaml --out runs/tissue

# One thread per process, since two processes with more threads slow each other down. Neighbouring
# tests share a process and its fixtures until the other process has nothing left to do.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal

test: $(VENV)/.dev
	$(PYTEST)

# The tests marked slow: trainings, many processes, the documentation's code, a browser.
test-slow: $(VENV)/.dev
	$(PYTEST) -m slow

# Lint, types and prose.
check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/python scripts/check_prose.py

# Breaking changes of the public names since the last tag, or since main where there is none.
api: $(VENV)/.dev
	$(BIN)/griffe check scaat --search src --extensions scripts/public_names.py \
		--against "$$(git describe --tags --abbrev=0 2>/dev/null || echo main)"

# The documentation as a site: opens from site/index.html, without a network.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Makes the pictures and printed tables of the documentation anew, by its own commands; minutes.
docs-pictures: $(VENV)/.dev
	$(BIN)/python docs/scripts/refresh.py docs/tutorial/index.md docs/notebooks/quickstart.ipynb
	$(BIN)/python docs/scripts/method_pictures.py

# Source archive and wheel in dist, with their contents checked.
build: $(VENV)-build
	rm -rf dist
	$(VENV)-build/bin/python -m build --outdir dist
	$(VENV)-build/bin/python scripts/check_distribution.py dist

# The wheel in a fresh environment: first with the core's dependencies alone, then with the extra.
smoke: build
	$(PYTHON) -m venv --clear $(VENV)-smoke
	$(VENV)-smoke/bin/python -m pip install --quiet dist/*.whl
	$(VENV)-smoke/bin/python scripts/smoke.py
	$(VENV)-smoke/bin/python -m pip install --quiet "$$(echo dist/*.whl)[run]"
	$(VENV)-smoke/bin/python scripts/smoke.py --extra run

# With the lowest versions that pyproject.toml allows, on the lowest Python.
lowest:
	$(PYTHON) -m venv --clear $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --constraint constraints/lowest.txt \
		--editable '.[run,hub]' hypothesis pytest pytest-xdist
	OMP_NUM_THREADS=1 $(VENV)-lowest/bin/python -m pytest -m "" --numprocesses 2 $(LOWEST)

LOWEST := $(addprefix tests/,attribution cli conformance data evaluation explain functional metrics \
	models objectives report statistics training)

$(VENV)-build:
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet build

$(VENV)/.run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[run]'
	touch $@

$(VENV)/.dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) $(VENV)-* build dist site .mypy_cache .pytest_cache .ruff_cache
