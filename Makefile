# Everything here works from a fresh clone: the first call makes .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint types bench docs clean

run: .venv/ready
	$(BIN)/concord run

test: .venv/ready
	$(BIN)/python -m pytest

lint: .venv/ready
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/python -m benchmarks.bench

docs: .venv/ready
	$(BIN)/python -c "from router.config_directory import reference_page as page; print(page(), end='')" > docs/configuration.md

clean:
	rm -rf .venv build *.egg-info benchmarks/build router/web/static console/node_modules

.venv/ready: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
