# Two targets set everything up from a fresh clone: `make quickstart` and `make test`.

PYTHON ?= python3
BIN := .venv/bin
PLUGINS := $(patsubst %/pyproject.toml,%,$(sort $(wildcard plugins/*/pyproject.toml)))

.PHONY: help quickstart test check format reference docs clean

help: ## List the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/'

.venv/ready: pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv .venv
	PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --quiet torch==2.13.0
	PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --quiet -e '.[dev]' $(PLUGINS:%=-e %)
	@touch .venv/ready

quickstart: .venv/ready ## Install, then train the whole system on made-up data: about three minutes
	SRL_DISABLE_PLUGINS=mlflow $(BIN)/srl run recipes/quickstart.toml

test: .venv/ready check ## Install, then lint, types, layers and the whole suite
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto

check: .venv/ready ## Lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache > .venv/layers.txt || { cat .venv/layers.txt; exit 1; }

format: .venv/ready ## Format and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

reference: .venv/ready ## Write the generated pages of docs/: command line, components, recipes
	PYTHONPATH=docs $(BIN)/python -m reference

.venv/docs: .venv/ready
	PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --quiet -e '.[docs]'
	@touch .venv/docs

docs: .venv/docs ## Build the site of docs/ into site/; a link that leads nowhere is an error
	$(BIN)/zensical build --clean --strict

clean: ## Remove the environment and caches
	rm -rf .venv site .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
